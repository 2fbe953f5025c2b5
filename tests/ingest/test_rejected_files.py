"""Loads that write their rejected rows into files, and rows that are read from there when they are mended."""

from __future__ import annotations

import datetime as dt
import enum
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import (
    FileCheckpoint,
    IngestError,
    PartError,
    Report,
    RowsRejectedError,
    ingest,
    split_source,
)
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _reading as reading
from airflow_provider.mixpeek.ingest._part_files import open_folder

from .counted import Counted
from .folders import content, mend, numbers, rejected
from .killed import killed_again_and_again
from .shop import BATCH, MAPPING, calls, fields, rows, stored, writes
from .test_faults import envelope
from .test_stop import until


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch):
    """The watermark is written whenever it moves, and not every ten seconds."""
    monkeypatch.setattr(keeping, "EVERY_WITH_FILES", 0.0)


@pytest.fixture
def checkpoint(tmp_path) -> FileCheckpoint:
    return FileCheckpoint(tmp_path / "checkpoint")


@pytest.fixture
def load(mixpeek, bucket, directory) -> Callable[..., Report]:
    def load(many: Any, **settings: Any) -> Report:
        given = {
            "mapping": MAPPING,
            "scope": "load",
            "on_error": "collect",
            "rejected_to": directory,
            "in_flight": 1,
            "batch_size": 100,
        }
        return ingest(mixpeek, "products", many, **(given | settings))

    return load


@pytest.fixture
def again(load, directory) -> Callable[..., Report]:
    """Reads the rejected rows of the other loads; what is wrong still goes into another one."""

    def again(**settings: Any) -> Report:
        return load(directory, **({"rejected_to": f"{directory}-again"} | settings))

    return again


@pytest.fixture
def stopped(emulator, load) -> Callable[..., Report]:
    """A load that the server stops after so many requests for objects, and then lets go on."""

    def stopped(many: Any, *, after: int, **settings: Any) -> Report:
        emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": after})
        with pytest.raises(IngestError) as raised:
            load(many, **settings)
        emulator.clear_faults()
        return raised.value.report

    return stopped


def spoiled(count: int, *bad: int) -> list[dict[str, Any]]:
    """Rows, some of them without their blob."""
    many = rows(count)
    for number in bad:
        many[number]["title"] = None
    return many


def titled(values: dict[str, Any]) -> None:
    values["title"] = "mended"


def once(emulator: Emulator, count: int) -> None:
    state = emulator.state()
    assert (state["objects"], state["objects_processed"]) == (count, {"1": count})


# -- what is written ---------------------------------------------------------------------------------------


def test_rows_that_we_and_the_server_reject_are_written_with_what_is_wrong(emulator, load, directory):
    body = envelope(["body", "objects", 3, "price"])
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "times": 1})
    many = spoiled(300, 250)
    report = load(many)
    assert (report.created, report.rejected) == (298, 2)
    assert report.rejected_uri == open_folder(directory).uri
    assert rejected(directory) == [
        {
            "row": 3,
            "uri": None,
            "position": None,
            "column": "price",
            "reason": report.rejected_rows[0].reason,
            "error_type": "ValidationError",
            "values": many[3],
        },
        {
            "row": 250,
            "uri": None,
            "position": None,
            "column": None,
            "reason": "it has no blob: blank in 'title'",
            "error_type": "",
            "values": many[250],
        },
    ]
    once(emulator, 298)


def test_rows_of_files_are_written_with_their_place(load, directory, tmp_path):
    path = tmp_path / "films.jsonl"
    lines = [json.dumps(row) + "\n" for row in spoiled(3, 1)]
    path.write_text("".join(lines))
    load(path)
    (line,) = rejected(directory)
    assert (line["uri"], line["position"]) == (path.as_uri(), str(len(lines[0])))


def test_where_no_row_is_rejected_there_is_no_file(load, directory):
    assert load(rows(100)).rejected_uri is None
    assert open_folder(directory).names() == []


