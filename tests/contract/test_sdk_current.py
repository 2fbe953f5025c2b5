"""The emulator before the vendor's own SDK, and the two as judges of the same bodies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator

HEADERS = {"Authorization": "Bearer sk_contract", "X-Namespace": "contract"}
PROPERTIES = {
    "title": {"type": "text"},
    "hero": {"type": "image"},
    "sku": {"type": "string"},
    "metadata": {"type": "object"},
}
BLOB = {"property": "hero", "type": "image", "data": "https://example.com/a.jpg"}


@pytest.fixture(scope="module")
def calls(sdk) -> list[dict[str, Any]]:
    """What the SDK made of every answer."""
    with Emulator(task_seconds=0) as emulator:
        # The second and the third batch are there to be cancelled.
        emulator.fault({"fault": "task_outcome", "seconds": 3600, "path": "*/submit", "skip": 1, "times": 2})
        found = sdk.ask({"do": "calls", "url": emulator.url})
        described = httpx.get(f"{emulator.url}/openapi.json").json()["paths"]
    assert not [each["error"] for each in found if each["error"]]
    operations = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    return [*found, {"operation": "all", "answer": operations, "type": None}]


def answers(calls: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["operation"]: each["answer"] for each in calls}


def test_the_generated_classes_parse_every_answer(calls):
    parsed = {each["operation"]: each["type"] for each in calls}
    assert answers(calls)["all"] <= set(parsed)
    bucket = "/v1/buckets/{bucket_identifier}"
    models = {
        "GET /v1/health/deep": "HealthCheckResponse",
        "GET /v1/me": "MeResponse",
        "GET /v1/namespaces": "ListNamespacesResponse",
        "POST /v1/buckets": "BucketResponse",
        "POST /v1/buckets/list": "ListBucketsResponse",
        f"POST {bucket}/objects": "ObjectResponse",
        f"POST {bucket}/objects/batch": "CreateObjectsBatchResponse",
        f"POST {bucket}/objects/list": "ListObjectsResponse",
        f"POST {bucket}/batches": "BatchModel",
        f"POST {bucket}/batches/list": "ListBatchesResponse",
        f"POST {bucket}/batches/{{batch_id}}/submit": "TaskResponse",
        "GET /v1/batches/{batch_id}": "BatchModel",
        f"POST {bucket}/batches/{{batch_id}}/objects": "BatchModel",
        f"DELETE {bucket}/batches/{{batch_id}}": "GenericDeleteResponse",
        f"POST {bucket}/batches/{{batch_id}}/cancel": "TaskResponse",
        f"POST {bucket}/batches/{{batch_id}}/retry": "dict",
        f"POST {bucket}/batches/{{batch_id}}/resubmit": "dict",
        "POST /v1/batches/list": "ListBatchesResponse",
        "GET /v1/batches/queue": "dict",
        "POST /v1/batches/{batch_id}/cancel": "TaskResponse",
        "POST /v1/collections": "CollectionResponse",
        "GET /v1/collections/{collection_identifier}": "CollectionResponse",
        "POST /v1/collections/list": "ListCollectionsResponse",
        "POST /v1/collections/{collection_identifier}/trigger": "TriggerCollectionResponse",
        "POST /v1/tasks/list": "ListTasksResponse",
        "DELETE /v1/tasks/{task_id}": "GenericDeleteResponse",
        f"PUT {bucket}": "BucketResponse",
        f"PATCH {bucket}": "BucketResponse",
        f"POST {bucket}/uploads/batch": "BatchUploadResponse",
        f"POST {bucket}/uploads/list": "ListUploadsResponse",
        f"POST {bucket}/uploads/confirm/batch": "BatchConfirmResponse",
        f"POST {bucket}/uploads/{{upload_id}}/confirm": "ConfirmUploadResponse",
        f"GET {bucket}/uploads/{{upload_id}}": "dict",
        "duplicate": "UploadResponse",
        "POST /v1/namespaces": "NamespaceModel",
        f"PUT {bucket}/objects/{{object_identifier}}": "ObjectResponse",
        f"PATCH {bucket}/objects/{{object_identifier}}": "ObjectResponse",
        f"DELETE {bucket}/objects/{{object_identifier}}": "NoneType",
        "GET /v1/tasks/{task_id}": "TaskResponse",
    }
    assert {operation: parsed[operation] for operation in models} == models


def test_the_generated_classes_see_what_was_stored(calls):
    seen = answers(calls)
    bucket = "/v1/buckets/{bucket_identifier}"
    stored = seen[f"GET {bucket}/objects/{{object_identifier}}"]
    assert (stored["sku"], stored["metadata"], stored["status"]) == ("A-1", {"colour": "red"}, "PENDING")
    rows = seen[f"POST {bucket}/objects/batch"]
    assert [(row["object_index"], row["replayed"]) for row in rows["succeeded"]] == [(0, True), (1, False)]
    assert rows["failed"][0]["object_index"] == 2
    assert [row["sku"] for row in seen[f"POST {bucket}/objects/list"]["results"]] == ["A-1"]
    assert seen["GET /v1/batches/{batch_id}"]["status"] == "COMPLETED"
    assert seen["GET /v1/tasks/{task_id}"]["additional_data"]["object_count"] == 2
    assert seen[f"PUT {bucket}/objects/{{object_identifier}}"]["sku"] == "A-7"
    assert seen[f"PATCH {bucket}"]["description"] == "changed again"
    cancelled = seen["POST /v1/batches/{batch_id}/cancel"]
    assert (cancelled["status"], cancelled["cancellation"]["ray_jobs_refused"]) == ("CANCELED", 0)


def test_the_generated_classes_see_what_was_uploaded(calls):
    seen = answers(calls)
    bucket = "/v1/buckets/{bucket_identifier}"
    one = seen[f"POST {bucket}/uploads/{{upload_id}}/confirm"]
    other = seen[f"GET {bucket}/uploads/{{upload_id}}"]
    assert one["status"] == other["status"] == "COMPLETED"
    assert one["object_id"] != other["object_id"]
    assert seen["duplicate"]["is_duplicate"]
    assert seen["duplicate"]["object_id"] == one["object_id"]
    listed = seen[f"POST {bucket}/uploads/list"]["results"]
    assert sorted(each["status"] for each in listed) == ["COMPLETED", "COMPLETED", "PENDING"]


def test_refusals_are_envelopes_to_the_generated_classes(calls):
    seen = answers(calls)
    for status, kind, parsed in [
        (401, "UnauthorizedError", "ErrorResponse"),
        (404, "NotFoundError", "ErrorResponse"),
        # The SDK declares no 409 for any call, so it parses none.
        (409, "AlreadyExistsError", "NoneType"),
        (422, "ValidationError", "ErrorResponse"),
    ]:
        assert seen[f"refusal {status}"] == {"status": status, "parsed": parsed, "type": kind}


def test_the_hand_written_client_works(calls):
    seen = answers(calls)
    assert seen["client buckets.upload"]["blobs"][0]["properties"] == {"url": "https://example.com/a.jpg"}
    assert len(seen["client buckets.list_objects"]["results"]) == 1
    assert seen["client namespaces.list"]["results"][0]["namespace_name"] == "contract"
    assert seen["client batches.get"]["status"] == "DRAFT"
    assert seen["client tasks.get"]["status"] == "COMPLETED"
    assert seen["client buckets.delete"]["object_count"] == 1


# --- both as judges ---


def bucket_body(**change: Any) -> dict[str, Any]:
    return {"bucket_name": "a", "bucket_schema": {"properties": PROPERTIES}, **change}


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("/v1/buckets", bucket_body()),
    ("/v1/buckets", bucket_body(unique_key={"fields": ["sku"], "default_policy": "upsert"}, description="x")),
    ("/v1/buckets/list", {"search": "x", "limit": 10}),
    ("/v1/namespaces/list", {"search": "x"}),
    ("/v1/namespaces", {"namespace_name": "new", "feature_extractors": []}),
    ("/v1/batches/list", {"status": "DRAFT", "namespace_id": "contract"}),
    ("/v1/tasks/list", {"status": "FAILED", "task_type": "api_buckets_batches_process"}),
    ("{bucket}/batches/{batch}/objects", {"object_ids": ["{object}"]}),
    ("PATCH {bucket}", {"description": "x"}),
    ("PUT {bucket}", {"metadata": {"a": 1}, "storage_class": "nearline"}),
    ("PATCH {bucket}/objects/{object}", {"sku": "2", "key_prefix": "/b"}),
    ("PUT {bucket}/objects/{object}", {"metadata": {"sku": "3"}}),
    ("{bucket}/objects", {"sku": "1", "metadata": {"a": [1, None]}, "blobs": [BLOB]}),
    ("{bucket}/objects", {"blobs": [{"property": "title", "type": "text", "data": {"text": "http://a"}}]}),
    ("{bucket}/objects/batch", {"objects": [{"sku": "1", "idempotency_key": "k", "key_prefix": "/a"}]}),
    ("{bucket}/objects/list", {"filters": {"field": "sku", "operator": "eq", "value": "1"}}),
    ("{bucket}/objects/list", {"filters": {"AND": [{"sku": "1"}]}, "select": ["sku"]}),
    ("{bucket}/batches", {"object_ids": ["{object}"], "dedup_strategy": "replace", "batch_name": "x"}),
    ("{bucket}/batches/list", {"status": "COMPLETED", "limit": 5}),
    ("{bucket}/batches/{batch}/submit", {"include_processing_history": False}),
]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("/v1/buckets", {"bucket_name": "a"}),
    ("/v1/buckets", {"bucket_name": "a", "schema": {"properties": PROPERTIES}}),
    ("/v1/buckets", bucket_body(bucket_schema={"properties": {"hero": {"type": "IMAGE"}}})),
    ("/v1/buckets", bucket_body(bucket_schema={"properties": {"hero": {"type": "json"}}})),
    ("/v1/buckets", bucket_body(bucket_name=7)),
    ("/v1/buckets", bucket_body(unique_key={"fields": []})),
    ("/v1/buckets", bucket_body(unique_key={"fields": ["sku"], "default_policy": "merge"})),
    ("/v1/buckets", bucket_body(unique_key={"fields": ["sku"], "policy": "insert"})),
    ("/v1/buckets", bucket_body(namespace="contract")),
    ("/v1/buckets", bucket_body(storage_class="frozen")),
    ("/v1/buckets/list", {"limit": 0}),
    ("/v1/buckets/list", {"query": "x"}),
    ("{bucket}/objects", {"blobs": [{**BLOB, "type": "IMAGE"}]}),
    ("{bucket}/objects", {"blobs": [{**BLOB, "property": "x" * 101}]}),
    ("{bucket}/objects", {"blobs": [{**BLOB, "url": "https://example.com"}]}),
    ("{bucket}/objects", {"blobs": [{"property": "hero", "data": "https://example.com/a.jpg"}]}),
    ("{bucket}/objects", {"blobs": [{"property": "hero", "type": "image", "upload_id": "1"}]}),
    ("{bucket}/objects", {"idempotency_key": "k" * 256}),
    ("{bucket}/objects", {"idempotency_key": 7}),
    ("{bucket}/objects", {"skip_duplicates": "yes"}),
    ("{bucket}/objects", {"key_prefix": 7}),
    ("{bucket}/objects", {"edges": [{"type": "x"}]}),
    ("{bucket}/objects/batch", {"objects": [{"sku": "1"}] * 101}),
    ("{bucket}/objects/batch", {"objects": [{"blobs": [{**BLOB, "type": "picture"}]}]}),
    ("{bucket}/objects/batch", {"objects": [], "auto_process": True}),
    ("{bucket}/objects/batch", {}),
    ("{bucket}/objects/list", {"sort": {"field": "sku", "direction": "down"}}),
    ("{bucket}/batches", {"object_ids": []}),
    ("{bucket}/batches", {"object_ids": ["{object}"], "dedup_strategy": "SKIP"}),
    ("{bucket}/batches", {"object_ids": ["{object}"], "batch_name": "x" * 257}),
    ("{bucket}/batches", {"object_ids": ["{object}"], "name": "x"}),
    ("{bucket}/batches/list", {"status": "DONE"}),
    ("{bucket}/batches/{batch}/submit", {"force": True}),
    ("/v1/namespaces", {"namespace_name": "ab"}),
    ("/v1/namespaces", {"namespace_name": "abc", "namespace_type": "odd"}),
    ("/v1/tasks/list", {"task_type": "process"}),
    ("/v1/tasks/list", {"status": "DONE"}),
    ("/v1/batches/list", {"limit": 0}),
    ("{bucket}/batches/{batch}/objects", {"object_ids": []}),
    ("{bucket}/batches/{batch}/retry", {"retry_mode": "some"}),
    ("{bucket}/batches/{batch}/retry", {"max_retry_count": 11}),
    ("PATCH {bucket}", {"storage_class": "nearline"}),
    ("PUT {bucket}", {"bucket_name": 7}),
    ("PUT {bucket}", {"unique_key": {"fields": []}}),
    ("PATCH {bucket}/objects/{object}", {"key_prefix": 7}),
    ("PUT {bucket}/objects/{object}", {"metadata": [1]}),
]


@pytest.fixture
def send(emulator):
    """Sends a body to the emulator; names in braces stand for things that are there."""
    with httpx.Client(base_url=emulator.url, headers=HEADERS) as client:
        made = client.post("/v1/buckets", json={**bucket_body(), "bucket_name": "there"}).json()
        bucket = f"/v1/buckets/{made['bucket_id']}"
        stored = client.post(f"{bucket}/objects", json={"sku": "0"}).json()["object_id"]
        batch = client.post(f"{bucket}/batches", json={"object_ids": [stored]}).json()["batch_id"]

        def send_body(path: str, body: dict[str, Any]) -> httpx.Response:
            ids = [stored if each == "{object}" else each for each in body.get("object_ids", [])]
            sent = {**body, "object_ids": ids} if "object_ids" in body else body
            for name, value in (("{bucket}", bucket), ("{batch}", batch), ("{object}", stored)):
                path = path.replace(name, value)
            method, path = split(path)
            return client.request(method, path, json=sent)

        yield send_body


def split(path: str) -> tuple[str, str]:
    """The method and the path of a case; without a method it is POST."""
    method, _, rest = path.rpartition(" ")
    return method or "POST", rest


def as_requests(cases: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    found = []
    for form, body in cases:
        method, path = split(form)
        for name, value in (("{bucket}", "/v1/buckets/b"), ("{batch}", "x"), ("{object}", "o")):
            path = path.replace(name, value)
        found.append({"method": method, "path": path, "body": body})
    return found


def test_what_both_accept(models_accept, send):
    assert models_accept(as_requests(GOOD)) == []
    for path, body in GOOD:
        answer = send(path, body)
        # The second bucket of the same name is a conflict, no fault of its body.
        assert answer.status_code in (200, 409), f"{path} {body}: {answer.text}"


def test_what_the_models_refuse_the_emulator_refuses(models_accept, send):
    for case, request in zip(BAD, as_requests(BAD), strict=True):
        assert models_accept([request]), f"the models accept {request}"
        answer = send(*case)
        assert answer.status_code == 422, f"{case}: {answer.text}"
        assert answer.json()["error"]["details"]["validation_errors"]


def test_a_body_without_a_model_is_a_refusal(models_accept):
    found = models_accept([{"method": "POST", "path": "/v1/nowhere", "body": {}}])
    assert len(found) == 1
    assert "no request model" in found[0]
