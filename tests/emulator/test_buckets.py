from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


def problems_of(answer: httpx.Response) -> dict[tuple, str]:
    """Place to kind of everything a 422 complains of."""
    assert answer.status_code == 422, answer.text
    return {
        tuple(each["location"]): each["type"]
        for each in answer.json()["error"]["details"]["validation_errors"]
    }


def test_a_bucket_comes_back_as_it_was_made(api: httpx.Client, new_bucket):
    path = new_bucket(
        api,
        {"sku": {"type": "string", "required": True}, "hero": {"type": "image"}},
        name="Winter shoes",
        description="what it is",
        unique_key={"fields": ["sku"], "default_policy": "upsert"},
        metadata={"team": "etl"},
    )
    bucket = api.get(path).json()
    assert path.endswith(bucket["bucket_id"])
    assert bucket["bucket_schema"]["properties"]["sku"] == {"type": "string", "required": True}
    assert bucket["unique_key"] == {"fields": ["sku"], "default_policy": "upsert"}
    assert (bucket["bucket_name"], bucket["description"]) == ("Winter shoes", "what it is")
    assert (bucket["metadata"], bucket["object_count"], bucket["status"]) == ({"team": "etl"}, 0, "ACTIVE")


def test_a_name_is_taken_once(api: httpx.Client, new_bucket):
    path = new_bucket(api)
    answer = api.post("/v1/buckets", json={"bucket_name": "products", "bucket_schema": {"properties": {}}})
    assert answer.status_code == 409
    assert answer.json()["error"]["type"] == "AlreadyExistsError"
    assert path.endswith(answer.json()["error"]["details"]["bucket_id"])


def test_a_name_identifies_nothing(api: httpx.Client, bucket: str):
    assert api.get(bucket).status_code == 200
    assert api.get("/v1/buckets/products").status_code == 404


@pytest.mark.parametrize("kind", ["IMAGE", "String", "json", "document", "file", "keyword", 7, None])
def test_types_are_lower_case_and_of_this_generation(api: httpx.Client, kind):
    body = {"bucket_name": "a", "bucket_schema": {"properties": {"hero": {"type": kind}}}}
    place = ("body", "bucket_schema", "properties", "hero", "type")
    assert problems_of(api.post("/v1/buckets", json=body)) == {place: "enum"}


def test_schema_instead_of_bucket_schema_is_refused(api: httpx.Client):
    body = {"bucket_name": "a", "schema": {"properties": {"hero": {"type": "image"}}}}
    assert problems_of(api.post("/v1/buckets", json=body)) == {
        ("body", "schema"): "extra_forbidden",
        ("body", "bucket_schema"): "missing",
    }


@pytest.mark.parametrize(
    ("change", "place", "kind"),
    [
        ({"bucket_name": ""}, ("bucket_name",), "string_too_short"),
        ({"bucket_name": 7}, ("bucket_name",), "string_type"),
        ({"namespace": "shop"}, ("namespace",), "extra_forbidden"),
        ({"bucket_schema": {}}, ("bucket_schema", "properties"), "missing"),
        (
            {"bucket_schema": {"properties": {"a": {}}}},
            ("bucket_schema", "properties", "a", "type"),
            "missing",
        ),
        (
            {"bucket_schema": {"properties": {"a": {"type": "array", "items": {"type": "JSON"}}}}},
            ("bucket_schema", "properties", "a", "items", "type"),
            "enum",
        ),
        ({"unique_key": {"fields": []}}, ("unique_key", "fields"), "too_short"),
        ({"unique_key": {"fields": ["nope"]}}, ("unique_key", "fields", 0), "value_error"),
        ({"unique_key": {"fields": ["tags"]}}, ("unique_key", "fields", 0), "value_error"),
        ({"unique_key": {"fields": ["sku"], "policy": "x"}}, ("unique_key", "policy"), "extra_forbidden"),
        (
            {"unique_key": {"fields": ["sku"], "default_policy": "merge"}},
            ("unique_key", "default_policy"),
            "enum",
        ),
        ({"storage_class": "frozen"}, ("storage_class",), "enum"),
        ({"metadata": None}, ("metadata",), "dict_type"),
    ],
)
def test_what_a_bucket_may_not_be(api: httpx.Client, change: dict, place: tuple, kind: str):
    body = {
        "bucket_name": "a",
        "bucket_schema": {"properties": {"sku": {"type": "string"}, "tags": {"type": "array"}}},
        **change,
    }
    assert problems_of(api.post("/v1/buckets", json=body)) == {("body", *place): kind}
    assert api.get("/v1/buckets").json()["total_count"] == 0


def test_search_is_a_part_of_the_name(api: httpx.Client, new_bucket):
    for name in ("red shoes", "blue Shoes", "hats"):
        new_bucket(api, name=name)
    by_query = api.get("/v1/buckets", params={"search": "shoes"}).json()
    by_body = api.post("/v1/buckets/list", json={"search": "SHOES"}).json()
    for page in (by_query, by_body):
        assert [each["bucket_name"] for each in page["results"]] == ["red shoes", "blue Shoes"]
        assert page["total_count"] == 2


def test_a_deleted_bucket_goes_when_its_task_ends(api: httpx.Client, bucket: str, new_bucket):
    api.post(f"{bucket}/objects", json={"sku": "1"})
    answer = api.delete(bucket).json()
    assert answer["bucket_name"] == "products"
    assert answer["object_count"] == 1
    assert bucket.endswith(answer["bucket_id"])
    assert api.get(f"/v1/tasks/{answer['task_id']}").json()["status"] == "COMPLETED"
    assert api.get(bucket).status_code == 404
    assert api.delete(bucket).status_code == 404
    new_bucket(api)


async def test_a_bucket_that_is_being_deleted_takes_nothing_more(in_process, clock):
    _, api = await in_process(task_seconds=10)
    body = {"bucket_name": "a", "bucket_schema": {"properties": {"sku": {"type": "string"}}}}
    bucket = (await api.post("/v1/buckets", json=body)).json()
    path = f"/v1/buckets/{bucket['bucket_id']}"
    first, second = (await api.delete(path)).json(), (await api.delete(path)).json()
    assert first == second
    assert first["status"] == "PENDING"
    assert (await api.get(path)).json()["status"] == "IN_PROGRESS"
    assert (await api.post(f"{path}/objects", json={"sku": "1"})).status_code == 409
    # The name is not free yet.
    assert (await api.post("/v1/buckets", json=body)).status_code == 409
    clock.now += 10
    assert (await api.get(path)).status_code == 404
    assert (await api.get(f"/v1/tasks/{first['task_id']}")).json()["status"] == "COMPLETED"
