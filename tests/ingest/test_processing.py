"""Stored objects are batched and submitted: each once, whatever was there before."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider.mixpeek.client import MixpeekPermissionError, MixpeekServerError, MixpeekValidationError
from airflow_provider.mixpeek.ingest import IngestError, RowsRejectedError, ingest

from .shop import BATCHES, MAPPING, SCHEMA, SUBMIT, calls, rows


def load(mixpeek, many, **settings):
    return ingest(mixpeek, "products", many, **({"mapping": MAPPING, "scope": "load"} | settings))


def batches(mixpeek, report):
    return [mixpeek.batches.get(report.bucket_id, each.batch_id) for each in report.batches]


def processed(emulator) -> dict[str, int]:
    return emulator.state()["objects_processed"]


def test_objects_are_cut_into_batches_in_the_order_of_their_rows(emulator, mixpeek, bucket):
    report = load(mixpeek, rows(2_350), batch_size=1_000)
    found = batches(mixpeek, report)
    by_size = sorted(found, key=lambda batch: report.object_ids.index(batch.object_ids[0]))
    assert [len(batch.object_ids) for batch in by_size] == [1_000, 1_000, 350]
    assert [each for batch in by_size for each in batch.object_ids] == list(report.object_ids)
    assert sorted(each.objects for each in report.batches) == [350, 1_000, 1_000]
    assert {batch.model_extra["dedup_strategy"] for batch in found} == {"skip"}
    assert len({batch.batch_name for batch in found}) == 3
    assert all(batch.batch_name.endswith(f"-{len(batch.object_ids)}") for batch in found)
    assert processed(emulator) == {"1": 2_350}
    assert report.waits == [
        {"task_id": each.task_id, "batch_id": each.batch_id, "bucket": report.bucket_id}
        for each in report.batches
    ]


def test_nothing_is_submitted_when_nothing_is_to_be_processed(emulator, mixpeek, bucket):
    report = load(mixpeek, rows(250), process=False)
    assert (report.created, report.batches, report.waits) == (250, (), [])
    assert calls(emulator, BATCHES) == calls(emulator, SUBMIT) == 0
    assert processed(emulator) == {"0": 250}


def test_what_was_stored_and_never_processed_is_processed_by_the_next_run(emulator, mixpeek, bucket):
    load(mixpeek, rows(150), process=False)
    report = load(mixpeek, rows(250))
    assert (report.created, report.replayed) == (100, 150)
    assert sum(each.objects for each in report.batches) == 250
    assert processed(emulator) == {"1": 250}


def test_what_is_processed_is_not_processed_again(emulator, mixpeek, bucket):
    load(mixpeek, rows(250))
    report = load(mixpeek, rows(250))
    assert (report.replayed, report.batches) == (250, ())
    assert calls(emulator, SUBMIT) == 1
    assert processed(emulator) == {"1": 250}


def test_what_failed_is_processed_again(emulator, mixpeek, bucket):
    emulator.fault(
        {"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "failed_objects": 30, "times": 1}
    )
    load(mixpeek, rows(250))
    assert processed(emulator) == {"0": 30, "1": 220}
    report = load(mixpeek, rows(250))
    assert [each.objects for each in report.batches] == [30]
    assert processed(emulator) == {"1": 250}


def test_all_means_all_and_replaces(emulator, mixpeek, bucket):
    load(mixpeek, rows(100))
    report = load(mixpeek, rows(120), process="all")
    assert sum(each.objects for each in report.batches) == 120
    assert {batch.model_extra["dedup_strategy"] for batch in batches(mixpeek, report)} == {"replace"}
    assert processed(emulator) == {"1": 20, "2": 100}


def test_rejected_rows_are_in_no_batch(emulator, mixpeek, bucket):
    many = rows(100)
    for row in many[::2]:
        row["title"] = None
    report = load(mixpeek, many, on_error="collect", batch_size=20)
    assert sum(each.objects for each in report.batches) == 50
    assert processed(emulator) == {"1": 50}


@pytest.mark.parametrize("names_limit", [True, False])
def test_a_plan_that_takes_smaller_batches_gets_them(names_limit, make_emulator, connect, caplog):
    emulator = make_emulator(task_seconds=0, max_batch_size=100)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    if not names_limit:
        body = {"success": False, "status": 422, "error": {"message": "Too many", "type": "ValidationError"}}
        emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCHES, "times": 3})
    report = load(mixpeek, rows(2_000), batch_size=1_000)
    assert max(each.objects for each in report.batches) <= 100
    assert sum(each.objects for each in report.batches) == 2_000
    assert processed(emulator) == {"1": 2_000}
    assert "going on in smaller steps, after creating a batch of 1000 objects" in caplog.text


def test_a_batch_that_is_refused_whatever_its_size_ends_the_run(emulator, mixpeek, bucket):
    emulator.fault({"fault": "status", "status": 422, "path": BATCHES})
    with pytest.raises(IngestError, match="/batches: 422") as raised:
        load(mixpeek, rows(1_000))
    report = raised.value.report
    assert isinstance(raised.value.__cause__, MixpeekValidationError)
    assert (report.created, report.unsent, report.in_doubt, report.batches) == (1_000, 0, 0, ())
    assert calls(emulator, BATCHES) < 30


@pytest.mark.parametrize("path", [BATCHES, SUBMIT])
def test_when_processing_cannot_be_started_the_report_says_what_is_stored(path, emulator, mixpeek, bucket):
    emulator.fault({"fault": "status", "status": 403, "path": path})
    with pytest.raises(IngestError, match="403") as raised:
        load(mixpeek, rows(500))
    assert isinstance(raised.value.__cause__, MixpeekPermissionError)
    report = raised.value.report
    assert (report.created, len(report.object_ids), report.batches) == (500, 500, ())
    # When that is mended, a second run stores nothing and processes everything.
    emulator.clear_faults()
    again = load(mixpeek, rows(500))
    assert (again.created, again.replayed, sum(each.objects for each in again.batches)) == (0, 500, 500)
    assert processed(emulator) == {"1": 500}


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "reset_after"},
        {"fault": "reset_before"},
        {"fault": "status", "status": 500, "after": True},
        {"fault": "status", "status": 503},
        {"fault": "status", "status": 429, "headers": {"Retry-After": "0"}},
    ],
    ids=lambda fault: "-".join(map(str, fault.values()))[:40],
)
@pytest.mark.parametrize("path", [BATCHES, SUBMIT])
def test_every_object_is_processed_once_whatever_happens_to_the_requests(
    path, fault, emulator, mixpeek, bucket
):
    emulator.fault({**fault, "path": path, "times": 2})
    report = load(mixpeek, rows(400), batch_size=100)
    assert (report.created, len(report.batches)) == (400, 4)
    assert processed(emulator) == {"1": 400}
    assert emulator.state()["batches_submitted"] == 4
    members = Counter(each for batch in batches(mixpeek, report) for each in batch.object_ids)
    assert members == Counter(report.object_ids)


def test_what_another_try_is_processing_is_batched_again_but_processed_once(make_emulator, connect):
    # Nothing says whose batch a PENDING object is in; "skip" keeps it from being done twice.
    now = [1_800_000_000.0]
    emulator = make_emulator(task_seconds=3_600, clock=lambda: now[0])
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    load(mixpeek, rows(50))
    report = load(mixpeek, rows(50))
    assert [each.objects for each in report.batches] == [50]
    now[0] += 4_000
    assert processed(emulator) == {"1": 50}


def test_a_run_that_stops_submits_nothing_more(emulator, mixpeek, bucket):
    many = rows(5_000)
    many[4_500]["price"] = "cheap"
    with pytest.raises(RowsRejectedError) as raised:
        load(mixpeek, many, batch_size=500)
    report = raised.value.report
    assert emulator.state()["batches_submitted"] == len(report.batches)
    assert sum(each.objects for each in report.batches) <= report.created


def test_a_submit_that_stays_unclear_is_told_with_its_batch(emulator, connect, bucket):
    mixpeek = connect(emulator, budget=0.1)
    emulator.fault({"fault": "status", "status": 500, "path": SUBMIT})
    with pytest.raises(IngestError, match=r"/batches/btch_[0-9a-f]+/submit: 500") as raised:
        load(mixpeek, rows(10))
    assert isinstance(raised.value.__cause__, MixpeekServerError)
    assert raised.value.report.created == 10
