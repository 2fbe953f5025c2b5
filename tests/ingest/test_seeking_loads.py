"""A load of files that goes on reads what is left of them, and nothing before it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, Report, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _reading as reading

from .shop import BATCH, MAPPING, calls, rows, stored

#: Of so many rows three quarters are stored when the load is stopped.
COUNT, STOPPED_AT = 2_000, 1_500


def text(form: str, start: int, end: int) -> bytes:
    """Rows with a column that nobody reads, so that the file is long and the load is short."""
    many = [row | {"notes": str(row["stars"]) * 10_000} for row in rows(end - start, start=start)]
    if form.startswith("parquet"):
        file = io.BytesIO()
        pq.write_table(
            pa.Table.from_pylist(many), file, row_group_size=250, compression=None, use_dictionary=False
        )
        return file.getvalue()
    if form.startswith("jsonl"):
        content = "".join(json.dumps(row) + "\n" for row in many).encode()
    else:
        lines = (",".join(map(str, row.values())) for row in many)
        content = "\n".join(["title,sku,price,stars,notes", *lines]).encode()
    return gzip.compress(content) if form.endswith("gz") else content


def put(name: str, content: bytes) -> str:
    with fsspec.open(f"counting://load/{name}", "wb") as file:
        file.write(content)
    return f"counting://load/{name}"


@pytest.fixture
def prepared(monkeypatch) -> list[int]:
    """Rows of each block that is made ready."""
    counts: list[int] = []

    def count(block: Any, *given: Any, **more: Any) -> Any:
        counts.append(len(block))
        return prepare(block, *given, **more)

    prepare = reading.prepare
    monkeypatch.setattr(reading, "prepare", count)
    monkeypatch.setattr(reading, "BLOCK_ROWS", 100)
    return counts


@pytest.fixture
def go_on(emulator, mixpeek, bucket, counting, prepared, tmp_path, monkeypatch) -> Callable[..., Report]:
    """Stops a load in the middle and runs it again; what is counted is the second try alone."""
    monkeypatch.setattr(keeping, "EVERY", 0.0)

    def go_on(url: str, mapping: dict[str, Any]) -> Report:
        def load() -> Report:
            return ingest(
                mixpeek,
                bucket.bucket_id,
                url,
                mapping=mapping,
                checkpoint=FileCheckpoint(tmp_path / "checkpoint"),
                process=False,
                in_flight=1,
            )

        emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": STOPPED_AT // 100})
        with pytest.raises(IngestError):
            load()
        emulator.clear_faults()
        counting.clear()
        prepared.clear()
        report = load()
        assert (report.rows_read, report.resumed, report.created) == (COUNT, STOPPED_AT, COUNT)
        assert calls(emulator, BATCH, 200) == COUNT // 100
        assert set(stored(mixpeek, bucket)) == {row["sku"] for row in rows(COUNT)}
        return report

    return go_on


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_file_is_gone_on_with_where_it_was(go_on, counting, prepared, form):
    content = text(form, 0, COUNT)
    go_on(put(f"films.{form}", content), MAPPING)
    # JSON Lines have their columns from their first block.
    assert sum(prepared) == COUNT - STOPPED_AT + (100 if form == "jsonl" else 0)
    # A quarter, and what a file system reads ahead where the columns are.
    assert sum(counting) < len(content) * 0.6
    assert max(counting) < len(content) * 0.3


@pytest.mark.parametrize("form", ["csv.gz", "jsonl.gz"])
def test_what_is_compressed_is_decompressed_up_to_there_and_not_parsed(go_on, prepared, form):
    go_on(put(f"films.{form}", text(form, 0, COUNT)), MAPPING)
    assert sum(prepared) == COUNT - STOPPED_AT + (100 if form == "jsonl.gz" else 0)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_folder_is_gone_on_with_in_the_file_where_it_was(go_on, prepared, form):
    for start in range(0, COUNT, 400):
        put(f"films/{start:04}.{form}", text(form, start, start + 400))
    go_on("counting://load/films", MAPPING)
    assert sum(prepared) == COUNT - STOPPED_AT + (100 if form == "jsonl" else 0)


def test_business_keys_of_all_rows_are_read_again(go_on, counting, prepared):
    content = text("csv", 0, COUNT)
    go_on(put("films.csv", content), MAPPING | {"idempotency_key": ["sku"]})
    assert sum(prepared) == COUNT
    assert sum(counting) >= len(content)