def test_with_files_the_watermark_is_written_every_ten_seconds(
    mixpeek, emulator, load, directory, tmp_path, monkeypatch
):
    monkeypatch.setattr(keeping, "EVERY_WITH_FILES", 10.0)
    monkeypatch.setattr(reading, "BLOCK_ROWS", 101)
    now = [float(int(time.monotonic()) + 60)]  # what the client has to wait for is over by then
    mixpeek._face(replace(mixpeek.session, clock=lambda: now[0]), mixpeek._transport, mixpeek._sleep)
    bad = range(0, 3_030, 101)

    def a_block_a_second(before: int) -> Iterator[dict[str, Any]]:
        for number, row in enumerate(spoiled(3_030, *bad)):
            if number in bad:
                # One request after the other, so that the watermark moves with the clock.
                until(lambda stored=number // 101 * 100: emulator.state()["objects"] >= before + stored)
                now[0] += 1.0
            yield row

    written = {}
    for files in (directory, None):
        checkpoint = Counted(tmp_path / str(files is None))
        given = {"checkpoint": checkpoint, "process": False, "scope": str(files), "rejected_to": files}
        given |= {"in_flight": 8}
        load(a_block_a_second(emulator.state()["objects"]), **given)
        written[files] = checkpoint.names.count("progress")
    assert written[directory] == 4, "at the beginning, after 10 and 20 of the 29 seconds, and at the end"
    assert len(open_folder(directory).names()) == 3
    assert written[None] > 10
    assert numbers(directory) == list(bad)


# -- mended, and read again --------------------------------------------------------------------------------


def test_mended_rows_are_read_again_and_stored_once(emulator, mixpeek, bucket, load, again, directory):
    load(spoiled(300, 7, 150, 299))
    mend(directory, titled)
    for created in (3, 0):
        report = again()
        assert (report.rows_read, report.created, report.replayed) == (3, created, 3 - created)
    once(emulator, 300)
    assert set(stored(mixpeek, bucket)) == {row["sku"] for row in rows(300)}


def test_what_is_wrong_still_is_set_aside_again_until_all_of_it_is_mended(emulator, load, again, directory):
    load(spoiled(300, 7, 150))
    mend(directory, lambda values: values.update(title="mended" if values["stars"] == 2 else None))
    second = again()
    assert (second.created, second.rejected) == (1, 1)
    mend(f"{directory}-again", titled)
    third = load(f"{directory}-again", rejected_to=f"{directory}-third")
    assert (third.created, third.rejected) == (1, 0)
    once(emulator, 300)


def test_mended_rows_of_all_parts_or_of_one_are_the_same_rows(emulator, load, again, directory):
    load(spoiled(1_000, *range(0, 1_000, 90)))
    mend(directory, titled)
    parts = open_folder(directory).names()
    assert len(parts) > 5
    first = load(f"{directory}/{parts[2]}", rejected_to=None)
    assert 0 < first.created < 12
    assert again().created == 12 - first.created
    once(emulator, 1_000)


class Size(enum.Enum):
    LARGE = "L"


def test_values_come_back_as_they_were(emulator, mixpeek, connect, directory):
    schema = {"clip": "video", "title": "text", "sku": "string", "metadata": "object"}
    bucket = mixpeek.buckets.create("odd", schema=schema)
    mapping = {"blobs": {"clip": "clip"}, "metadata": ["sku", "at", "price", "gone", "tags", "size"]}
    row = {
        "clip": b"\x00\xff",
        "sku": "S1",
        "at": pd.Timestamp("2026-11-23 04:08:30.123456789", tz="Europe/Berlin"),
        "price": Decimal("1.50"),
        "gone": pd.NaT,
        "tags": ({"a": dt.date(2026, 11, 23)},),
        "size": "L",
    }

    def load(many: Any, to: str) -> Report:
        return ingest(mixpeek, "odd", many, mapping=mapping, scope="load", on_error="collect", rejected_to=to)

    load([row], directory)
    load([row | {"sku": "S2", "size": Size.LARGE}], directory)
    # An enumeration has no form, and cannot be kept either: it is rejected until a value is in its place.
    report = load(directory, f"{directory}-2")
    assert (report.created, report.rejected, report.rejected_rows[0].column) == (0, 1, "size")
    assert f"{__name__}.Size could not be kept" in report.rejected_rows[0].reason
    assert rejected(f"{directory}-2")[0]["values"] == rejected(directory)[0]["values"]
    mend(f"{directory}-2", lambda values: values.update(size="L"))
    assert load(f"{directory}-2", f"{directory}-3").created == 1
    one, two = sorted(mixpeek.objects.list(bucket.bucket_id), key=lambda each: fields(each)["sku"])
    assert [blob.details["hash"] for blob in one.blobs] == [blob.details["hash"] for blob in two.blobs]
    assert two.model_extra["metadata"] == one.model_extra["metadata"]
    assert two.model_extra["metadata"]["at"] == "2026-11-23T03:08:30.123456789Z"


@pytest.mark.parametrize("keys", ["position", "columns"])
def test_mended_rows_are_known_by_their_business_key_where_they_have_one(emulator, load, again, keys):
    mapping = MAPPING | ({"idempotency_key": ["sku"]} if keys == "columns" else {})
    load(spoiled(300, 7, 150), mapping=mapping)
    mended = [row | {"title": "mended"} for row in rows(300) if row["sku"] in ("S000007", "S000150")]
    load(mended, mapping=mapping, rejected_to=None)
    report = again(mapping=mapping)
    # Not mended in the files: they are wrong there still.
    assert (report.created, report.rejected) == (0, 2)
    once(emulator, 300)


def test_rejected_rows_are_taken_up_again_in_the_middle(
    emulator, load, stopped, again, directory, checkpoint
):
    load(spoiled(1_000, *range(600)))
    mend(directory, titled)
    given = {"rejected_to": None, "checkpoint": checkpoint}
    first = stopped(directory, after=3, **given)
    assert first.created == 300
    report = again(**given)
    assert (report.resumed, report.created, report.replayed) == (300, 600, 0)
    once(emulator, 1_000)


# -- killed, gone on with, done again ----------------------------------------------------------------------


@pytest.mark.parametrize("written", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("kind", ["frame", "file"])
@pytest.mark.parametrize("process", ["new", False])
def test_however_often_a_load_is_killed_each_rejected_row_is_there_once(
    emulator, load, directory, checkpoint, tmp_path, monkeypatch, kind, process, written
):
    bad = list(range(0, 1_000, 45))
    many: Any = pd.DataFrame(spoiled(1_000, *bad))
    if kind == "file":
        many.to_csv(tmp_path / "films.csv", index=False)
        many = tmp_path / "films.csv"
    report, kills = killed_again_and_again(
        monkeypatch, lambda: load(many, checkpoint=checkpoint, process=process), written=written
    )
    assert kills >= 5
    assert (report.rows_read, report.rejected) == (1_000, len(bad))
    assert numbers(directory) == bad
    assert emulator.state()["objects"] == 1_000 - len(bad)


def test_killed_without_a_checkpoint_each_rejected_row_is_there_once(
    load, directory, checkpoint, monkeypatch
):
    many = spoiled(1_000, *range(0, 1_000, 45))
    _, kills = killed_again_and_again(monkeypatch, lambda: load(many, checkpoint=checkpoint), written=False)
    load(many)
    assert kills >= 5
    assert numbers(directory) == list(range(0, 1_000, 45))


def test_a_load_that_goes_on_keeps_the_lines_of_before(load, stopped, directory, checkpoint):
    first = stopped(spoiled(1_000, 50, 550, 950), after=6, checkpoint=checkpoint)
    assert numbers(directory) == [50, 550]
    assert first.rejected == 3, "the row 950 was read as well"
    report = load(spoiled(1_000, 50, 550, 950), checkpoint=checkpoint)
    assert (report.resumed, report.rejected) == (602, 3)
    assert report.rejected_uri == open_folder(directory).uri
    assert numbers(directory) == [50, 550, 950]


def test_rows_that_come_in_another_order_leave_no_lines_of_before(load, stopped, directory, checkpoint):
    many = spoiled(1_000, 50, 550, 950)
    stopped(many, after=6, checkpoint=checkpoint)
    load(many[::-1], checkpoint=checkpoint)
    assert numbers(directory) == [49, 449, 949]


@pytest.mark.parametrize("mode", ["content", "columns"])
def test_a_mapping_that_has_changed_leaves_no_lines_of_before(load, stopped, directory, checkpoint, mode):
    key = {"idempotency_key": ["sku"]} if mode == "columns" else {}
    given = {"checkpoint": checkpoint, "on_source_change": "accept"}
    stopped(spoiled(1_000, 50, 950), after=6, mapping=MAPPING | key, **given)
    load(spoiled(1_000, 50, 950), mapping={"blobs": {"title": "title"}, "metadata": ["sku"]} | key, **given)
    assert numbers(directory) == [50, 950]


@pytest.mark.parametrize("rerun", ["replay", "again"])
def test_rows_that_are_mended_when_the_load_is_done_again_vanish(load, directory, checkpoint, rerun):
    load(spoiled(1_000, 50, 550, 950), checkpoint=checkpoint)
    report = load(spoiled(1_000, 950), checkpoint=checkpoint, rerun=rerun)
    assert (report.resumed, report.rejected) == (0, 1)
    assert numbers(directory) == [950]
    load(rows(1_000), checkpoint=checkpoint, rerun=rerun)
    assert open_folder(directory).names() == []


def test_two_loads_in_one_directory_leave_each_other_alone(load, again, emulator, directory):
    load(spoiled(300, 7, 150), scope="monday")
    load(spoiled(300, 7, 250), scope="tuesday")
    assert numbers(directory) == [7, 7, 150, 250]
    load(spoiled(300, 7), scope="monday")
    assert numbers(directory) == [7, 7, 250]
    mend(directory, titled)
    assert again().created == 3
    once(emulator, 600)


def test_loads_of_business_keys_are_told_apart_by_their_checkpoints(load, directory, tmp_path):
    """Their scope is the same in each: a row of the same key is the same object in every load."""
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    monday, tuesday = (FileCheckpoint(tmp_path / day) for day in ("monday", "tuesday"))
    load(spoiled(300, 7, 150), mapping=mapping, scope="", checkpoint=monday)
    load(spoiled(300, 7, 250), mapping=mapping, scope="", checkpoint=tuesday)
    assert numbers(directory) == [7, 7, 150, 250]
    load(rows(300), mapping=mapping, scope="", checkpoint=monday, rerun="replay")
    assert numbers(directory) == [7, 250]


def test_parts_of_a_source_leave_each_other_alone_and_a_row_is_the_same_in_each_cut(
    emulator, load, again, directory, tmp_path
):
    pq.write_table(pa.Table.from_pylist(spoiled(400, 7, 150, 399)), tmp_path / "films.parquet")
    for parts in (3, 2):
        for part in split_source(tmp_path / "films.parquet", parts=parts):
            load(part)
    assert sorted(set(numbers(directory))) == [7, 150, 399]
    mend(directory, titled)
    assert again().created == 3
    once(emulator, 400)


# -- what goes wrong ---------------------------------------------------------------------------------------


def test_files_that_cannot_be_written_stop_the_run_and_the_next_one_finishes(
    emulator, load, checkpoint, tmp_path
):
    many = spoiled(6_000, *range(50, 6_000, 100))
    folder, moved = tmp_path / "rejected", tmp_path / "moved"

    def lose() -> None:
        until(lambda: emulator.state()["objects"] >= 1_000)
        folder.rename(moved)
        folder.write_text("a file is in the way")

    loses = threading.Thread(target=lose)
    loses.start()
    with pytest.raises(IngestError, match=r"writing file://.*rejected.* failed: .* then run again") as raised:
        load(many, rejected_to=folder, checkpoint=checkpoint)
    loses.join()
    assert isinstance(raised.value.__cause__, PartError)
    assert 1_000 <= raised.value.report.created < 5_940
    folder.unlink()
    moved.rename(folder)
    report = load(many, rejected_to=folder, checkpoint=checkpoint)
    # What is not written was not passed.
    assert report.resumed >= 900
    assert (report.rows_read, report.rejected) == (6_000, 60)
    assert numbers(str(folder)) == list(range(50, 6_000, 100))
    once(emulator, 5_940)


def test_files_that_cannot_be_removed_end_the_run_before_anything_is_sent(
    emulator, load, checkpoint, directory, monkeypatch
):
    load(spoiled(300, 7), checkpoint=checkpoint)

    def refuse(*_: Any) -> None:
        raise PartError("removing failed")

    before = calls(emulator, BATCH)
    with monkeypatch.context() as patched:
        patched.setattr("airflow_provider.mixpeek.ingest._part_files.PartWriter.start", refuse)
        with pytest.raises(IngestError, match="removing failed") as raised:
            load(rows(300), checkpoint=checkpoint, rerun="replay")
    assert (raised.value.report.created, calls(emulator, BATCH)) == (0, before)
    assert load(rows(300), checkpoint=checkpoint).rejected == 0
    assert numbers(directory) == []


def test_files_that_cannot_be_written_do_not_hide_why_a_run_was_stopped(
    emulator, load, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(keeping, "EVERY_WITH_FILES", 3_600.0)
    emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 5})

    def lost_at_the_end() -> Iterator[dict[str, Any]]:
        yield from spoiled(1_000, 3)
        (tmp_path / "rejected").rmdir()
        (tmp_path / "rejected").write_text("a file is in the way")

    with pytest.raises(IngestError, match="403"):
        load(lost_at_the_end(), rejected_to=tmp_path / "rejected")
    assert "could not be written down" in caplog.text


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("data", "data"),
        ("data", "data/rejected"),
        ("data/*", "data"),
        ("data/*", "data/rejected"),
        ("data/*.jsonl", "data"),
        ("data/**/*.jsonl", "data/rejected"),
        ("data/2026-*", "data/2026-11/rejected"),
        ("link", "data"),
    ],
)
@pytest.mark.parametrize("to", ["rejected_to", "receipt_to"])
def test_what_is_read_is_not_written_into(emulator, load, tmp_path, read, written, to):
    data = tmp_path / "data"
    for folder in (data, data / "2026-11"):
        folder.mkdir()
        (folder / "films.jsonl").write_text('{"title": "Alien"}\n')
    (tmp_path / "link").symlink_to(data)
    with pytest.raises(MixpeekConfigError, match=rf"{to} is file:///.*, and what is written there would be"):
        load(str(tmp_path / read), mapping=None, **({"rejected_to": None} | {to: tmp_path / written}))
    assert writes(emulator) == 0
    assert {path.name for path in data.iterdir()} == {"2026-11", "films.jsonl"}


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("data", "data/_rejected"),
        ("data", "data-rejected"),
        ("data/*.csv", "data"),
        ("data/films.csv", "data"),
        ("data/films.csv", "."),
    ],
)
def test_beside_what_is_read_may_be_written(load, tmp_path, read, written):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "films.csv").write_text("title,sku\nAlien,1\n,2\n")
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku"]}
    for _ in range(2):
        report = load(str(tmp_path / read), mapping=mapping, rejected_to=tmp_path / written)
        assert (report.rows_read, report.rejected) == (2, 1)
    assert numbers(str(tmp_path / written)) == [1]


