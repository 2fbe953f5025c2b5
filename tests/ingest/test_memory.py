"""What a load holds in memory does not grow with its rows. `make bench` measures two million of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.system

GROUP = 100_000
HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}


@pytest.fixture
def url() -> Iterator[str]:
    program = [sys.executable, str(HERE / "bare_server.py")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.stdin.close()


@pytest.fixture
def measure(url) -> Callable[..., dict[str, Any]]:
    def measure(mode: str, what: Any, receipt: Path | None = None) -> dict[str, Any]:
        program = [sys.executable, str(HERE / "measured_load.py"), url, mode, str(what), str(receipt or "")]
        done = subprocess.run(program, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True, text=True)
        measured: dict[str, Any] = json.loads(done.stdout)
        sys.stdout.write(f"{mode} {what}: {measured}\n")
        return measured

    return measure


def write(path: Path, rows: int) -> Path:
    with pq.ParquetWriter(path, table(0, 1).schema) as writer:
        for start in range(0, rows, GROUP):
            writer.write_table(table(start, min(GROUP, rows - start)), row_group_size=GROUP)
    return path


def table(start: int, rows: int) -> pa.Table:
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


@pytest.mark.parametrize(
    ("few_rows", "many_rows", "files"),
    [(200_000, 1_000_000, None), (100_000, 300_000, "receipt")],
    ids=["five times", "with a receipt"],
)
def test_more_rows_need_the_same_memory(measure, tmp_path, few_rows, many_rows, files):
    few, many = (
        measure("position", write(tmp_path / f"{count}.parquet", count), files and tmp_path / f"{count}")
        for count in (few_rows, many_rows)
    )
    assert (few["rows"], many["rows"]) == (few_rows, many_rows)
    assert many["peak"] < few["peak"] * 1.1
