"""Objects that are stored already are processed: each once, by one call or by several."""

from __future__ import annotations

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
)
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FileCheckpoint, ingest, process_objects

from .shop import BATCHES, MAPPING, SCHEMA, SUBMIT, calls, rows

BATCH = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
CANCEL = f"{BATCH}/cancel"


@pytest.fixture
def stored(mixpeek, bucket) -> list[str]:
    """Ids of 250 objects that nobody has processed."""
    report = ingest(mixpeek, "products", rows(250), mapping=MAPPING, scope="load", process=False)
    return list(report.object_ids)


def processed(emulator: Emulator) -> dict[str, int]:
    return emulator.state()["objects_processed"]


def test_each_object_is_in_one_batch_whatever_comes_twice(emulator, mixpeek, bucket, stored):
    done = process_objects(mixpeek, "products", iter(stored + stored[:100]), batch_size=100)
    assert [batch.objects for batch in done.batches] == [100, 100, 50]
    assert (done.bucket_id, done.objects, done.missing) == (bucket.bucket_id, 250, 0)
    assert processed(emulator) == {"1": 250}
    assert done.waits == [
        {"task_id": batch.task_id, "batch_id": batch.batch_id, "bucket": bucket.bucket_id}
        for batch in done.batches
    ]


@pytest.mark.parametrize("batch_size", [250, 100])
def test_a_draft_that_nobody_noted_is_submitted_by_the_next_call(
    emulator, mixpeek, bucket, stored, batch_size
):
    # As if the process had been killed between the two calls.
    emulator.fault({"fault": "status", "status": 403, "path": "/v1/buckets/*/batches/*/submit"})
    with pytest.raises(MixpeekPermissionError):
        process_objects(mixpeek, "products", stored, batch_size=batch_size)
    emulator.clear_faults()
    done = process_objects(mixpeek, "products", stored, batch_size=batch_size)
    assert done.objects == 250
    assert processed(emulator) == {"1": 250}


def test_no_objects_are_no_batches(emulator, mixpeek, bucket):
    done = process_objects(mixpeek, bucket.bucket_id, [])
    assert (done.batches, done.objects, done.waits) == ((), 0, [])
    assert calls(emulator, BATCHES) == 0


@pytest.mark.parametrize("process", ["new", "all"])
def test_all_processes_again_and_new_does_not(emulator, mixpeek, bucket, stored, process):
    process_objects(mixpeek, "products", stored)
    process_objects(mixpeek, "products", stored, process=process)
    assert processed(emulator) == {"1" if process == "new" else "2": 250}


def test_what_is_not_in_the_bucket_is_left_out_and_counted(emulator, mixpeek, bucket, stored, caplog):
    mixpeek.objects.delete(bucket.bucket_id, stored[7])
    done = process_objects(mixpeek, "products", [*stored, "obj_never_was"], batch_size=100)
    assert (done.objects, done.missing) == (249, 2)
    assert processed(emulator) == {"1": 249}
    assert "1 objects were deleted meanwhile: they go into no batch" in caplog.text


def test_objects_of_another_bucket_are_an_error_and_not_nothing(emulator, mixpeek, bucket, stored):
    other = mixpeek.buckets.create("others", schema=SCHEMA)
    with pytest.raises(MixpeekConfigError, match=f"none of the 250 objects is in bucket {other.bucket_id}"):
        process_objects(mixpeek, "others", stored)
    assert emulator.state()["batches_submitted"] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"process": "some"}, {"process": False}, {"batch_size": 0}, {"batch_size": True}, {"batch_size": "9"}],
    ids=str,
)
def test_wrong_arguments_are_told_before_anything_is_sent(emulator, mixpeek, bucket, wrong):
    before = emulator.state()["requests"]
    with pytest.raises(MixpeekConfigError, match=next(iter(wrong))):
        process_objects(mixpeek, "products", ["obj_1"], **wrong)
    assert emulator.state()["requests"] == before


def test_unknown_bucket_is_named(mixpeek, bucket):
    with pytest.raises(MixpeekNotFoundError, match="product"):
        process_objects(mixpeek, "product", ["obj_1"])


