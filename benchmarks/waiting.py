"""What it costs to wait for thousands: in triggers of a thousand, and in one trigger for each."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from benchmarks.measuring import Line, growth, in_a_process, server

SECONDS = 20.0


def measure(ids: int = 10_000, few: int = 1_000) -> list[Line]:
    """Measure memory, CPU and requests of waits that go on."""
    lines = []
    found = {}
    for name, count, of_one in (
        (f"{ids:,} ids in triggers of 1,000", ids, 1_000),
        (f"{few:,} ids in one trigger", few, 1_000),
        (f"{few:,} ids in a trigger each", few, 1),
    ):
        with server("-m", "benchmarks.running_tasks") as url:
            ran = in_a_process(
                Path(__file__).with_name("triggers.py"), url, str(count), str(of_one), str(SECONDS)
            )
            with urllib.request.urlopen(f"{url}/count") as answer:
                looks = json.load(answer)["count"]
        found[name] = ran | {"looks": looks, "ids": count}
        lines.append(
            Line(
                name,
                f"{ran['memory'] / count / 1024:.1f} KiB an id, "
                f"{ran['cpu'] / looks * 1e6:.0f} µs of CPU a look, "
                f"{looks * 60 / SECONDS:,.0f} looks a minute at first",
            )
        )
    many, one, each = found.values()
    lines.append(
        Line(
            "a trigger each, beside one for all",
            f"{each['memory'] / max(one['memory'], 1):.1f} times the memory, "
            f"{(each['cpu'] / each['looks']) / (one['cpu'] / one['looks']):.1f} times the CPU of a look",
        )
    )
    grown = growth([one["looks"], many["looks"]], [one["cpu"], many["cpu"]])
    lines.append(Line("ten times the ids, CPU of a look", f"{grown:.2f} times", "no growth", grown < 1.3))
    return lines
