"""Every call of both clients, against the emulator over a real socket."""

import json
from datetime import UTC, datetime

import pytest

from airflow_provider.mixpeek.client import (
    Batch,
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNamespaceError,
    MixpeekNotFoundError,
    MixpeekValidationError,
    NewBlob,
    NewObject,
    WaitFor,
    _calls,
)
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Outcome, Seen

SCHEMA = {"hero": "image", "title": "text", "price": "float", "sku": "string"}


def _object(number: int, **more):
    blob = {"property": "title", "type": "text", "data": {"text": f"title {number}"}}
    return {"blobs": [blob], "fields": {"price": number / 2}} | more


@pytest.fixture
def bucket(mixpeek):
    return mixpeek.buckets.create("products", schema=SCHEMA)


# --- who and how ---


def test_whoami_and_health(mixpeek):
    me = mixpeek.whoami()
    assert (me.organization_id, me.key.permissions) == ("org_emulator", ["READ", "WRITE", "DELETE", "ADMIN"])
    assert mixpeek.health() == {"status": "OK"}


def test_a_wrong_key_is_an_error_of_its_own(connect, make_emulator):
    emulator = make_emulator(api_keys=["sk_other"])
    with pytest.raises(MixpeekAuthenticationError, match="Check the API key") as caught:
        connect(emulator.url).whoami()
    assert caught.value.status == 401


# --- buckets ---


def test_a_bucket_is_created_as_described(mixpeek):
    made = mixpeek.buckets.create(
        "films", schema=SCHEMA, description="All of them", unique_key=["sku"], metadata={"owner": "us"}
    )
    got = mixpeek.buckets.get(made.bucket_id)
    assert (got.bucket_name, got.description, got.object_count) == ("films", "All of them", 0)
    assert {name: prop.type for name, prop in got.bucket_schema.properties.items()} == SCHEMA | {
        "metadata": "object"
    }
    assert got.unique_key.fields_ == ("sku",)
    assert got.model_extra["metadata"] == {"owner": "us"}


def test_a_bucket_that_exists_is_an_error_by_default(mixpeek, bucket, count):
    with pytest.raises(MixpeekConflictError, match=rf"exists already \({bucket.bucket_id}\).*reuse"):
        mixpeek.buckets.create("products", schema=SCHEMA)
    assert count("POST", "/v1/buckets") == 1


def test_reuse_takes_the_bucket_that_exists(mixpeek, bucket, emulator):
    again = mixpeek.buckets.create("products", schema=SCHEMA, if_exists="reuse")
    assert again.bucket_id == bucket.bucket_id
    assert emulator.state()["buckets"] == 1


def test_reuse_creates_what_does_not_exist(mixpeek, emulator):
    mixpeek.buckets.create("products", schema=SCHEMA, if_exists="reuse")
    assert emulator.state()["buckets"] == 1


@pytest.mark.parametrize(
    ("schema", "unique_key", "named"),
    [
        (SCHEMA | {"year": "integer"}, None, r"'year' \(integer\) is not in it"),
        (SCHEMA | {"price": "string"}, None, "'price' is 'float' there and 'string' here"),
        (SCHEMA, ["sku"], r"unique key is none there and \['sku'\] here"),
    ],
)
def test_reuse_refuses_a_bucket_of_another_schema(mixpeek, bucket, schema, unique_key, named):
    with pytest.raises(MixpeekConflictError, match=named):
        mixpeek.buckets.create("products", schema=schema, unique_key=unique_key, if_exists="reuse")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": 7},
        {"if_exists": "replace"},
        {"schema": {"hero": "IMAGE"}},
        {"schema": ["hero"]},
        {"unique_key": ["nothing"]},
        {"unique_key": []},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": object()}},
    ],
)
def test_a_wrong_argument_is_refused_before_a_bucket_is_created(mixpeek, count, wrong):
    arguments = {"name": "b", "schema": SCHEMA} | wrong
    with pytest.raises(MixpeekConfigError):
        mixpeek.buckets.create(arguments.pop("name"), **arguments)
    assert count("POST", "/v1/buckets") == 0


def test_buckets_are_found_by_id_and_by_name(mixpeek, bucket):
    assert mixpeek.buckets.find(bucket.bucket_id) == mixpeek.buckets.find("products")
    # A name may look like an id.
    odd = mixpeek.buckets.create("bkt_odd", schema=SCHEMA)
    assert mixpeek.buckets.find("bkt_odd").bucket_id == odd.bucket_id