def test_legacy_has_no_batches(make_emulator, connect):
    server = make_emulator(generation="legacy")
    with pytest.raises(MixpeekGenerationError, match="processes objects as it creates them"):
        process_objects(connect(server, generation="legacy"), "products", ["obj_1"])
    assert server.state()["requests"] == []


@pytest.mark.parametrize("path", [BATCHES, SUBMIT])
@pytest.mark.parametrize(
    "fault",
    [{"fault": "reset_after"}, {"fault": "reset_before"}, {"fault": "status", "status": 500, "after": True}],
    ids=["answer lost", "request lost", "500 after all"],
)
def test_lost_requests_make_no_second_batch(emulator, mixpeek, stored, path, fault):
    emulator.fault({**fault, "path": path, "times": 2})
    done = process_objects(mixpeek, "products", stored, batch_size=50)
    assert [batch.objects for batch in done.batches] == [50] * 5
    assert processed(emulator) == {"1": 250}
    assert emulator.state()["batches_submitted"] == 5


def test_plan_with_smaller_batches_gets_them(make_emulator, connect):
    server = make_emulator(task_seconds=0, max_batch_size=100)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(250), mapping=MAPPING, scope="load", process=False)
    done = process_objects(mixpeek, "products", report.object_ids)
    assert done.objects == 250
    assert max(batch.objects for batch in done.batches) <= 100
    assert processed(server) == {"1": 250}


# -- called again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notes", [True, False], ids=["with a checkpoint", "without"])
@pytest.mark.parametrize("path", [BATCHES, SUBMIT])
def test_call_that_breaks_off_is_finished_by_the_next(make_emulator, connect, tmp_path, path, notes) -> None:
    server = make_emulator(task_seconds=3_600)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(250), mapping=MAPPING, scope="load", process=False)
    server.fault({"fault": "status", "status": 403, "path": path, "skip": 2, "times": 1})
    checkpoint = FileCheckpoint(tmp_path) if notes else None
    with pytest.raises(MixpeekPermissionError) as broken:
        process_objects(mixpeek, "products", report.object_ids, batch_size=50, checkpoint=checkpoint)
    assert broken.value.__notes__ == ["Submitted so far: 2 batches with 100 objects."]
    done = process_objects(mixpeek, "products", report.object_ids, batch_size=50, checkpoint=checkpoint)
    assert done.objects == 250
    assert server.state()["batches_submitted"] == 5
    # Called again when all of it is submitted, it submits nothing.
    again = process_objects(mixpeek, "products", report.object_ids, batch_size=50, checkpoint=checkpoint)
    assert {batch.batch_id for batch in again.batches} == {batch.batch_id for batch in done.batches}
    assert server.state()["batches_submitted"] == 5


def test_what_failed_is_submitted_anew_and_nothing_else(emulator, mixpeek, stored, tmp_path):
    checkpoint = FileCheckpoint(tmp_path)
    emulator.fault({"fault": "task_outcome", "status": "FAILED", "times": 1, "skip": 1})
    first = process_objects(mixpeek, "products", stored, batch_size=100, checkpoint=checkpoint)
    second = process_objects(mixpeek, "products", stored, batch_size=100, checkpoint=checkpoint)
    kept = {batch.batch_id for batch in first.batches} & {batch.batch_id for batch in second.batches}
    assert len(kept) == 2
    assert second.objects == 250
    assert processed(emulator) == {"1": 250}


@pytest.mark.parametrize(("rerun", "number_of_batches"), [("replay", 3), ("again", 6)])
def test_person_who_asks_again_gets_what_was_asked_for(
    emulator, mixpeek, stored, tmp_path, rerun, number_of_batches
):
    checkpoint = FileCheckpoint(tmp_path)
    settings = {"batch_size": 100, "checkpoint": checkpoint, "rerun": rerun}
    process_objects(mixpeek, "products", stored, rerun_number=0, **settings)
    process_objects(mixpeek, "products", stored, rerun_number=0, **settings)
    assert emulator.state()["batches_submitted"] == 3
    process_objects(mixpeek, "products", stored, rerun_number=1, **settings)
    assert emulator.state()["batches_submitted"] == number_of_batches


