"""Runs the benchmarks; prints and writes what came out."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

from benchmarks import airflow_cost, allowed_rate, imports, memory, rows_to_bytes, waiting
from benchmarks.measuring import ROOT, Line

_HEAD = """\
# Performance

Ratios measured side by side in one run, against what one would take instead. `make bench` runs all of it,
prints this and writes this page. Absolute numbers are those of the machine that it ran on; nothing here is a
promise, and no test is timed.
"""
_TOPICS = {
    "Row to bytes": "From a table of 6 columns (strings with gaps, floats with NaN, ints, times, a URL) to "
    "the bodies of requests. `to_json` is `DataFrame.to_json(orient='records')` of the same table, which "
    "makes no objects, no keys and checks nothing. The SDK is given the rows as dicts already.",
    "The allowed rate": "Against the emulator in a process of its own, with the vendor's Pro plan: 100 "
    "requests/s, burst 200, 50 in flight; without a limit, against a server that only waits.",
    "Waiting": "Real triggers in one event loop, against a server on which nothing ever ends.",
    "Imports": "In fresh processes, compiled, warm.",
    "Memory": "A load in a process of its own, against a server that stores nothing. The imports are those "
    "of the client and of pyarrow.",
    "Airflow's own cost": "`dag.test()` with SQLite: a task that makes the rows, and one that loads them.",
}


def main(arguments: Sequence[str]) -> int:
    """Measure all, or the topics that are named; write the page where all were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=", ".join(_TOPICS))
    wanted = parser.parse_args(arguments).topics or list(_TOPICS)
    results: dict[str, rows_to_bytes.Result | allowed_rate.Result] = {}

    def kept(name: str, measure: Callable[[], rows_to_bytes.Result | allowed_rate.Result]) -> list[Line]:
        results[name] = measure()
        return results[name].lines

    measures: dict[str, Callable[[], list[Line]]] = {
        "Row to bytes": lambda: kept("Row to bytes", rows_to_bytes.measure),
        "The allowed rate": lambda: kept("The allowed rate", allowed_rate.measure),
        "Waiting": waiting.measure,
        "Imports": imports.measure,
        "Memory": memory.measure,
        "Airflow's own cost": airflow_cost.measure,
    }
    page = [_HEAD]
    began = time.monotonic()
    for topic in wanted:
        lines = measures[topic]()
        print(f"\n{topic}")
        for line in lines:
            mark = {True: "reached", False: "MISSED", None: ""}[line.reached]
            print(
                f"  {line.what}: {line.value}" + (f"  [target {line.target}: {mark}]" if line.target else "")
            )
        page.append(_section(topic, lines))
    print(f"\n{time.monotonic() - began:.0f} s")
    if set(wanted) == set(_TOPICS):
        from benchmarks import plots

        plots.draw(results["The allowed rate"], results["Row to bytes"], ROOT / "docs" / "images")
        page.append(_plots())
        page.append(_machine(time.monotonic() - began))
        (ROOT / "docs" / "performance.md").write_text("\n".join(page))
    return 0


def _section(topic: str, lines: Sequence[Line]) -> str:
    rows = [
        f"| {line.what} | {line.value} | {line.target} | "
        f"{ {True: 'reached', False: '**missed**', None: ''}[line.reached] } |"
        for line in lines
    ]
    return "\n".join(
        [
            f"## {topic}\n",
            _TOPICS[topic],
            "",
            "| what | measured | target | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _plots() -> str:
    return (
        "## Plots\n\n![How much of the allowed rate is used](images/allowed-rate.png)\n\n"
        "![Seconds by rows](images/growth.png)\n"
    )


def _machine(seconds: float) -> str:
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("apache-airflow", "pandas", "pyarrow", "httpx", "orjson")
    )
    return (
        f"## The run\n\n{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{packages}; {seconds:.0f} seconds.\n"
    )
