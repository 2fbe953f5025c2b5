"""Runs in the environment of the vendor's SDK 0.22.0: a JSON command a line in, a JSON answer a line out.

It makes every call that the emulator has on ``legacy``, and holds bodies to the SDK's request models.
"""

from __future__ import annotations

import json
from typing import Any

from mixpeek import Mixpeek, models
from pydantic import BaseModel
from sdk_talk import Calls, judge, serve

KEY, NAMESPACE = "sk_contract", "contract"
PROPERTIES = {
    "title": {"type": "text"},
    "hero": {"type": "image", "description": "a picture"},
    "facts": {"type": "json", "example": {"pages": 5}},
    # That SDK does not send what it was told of "items" and of nested "properties".
    "papers": {"type": "array"},
}
BLOBS = [
    {"property": "title", "type": "text", "data": "Red shoe"},
    {
        "property": "hero",
        "type": "image",
        "data": "https://example.com/a.jpg",
        "metadata": {"side": "left"},
        "key_prefix": "shots/a",
    },
    {"property": "facts", "type": "json", "data": {"num_pages": 5}},
]
EXTRACTOR = {
    "feature_extractor_name": "text_extractor",
    "description": "texts",
    "supported_input_types": ["text"],
    "version": "v1",
}


def make_calls(url: str) -> list[dict[str, Any]]:
    """Every call once or more; stops at the first that fails."""
    call = Calls(_plain)
    try:
        # The namespace of the constructor is never sent, so every call names it.
        with Mixpeek(token=KEY, server_url=url) as client:
            _make(call, client, {"x_namespace": NAMESPACE})
        with Mixpeek(server_url=url) as client:
            _refused(call, "401", models.ErrorResponse, client.namespaces.list)
    except Exception:  # noqa: BLE001  whatever it is, the test shows it
        call.stopped()
    return call.found


def _plain(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    return answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer


def _make(call: Calls, client: Mixpeek, space: dict[str, str]) -> None:
    call("GET /healthcheck", client.health.check)
    call(
        "POST /v1/namespaces",
        client.namespaces.create,
        namespace_name=NAMESPACE,
        feature_extractors=[EXTRACTOR],
        payload_indexes=[{"field_name": "sku", "type": "keyword"}],
    )
    call("GET /v1/namespaces", client.namespaces.list)
    call("GET /v1/namespaces/{namespace}", client.namespaces.get, namespace=NAMESPACE)
    buckets, objects, tasks = client.buckets, client.bucket_objects, client.tasks
    made = call(
        "POST /v1/buckets/create",
        buckets.create,
        bucket_name="contract",
        bucket_schema={"properties": PROPERTIES},
        description="made by the SDK",
        metadata={"team": "etl"},
        **space,
    )
    bucket = {"bucket_identifier": made.bucket_id, **space}
    asked = {"search": "contract", "sort": {"field": "bucket_name", "direction": "desc"}}
    call("POST /v1/buckets", buckets.list, limit=5, offset=0, list_buckets_request=asked, **space)
    call("GET /v1/buckets/{bucket_identifier}", buckets.get, **bucket)
    call("PUT /v1/buckets/{bucket_identifier}", buckets.update, description="changed", **bucket)
    path = "/v1/buckets/{bucket_identifier}/objects"
    made = call(
        f"POST {path}/create",
        objects.create,
        key_prefix="/a",
        blobs=BLOBS,
        metadata={"colour": "red"},
        **bucket,
    )
    call("GET /v1/tasks/{task_id}", tasks.get, task_id=made.task_id, **space)
    twin = objects.create(blobs=BLOBS, skip_duplicates=True, **bucket)
    call("skipped", tasks.get, task_id=twin.task_id, **space)
    asked = {
        "filters": {"AND": [{"field": "metadata.colour", "operator": "eq", "value": "red"}]},
        "sort": {"field": "created_at"},
    }
    page = call(f"POST {path}", objects.list, limit=5, **asked, **bucket)
    one = {"object_identifier": page.results[0].object_id, **bucket}
    call(f"GET {path}/{{object_identifier}}", objects.get, **one)
    call(
        f"PUT {path}/{{object_identifier}}",
        objects.update,
        metadata={"size": 4},
        blobs=[{"property": "papers", "type": "array", "data": ["s3://shop/a.pdf"]}],
        **one,
    )
    call("changed", objects.get, **one)
    call("GET /v1/tasks", tasks.list_active, page=1, page_size=5, **space)
    call("DELETE /v1/tasks/{task_id}", tasks.delete, task_id=made.task_id, **space)
    _refused(call, "404", models.ErrorResponse, buckets.get, bucket_identifier="nope", **space)
    nothing = {"blobs": [{"property": "nope", "type": "text", "data": "x"}]}
    _refused(call, "422", models.HTTPValidationError, objects.create, **nothing, **bucket)
    call(f"DELETE {path}/{{object_identifier}}", objects.delete, **one)
    call("DELETE /v1/buckets/{bucket_identifier}", buckets.delete, **bucket)


def _refused(call: Calls, status: str, expected: type[Exception], function: Any, **named: Any) -> None:
    """Make a call that is refused, and take down what the SDK made of the answer."""

    def refused() -> Any:
        try:
            function(**named)
        except expected as error:
            return json.loads(error.data.model_dump_json())
        raise AssertionError(f"{function.__name__} was not refused")

    call(f"refusal {status}", refused)


_ONE = "/v1/buckets/[^/]+"
_MODELS = [
    ("POST", "/v1/namespaces", models.CreateNamespaceRequest),
    ("POST", "/v1/buckets/create", models.BucketCreateRequest),
    ("POST", "/v1/buckets", models.ListBucketsRequest),
    ("PUT", _ONE, models.BucketUpdateRequest),
    ("POST", f"{_ONE}/objects/create", models.CreateObjectRequest),
    ("POST", f"{_ONE}/objects", models.ListObjectsRequest),
    ("PUT", f"{_ONE}/objects/[^/]+", models.UpdateObjectRequest),
]


def _read(model: type[BaseModel], body: Any) -> BaseModel:
    return model.model_validate(body)


if __name__ == "__main__":
    serve(make_calls, lambda request: judge(_MODELS, _read, request))