@pytest.mark.parametrize("number", [0, 1])
def test_person_who_asks_again_has_earlier_work_cancelled(make_emulator, connect, tmp_path, number):
    server = make_emulator(task_seconds=3_600)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(250), mapping=MAPPING, scope="load", process=False)
    settings = {"batch_size": 100, "checkpoint": FileCheckpoint(tmp_path), "cancel_earlier": True}
    first = process_objects(mixpeek, "products", report.object_ids, rerun_number=0, **settings)
    second = process_objects(mixpeek, "products", report.object_ids, rerun_number=number, **settings)
    ids = [{batch.batch_id for batch in each.batches} for each in (first, second)]
    words = {mixpeek.batches.get(first.bucket_id, batch.batch_id).status for batch in first.batches}
    if number:
        assert not ids[0] & ids[1]
        assert words == {"CANCELED"}
    else:
        assert ids[0] == ids[1]
        assert "CANCELED" not in words
    assert second.objects == 250


def test_what_was_given_up_is_not_taken_up_however_long_it_takes_to_end(make_emulator, connect, tmp_path):
    server = make_emulator(task_seconds=3_600)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(50), mapping=MAPPING, scope="load", process=False)
    settings = {"checkpoint": FileCheckpoint(tmp_path), "cancel_earlier": True}
    first = process_objects(mixpeek, "products", report.object_ids, rerun_number=0, **settings)
    # What cannot be cancelled any more runs on for a while.
    server.fault({"fault": "status", "status": 409, "path": CANCEL})
    second = process_objects(mixpeek, "products", report.object_ids, rerun_number=1, **settings)
    assert first.batches[0].batch_id != second.batches[0].batch_id
    # And a retry after that takes up the second.
    third = process_objects(mixpeek, "products", report.object_ids, rerun_number=1, **settings)
    assert third.batches == second.batches


def test_cancelled_by_hand_is_not_taken_up(make_emulator, connect, tmp_path):
    """As an old trigger does it, that hears of a clear before the new try runs."""
    server = make_emulator(task_seconds=3_600)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(50), mapping=MAPPING, scope="load", process=False)
    checkpoint = FileCheckpoint(tmp_path)
    first = process_objects(mixpeek, "products", report.object_ids, checkpoint=checkpoint, rerun_number=0)
    mixpeek.batches.cancel(first.bucket_id, first.batches[0].batch_id)
    second = process_objects(mixpeek, "products", report.object_ids, checkpoint=checkpoint, rerun_number=1)
    assert second.batches[0].batch_id != first.batches[0].batch_id
    assert second.objects == 50


def test_a_cancel_that_is_refused_leaves_the_rerun_to_the_next_try(make_emulator, connect, tmp_path):
    server = make_emulator(task_seconds=3_600)
    mixpeek = connect(server)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(50), mapping=MAPPING, scope="load", process=False)
    settings = {"checkpoint": FileCheckpoint(tmp_path), "cancel_earlier": True}
    first = process_objects(mixpeek, "products", report.object_ids, rerun_number=0, **settings)
    server.fault({"fault": "status", "status": 403, "path": CANCEL, "times": 1})
    with pytest.raises(MixpeekPermissionError):
        process_objects(mixpeek, "products", report.object_ids, rerun_number=1, **settings)
    second = process_objects(mixpeek, "products", report.object_ids, rerun_number=1, **settings)
    assert first.batches[0].batch_id != second.batches[0].batch_id
    assert mixpeek.batches.get(first.bucket_id, first.batches[0].batch_id).status == "CANCELED"


def test_call_that_another_has_taken_over_from_creates_nothing_more(emulator, mixpeek, stored, tmp_path):
    checkpoint = FileCheckpoint(tmp_path)

    def taken_over():
        yield from stored[:100]
        process_objects(mixpeek, "products", stored, batch_size=100, checkpoint=checkpoint)
        yield from stored[100:]

    with pytest.raises(MixpeekError, match="another try of this load has begun"):
        process_objects(mixpeek, "products", taken_over(), batch_size=100, checkpoint=checkpoint)
    assert calls(emulator, BATCHES) == 3
    assert processed(emulator) == {"1": 250}
