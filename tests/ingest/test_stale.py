"""Rows of a business key whose object was made of other values: found out by a hash that objects keep."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest import FileCheckpoint, MappingError, RowsRejectedError, ingest
from airflow_provider.mixpeek.ingest._identity import row_hashes

from .shop import MAPPING, SCHEMA, fields, rows, stored, writes
from .test_identity import TABLE, plain

KEYED = MAPPING | {"idempotency_key": ["sku"]}
OF_NO_KEYS = {"api_version": "0.81"}

# A change here makes every row of every bucket stale.
GOLDEN_HASHES = [
    "684b3f3cf22a4f2fa1bd8c60b00f993a",
    "bb8282c4bae0224258aa4131bcc2f3c7",
    "684b3f3cf22a4f2fa1bd8c60b00f993a",
    "cfd99ac1c452dfda362ebd2234d00617",
]
GOLDEN_ROW = "cd094e9610ec8540a6fc0e2ca0a93838"


def load(mixpeek, many: Any, **settings: Any):
    return ingest(mixpeek, "products", many, **({"mapping": KEYED} | settings))


def kept(mixpeek, bucket) -> dict[str, str]:
    return {sku: fields(each)["metadata"]["ingest_hash"] for sku, each in stored(mixpeek, bucket).items()}


def changed(many: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"price": -1.0} for row in many]


def test_golden_hashes():
    assert row_hashes(dict(zip(TABLE, plain(TABLE), strict=True))) == GOLDEN_HASHES


def test_an_object_keeps_the_hash_of_its_row(mixpeek, bucket):
    load(mixpeek, rows(1))
    assert kept(mixpeek, bucket) == {"S000000": GOLDEN_ROW}


def test_rows_of_other_values_are_stale_and_warned_of(mixpeek, bucket, caplog):
    load(mixpeek, rows(100))
    assert "other values" not in caplog.text
    report = load(mixpeek, [*changed(rows(7)), *rows(100)[7:]])
    assert (report.replayed, report.stale, report.rejected) == (100, 7, 0)
    assert "100 replayed (7 stale)" in str(report)
    assert "7 rows came with other values than their objects were made of" in caplog.text
    assert stored(mixpeek, bucket)["S000001"].model_extra["price"] == 0.25


@pytest.mark.parametrize("change", [{"title": "Another"}, {"stars": None}])
def test_any_column_that_the_mapping_reads_counts(change, mixpeek, bucket):
    load(mixpeek, rows(3))
    many = rows(3)
    many[1] |= change
    assert load(mixpeek, many).stale == 1
    assert load(mixpeek, [row | {"unread": 1} for row in rows(3)]).stale == 0


def test_they_can_be_rejected(mixpeek, bucket):
    load(mixpeek, rows(10))
    many = [*changed(rows(3)), *rows(12)[3:]]
    report = load(mixpeek, many, on_changed="reject", on_error="collect")
    assert (report.replayed, report.created, report.stale, report.rejected) == (7, 2, 0, 3)
    there = stored(mixpeek, bucket)["S000000"]
    assert report.rejected_rows[0].reason == (
        f"its key is stored already, as the object {there.object_id}, with other values"
    )
    assert report.rejected_rows[0].values == many[0]
    with pytest.raises(RowsRejectedError, match="row 0: its key is stored already"):
        load(mixpeek, many, on_changed="reject")


def test_own_lost_answers_are_not_stale(emulator, mixpeek, bucket):
    emulator.fault({"fault": "reset_after", "probability": 0.4, "seed": 1})
    report = load(mixpeek, rows(500))
    assert (report.replayed > 0, report.stale) == (True, 0)


def test_stale_rows_of_earlier_tries_stay_counted(mixpeek, bucket, tmp_path):
    checkpoint = FileCheckpoint(tmp_path / "checkpoint")
    load(mixpeek, rows(10))
    for _ in range(2):
        report = load(mixpeek, changed(rows(10)), checkpoint=checkpoint)
        assert (report.replayed, report.stale) == (10, 10)
    assert report.resumed == 10


@pytest.mark.parametrize(
    "reader", ["dicts", "iterator", "pandas", "polars", "pyarrow", "parquet", "jsonl", "blocks"]
)
def test_unchanged_rows_are_not_stale_whatever_reads_them(reader, mixpeek, tmp_path):
    schema = SCHEMA | {"made": "datetime", "day": "date", "tags": "array"}
    mixpeek.buckets.create("products", schema=schema)
    mapping = KEYED | {"metadata": ["stars", "sku", "made", "tags", "price"]}
    many = [
        {
            **row,
            "stars": None if number % 3 == 0 else number,
            "made": dt.datetime(2026, 7, 1, 12, number % 60, tzinfo=dt.UTC),
            "tags": ["a", str(number)],
        }
        for number, row in enumerate(rows(50))
    ]
    load(mixpeek, many, mapping=mapping)
    again: Any = many
    if reader == "iterator":
        again = iter(many)
    elif reader == "pandas":
        again = pd.DataFrame(many)
    elif reader == "polars":
        again = pl.DataFrame(many)
    elif reader == "pyarrow":
        again = pa.Table.from_pylist(many)
    elif reader == "parquet":
        again = tmp_path / "films.parquet"
        pq.write_table(pa.Table.from_pylist(many), again)
    elif reader == "jsonl":
        again = tmp_path / "films.jsonl"
        lines = [row | {"made": row["made"].isoformat().replace("+00:00", "Z")} for row in many]
        again.write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif reader == "blocks":
        again = (pd.DataFrame(many[start : start + 7]) for start in range(0, 50, 7))
    report = load(mixpeek, again, mapping=mapping)
    assert (report.replayed, report.stale) == (50, 0)


def test_csv_has_texts_and_they_are_other_values_than_numbers(mixpeek, bucket, tmp_path):
    file = tmp_path / "films.csv"
    pd.DataFrame(rows(3)).to_csv(file, index=False)
    load(mixpeek, rows(3))
    assert load(mixpeek, file).stale == 3


def test_a_csv_file_is_equal_to_itself(mixpeek, bucket, tmp_path):
    file = tmp_path / "films.csv"
    pd.DataFrame(rows(3)).to_csv(file, index=False)
    load(mixpeek, file)
    assert load(mixpeek, file).stale == 0


@pytest.mark.parametrize("why", ["undeclared", "unwanted", "another type"])
def test_where_objects_keep_no_hash_nothing_is_stale(why, mixpeek):
    schema = SCHEMA | ({"metadata": "array"} if why == "another type" else {})
    bucket = mixpeek.buckets.create("products", schema=schema, declare_metadata=why == "unwanted")
    settings = {"markers": False} if why == "unwanted" else {}
    load(mixpeek, rows(3), **settings)
    assert load(mixpeek, changed(rows(3)), **settings).stale == 0
    assert not any("metadata" in fields(each) for each in stored(mixpeek, bucket).values())
    with pytest.raises(MixpeekConfigError, match=r'on_changed="reject".*markers=False'):
        load(mixpeek, rows(3), on_changed="reject", **settings)


def test_rows_without_a_business_key_cannot_change(emulator, mixpeek, bucket):
    load(mixpeek, rows(3), mapping=MAPPING, scope="load")
    assert not any("metadata" in fields(each) for each in stored(mixpeek, bucket).values())
    before = writes(emulator)
    with pytest.raises(MixpeekConfigError, match="rows with an idempotency_key"):
        load(mixpeek, rows(3), mapping=MAPPING, scope="load", on_changed="reject")
    assert writes(emulator) == before


def test_a_column_named_like_the_hash_is_refused(mixpeek, bucket):
    mapping = KEYED | {"metadata": ["sku", "ingest_hash"]}
    many = [row | {"ingest_hash": "mine"} for row in rows(3)]
    with pytest.raises(MappingError, match="'ingest_hash' is a field that ingestion adds"):
        load(mixpeek, many, mapping=mapping)
    assert load(mixpeek, many, mapping=mapping, markers=False).created == 3


@pytest.mark.parametrize("on_changed", ["keep", "reject"])
def test_without_idempotency_keys_what_is_found_is_judged_too(
    on_changed, make_emulator, connect, tmp_path, monkeypatch
):
    mixpeek = connect(make_emulator(**OF_NO_KEYS, task_seconds=0))
    mixpeek.buckets.create("products", schema=SCHEMA)
    given = {"checkpoint": FileCheckpoint(tmp_path / "checkpoint"), "on_error": "collect"}
    load(mixpeek, rows(10), **given)
    many = [*changed(rows(3)), *rows(10)[3:]]
    report = load(mixpeek, many, rerun="replay", on_changed=on_changed, **given)
    assert (report.replayed, report.stale, report.rejected) == (
        (10, 3, 0) if on_changed == "keep" else (7, 0, 3)
    )