def test_a_bucket_that_is_not_there_is_named_with_what_comes_close(mixpeek, bucket):
    with pytest.raises(MixpeekNotFoundError, match=r"no bucket 'product' .*'shop'.*Did you mean 'products'"):
        mixpeek.buckets.find("product")
    with pytest.raises(MixpeekNotFoundError, match="Create it first"):
        mixpeek.buckets.find("zzz")
    with pytest.raises(MixpeekConfigError):
        mixpeek.buckets.find(" ")


def test_lists_page_by_themselves(mixpeek, monkeypatch, count):
    monkeypatch.setattr(_calls, "PAGE_SIZE", 2)
    names = [f"bucket-{number}" for number in range(5)]
    for name in names:
        mixpeek.buckets.create(name, schema=SCHEMA)
    before = count("POST", "/v1/buckets/list")
    listed = list(mixpeek.buckets.list())
    assert sorted(bucket.bucket_name for bucket in listed) == names
    assert count("POST", "/v1/buckets/list") - before == 3
    assert [bucket.bucket_name for bucket in mixpeek.buckets.list(search="bucket-3")] == ["bucket-3"]


def test_a_list_reads_no_further_than_asked(mixpeek, monkeypatch, bucket, count):
    monkeypatch.setattr(_calls, "PAGE_SIZE", 1)
    mixpeek.buckets.create("more", schema=SCHEMA)
    before = count("POST", "/v1/buckets/list")
    next(iter(mixpeek.buckets.list()))
    assert count("POST", "/v1/buckets/list") - before == 1


def test_a_bucket_is_deleted(mixpeek, bucket):
    deleted = mixpeek.buckets.delete(bucket.bucket_id)
    assert deleted.bucket_id == bucket.bucket_id
    assert mixpeek.tasks.get(deleted.task_id).status == "COMPLETED"
    with pytest.raises(MixpeekNotFoundError):
        mixpeek.buckets.get(bucket.bucket_id)
    with pytest.raises(MixpeekNotFoundError):
        mixpeek.buckets.delete(bucket.bucket_id)


# --- objects ---


def test_an_object_is_created_and_got(mixpeek, bucket):
    made = mixpeek.objects.create(
        bucket.bucket_id,
        blobs=[NewBlob(property="title", type="text", data={"text": "A film"})],
        fields={"price": 9.5},
        metadata={"year": 1963},
        key_prefix="/films",
    )
    got = mixpeek.objects.get(bucket.bucket_id, made.object_id)
    assert (got.price, got.key_prefix, got.status) == (9.5, "/films", "PENDING")
    assert got.model_extra["metadata"] == {"year": 1963}
    assert got.blobs[0].property == "title"


def test_a_key_makes_a_create_repeatable(mixpeek, bucket, emulator):
    ids = {
        mixpeek.objects.create(bucket.bucket_id, **_object(1), idempotency_key="k1").object_id
        for _ in range(2)
    }
    assert len(ids) == emulator.state()["objects"] == 1


def test_equal_content_can_be_skipped(mixpeek, bucket, emulator):
    for _ in range(2):
        mixpeek.objects.create(bucket.bucket_id, **_object(1), skip_duplicates=True)
    assert emulator.state()["objects"] == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"blobs": [{"property": "title", "type": "text"}]}, "blob 0"),
        ({"blobs": [{"property": "x" * 101, "type": "text", "data": "a"}]}, "property"),
        ({"blobs": [{"property": "a", "type": "text", "data": "a", "url": "b"}]}, "url"),
        ({"blobs": [{"property": "a", "type": "text", "upload_id": "nope"}]}, "upload_id"),
        ({"fields": {"object_id": "mine"}}, "object_id"),
        ({"fields": {"metadata": {}}}, "metadata"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"fields": {"price": float("inf")}}, "JSON"),
    ],
)
def test_a_wrong_object_is_refused_before_it_is_sent(mixpeek, wrong, named):
    with pytest.raises(MixpeekConfigError, match=named):
        mixpeek.objects.create("bkt_any", **wrong)


