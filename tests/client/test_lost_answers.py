"""Answers that are lost on the way, over real sockets: nothing is stored or submitted twice."""

import pytest

from airflow_provider.mixpeek.client import MixpeekConflictError, MixpeekConnectionError, MixpeekStatusError

SCHEMA = {"title": "text"}
LOST = {"fault": "reset_after", "times": 1}
BATCH = "/v1/buckets/*/objects/batch"


@pytest.fixture
def bucket(mixpeek):
    return mixpeek.buckets.create("products", schema=SCHEMA)


def test_a_bucket_whose_answer_was_lost_is_taken_with_reuse(mixpeek, emulator):
    emulator.fault({"method": "POST", "path": "/v1/buckets", **LOST})
    made = mixpeek.buckets.create("products", schema=SCHEMA, if_exists="reuse")
    assert made.bucket_name == "products"
    assert emulator.state()["buckets"] == 1


def test_a_bucket_whose_answer_was_lost_is_in_doubt_without_reuse(mixpeek, emulator):
    emulator.fault({"method": "POST", "path": "/v1/buckets", **LOST})
    with pytest.raises(MixpeekConnectionError) as caught:
        mixpeek.buckets.create("products", schema=SCHEMA)
    assert caught.value.may_be_stored
    assert emulator.state()["buckets"] == 1


def test_two_that_create_one_bucket_share_it(mixpeek, emulator):
    # The other one is faster: it creates after this one has looked.
    emulator.fault({"method": "POST", "path": "/v1/buckets", "fault": "status", "status": 409, "after": True})
    made = mixpeek.buckets.create("products", schema=SCHEMA, if_exists="reuse")
    emulator.clear_faults()
    assert mixpeek.buckets.find("products").bucket_id == made.bucket_id


def test_objects_with_keys_are_sent_again_and_stored_once(mixpeek, bucket, emulator):
    emulator.fault({"path": BATCH, "fault": "reset_after", "times": 2})
    new = [{"idempotency_key": f"k{number}"} for number in range(3)]
    made = mixpeek.objects.create_many(bucket.bucket_id, new)
    assert [row.replayed for row in made.succeeded] == [True] * 3
    assert emulator.state()["objects"] == 3


@pytest.mark.parametrize("new", [[{}], [{"idempotency_key": "k"}, {}]])
def test_objects_without_keys_are_not_sent_again(mixpeek, bucket, emulator, new, count):
    emulator.fault({"path": BATCH, **LOST})
    with pytest.raises(MixpeekConnectionError) as caught:
        mixpeek.objects.create_many(bucket.bucket_id, new)
    assert caught.value.may_be_stored
    assert emulator.faults()[0]["matched"] == 1


@pytest.mark.parametrize("code", [429, 503])
def test_what_stored_nothing_is_sent_again_even_without_keys(mixpeek, bucket, emulator, code):
    emulator.fault({"path": BATCH, "fault": "status", "status": code, "times": 3})
    mixpeek.objects.create_many(bucket.bucket_id, [{}])
    assert emulator.state()["objects"] == 1


def test_a_submit_whose_answer_was_lost_happens_once(mixpeek, bucket, emulator, count):
    made = mixpeek.objects.create_many(bucket.bucket_id, [{}])
    batch = mixpeek.batches.create(bucket.bucket_id, [made.succeeded[0].object_id])
    emulator.fault({"path": "/v1/buckets/*/submit", **LOST})
    task = mixpeek.batches.submit(bucket.bucket_id, batch.batch_id)
    assert mixpeek.tasks.get(task.task_id).batch_id == batch.batch_id
    assert emulator.state()["batches_submitted"] == 1
    assert emulator.faults()[0]["matched"] == 1


def test_a_submit_that_never_arrived_is_sent_again(mixpeek, bucket, emulator):
    made = mixpeek.objects.create_many(bucket.bucket_id, [{}])
    batch = mixpeek.batches.create(bucket.bucket_id, [made.succeeded[0].object_id])
    emulator.fault({"path": "/v1/buckets/*/submit", "fault": "reset_before", "times": 1})
    assert mixpeek.batches.submit(bucket.bucket_id, batch.batch_id).batch_id == batch.batch_id
    assert emulator.state()["batches_submitted"] == 1


def test_a_submit_by_somebody_else_is_taken(mixpeek, bucket, emulator):
    made = mixpeek.objects.create_many(bucket.bucket_id, [{}])
    batch = mixpeek.batches.create(bucket.bucket_id, [made.succeeded[0].object_id])
    first = mixpeek.batches.submit(bucket.bucket_id, batch.batch_id)
    assert mixpeek.batches.submit(bucket.bucket_id, batch.batch_id).task_id == first.task_id
    assert emulator.state()["batches_submitted"] == 1


def test_a_draft_that_the_server_refuses_to_submit_is_an_error(mixpeek, bucket, emulator):
    made = mixpeek.objects.create_many(bucket.bucket_id, [{}])
    batch = mixpeek.batches.create(bucket.bucket_id, [made.succeeded[0].object_id])
    emulator.fault({"path": "/v1/buckets/*/submit", "fault": "status", "status": 409})
    with pytest.raises(MixpeekConflictError):
        mixpeek.batches.submit(bucket.bucket_id, batch.batch_id)
    assert emulator.faults()[0]["fired"] == 1


def test_a_deletion_whose_answer_was_lost_is_no_error(mixpeek, bucket, emulator):
    emulator.fault({"method": "DELETE", "path": "/v1/buckets/*", **LOST})
    mixpeek.buckets.delete(bucket.bucket_id)
    assert emulator.state()["buckets"] == 0


def test_an_echoed_key_is_not_repeated(mixpeek, emulator, key):
    body = {"error": {"message": f"Bad key {key}", "type": "UnauthorizedError", "details": {"got": key}}}
    emulator.fault({"fault": "status", "status": 401, "body": body, "headers": {"X-Request-Id": key}})
    with pytest.raises(MixpeekStatusError, match="Bad key ") as caught:
        mixpeek.whoami()
    assert key not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
