"""What a load holds in memory, above what its imports take."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import ROOT, Line, bare_server, in_a_process

GROUP = 100_000


def resident() -> int:
    """Bytes that this process has in memory now (Linux)."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) * 1024


def _write(path: Path, rows: int) -> None:
    with pq.ParquetWriter(path, _group(0, 1).schema) as writer:
        for start in range(0, rows, GROUP):
            writer.write_table(_group(start, min(GROUP, rows - start)), row_group_size=GROUP)


def _group(start: int, rows: int) -> pa.Table:
    numbers = range(start, start + rows)
    return pa.table(
        {
            "title": [f"Film {number} of a long series about the sea" for number in numbers],
            "sku": [f"S{number:09}" for number in numbers],
            "price": [number / 4 for number in numbers],
            "stars": [number % 5 for number in numbers],
            "made": pa.array([number * 1_000 for number in numbers], pa.timestamp("ms", "UTC")),
            "tags": [[f"tag {number % 7}", "sea"] for number in numbers],
        }
    )


def measure(rows: int = 2_000_000) -> list[Line]:
    """Load a Parquet file of so many rows and a tenth of it, and dicts by content."""
    program = ROOT / "tests" / "ingest" / "measured_load.py"
    lines = []
    with tempfile.TemporaryDirectory() as folder, bare_server() as port:
        for count in (rows // 10, rows):
            path = Path(folder, f"{count}.parquet")
            _write(path, count)
            took = in_a_process(program, f"http://127.0.0.1:{port}", "position", str(path), "")
            above = (took["peak"] - took["before"]) / 2**20
            lines.append(
                Line(
                    f"{count:,} rows of Parquet, row groups of {GROUP:,}",
                    f"{above:.0f} MiB above the imports, {count / took['seconds']:,.0f} rows/s",
                    "150 MB" if count == rows else "",
                    above * 2**20 < 150e6 if count == rows else None,
                )
            )
        few, many = (
            in_a_process(program, f"http://127.0.0.1:{port}", "content", str(count), "")
            for count in (rows // 20, rows // 4)
        )
        held = (many["peak"] - few["peak"]) / (many["rows"] - few["rows"])
        lines.append(Line("dicts from an iterator, identified by content", f"{held:.0f} bytes a row"))
    return lines