def test_many_objects_are_created_with_one_request(mixpeek, bucket, count):
    new = [_object(1, idempotency_key="a"), NewObject.model_validate(_object(2, idempotency_key="b"))]
    first = mixpeek.objects.create_many(bucket.bucket_id, new)
    again = mixpeek.objects.create_many(bucket.bucket_id, new)
    assert [row.replayed for row in first.succeeded + again.succeeded] == [False, False, True, True]
    assert [row.object_index for row in first.succeeded] == [0, 1]
    assert count("POST", "/v1/buckets/{bucket_identifier}/objects/batch") == 2


def test_a_partial_failure_is_a_result(mixpeek, bucket):
    made = mixpeek.objects.create_many(bucket.bucket_id, [_object(1), {"fields": {"nope": 1}}, _object(3)])
    assert [row.object_index for row in made.succeeded] == [0, 2]
    assert [(row.object_index, row.error_type) for row in made.failed] == [(1, "ValidationError")]
    assert "nope" in made.failed[0].error


def test_a_failure_of_all_is_a_result_too(mixpeek, bucket):
    made = mixpeek.objects.create_many(bucket.bucket_id, [{"fields": {"nope": 1}}] * 2)
    assert (made.succeeded, len(made.failed)) == ([], 2)


def test_a_refusal_of_the_whole_request_is_an_error(mixpeek):
    unique = mixpeek.buckets.create("unique", schema=SCHEMA, unique_key="sku")
    with pytest.raises(MixpeekValidationError, match="unique key") as caught:
        mixpeek.objects.create_many(unique.bucket_id, [_object(1)])
    assert caught.value.validation_errors[0].location == ("body", "objects")


def test_encoded_objects_are_sent_as_they_are(mixpeek, bucket):
    bodies = [json.dumps({"blobs": [], "price": number}).encode() for number in range(100)]
    made = mixpeek.objects.create_encoded(bucket.bucket_id, bodies, repeatable=False)
    assert len(made.succeeded) == 100
    prices = [found.price for found in mixpeek.objects.list(bucket.bucket_id)]
    assert prices == list(range(100))


@pytest.mark.parametrize("number", [0, 101])
def test_a_request_takes_1_to_100_objects(mixpeek, number):
    with pytest.raises(MixpeekConfigError, match=f"1 to 100 objects, and these are {number}"):
        mixpeek.objects.create_encoded("bkt_any", [b"{}"] * number, repeatable=False)


def test_objects_are_listed_with_filters_and_pages(mixpeek, bucket, monkeypatch, count):
    mixpeek.objects.create_many(bucket.bucket_id, [_object(number) for number in range(7)])
    monkeypatch.setattr(_calls, "PAGE_SIZE", 3)
    assert [found.price for found in mixpeek.objects.list(bucket.bucket_id)] == [n / 2 for n in range(7)]
    path = "/v1/buckets/{bucket_identifier}/objects/list"
    assert count("POST", path) == 3
    dear = {"AND": [{"field": "price", "operator": "gte", "value": 1.5}]}
    assert [found.price for found in mixpeek.objects.list(bucket.bucket_id, filters=dear)] == [1.5, 2, 2.5, 3]
    assert count("POST", path) == 5


# --- batches, tasks, looks ---


@pytest.fixture
def batch(mixpeek, bucket):
    made = mixpeek.objects.create_many(bucket.bucket_id, [_object(1), _object(2)])
    ids = [row.object_id for row in made.succeeded]
    return mixpeek.batches.create(bucket.bucket_id, ids, name="mine", dedup_strategy="replace")


def test_a_batch_is_a_draft_until_it_is_submitted(mixpeek, batch):
    assert (batch.status, batch.batch_name, len(batch.object_ids), batch.task_id) == (
        "DRAFT",
        "mine",
        2,
        None,
    )
    task = mixpeek.batches.submit(batch.bucket_id, batch.batch_id, force=True)
    assert (task.batch_id, task.bucket_id) == (batch.batch_id, batch.bucket_id)
    done = mixpeek.batches.get(batch.bucket_id, batch.batch_id)
    assert (done.status, done.task_id) == ("COMPLETED", task.task_id)
    assert mixpeek.tasks.get(task.task_id).status == "COMPLETED"


@pytest.mark.parametrize("ids", [[], "obj_1", ()])
def test_a_batch_needs_object_ids(mixpeek, ids):
    with pytest.raises(MixpeekConfigError, match="at least one object id"):
        mixpeek.batches.create("bkt_any", ids)


