"""API 0.81, as far as it differs from 0.82."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def emulator(make_emulator):
    return make_emulator(api_version="0.81", task_seconds=0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/me", 404),
        ("GET", "/v1/health/deep", 404),
        ("GET", "/v1/batches/btch_1", 404),
        ("POST", "/v1/batches/list", 404),
        ("GET", "/v1/batches/queue", 404),
        ("POST", "{bucket}/batches/x/resubmit", 404),
        ("GET", "/v1/buckets", 405),
        ("GET", "/v1/namespaces", 405),
        ("GET", "{bucket}/objects", 405),
        ("GET", "/v1/health", 200),
        ("POST", "/v1/buckets/list", 200),
        ("POST", "{bucket}/objects/list", 200),
        ("POST", "{bucket}/batches/list", 200),
        ("POST", "/v1/tasks/list", 200),
    ],
)
def test_which_calls_there_are(api: httpx.Client, bucket: str, method: str, path: str, status: int):
    answer = api.request(method, path.replace("{bucket}", bucket), json={})
    assert answer.status_code == status
    if status == 404:
        # No such route, rather than no such thing.
        assert answer.json()["error"]["message"].startswith("Not Found: ")


def test_an_idempotency_key_is_a_field_and_protects_nothing(emulator, api: httpx.Client, bucket: str):
    body = {"sku": "1", "idempotency_key": "k" * 300}
    made = [api.post(f"{bucket}/objects", json=body).json() for _ in range(2)]
    assert [each["idempotency_key"] for each in made] == ["k" * 300] * 2
    rows = api.post(f"{bucket}/objects/batch", json={"objects": [body, body]}).json()["succeeded"]
    assert len({each["object_id"] for each in [*made, *rows]}) == 4
    assert emulator.state()["objects"] == 4
    assert "warnings" not in made[0]


def test_undeclared_keys_can_be_refused_there_too(make_emulator, connect, new_bucket):
    api = connect(make_emulator(api_version="0.81", undeclared_metadata="refuse"))
    answer = api.post(f"{new_bucket(api)}/objects", json={"sku": "1", "idempotency_key": "k"})
    problems = answer.json()["error"]["details"]["validation_errors"]
    assert [(each["location"], each["type"]) for each in problems] == [
        (["body", "idempotency_key"], "extra_forbidden")
    ]


def test_closed_bodies_ignore_what_they_do_not_know(api: httpx.Client, bucket: str):
    blob = {"property": "hero", "type": "image", "data": "https://a.b/c", "url": "https://a.b/c"}
    assert api.post(f"{bucket}/objects", json={"blobs": [blob]}).status_code == 200
    # What it knows is held to its shape.
    assert api.post(f"{bucket}/objects", json={"blobs": [{**blob, "type": "IMAGE"}]}).status_code == 422


def test_rows_do_not_say_where_they_come_from(api: httpx.Client, bucket: str):
    answer = api.post(f"{bucket}/objects/batch", json={"objects": [{"sku": "1"}, {"sku": 2}]}).json()
    assert not {"object_index", "replayed", "replayed_by", "edges", "consistency"} & set(
        answer["succeeded"][0]
    )
    assert answer["failed"][0]["object_index"] == 1


def test_all_failed_is_200(api: httpx.Client, bucket: str):
    answer = api.post(f"{bucket}/objects/batch", json={"objects": [{"sku": 1}]})
    assert (answer.status_code, answer.json()["failed_count"]) == (200, 1)


def test_a_new_object_is_a_draft(api: httpx.Client, bucket: str):
    made = api.post(f"{bucket}/objects", json={"sku": "1"}).json()
    assert made["status"] == "DRAFT"
    got = api.get(f"{bucket}/objects/{made['object_id']}").json()
    assert got["status"] == "DRAFT"
    assert "document_count" not in got


def test_a_batch_takes_ids_and_nothing_else(emulator, api: httpx.Client, bucket: str):
    stored = api.post(f"{bucket}/objects", json={"sku": "1"}).json()["object_id"]
    by_filter = api.post(f"{bucket}/batches", json={"filters": {"field": "sku", "value": "1"}})
    assert by_filter.status_code == 422
    body = {"object_ids": [stored], "auto_submit": True, "batch_name": "n"}
    batch = api.post(f"{bucket}/batches?auto_submit=true", json=body).json()
    assert batch["status"] == "DRAFT"
    assert not {"batch_name", "dedup_strategy", "failed_objects", "progress", "lifecycle"} & set(batch)
    path = f"{bucket}/batches/{batch['batch_id']}"
    api.post(f"{path}/submit")
    assert api.get(path).json()["status"] == "COMPLETED"
    assert api.get(f"{bucket}/objects/{stored}").json()["status"] == "COMPLETED"


async def test_there_is_no_queued(in_process, clock):
    _, api = await in_process(api_version="0.81", task_seconds=10)
    body = {"bucket_name": "b", "bucket_schema": {"properties": {}}}
    bucket = f"/v1/buckets/{(await api.post('/v1/buckets', json=body)).json()['bucket_id']}"
    stored = (await api.post(f"{bucket}/objects", json={})).json()["object_id"]
    batch = (await api.post(f"{bucket}/batches", json={"object_ids": [stored]})).json()["batch_id"]
    task = (await api.post(f"{bucket}/batches/{batch}/submit")).json()["task_id"]
    seen = []
    for seconds in (0, 2, 4, 4):
        clock.now += seconds
        seen.append((await api.get(f"/v1/tasks/{task}")).json()["status"])
    assert seen == ["PENDING", "PENDING", "IN_PROGRESS", "COMPLETED"]


def test_a_schema_is_fixed(api: httpx.Client, bucket: str):
    before = api.get(bucket).json()["bucket_schema"]
    changed = api.patch(bucket, json={"bucket_schema": {"properties": {}}, "description": "new"}).json()
    assert (changed["bucket_schema"], changed["description"]) == (before, "new")
