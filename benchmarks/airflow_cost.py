"""What Airflow adds to a load, by how the rows reach the task."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measuring import Line, bare_server, in_a_process

ROWS = 100_000


def measure(rows: int = ROWS) -> list[Line]:
    """Run a DAG of two tasks: one makes the rows, one loads them."""
    lines = []
    for how in ("path", "DataFrame", "list of dicts"):
        with tempfile.TemporaryDirectory() as home, bare_server() as port:
            ran = in_a_process(Path(__file__).with_name("two_tasks.py"), home, port, how, str(rows))
        if not ran["state"].endswith("success"):
            raise RuntimeError(f"the run with a {how} ended as {ran['state']}")
        lines.append(
            Line(
                f"{rows:,} rows as a {how}",
                f"{ran['seconds']:.1f} s in both tasks, {ran['bytes']:,} bytes of XCom",
            )
        )
    return lines
