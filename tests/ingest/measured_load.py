"""
Ingests into a bare server, in a process of its own, and says how much memory that took.

Arguments: the server's URL; ``position`` and a file, or ``content`` and how many dicts; where the receipt
goes, or nothing. Prints JSON: ``rows``, ``seconds``, ``peak`` and ``before``, the latter two in bytes.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.ingest import ingest

MAPPING: dict[str, Any] = {
    "blobs": {"title": "title"},
    "metadata": ["sku", "price", "stars", "made", "tags"],
}


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # What getrusage says begins, on Linux, with what the parent had.
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main(url: str, mode: str, what: str, receipt: str) -> None:
    def row(number: int) -> dict[str, Any]:
        return {
            "title": f"Film {number}",
            "sku": f"S{number}",
            "price": 1.5,
            "stars": 3,
            "made": "2026",
            "tags": "a",
        }

    # An iterator: the rows themselves must not count.
    rows: Any = Path(what) if mode == "position" else map(row, range(int(what)))
    with MixpeekClient("sk_test", namespace="shop", base_url=url) as mixpeek:
        mixpeek.whoami()
        if mode == "position":
            # What reading Parquet imports is no part of a load.
            importlib.import_module("pyarrow.parquet")
        before, started = peak(), time.monotonic()
        report = ingest(
            mixpeek, "bkt_bare", rows, mapping=MAPPING, scope="load", receipt_to=receipt or None, in_flight=4
        )
    seconds = time.monotonic() - started
    sys.stdout.write(
        json.dumps({"rows": report.created, "seconds": seconds, "peak": peak(), "before": before})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
