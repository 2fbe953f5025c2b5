"""How much of what a server allows is used, and how often it has to refuse."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider.mixpeek.client import MixpeekClient
from benchmarks.measuring import ROOT, Line, bare_server, in_a_process, server
from tests.contract.conftest import sdk_python

#: The vendor's Pro plan.
RATE, BURST, IN_FLIGHT = 100, 200, 50
_PLAN = [
    *("--rate-limit", str(RATE), "--burst", str(BURST)),
    *("--in-flight", str(IN_FLIGHT), "--latency", "0.05"),
]
_CREATES = ("/objects/batch", "/objects", "/objects/create")


@dataclass(frozen=True, slots=True)
class Result:
    """For the plot: by name, the share of what is allowed."""

    lines: list[Line]
    shares: dict[str, float]


def _counts(url: str) -> dict[int, int]:
    with urllib.request.urlopen(f"{url}/_emulator/state") as answer:
        state = json.load(answer)
    counts: dict[int, int] = {}
    for one in state["requests"]:
        if one["method"] == "POST" and one["path"].endswith(_CREATES):
            counts[one["status"]] = counts.get(one["status"], 0) + one["count"]
    return counts


def _emulator(*flags: str) -> Any:
    return server("-m", "airflow_provider.mixpeek.emulator", "--port", "0", "--task-seconds", "0", *flags)


def _limited(generation: str, requests: int, rows_of_a_request: int) -> tuple[float, float]:
    """Load under the plan's limits; return the share of what it allows that was used, and of refusals."""
    with _emulator("--generation", generation, *_PLAN) as url:
        size = 64 + rows_of_a_request * 170
        took = in_a_process(
            Path(__file__).with_name("load.py"),
            *(url, generation, "films", str(requests * rows_of_a_request), str(size), str(IN_FLIGHT)),
        )
        counts = _counts(url)
    done = sum(count for status, count in counts.items() if status < 300)
    refused = counts.get(429, 0)
    return done / (BURST + RATE * took["seconds"]), refused / (done + refused)


def _unlimited(bucket: str, requests: int, rows_of_a_request: int, in_flight: int, latency: float) -> float:
    """Load with nothing but latency; return the share of what that allows."""
    with bare_server(latency) as port:
        took = in_a_process(
            Path(__file__).with_name("load.py"),
            *(f"http://127.0.0.1:{port}", "current", bucket, str(requests * rows_of_a_request)),
            *(str(64 + rows_of_a_request * 170), str(in_flight)),
        )
    return requests / took["seconds"] / (in_flight / latency)


def _sdk(seconds: float) -> float:
    with _emulator(*_PLAN) as url:
        with MixpeekClient("sk_bench", namespace="bench", base_url=url) as mixpeek:
            bucket = mixpeek.buckets.create("films", schema={"title": "text"}).bucket_id
        ran = in_a_process(
            Path(__file__).with_name("sdk_loop.py"),
            *(url, bucket, str(seconds)),
            python=str(sdk_python(ROOT / "tests" / "contract" / "sdk-current.txt")),
        )
    return ran["sent"] / (BURST + RATE * ran["seconds"])


def measure(requests: int = 1_700) -> Result:
    """Measure under the plan's limits and without any, many objects a request and one."""
    lines, shares = [], {}
    for name, generation, rows in (
        ("ten objects a request", "current", 10),
        ("one object a request (legacy)", "legacy", 1),
    ):
        share, refused = _limited(generation, requests, rows)
        shares[f"ours, {name}"] = share
        lines += [
            Line(
                f"100 requests/s, burst 200, 50 ms: {name}",
                f"{share:.1%} of what is allowed",
                "97 %",
                share >= 0.97,
            ),
            Line(f"the same: answered 429, {name}", f"{refused:.2%}", "1 %", refused <= 0.01),
        ]
    sdk = _sdk(10)
    shares["the vendor SDK in a loop"] = sdk
    lines.append(
        Line(
            "the same: the vendor SDK's client in a loop, one object a request",
            f"{sdk:.1%} of what is allowed",
        )
    )
    for name, bucket, rows in (
        ("ten objects a request", "bkt_bare", 10),
        ("one object a request (unique key)", "bkt_unique", 1),
    ):
        share = _unlimited(bucket, 1_600, rows, 4, 0.02)
        shares[f"no limit, 4 in flight: {name}"] = share
        lines.append(
            Line(
                f"no limit, 20 ms, 4 in flight: {name}",
                f"{share:.1%} of in flight / latency",
                "90 %",
                share >= 0.9,
            )
        )
    return Result(lines, shares)