def test_a_look_judges_the_batch_wherever_it_is_known(mixpeek, batch, emulator, count):
    emulator.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "error": "GPU on fire"})
    by_batch = WaitFor(batch_id=batch.batch_id, bucket=batch.bucket_id)
    assert mixpeek.look(by_batch) == Seen(Outcome.WAITS_FOR_CALLER, "DRAFT")
    task = mixpeek.batches.submit(batch.bucket_id, batch.batch_id)
    seen = mixpeek.look(by_batch)
    assert (seen.outcome, seen.word) == (Outcome.PARTIAL, "COMPLETED_WITH_ERRORS")
    assert seen.reason == f"GPU on fire; 1 of its objects failed ({batch.object_ids[0]}: GPU on fire)"
    assert mixpeek.look(WaitFor(task.task_id)) == seen
    # Without its bucket a batch has a path of its own.
    assert mixpeek.look(WaitFor(batch_id=batch.batch_id)) == seen
    assert count("GET", "/v1/batches/{batch_id}") == 1


def test_a_look_at_a_task_without_a_batch_judges_the_task(mixpeek, bucket):
    task_id = mixpeek.buckets.delete(bucket.bucket_id).task_id
    assert mixpeek.look(WaitFor(task_id)) == Seen(Outcome.DONE, "COMPLETED")


def test_a_task_whose_batch_cannot_be_asked_is_judged_itself(mixpeek, batch, emulator):
    task = mixpeek.batches.submit(batch.bucket_id, batch.batch_id)
    emulator.fault({"path": "/v1/buckets/*/batches/*", "fault": "status", "status": 404})
    assert mixpeek.look(WaitFor(task.task_id)) == Seen(Outcome.DONE, "COMPLETED")
    assert mixpeek.look(WaitFor(task.task_id, batch.batch_id, batch.bucket_id)) == Gone()


def test_a_look_at_nothing_is_gone(mixpeek):
    assert mixpeek.look(WaitFor("task_none")) == Gone()
    assert mixpeek.look(WaitFor(batch_id="btch_none")) == Gone()


@pytest.mark.parametrize(
    "fault",
    [{"fault": "status", "status": 503, "headers": {"Retry-After": "7"}}, {"fault": "reset_before"}],
)
def test_a_look_that_fails_is_told_at_once(mixpeek, emulator, fault):
    emulator.fault({"path": "/v1/tasks/*", **fault})
    looked = mixpeek.look(WaitFor("task_1"))
    assert isinstance(looked, FailedLook)
    assert looked.retry_after == (7 if fault["fault"] == "status" else None)
    assert emulator.faults()[0]["fired"] == 1


def test_a_look_that_no_time_will_heal_is_an_error(connect, make_emulator):
    with pytest.raises(MixpeekAuthenticationError):
        connect(make_emulator(api_keys=["sk_other"]).url).look(WaitFor("task_1"))


@pytest.mark.parametrize(
    ("told", "created"),
    [
        ("2026-11-27T04:05:00Z", datetime(2026, 11, 27, 4, 5, tzinfo=UTC)),
        ("2026-11-27T04:05:00", datetime(2026, 11, 27, 4, 5, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_batch_says_when_it_was_created_where_that_is_a_time(told, created):
    assert Batch(batch_id="btch_1", created_at=told).created == created


# --- unknown namespace ---


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: list(client.buckets.list()),
        lambda client: list(client.objects.list("bkt_1")),
        lambda client: client.buckets.find("products"),
        lambda client: client.buckets.create("products", schema=SCHEMA, if_exists="reuse"),
        lambda client: client.buckets.create("products", schema=SCHEMA),
    ],
)
def test_an_unknown_namespace_is_an_error_and_not_an_empty_list(connect, make_emulator, ask):
    emulator = make_emulator(namespaces=["shop"])
    with pytest.raises(MixpeekNamespaceError, match="does not know the namespace 'shpo'") as caught:
        ask(connect(emulator.url, namespace="shpo"))
    assert not caught.value.may_be_stored
    assert emulator.state()["buckets"] == 0


def test_all_errors_are_ours(mixpeek):
    with pytest.raises(MixpeekError):
        mixpeek.objects.get("bkt_none", "obj_none")
