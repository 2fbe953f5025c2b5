"""The emulator's own description of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def document(api: httpx.Client) -> dict:
    return api.get("/openapi.json").json()


def test_every_call_is_described(document: dict):
    calls = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    bucket = "/v1/buckets/{bucket_identifier}"
    assert calls == {
        ("GET", "/v1/health"),
        ("GET", "/v1/health/liveness"),
        ("GET", "/v1/health/deep"),
        ("GET", "/v1/me"),
        ("GET", "/v1/namespaces"),
        ("POST", "/v1/namespaces"),
        ("POST", "/v1/namespaces/list"),
        ("GET", "/v1/namespaces/{namespace_identifier}"),
        ("GET", "/v1/buckets"),
        ("POST", "/v1/buckets"),
        ("POST", "/v1/buckets/list"),
        ("GET", bucket),
        ("PUT", bucket),
        ("PATCH", bucket),
        ("DELETE", bucket),
        ("GET", f"{bucket}/objects"),
        ("POST", f"{bucket}/objects"),
        ("POST", f"{bucket}/objects/list"),
        ("POST", f"{bucket}/objects/batch"),
        ("GET", f"{bucket}/objects/{{object_identifier}}"),
        ("PUT", f"{bucket}/objects/{{object_identifier}}"),
        ("PATCH", f"{bucket}/objects/{{object_identifier}}"),
        ("DELETE", f"{bucket}/objects/{{object_identifier}}"),
        ("POST", f"{bucket}/uploads"),
        ("POST", f"{bucket}/uploads/batch"),
        ("POST", f"{bucket}/uploads/list"),
        ("POST", f"{bucket}/uploads/confirm/batch"),
        ("GET", f"{bucket}/uploads/{{upload_id}}"),
        ("DELETE", f"{bucket}/uploads/{{upload_id}}"),
        ("POST", f"{bucket}/uploads/{{upload_id}}/confirm"),
        ("POST", f"{bucket}/batches"),
        ("POST", f"{bucket}/batches/list"),
        ("GET", f"{bucket}/batches/{{batch_id}}"),
        ("DELETE", f"{bucket}/batches/{{batch_id}}"),
        ("POST", f"{bucket}/batches/{{batch_id}}/objects"),
        ("POST", f"{bucket}/batches/{{batch_id}}/submit"),
        ("POST", f"{bucket}/batches/{{batch_id}}/cancel"),
        ("POST", f"{bucket}/batches/{{batch_id}}/retry"),
        ("POST", f"{bucket}/batches/{{batch_id}}/resubmit"),
        ("GET", f"{bucket}/batches/{{batch_id}}/failed-documents"),
        ("GET", "/v1/collections"),
        ("POST", "/v1/collections"),
        ("POST", "/v1/collections/list"),
        ("GET", "/v1/collections/{collection_identifier}"),
        ("POST", "/v1/collections/{collection_identifier}/trigger"),
        ("POST", "/v1/batches/list"),
        ("GET", "/v1/batches/queue"),
        ("GET", "/v1/batches/{batch_id}"),
        ("POST", "/v1/batches/{batch_id}/cancel"),
        ("POST", "/v1/tasks/list"),
        ("GET", "/v1/tasks/{task_id}"),
        ("DELETE", "/v1/tasks/{task_id}"),
    }


def test_refusals_are_described_and_true(document: dict, api: httpx.Client):
    responses = document["paths"]["/v1/buckets/{bucket_identifier}"]["get"]["responses"]
    schema = responses["404"]["content"]["application/json"]["schema"]
    jsonschema.validate(api.get("/v1/buckets/nope").json(), schema)


def test_bodies_are_described_by_what_checks_them(document: dict):
    body = document["paths"]["/v1/buckets"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    good = {"bucket_name": "a", "bucket_schema": {"properties": {"hero": {"type": "image"}}}}
    jsonschema.validate(good, body)
    for bad in ({"bucket_name": "a"}, {**good, "schema": {}}, {**good, "storage_class": "frozen"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, body)
