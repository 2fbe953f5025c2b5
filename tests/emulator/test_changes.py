"""Changing and deleting what is stored, on API 0.82."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

PROPERTIES = {
    "sku": {"type": "string"},
    "size": {"type": "integer"},
    "title": {"type": "text"},
    "metadata": {"type": "object"},
}


def problems_of(answer: httpx.Response) -> dict[tuple, str]:
    assert answer.status_code == 422, answer.text
    return {
        tuple(each["location"]): each["type"]
        for each in answer.json()["error"]["details"]["validation_errors"]
    }


# --- namespaces ---


def test_a_namespace_is_made_once(make_emulator, connect, new_bucket):
    api = connect(make_emulator(namespaces=["shop"], task_seconds=0), X_Namespace="lab")
    assert api.get("/v1/buckets/x").status_code == 404
    made = api.post("/v1/namespaces", json={"namespace_name": "lab", "description": "try"})
    assert made.status_code == 200
    assert made.json()["description"] == "try"
    new_bucket(api)
    assert api.get("/v1/namespaces/lab").json()["namespace_ready"] is True
    again = api.post("/v1/namespaces", json={"namespace_name": "lab"})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "AlreadyExistsError")
    assert problems_of(api.post("/v1/namespaces", json={"namespace_name": "ab", "name": "x"})) == {
        ("body", "namespace_name"): "string_too_short",
        ("body", "name"): "extra_forbidden",
    }


# --- buckets ---


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_parts_of_a_bucket_change(api: httpx.Client, new_bucket, method: str):
    path = new_bucket(api, PROPERTIES, description="old", metadata={"a": 1})
    wider = {"properties": {**PROPERTIES, "colour": {"type": "string"}}}
    body = {"bucket_name": "shoes", "description": None, "bucket_schema": wider, "metadata": {"b": 2}}
    changed = api.request(method, path, json=body).json()
    assert (changed["bucket_name"], changed["description"], changed["metadata"]) == (
        "shoes",
        "old",
        {"b": 2},
    )
    assert changed["bucket_schema"] == wider
    assert api.get(path).json() == changed
    assert api.post(f"{path}/objects", json={"colour": "red"}).status_code == 200


def test_put_and_patch_take_different_keys(api: httpx.Client, bucket: str):
    assert api.put(bucket, json={"storage_class": "archive"}).json()["storage_class"] == "archive"
    assert problems_of(api.patch(bucket, json={"storage_class": "archive"})) == {
        ("body", "storage_class"): "extra_forbidden"
    }
    assert api.patch(bucket, json={"source_adapter": {"a": 1}}).json()["source_adapter"] == {"a": 1}
    assert problems_of(api.put(bucket, json={"source_adapter": {}})) == {
        ("body", "source_adapter"): "extra_forbidden"
    }


def test_a_taken_name_is_refused(api: httpx.Client, new_bucket):
    new_bucket(api, name="a")
    path = new_bucket(api, name="b")
    assert api.patch(path, json={"bucket_name": "a"}).json()["error"]["type"] == "AlreadyExistsError"
    assert api.patch(path, json={"bucket_name": "b"}).status_code == 200


def test_of_a_unique_key_only_the_policy_changes(api: httpx.Client, new_bucket):
    keyed = {"fields": ["sku"], "default_policy": "insert"}
    path = new_bucket(api, PROPERTIES, unique_key=keyed)
    changed = api.patch(path, json={"unique_key": {"fields": ["sku"], "default_policy": "upsert"}}).json()
    assert changed["unique_key"]["default_policy"] == "upsert"
    for _ in range(2):
        assert api.post(f"{path}/objects", json={"sku": "1"}).status_code == 200
    place = {("body", "unique_key", "fields"): "value_error"}
    assert problems_of(api.patch(path, json={"unique_key": {"fields": ["size"]}})) == place
    plain = new_bucket(api, PROPERTIES, name="plain")
    assert problems_of(api.patch(plain, json={"unique_key": keyed})) == place
    without = {"bucket_schema": {"properties": {"size": {"type": "integer"}}}}
    answer = api.patch(f"{path}?force_schema_break=true", json=without)
    assert problems_of(answer) == {("body", "unique_key", "fields", 0): "value_error"}


def test_a_schema_that_objects_rely_on_does_not_break(api: httpx.Client, new_bucket):
    path = new_bucket(api, PROPERTIES)
    narrower = {"bucket_schema": {"properties": {"sku": {"type": "integer"}}}}
    assert api.patch(path, json=narrower).status_code == 200
    api.patch(path, json={"bucket_schema": {"properties": PROPERTIES}})
    api.post(f"{path}/objects", json={"sku": "1"})
    refused = api.patch(path, json=narrower)
    assert refused.status_code == 409
    assert refused.json()["error"]["details"]["properties"] == ["metadata", "size", "sku", "title"]
    assert api.patch(f"{path}?force_schema_break=true", json=narrower).status_code == 200


# --- objects ---


@pytest.fixture
def shelf(api: httpx.Client, new_bucket) -> str:
    return new_bucket(api, PROPERTIES)


def create(api: httpx.Client, shelf: str, **body: Any) -> str:
    answer = api.post(f"{shelf}/objects", json=body)
    assert answer.status_code == 200, answer.text
    return f"{shelf}/objects/{answer.json()['object_id']}"


def test_a_patch_sets_fields_at_the_root(api: httpx.Client, shelf: str):
    path = create(api, shelf, sku="1", size=4, metadata={"a": 1}, key_prefix="/old")
    changed = api.patch(
        path, json={"size": 5, "sku": None, "key_prefix": "/new", "metadata": {"b": 2}}
    ).json()
    assert (changed["size"], changed["key_prefix"], changed["metadata"]) == (5, "/new", {"b": 2})
    assert "sku" not in changed
    assert changed["status"] == "PENDING"
    assert api.get(path).json()["size"] == 5


def test_a_put_changes_nested_metadata_where_it_is(api: httpx.Client, shelf: str):
    path = create(api, shelf, sku="1", metadata={"colour": "red", "kept": 1})
    changed = api.put(path, json={"metadata": {"colour": "blue", "size": 7}, "sku": "2"}).json()
    assert changed["metadata"] == {"colour": "blue", "kept": 1}
    assert (changed["size"], changed["sku"]) == (7, "2")
    # What is new is held to the schema, as at the root.
    assert problems_of(api.put(path, json={"metadata": {"nope": 1}})) == {("body", "nope"): "extra_forbidden"}
    assert api.get(path).json()["metadata"] == {"colour": "blue", "kept": 1}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"status": "COMPLETED"}, "status", "value_error"),
        ({"object_id": "x"}, "object_id", "value_error"),
        ({"blobs": []}, "blobs", "value_error"),
        ({"idempotency_key": "k"}, "idempotency_key", "value_error"),
        ({"size": "x"}, "size", "integer_type"),
        ({"title": "x"}, "title", "value_error"),
        ({"nope": 1}, "nope", "extra_forbidden"),
        ({"key_prefix": 7}, "key_prefix", "string_type"),
    ],
)
def test_what_a_change_may_not_be(
    api: httpx.Client, shelf: str, method: str, body: dict, place: str, kind: str
):
    path = create(api, shelf, size=1)
    before = api.get(path).json()
    assert problems_of(api.request(method, path, json=body)) == {("body", place): kind}
    assert api.get(path).json() == before


def test_undeclared_fields_pass_where_they_are_accepted(make_emulator, connect, new_bucket):
    api = connect(make_emulator(undeclared_metadata="accept"))
    path = create(api, new_bucket(api, PROPERTIES), size=1)
    assert api.patch(path, json={"nope": 1}).json()["nope"] == 1


def test_a_change_keeps_keys_unique(api: httpx.Client, new_bucket):
    shelf = new_bucket(api, PROPERTIES, unique_key={"fields": ["sku"], "default_policy": "insert"})
    one, two = create(api, shelf, sku="1"), create(api, shelf, sku="2")
    refused = api.patch(two, json={"sku": "1"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "AlreadyExistsError")
    assert problems_of(api.patch(two, json={"sku": None})) == {("body", "sku"): "missing"}
    assert api.patch(two, json={"sku": "3", "size": 1}).status_code == 200
    # The old key is free, the new one taken.
    assert api.post(f"{shelf}/objects", json={"sku": "2"}).status_code == 200
    assert api.post(f"{shelf}/objects", json={"sku": "3"}).status_code == 409
    assert api.patch(one, json={"sku": "1"}).status_code == 200


def test_a_deleted_object_leaves_nothing_behind(emulator, api: httpx.Client, new_bucket):
    shelf = new_bucket(api, PROPERTIES, unique_key={"fields": ["sku"], "default_policy": "insert"})
    blob = {"property": "title", "type": "text", "data": {"text": "red"}}
    body = {"sku": "1", "idempotency_key": "k", "blobs": [blob], "skip_duplicates": True}
    path = create(api, shelf, **body)
    answer = api.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(path).status_code == api.delete(path).status_code == 404
    assert api.get(shelf).json()["total_size_bytes"] == 0
    assert emulator.state()["objects"] == 0
    # Its idempotency key, its unique key and its content are free.
    assert create(api, shelf, **body) != path


async def test_a_batch_says_which_objects_are_gone(shop, clock):
    batch = await shop.batch()
    assert (await shop.api.delete(f"{shop.path}/objects/{shop.ids[0]}")).status_code == 204
    await shop.submit(batch)
    clock.now += 10
    ended = await shop.get(f"/v1/batches/{batch['batch_id']}")
    assert (ended["status"], ended["failed_objects"][0]["object_id"]) == (
        "COMPLETED_WITH_ERRORS",
        shop.ids[0],
    )
