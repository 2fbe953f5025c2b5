"""The emulator's legacy generation before the vendor's SDK of that time, and the two as judges of bodies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator

HEADERS = {"Authorization": "Bearer sk_contract", "X-Namespace": "contract"}
BUCKET = "/v1/buckets/{bucket_identifier}"
PROPERTIES = {"title": {"type": "text"}, "hero": {"type": "image"}, "facts": {"type": "json"}}
BLOB = {"property": "hero", "type": "image", "data": "https://example.com/a.jpg"}


@pytest.fixture(scope="module")
def calls(legacy_sdk) -> dict[str, dict[str, Any]]:
    """What the SDK made of every answer, by operation; ``all`` has the operations that the emulator has."""
    with Emulator(generation="legacy", task_seconds=0) as emulator:
        found = legacy_sdk.ask({"do": "calls", "url": emulator.url})
        described = httpx.get(f"{emulator.url}/openapi.json").json()["paths"]
    assert not [each["error"] for each in found if each["error"]]
    operations = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    return {each["operation"]: each for each in found} | {"all": {"answer": operations}}


def test_the_sdk_parses_every_answer(calls):
    assert calls["all"]["answer"] <= set(calls)
    models = {
        "GET /healthcheck": "HealthCheckResponse",
        "POST /v1/namespaces": "NamespaceResponse",
        "GET /v1/namespaces": "list",
        "POST /v1/buckets/create": "BucketResponse",
        "POST /v1/buckets": "ListBucketsResponse",
        f"PUT {BUCKET}": "BucketResponse",
        f"DELETE {BUCKET}": "TaskResponse",
        f"POST {BUCKET}/objects/create": "TaskResponse",
        f"POST {BUCKET}/objects": "ListObjectsResponse",
        f"GET {BUCKET}/objects/{{object_identifier}}": "ObjectResponse",
        f"PUT {BUCKET}/objects/{{object_identifier}}": "TaskResponse",
        f"DELETE {BUCKET}/objects/{{object_identifier}}": "TaskResponse",
        "GET /v1/tasks/{task_id}": "TaskResponse",
        "GET /v1/tasks": "ListTasksResponse",
    }
    assert {operation: calls[operation]["type"] for operation in models} == models


def test_the_sdk_sees_what_was_stored(calls):
    bucket = calls[f"GET {BUCKET}"]["answer"]
    assert (bucket["bucket_name"], bucket["metadata"]) == ("contract", {"team": "etl"})
    assert bucket["bucket_schema"]["properties"]["facts"]["example"] == {"pages": 5}
    assert calls["POST /v1/namespaces"]["answer"]["namespace_name"] == "contract"
    stored = calls[f"GET {BUCKET}/objects/{{object_identifier}}"]["answer"]
    assert (stored["status"], stored["key"], stored["metadata"]) == ("DONE", "/a", {"colour": "red"})
    assert [blob["data"] for blob in stored["blobs"]] == [
        "Red shoe",
        "https://example.com/a.jpg",
        {"num_pages": 5},
    ]
    assert calls["GET /v1/tasks/{task_id}"]["answer"]["status"] == "DONE"
    assert calls["skipped"]["answer"]["status"] == "SKIPPED"
    changed = calls["changed"]["answer"]
    assert changed["metadata"] == {"colour": "red", "size": 4}
    assert len(changed["blobs"]) == 4
    assert calls[f"POST {BUCKET}/objects"]["answer"]["pagination"]["total"] == 1


def test_refusals_are_the_sdks_own_errors(calls):
    assert calls["refusal 401"]["answer"]["error"]["type"] == "UnauthorizedError"
    assert calls["refusal 404"]["answer"]["error"]["type"] == "NotFoundError"
    detail = calls["refusal 422"]["answer"]["detail"]
    assert [(each["loc"], each["type"]) for each in detail] == [
        (["body", "blobs", 0, "property"], "value_error")
    ]


# --- both as judges ---


def bucket_body(**change: Any) -> dict[str, Any]:
    return {"bucket_name": "a", "bucket_schema": {"properties": PROPERTIES}, **change}


GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/buckets/create", bucket_body()),
    ("POST", "/v1/buckets/create", bucket_body(bucket_name="b", metadata={"a": 1}, description=None)),
    ("POST", "/v1/buckets", {"search": "x", "sort": {"field": "bucket_name"}}),
    ("POST", "/v1/buckets", {"filters": {"NOT": [{"field": "bucket_name", "operator": "eq", "value": "x"}]}}),
    ("PUT", "{bucket}", {"description": "x"}),
    ("POST", "{bucket}/objects/create", {"blobs": [BLOB], "metadata": {"a": [1, None]}, "key_prefix": "/a"}),
    ("POST", "{bucket}/objects/create", {"blobs": [{**BLOB, "metadata": {"a": 1}}], "skip_duplicates": True}),
    ("POST", "{bucket}/objects", {"filters": {"AND": [{"field": "metadata.ingest_key", "value": "k"}]}}),
    ("PUT", "{bucket}/objects/{object}", {"metadata": {"a": 1}, "blobs": [BLOB]}),
    (
        "POST",
        "/v1/namespaces",
        {
            "namespace_name": "new",
            "feature_extractors": [
                {
                    "feature_extractor_name": "f",
                    "description": "d",
                    "supported_input_types": [],
                    "version": "1",
                }
            ],
        },
    ),
]
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/buckets/create", {"bucket_name": "a"}),
    ("POST", "/v1/buckets/create", {"bucket_name": "a", "schema": {"properties": PROPERTIES}}),
    ("POST", "/v1/buckets/create", bucket_body(bucket_schema={"properties": {"a": {"type": "IMAGE"}}})),
    ("POST", "/v1/buckets/create", bucket_body(bucket_schema={"properties": {"a": {"type": "excel"}}})),
    ("POST", "/v1/buckets/create", bucket_body(bucket_name=7)),
    ("POST", "/v1/buckets/create", bucket_body(metadata=[1])),
    ("POST", "/v1/buckets", {"sort": {"field": "a", "direction": "down"}}),
    ("POST", "/v1/buckets", {"filters": {"AND": [{"field": "a", "operator": "like", "value": 1}]}}),
    ("POST", "/v1/buckets", {"search": 7}),
    ("PUT", "{bucket}", {"bucket_name": 7}),
    ("POST", "{bucket}/objects/create", {"blobs": [{**BLOB, "type": "IMAGE"}]}),
    ("POST", "{bucket}/objects/create", {"blobs": [{**BLOB, "type": "excel"}]}),
    ("POST", "{bucket}/objects/create", {"blobs": [{"property": "hero", "data": "https://a.b"}]}),
    ("POST", "{bucket}/objects/create", {"blobs": [{"property": "hero", "type": "image"}]}),
    ("POST", "{bucket}/objects/create", {"blobs": "x"}),
    ("POST", "{bucket}/objects/create", {"metadata": "x"}),
    ("POST", "{bucket}/objects/create", {"key_prefix": 7}),
    ("POST", "{bucket}/objects/create", {"skip_duplicates": "some"}),
    ("PUT", "{bucket}/objects/{object}", {"blobs": [{**BLOB, "type": "picture"}]}),
    ("PUT", "{bucket}/objects/{object}", {"metadata": [1]}),
    ("POST", "/v1/namespaces", {"namespace_name": "x"}),
    ("POST", "/v1/namespaces", {"namespace_name": "x", "feature_extractors": [{"version": "1"}]}),
]
# What no model of that SDK declares its models drop, and the server is taken to ignore.
IGNORED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/buckets/create", bucket_body(bucket_name="c", unique_key={"fields": ["a"]})),
    ("POST", "{bucket}/objects/create", {"idempotency_key": "k", "sku": "1"}),
    ("POST", "{bucket}/objects/create", {"blobs": [{**BLOB, "url": "https://example.com"}]}),
]


@pytest.fixture
def send(make_emulator):
    """Sends a body to the emulator; names in braces stand for things that are there."""
    emulator = make_emulator(generation="legacy", task_seconds=0)
    with httpx.Client(base_url=emulator.url, headers=HEADERS) as client:
        made = client.post("/v1/buckets/create", json=bucket_body(bucket_name="there")).json()
        bucket = f"/v1/buckets/{made['bucket_id']}"
        client.post(f"{bucket}/objects/create", json={})
        stored = client.post(f"{bucket}/objects").json()["results"][0]["object_id"]

        def send_body(method: str, path: str, body: dict[str, Any]) -> httpx.Response:
            return client.request(
                method, path.replace("{bucket}", bucket).replace("{object}", stored), json=body
            )

        yield send_body


def as_request(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": method,
        "path": path.replace("{bucket}", "/v1/buckets/b").replace("{object}", "o"),
        "body": body,
    }


def test_what_both_accept(legacy_models_accept, send):
    assert legacy_models_accept([as_request(*case) for case in GOOD]) == []
    for case in GOOD:
        answer = send(*case)
        assert answer.status_code in (200, 201), f"{case}: {answer.text}"


def test_what_the_models_refuse_the_emulator_refuses(legacy_models_accept, send):
    for case in BAD:
        assert legacy_models_accept([as_request(*case)]), f"the models accept {case}"
        answer = send(*case)
        assert answer.status_code == 422, f"{case}: {answer.text}"
        assert answer.json()["detail"]


def test_what_the_models_do_not_know_is_ignored(legacy_models_accept, send):
    for case in IGNORED:
        assert "undeclared" in legacy_models_accept([as_request(*case)])[0]
        assert send(*case).status_code == 200
