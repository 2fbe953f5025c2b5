"""``skip_duplicates``: of rows with one content the first becomes an object, when somebody asks for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, ingest

from .shop import BATCH, SCHEMA, fields

HERO = {"blobs": {"hero": "image"}, "metadata": ["sku", "price"]}


def films(count: int, *, images: int) -> list[dict[str, Any]]:
    """Rows that have so many images between them."""
    return [
        {"image": f"https://example.com/{number % images}.jpg", "sku": f"S{number:06}", "price": 1.0}
        for number in range(count)
    ]


def load(mixpeek, many: Any, **settings: Any):
    given = {"mapping": HERO, "scope": "load", "skip_duplicates": True}
    return ingest(mixpeek, "products", many, **(given | settings))


def test_rows_with_one_image_are_objects_of_their_own_unless_asked_otherwise(emulator, mixpeek, bucket):
    report = load(mixpeek, films(10, images=2), skip_duplicates=False)
    assert (report.created, report.replayed, emulator.state()["objects"]) == (10, 0, 10)


@pytest.mark.parametrize("batch_size", [1, 3, 1_000])
@pytest.mark.parametrize("process", ["new", "all"])
def test_rows_with_one_image_are_one_object_that_is_processed_once(
    process, batch_size, emulator, mixpeek, bucket
):
    report = load(mixpeek, films(250, images=7), process=process, batch_size=batch_size, in_flight=1)
    assert (report.created, report.replayed) == (7, 243)
    assert len(report.object_ids) == 250
    assert emulator.state()["objects"] == 7
    assert emulator.state()["objects_processed"] == {"1": 7}
    # The first row of each.
    found = sorted(fields(each)["sku"] for each in mixpeek.objects.list(bucket.bucket_id))
    assert found == [f"S{number:06}" for number in range(7)]


def test_so_they_are_with_many_requests_and_lost_answers(emulator, mixpeek, bucket):
    emulator.fault({"fault": "reset_after", "probability": 0.2, "seed": 4})
    report = load(mixpeek, films(3_000, images=400), batch_size=50)
    assert report.created + report.replayed == 3_000
    assert emulator.state()["objects"] == 400
    assert emulator.state()["objects_processed"] == {"1": 400}


def test_a_row_behind_the_watermark_that_is_an_object_before_it_is_not_processed_again(
    make_emulator, connect, tmp_path
):
    # What is in a batch that runs still, nobody but its members tell.
    emulator = make_emulator(task_seconds=600)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    many = [*films(500, images=500), *films(200, images=10)]
    given = {"checkpoint": FileCheckpoint(tmp_path / "checkpoint"), "batch_size": 50, "in_flight": 1}
    emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 5})
    with pytest.raises(IngestError):
        load(mixpeek, many, **given)
    emulator.clear_faults()
    report = load(mixpeek, many, **given)
    assert report.resumed > 0
    batched = Counter(one for batch in mixpeek.batches.list(bucket.bucket_id) for one in batch.object_ids)
    assert (len(batched), set(batched.values())) == (500, {1})


def test_an_object_of_another_row_is_not_this_row_with_other_values(mixpeek, bucket):
    keyed = HERO | {"idempotency_key": ["sku"]}
    report = load(mixpeek, films(4, images=1), mapping=keyed, on_changed="reject")
    assert (report.created, report.replayed, report.stale, report.rejected) == (1, 3, 0, 0)


def test_a_server_that_does_not_say_what_was_there_is_not_said_to_have_created_it(make_emulator, connect):
    emulator = make_emulator(api_version="0.81", task_seconds=0)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = load(mixpeek, films(10, images=2), batch_size=1)
    assert (report.created, report.replayed, report.stored) == (0, 0, 10)
    assert emulator.state()["objects"] == 2
    assert emulator.state()["objects_processed"] == {"1": 2}


def test_the_legacy_generation_skips_them_too(make_emulator, connect):
    emulator = make_emulator(generation="legacy", task_seconds=0)
    mixpeek = connect(emulator, generation="legacy")
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = load(mixpeek, films(10, images=2), in_flight=1)
    assert (report.stored, emulator.state()["objects"], len(report.task_ids)) == (10, 2, 10)
