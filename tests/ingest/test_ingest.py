"""Rows of every kind of source become objects of the emulator, over real sockets, and only once."""

from __future__ import annotations

import asyncio
import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.client import WaitFor
from airflow_provider.mixpeek.ingest import ObjectMapping, Report, ingest
from airflow_provider.mixpeek.ingest import _reading as reading
from airflow_provider.mixpeek.ingest._identity import row_keyer
from airflow_provider.mixpeek.ingest._values import plain_column
from airflow_provider.mixpeek.waiting import Outcome

from .shop import BATCH, MAPPING, SCHEMA, calls, fields, rows, stored

MANY = 10_100


def parquet(path: Path, many: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(many), path / "films.parquet", row_group_size=3_000)
    return path / "films.parquet"


def in_csv(path: Path, many: list[dict[str, Any]]) -> Path:
    with (path / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(many[0]))
        writer.writeheader()
        writer.writerows(many)
    return path / "films.csv"


def json_lines(path: Path, many: list[dict[str, Any]]) -> Path:
    (path / "films.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many))
    return path / "films.jsonl"


SOURCES: dict[str, Any] = {
    "pandas": lambda path, many: pd.DataFrame(many),
    "polars": lambda path, many: pl.DataFrame(many),
    "pyarrow": lambda path, many: pa.Table.from_pylist(many),
    "list": lambda path, many: many,
    "iterator": lambda path, many: iter(many),
    "parquet": parquet,
    "csv": in_csv,
    "json lines": json_lines,
}


SERVERS: dict[str, dict[str, Any]] = {
    "0.82": {},
    "0.81": {"api_version": "0.81"},
    "legacy": {"generation": "legacy"},
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("server", SERVERS)
def test_the_whole_way_from_rows_to_processed_objects(server, kind, make_emulator, connect, tmp_path):
    now = [1_800_000_000.0]
    emulator = make_emulator(**SERVERS[server], task_seconds=60, clock=lambda: now[0])
    mixpeek = connect(emulator, generation=SERVERS[server].get("generation", "current"))
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    many = rows(250)
    report = ingest(
        mixpeek, "products", SOURCES[kind](tmp_path, many), mapping=MAPPING, scope="load", batch_size=100
    )
    waits = [WaitFor.of(wait) for wait in report.waits]
    assert {mixpeek.look(wait).outcome for wait in waits} == {Outcome.RUNNING}
    now[0] += 60
    assert {mixpeek.look(wait).outcome for wait in waits} == {Outcome.DONE}

    assert report.rows_read == report.created + report.stored == 250
    assert emulator.state()["objects_processed"] == {"1": 250}
    found = stored(mixpeek, bucket)
    for row in many:
        values = fields(found[row["sku"]])
        assert (values["price"], values["stars"]) == (row["price"], row["stars"])
        (blob,) = found[row["sku"]].blobs
        assert (blob.property, blob.type) == ("title", "text")
        assert row["title"] in ((blob.properties or {}).get("text"), (blob.model_extra or {}).get("data"))


@pytest.mark.parametrize("kind", SOURCES)
def test_every_row_of_every_source_becomes_one_object(kind, emulator, mixpeek, bucket, tmp_path):
    many = rows(MANY)
    first = ingest(mixpeek, "products", SOURCES[kind](tmp_path, many), mapping=MAPPING, scope="load")
    assert first.counts() == {
        "created": MANY, "replayed": 0, "stored": 0, "rejected": 0, "unsent": 0, "in_doubt": 0,
    }  # fmt: skip
    assert emulator.state()["objects"] == MANY
    assert emulator.state()["objects_processed"] == {"1": MANY}
    found = stored(mixpeek, bucket)
    for row in many:
        thing = found[row["sku"]]
        assert (thing.model_extra["price"], thing.model_extra["stars"]) == (row["price"], row["stars"])
        assert [(blob.property, blob.type) for blob in thing.blobs] == [("title", "text")]
        assert thing.blobs[0].properties["text"] == row["title"]
    assert first.object_ids == tuple(found[row["sku"]].object_id for row in many)

    again = ingest(mixpeek, "products", SOURCES[kind](tmp_path, many), mapping=MAPPING, scope="load")
    assert (again.created, again.replayed, again.batches) == (0, MANY, ())
    assert again.object_ids == first.object_ids
    assert emulator.state()["objects"] == MANY


def test_blobs_fields_metadata_and_key_prefix_arrive_as_they_should(mixpeek, bucket):
    frame = pd.DataFrame(
        {
            "name": ["9", "http://not.a/url", "8½"],
            "picture": ["https://cdn.example.com/1.jpg", None, b"\x89PNG"],
            "sku": ["a", "b", "c"],
            "price": [1.5, np.nan, 3],
            "kind": ["drama", "co/medy", "short"],
            "made": pd.to_datetime(["1999-12-31", None, "2001-01-01"]),
            "unmapped": [1, 2, 3],
        }
    )
    mapping = ObjectMapping(
        blobs={"title": "name", "hero": "picture"},
        metadata=["sku", "price", "kind", "made"],
        key_prefix="/films/{kind}/{sku}",
    )
    report = ingest(mixpeek, bucket.bucket_id, frame, mapping=mapping, scope="load")
    assert (report.created, report.rejected) == (3, 0)
    found = stored(mixpeek, bucket)
    blobs = {sku: {blob.property: blob.properties for blob in each.blobs} for sku, each in found.items()}
    assert blobs["a"]["title"]["text"] == "9"
    assert blobs["b"]["title"]["text"] == "http://not.a/url"
    assert blobs["a"]["hero"]["url"] == "https://cdn.example.com/1.jpg"
    assert "hero" not in blobs["b"]
    assert "hero" in blobs["c"]
    assert found["a"].model_extra["metadata"] == {"kind": "drama", "made": "1999-12-31T00:00:00"}
    assert found["b"].model_extra["metadata"] == {"kind": "co/medy"}
    assert found["a"].model_extra["price"] == 1.5
    assert "price" not in found["b"].model_extra
    assert [found[sku].key_prefix for sku in "abc"] == [
        "/films/drama/a",
        "/films/co/medy/b",
        "/films/short/c",
    ]
    assert not any("unmapped" in each.model_extra for each in found.values())


def test_without_a_mapping_columns_named_like_properties_are_taken(mixpeek, bucket, caplog):
    caplog.set_level("INFO", "airflow_provider.mixpeek.ingest")
    report = ingest(mixpeek, "products", [row | {"other": 1} for row in rows(3)], scope="load")
    assert report.created == 3
    assert stored(mixpeek, bucket)["S000002"].model_extra["stars"] == 2
    assert "price, sku, stars, title are named like properties of the bucket and used; other" in caplog.text


def test_the_order_of_rows_and_columns_and_the_size_of_blocks_do_not_matter(
    emulator, mixpeek, bucket, monkeypatch
):
    many = rows(500)
    ingest(mixpeek, "products", many, mapping=MAPPING, scope="load")
    shuffled = [dict(random.Random(7).sample(list(row.items()), len(row))) for row in many]
    random.Random(8).shuffle(shuffled)
    monkeypatch.setattr(reading, "BLOCK_ROWS", 37)
    report = ingest(mixpeek, "products", pd.DataFrame(shuffled), mapping=MAPPING, scope="load", in_flight=1)
    assert (report.created, report.replayed) == (0, 500)
    assert emulator.state()["objects"] == 500


def test_equal_rows_are_objects_of_their_own_and_found_again(emulator, mixpeek, bucket):
    equal = [*rows(3), *rows(2), *rows(1)]
    for replayed in (0, 6):
        report = ingest(mixpeek, "products", equal, mapping=MAPPING, scope="load")
        assert (report.created, report.replayed) == (6 - replayed, replayed)
        assert len(set(report.object_ids)) == 6
    more = ingest(mixpeek, "products", [*equal, *rows(1)], mapping=MAPPING, scope="load")
    assert (more.created, more.replayed) == (1, 6)


def test_rows_are_created_under_the_keys_of_their_bucket_mode_and_scope(emulator, mixpeek, bucket):
    many = rows(5)
    ingest(mixpeek, "products", many, mapping=MAPPING, scope="load")
    names = sorted(many[0])
    keyer = row_keyer("content", bucket_id=bucket.bucket_id, scope="load")
    plain = [plain_column([row[name] for row in many]).values for name in names]
    expected = keyer.keys(names, plain, first_row=0).keys
    (namespace,) = emulator._built.state.namespaces.values()
    assert list(namespace.buckets[bucket.bucket_id].by_idempotency_key) == expected


def test_another_scope_is_another_load(emulator, mixpeek, bucket):
    for scope in ("monday", "tuesday"):
        assert ingest(mixpeek, "products", rows(10), mapping=MAPPING, scope=scope).created == 10
    assert emulator.state()["objects"] == 20


def test_a_scope_may_depend_on_the_kind_of_keys(mixpeek, bucket, tmp_path):
    asked: list[str] = []

    def scope(mode: str) -> str:
        asked.append(mode)
        return "load"

    ingest(mixpeek, "products", rows(1), mapping=MAPPING, scope=scope)
    ingest(mixpeek, "products", in_csv(tmp_path, rows(1)), mapping=MAPPING, scope=scope)
    ingest(mixpeek, "products", rows(1), mapping=MAPPING | {"idempotency_key": ["sku"]}, scope=scope)
    assert asked == ["content", "position", "columns"]


def test_a_business_key_names_a_row_whatever_else_is_in_it(emulator, mixpeek, bucket):
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    first = ingest(mixpeek, "products", rows(20), mapping=mapping)
    changed = [row | {"price": 0.5} for row in rows(20)]
    again = ingest(mixpeek, "products", changed, mapping=mapping)
    assert (first.created, again.created, again.replayed) == (20, 0, 20)
    assert stored(mixpeek, bucket)["S000003"].model_extra["price"] == 0.75


def test_blank_and_repeated_business_keys_are_rejected_rows(mixpeek, bucket):
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    odd = rows(6)
    odd[1]["sku"] = None
    odd[2]["sku"] = "  "
    odd[4]["sku"] = odd[0]["sku"]
    report = ingest(mixpeek, "products", odd, mapping=mapping, on_error="collect")
    assert report.created == 3
    assert [(row.row, row.reason) for row in report.rejected_rows] == [
        (1, "column 'sku': it is part of the key, and blank"),
        (2, "column 'sku': it is part of the key, and blank"),
        (4, "its key came before, in row 0; a key names one row of a run"),
    ]
    assert report.rejected_rows[2].values == odd[4]


def test_rows_of_a_file_are_told_apart_by_where_they_stand(emulator, mixpeek, bucket, tmp_path):
    path = in_csv(tmp_path, [*rows(4), *rows(4)])
    for created in (8, 0):
        assert ingest(mixpeek, "products", path, mapping=MAPPING).created == created
    other = path.rename(tmp_path / "other.csv")
    assert ingest(mixpeek, "products", other, mapping=MAPPING).created == 8


def test_a_name_of_the_source_stands_for_its_path(mixpeek, bucket, tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    named = [
        ingest(
            mixpeek, "products", in_csv(tmp_path / folder, rows(5)), mapping=MAPPING, source_name="films"
        ).created
        for folder in ("first", "second")
    ]
    assert named == [5, 0]


def test_requests_are_cut_by_bytes_too(emulator, mixpeek, bucket):
    large = [row | {"title": "x" * 10_000} for row in rows(50)]
    report = ingest(
        mixpeek, "products", large, mapping=MAPPING, scope="load", process=False, max_request_bytes=25_000
    )
    assert report.created == 50
    assert calls(emulator, BATCH) == report.requests == 25


def test_a_row_of_some_megabytes_and_thousands_of_columns_arrives(mixpeek, bucket):
    wide = {f"c{number}": number for number in range(3_000)}
    row = rows(1)[0] | wide | {"hero": b"\0" * 3_000_000}
    mapping = ObjectMapping(blobs={"title": "title", "hero": "hero"}, metadata=["sku", *wide])
    assert ingest(mixpeek, "products", [row], mapping=mapping, scope="load").created == 1
    assert stored(mixpeek, bucket)["S000000"].model_extra["metadata"] == wide


def test_requests_run_side_by_side_up_to_in_flight(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, latency=0.05)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    one = ingest(mixpeek, "products", rows(800), mapping=MAPPING, scope="a", process=False, in_flight=1)
    eight = ingest(mixpeek, "products", rows(800), mapping=MAPPING, scope="b", process=False, in_flight=8)
    # Waiting makes up nearly all of it: eight requests one after another against eight at once.
    assert one.seconds >= 8 * 0.05
    assert eight.seconds < one.seconds / 2


def test_it_works_inside_a_running_event_loop(mixpeek, bucket):
    async def notebook_cell() -> Report:
        return ingest(mixpeek, "products", rows(300), mapping=MAPPING, scope="load")

    assert asyncio.run(notebook_cell()).created == 300


def test_no_rows_at_all_can_be_a_success(emulator, mixpeek, bucket):
    report = ingest(mixpeek, "products", [], mapping=MAPPING, scope="load", allow_empty=True)
    assert (report.rows_read, report.waits, str(report)[:30]) == (0, [], "0 rows read: nothing to do (0.")
    assert calls(emulator, BATCH) == 0


def test_the_log_says_what_was_done(mixpeek, bucket, caplog):
    caplog.set_level("INFO", "airflow_provider.mixpeek.ingest")
    report = ingest(mixpeek, "products", rows(3), mapping=MAPPING, scope="monday")
    assert (
        f"into the bucket products ({bucket.bucket_id}), rows identified by content in the scope 'monday'"
        in (caplog.text)
    )
    (batch,) = report.batches
    assert f"Batch {batch.batch_id} (3 objects) is submitted: {batch.task_id}" in caplog.text
    assert "3 rows read: 3 created; 1 batches submitted" in caplog.text


@pytest.mark.parametrize(
    ("load", "foreign"),
    [
        (
            "from airflow_provider.mixpeek.ingest import ObjectMapping; ObjectMapping(blobs={'a': 'b'})",
            ["airflow", "pandas", "pyarrow", "narwhals", "polars", "httpx", "pydantic", "numpy"],
        ),
        ("import airflow_provider.mixpeek.ingest", ["airflow", "pandas", "narwhals", "httpx", "pydantic"]),
        ("from airflow_provider.mixpeek.ingest import ingest", ["airflow", "pandas", "pyarrow", "polars"]),
    ],
)
def test_importing_loads_nothing_that_it_does_not_need(load, foreign):
    look = f"import sys; print([name for name in {foreign!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{load}; {look}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_whole_ingestion_needs_no_airflow(emulator, bucket):
    script = (
        "import sys\n"
        "from airflow_provider.mixpeek.client import MixpeekClient\n"
        "from airflow_provider.mixpeek.ingest import ingest\n"
        f"client = MixpeekClient('sk', namespace='shop', base_url={emulator.url!r})\n"
        f"report = ingest(client, 'products', {rows(2)!r}, scope='x')\n"
        "print(report.created, 'airflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_the_module_has_what_it_says_and_nothing_else():
    from airflow_provider.mixpeek import ingest as package

    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018 - the look itself
