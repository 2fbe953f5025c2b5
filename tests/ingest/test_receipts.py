"""Loads that write a receipt: what became of every row, exactly once, however often they were stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest import (
    FileCheckpoint,
    IngestError,
    Receipt,
    Report,
    RowsRejectedError,
    _results,
    ingest,
    read_receipt,
)
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _sending as sending
from airflow_provider.mixpeek.ingest._part_files import open_folder

from .killed import killed_again_and_again
from .shop import BATCH, CREATE, MAPPING, SCHEMA, fields, rows, stored
from .test_faults import envelope
from .test_rejected_files import spoiled

BAD = list(range(0, 600, 45))


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
            "receipt_to": directory,
            "in_flight": 1,
            "batch_size": 100,
        }
        return ingest(mixpeek, bucket.bucket_id, many, **(given | settings))

    return load


@pytest.fixture
def receipts(mixpeek, bucket, directory) -> Callable[[int], list[Receipt]]:
    """The receipt of a load of so many rows, which tells of each once, and of the object that it is."""

    def receipts(count: int) -> list[Receipt]:
        found = list(read_receipt(directory))
        assert [each.row for each in found] == list(range(count))
        objects = {sku: each.object_id for sku, each in stored(mixpeek, bucket).items()}
        assert {f"S{each.row:06}": each.object_id for each in found if each.outcome != "rejected"} == objects
        return found

    return receipts


def outcomes(found: list[Receipt]) -> Counter[str]:
    return Counter(each.outcome for each in found)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_every_row_has_its_line(emulator, load, receipts, directory, form):
    body = envelope(["body", "objects", 3, "price"])
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "times": 1})
    report = load(spoiled(600, 250), receipt_format=form)
    found = receipts(600)
    assert report.receipt_uri == open_folder(directory).uri
    assert [each.object_id for each in found if each.object_id] == list(report.object_ids)
    assert [each.row for each in found if each.outcome == "rejected"] == [3, 250]
    # The server was asked about the one, and never heard of the other.
    assert [each.key is None for each in (found[3], found[250])] == [False, True]
    assert len({each.key for each in found}) == 600
    assert {each.outcome for each in found} == {"created", "rejected"}
    names = {name.partition(".")[2] for name in open_folder(directory).names()}
    assert names == {f"receipt.{form}"}


def test_rows_are_not_held_for_ten_seconds_where_they_are_many(load, receipts, directory, monkeypatch):
    monkeypatch.setattr(keeping, "EVERY_WITH_FILES", 3_600.0)
    monkeypatch.setattr(keeping, "MOST_ROWS", 200)
    load(rows(700))
    receipts(700)
    assert [name.split("-")[-1] for name in open_folder(directory).names()] == [
        f"{row:012}.receipt.jsonl" for row in (0, 200, 400, 600)
    ]


def test_rows_of_files_have_their_place(load, receipts, tmp_path):
    (tmp_path / "films.csv").write_text("title,sku\nAlien,S000000\n,S000001\n")
    load(tmp_path / "films.csv", mapping={"blobs": {"title": "title"}, "metadata": ["sku"]})
    uri = (tmp_path / "films.csv").as_uri()
    assert [(each.uri, each.position, each.outcome) for each in receipts(2)] == [
        (uri, "10", "created"),
        (uri, "24", "rejected"),
    ]


def test_rows_that_were_there_are_replayed(load, receipts):
    load(rows(200))
    load(rows(300))
    assert [each.outcome for each in receipts(300)] == ["replayed"] * 200 + ["created"] * 100


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("process", ["new", False])
@pytest.mark.parametrize("written", [True, False], ids=["after", "before"])
def test_however_often_a_load_is_killed_each_row_has_one_line(
    load, receipts, checkpoint, monkeypatch, form, process, written
):
    given = {"checkpoint": checkpoint, "receipt_format": form, "process": process}
    report, kills = killed_again_and_again(
        monkeypatch, lambda: load(spoiled(600, *BAD), **given), written=written
    )
    assert kills >= 3
    assert report.rows_read == 600
    # Rows whose watermark was not written were sent again.
    assert outcomes(receipts(600)) == {
        name: count
        for name, count in {"created": report.created, "replayed": report.replayed, "rejected": 14}.items()
        if count
    }


def test_a_load_that_goes_on_keeps_the_lines_of_before(emulator, load, receipts, directory, checkpoint):
    emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 3})
    with pytest.raises(IngestError) as raised:
        load(rows(600), checkpoint=checkpoint)
    assert len(list(read_receipt(directory))) == raised.value.report.created == 300
    emulator.clear_faults()
    load(rows(600), checkpoint=checkpoint, receipt_format="parquet")
    assert outcomes(receipts(600)) == {"created": 600}
    assert {name.rpartition(".")[2] for name in open_folder(directory).names()} == {"jsonl", "parquet"}


def test_a_row_that_fails_the_load_has_no_line_until_it_is_stored(
    emulator, load, receipts, directory, checkpoint
):
    body = envelope(["body", "objects", 10, "price"])
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "skip": 4, "times": 1})
    with pytest.raises(RowsRejectedError, match="row 410"):
        load(rows(600), on_error="fail", checkpoint=checkpoint)
    assert [each.row for each in read_receipt(directory)] == list(range(400))
    load(rows(600), on_error="fail", checkpoint=checkpoint)
    assert outcomes(receipts(600)) == {"created": 600}


@pytest.mark.parametrize("kept", [True, False], ids=["checkpoint", "none"])
def test_a_load_that_is_done_again_tells_what_became_of_its_rows_now(
    mixpeek, bucket, load, receipts, checkpoint, kept
):
    given = {"checkpoint": checkpoint if kept else None}
    first = load(spoiled(600, 7), **given)
    for object_id in first.object_ids[:5]:
        mixpeek.objects.delete(bucket.bucket_id, object_id)
    load(rows(600), **given, rerun="replay")
    assert outcomes(receipts(600)) == {"created": 6, "replayed": 594}


def test_a_load_that_is_done_anew_tells_of_its_new_objects(load, directory, checkpoint):
    load(rows(300), checkpoint=checkpoint)
    second = load(rows(300), checkpoint=checkpoint, rerun="again")
    assert [each.object_id for each in read_receipt(directory)] == list(second.object_ids)


def test_rejected_rows_and_the_receipt_may_share_a_directory(load, receipts, directory, checkpoint):
    load(spoiled(300, 7), rejected_to=directory, checkpoint=checkpoint)
    assert outcomes(receipts(300)) == {"created": 299, "rejected": 1}
    for name in open_folder(directory).names():
        if name.endswith(".rejected.jsonl"):
            open_folder(directory).write(
                name,
                b'{"row": 7, "values": {"title": "mended", "sku": "S000007", "price": 1.75, "stars": 2}}\n',
            )
    assert load(directory, receipt_to=None).created == 1


def test_ids_that_are_too_many_for_the_report_are_in_the_receipt(
    mixpeek, bucket, load, receipts, monkeypatch
):
    monkeypatch.setattr(_results, "KEPT_IDS", 299)
    report = load(rows(300))
    with pytest.raises(MixpeekError, match="Pass receipt_to= to have the id of every row in files"):
        _ = report.object_ids
    assert len({each.object_id for each in receipts(300)}) == 300


# -- a server whose answers name no object -----------------------------------------------------------------


@pytest.fixture
def legacy(make_emulator, connect, directory, monkeypatch):
    monkeypatch.setattr(sending, "LOOKS", (0.01, 0.02))
    emulator = make_emulator(generation="legacy", task_seconds=0)
    mixpeek = connect(emulator, generation="legacy")
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)

    def load(many: Any, **settings: Any) -> Report:
        given = {"mapping": MAPPING, "scope": "load", "on_error": "collect", "receipt_to": directory}
        return ingest(mixpeek, bucket.bucket_id, many, **(given | settings))

    def tasks() -> dict[str, str]:
        objects = mixpeek.objects.list(bucket.bucket_id)
        return {fields(each)["sku"]: each.model_extra["task_id"] for each in objects}

    return emulator, load, tasks


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_rows_of_the_legacy_generation_have_their_tasks(legacy, directory, checkpoint, form):
    emulator, load, tasks = legacy
    emulator.fault({"fault": "status", "status": 403, "path": CREATE, "skip": 70})
    with pytest.raises(IngestError):
        load(spoiled(150, 7, 100), receipt_format=form, checkpoint=checkpoint, in_flight=1)
    emulator.clear_faults()
    report = load(spoiled(150, 7, 100), receipt_format=form, checkpoint=checkpoint)
    assert report.resumed == 71
    found = list(read_receipt(directory))
    assert [each.row for each in found] == list(range(150))
    assert outcomes(found) == {"stored": 148, "rejected": 2}
    assert {each.object_id for each in found} == {None}
    assert {f"S{each.row:06}": each.task_id for each in found if each.task_id} == tasks()


def test_however_often_a_legacy_load_is_killed_each_row_has_one_line(
    legacy, directory, checkpoint, monkeypatch
):
    emulator, load, tasks = legacy
    monkeypatch.setattr(keeping, "AHEAD", 20)
    given = {"checkpoint": checkpoint, "in_flight": 1}
    _, kills = killed_again_and_again(monkeypatch, lambda: load(spoiled(60, 7, 50), **given), written=False)
    assert kills >= 3
    found = list(read_receipt(directory))
    assert [each.row for each in found] == list(range(60))
    # Rows in doubt were looked for, so none is there twice.
    assert emulator.state()["objects"] == 58
    assert len(tasks()) == 58