def test_rejected_rows_are_not_written_where_they_are_read(emulator, load, directory):
    load(spoiled(300, 7))
    (part,) = open_folder(directory).names()
    before = writes(emulator)
    for read in (directory, f"{directory}/{part}", f"{directory}/*.rejected.jsonl"):
        with pytest.raises(
            MixpeekConfigError, match=r"rejected_to is .* would be read as rows the next time"
        ):
            load(read)
    assert writes(emulator) == before
    assert numbers(directory) == [7]


# -- how many are borne ------------------------------------------------------------------------------------


def test_more_wrong_rows_than_are_borne_stop_the_run(emulator, load, directory):
    with pytest.raises(RowsRejectedError) as raised:
        load(spoiled(5_000, 10, 20, 1_030, 4_000), max_rejected=2)
    text = str(raised.value)
    assert "3 of 2,000 rows are rejected, and max_rejected bears 2." in text
    assert "Mend the rows, or the mapping, or raise max_rejected." in text
    assert raised.value.report.rows_read == 2_000
    assert set(numbers(directory)) <= {10, 20, 1_030}
    assert load(spoiled(5_000, 10, 20, 1_030, 4_000), max_rejected=4).rejected == 4
    once(emulator, 4_996)


def test_a_share_counts_from_the_first_thousand_rows_on(load, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_ROWS", 100)
    many = spoiled(2_000, *range(50))
    assert load(many, max_rejected=0.05).rejected == 50
    with pytest.raises(RowsRejectedError, match=r"50 of 1,000 rows .* bears 4\.90% of the rows") as raised:
        load(many, max_rejected=0.049)
    assert raised.value.report.rows_read == 1_000


def test_of_fewer_rows_a_share_counts_at_the_end(load):
    assert load(spoiled(200, 3, 4), max_rejected=0.01).rejected == 2
    with pytest.raises(RowsRejectedError, match=r"3 of 200 rows are rejected, .* bears 1\.00% of the rows"):
        load(spoiled(200, 3, 4, 5), max_rejected=0.01)


def test_rejected_rows_of_earlier_tries_count(load, stopped, checkpoint):
    many = spoiled(2_000, 10, 20, 1_500)
    stopped(many, after=6, checkpoint=checkpoint, max_rejected=2)
    with pytest.raises(RowsRejectedError, match="3 of 2,000 rows are rejected"):
        load(many, checkpoint=checkpoint, max_rejected=2)
    assert load(many, checkpoint=checkpoint, max_rejected=3).rejected == 3


@pytest.mark.parametrize("borne", [10, 0.01])
def test_what_a_try_was_stopped_for_stops_the_next_one_before_it_sends_anything(
    emulator, load, stopped, checkpoint, directory, borne
):
    many = spoiled(5_000, *range(1_000, 1_100))
    # None are borne in this try, but for the end: so it is stopped behind them.
    stopped(many, after=15, checkpoint=checkpoint)
    before = calls(emulator, BATCH)
    with pytest.raises(RowsRejectedError, match=r"100 of 1,\d00 rows are rejected"):
        load(many, checkpoint=checkpoint, max_rejected=borne)
    assert calls(emulator, BATCH) == before
    assert load(many, checkpoint=checkpoint, max_rejected=100).rejected == 100
    assert numbers(directory) == list(range(1_000, 1_100))
    once(emulator, 4_900)


# -- the first one ends the run ----------------------------------------------------------------------------


def test_a_row_that_fails_the_load_is_in_no_file(emulator, load, directory, checkpoint):
    many = spoiled(1_000, 510)
    for _ in range(2):
        with pytest.raises(RowsRejectedError, match="row 510") as raised:
            load(many, on_error="fail", checkpoint=checkpoint)
        assert (raised.value.report.rejected, raised.value.report.rejected_uri) == (1, None)
        assert open_folder(directory).names() == []
    assert load(rows(1_000), on_error="fail", checkpoint=checkpoint).rejected == 0
    assert open_folder(directory).names() == []
    once(emulator, 1_000)


def test_a_directory_on_this_machine_is_made_and_a_path_may_be_an_object(load, tmp_path):
    load(spoiled(3, 1), rejected_to=Path(tmp_path) / "deep" / "down")
    (name,) = open_folder(tmp_path / "deep" / "down").names()
    assert content(str(tmp_path / "deep" / "down"), name).count(b"\n") == 1
