"""Runs in the environment of the vendor's SDK 1.3.783: a JSON command a line in, a JSON answer a line out.

``calls`` makes every call that the emulator has, through the generated API classes and the hand-written
client, and says what each answer was parsed as. ``models`` holds request bodies to the SDK's request models.
Importing the SDK takes seconds, so one process serves all tests. It imports nothing of ours.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from typing import Any

import mixpeek
from mixpeek import Mixpeek
from mixpeek import models as sdk
from pydantic import BaseModel

KEY, NAMESPACE = "sk_contract", "contract"
BUCKET = {
    "bucket_name": "contract",
    "description": "made by the SDK",
    "bucket_schema": {
        "properties": {
            "title": {"type": "text"},
            "hero": {"type": "image", "description": "a picture"},
            "sku": {"type": "string"},
            "metadata": {"type": "object"},
        }
    },
    "metadata": {"team": "etl"},
}
OBJECT = {
    "sku": "A-1",
    "metadata": {"colour": "red"},
    "key_prefix": "/a",
    "blobs": [
        {"property": "title", "type": "text", "data": {"text": "Red shoe"}},
        {
            "property": "hero",
            "type": "image",
            "data": "https://example.com/a.jpg",
            "metadata": {"side": "left"},
        },
    ],
}


class Calls:
    """Makes calls and writes down what became of each.

    ``found`` has one entry a call: its operation, the type of what it was parsed as (None where it failed to
    parse), the answer as plain JSON, and the error.
    """

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def __call__(self, operation: str, function: Any, *arguments: Any, **named: Any) -> Any:
        try:
            answer = function(*arguments, **named)
        except Exception:
            self.found.append({"operation": operation, "type": None, "error": traceback.format_exc(limit=-3)})
            raise
        plain = answer.to_dict() if isinstance(answer, BaseModel) else answer
        self.found.append(
            {"operation": operation, "type": type(answer).__name__, "answer": plain, "error": None}
        )
        return answer


def make_calls(url: str) -> list[dict[str, Any]]:
    """Every call once or more; stops at the first that fails."""
    call = Calls()
    try:
        _generated(call, url)
        _hand_written(call, url)
    except Exception:  # noqa: BLE001  whatever it is, the test shows it
        if not call.found or call.found[-1]["error"] is None:
            call.found.append({"operation": "script", "type": None, "error": traceback.format_exc()})
    return call.found


def _generated(call: Calls, url: str) -> None:
    settings = mixpeek.Configuration(host=url, access_token=KEY, api_key={"NamespaceHeader": NAMESPACE})
    with mixpeek.ApiClient(settings) as client:
        health, account = mixpeek.HealthApi(client), mixpeek.AccountApi(client)
        namespaces, buckets = mixpeek.NamespacesApi(client), mixpeek.BucketsApi(client)
        objects, batches = mixpeek.BucketObjectsApi(client), mixpeek.BucketBatchesApi(client)
        call("GET /v1/health", health.healthcheck_health)
        call("GET /v1/health/liveness", health.liveness_health)
        call("GET /v1/health/deep", health.healthcheck_deep_health)
        call("GET /v1/me", account.whoami_me)
        made = call("POST /v1/buckets", buckets.create_bucket, sdk.BucketCreateRequest.from_dict(BUCKET))
        bucket = made.bucket_id
        call("GET /v1/namespaces", namespaces.list_namespaces_get, limit=5)
        call(
            "POST /v1/namespaces/list",
            namespaces.list_namespaces,
            list_namespaces_request=sdk.ListNamespacesRequest.from_dict({"search": "con"}),
        )
        call("GET /v1/namespaces/{namespace_identifier}", namespaces.get_namespace, NAMESPACE)
        call("GET /v1/buckets", buckets.list_buckets_get, search="contract", include_total=True)
        call(
            "POST /v1/buckets/list",
            buckets.list_buckets,
            list_buckets_request=sdk.ListBucketsRequest.from_dict({"search": "contract", "limit": 5}),
        )
        call("GET /v1/buckets/{bucket_identifier}", buckets.get_bucket, bucket)
        path = "/v1/buckets/{bucket_identifier}/objects"
        body = {**OBJECT, "idempotency_key": "one"}
        one = call(
            f"POST {path}", objects.create_object_buckets, bucket, sdk.CreateObjectRequest.from_dict(body)
        )
        many = {"objects": [body, {"sku": "A-2"}, {"sku": 3}]}
        rows = call(
            f"POST {path}/batch",
            objects.create_objects_batch_buckets,
            bucket,
            sdk.CreateObjectsBatchRequest.from_dict(many),
        )
        call(f"GET {path}", objects.list_objects_get_buckets, bucket, limit=1, include_total=True)
        asked = {
            "filters": {"AND": [{"field": "metadata.colour", "operator": "eq", "value": "red"}]},
            "sort": {"field": "sku", "direction": "desc"},
        }
        call(
            f"POST {path}/list",
            objects.list_objects_buckets,
            bucket,
            list_objects_request=sdk.ListObjectsRequest.from_dict(asked),
        )
        call(f"GET {path}/{{object_identifier}}", objects.get_object_buckets, bucket, one.object_id)
        path = "/v1/buckets/{bucket_identifier}/batches"
        wanted = {
            "object_ids": [row.object_id for row in rows.succeeded],
            "dedup_strategy": "skip",
            "batch_name": "first",
            "metadata": {"source": "contract"},
        }
        request = sdk.CreateBatchRequest.from_dict(wanted)
        batch = call(f"POST {path}", batches.create_batch_buckets_batches, bucket, request)
        task = call(
            f"POST {path}/{{batch_id}}/submit",
            batches.submit_batch_buckets_batches,
            bucket,
            batch.batch_id,
            force=True,
            submit_batch_request=sdk.SubmitBatchRequest.from_dict({"include_processing_history": True}),
        )
        call("GET /v1/tasks/{task_id}", mixpeek.TasksApi(client).get_task, task.task_id)
        call(f"GET {path}/{{batch_id}}", batches.get_batch_buckets_batches, bucket, batch.batch_id)
        call("GET /v1/batches/{batch_id}", mixpeek.BatchesApi(client).get_batch_by_id_batches, batch.batch_id)
        call(
            f"POST {path}/list",
            batches.list_batches_buckets,
            bucket,
            list_batches_request=sdk.ListBatchesRequest.from_dict({"limit": 5}),
        )
        _refused(call, "404", buckets.get_bucket, "nope")
        _refused(call, "409", buckets.create_bucket, sdk.BucketCreateRequest.from_dict(BUCKET))
        nothing = sdk.CreateObjectRequest.from_dict({"nope": 1})
        _refused(call, "422", objects.create_object_buckets, bucket, nothing)
        settings.access_token = None
        _refused(call, "401", account.whoami_me)
        settings.access_token = KEY
        call("DELETE /v1/buckets/{bucket_identifier}", buckets.delete_bucket, bucket)


def _refused(call: Calls, status: str, function: Any, *arguments: Any) -> None:
    """Make a call that is refused, and take down what the SDK made of the envelope."""

    def refused() -> Any:
        try:
            function(*arguments)
        except mixpeek.ApiException as error:
            kind = json.loads(error.body)["error"]["type"]
            return {"status": error.status, "parsed": type(error.data).__name__, "type": kind}
        raise AssertionError(f"{function.__name__} was not refused")

    call(f"refusal {status}", refused)


def _hand_written(call: Calls, url: str) -> None:
    client = Mixpeek(KEY, namespace=NAMESPACE, base_url=f"{url}/v1")
    properties = {"hero": {"type": "image"}, "metadata": {"type": "object"}}
    schema = {"properties": properties}
    bucket = call("client buckets.create", client.buckets.create, name="by hand", bucket_schema=schema)[
        "bucket_id"
    ]
    call("client buckets.list", client.buckets.list)
    call("client buckets.get", client.buckets.get, bucket)
    uploaded = call(
        "client buckets.upload",
        client.buckets.upload,
        bucket,
        url="https://example.com/a.jpg",
        metadata={"colour": "red"},
    )
    call("client buckets.list_objects", client.buckets.list_objects, bucket, page_size=5)
    call("client namespaces.list", client.namespaces.list)
    call("client namespaces.get", client.namespaces.get, NAMESPACE)
    # It has no call that makes a batch.
    made = client._request("POST", f"/buckets/{bucket}/batches", body={"object_ids": [uploaded["object_id"]]})
    call("client batches.get", client.batches.get, bucket, made["batch_id"])
    task = client._request("POST", f"/buckets/{bucket}/batches/{made['batch_id']}/submit")
    call("client tasks.get", client.tasks.get, task["task_id"])
    call("client buckets.delete", client.buckets.delete, bucket)


# --- request models as judges ---

_ONE = "/v1/buckets/[^/]+"
_MODEL_OF = [
    ("POST", "/v1/buckets", sdk.BucketCreateRequest),
    ("POST", "/v1/buckets/list", sdk.ListBucketsRequest),
    ("POST", "/v1/namespaces/list", sdk.ListNamespacesRequest),
    ("POST", f"{_ONE}/objects", sdk.CreateObjectRequest),
    ("POST", f"{_ONE}/objects/batch", sdk.CreateObjectsBatchRequest),
    ("POST", f"{_ONE}/objects/list", sdk.ListObjectsRequest),
    ("POST", f"{_ONE}/batches", sdk.CreateBatchRequest),
    ("POST", f"{_ONE}/batches/list", sdk.ListBatchesRequest),
    ("POST", f"{_ONE}/batches/[^/]+/submit", sdk.SubmitBatchRequest),
]


def judge(method: str, path: str, body: Any) -> str | None:
    """Why the SDK's request model refuses a body; None where it accepts it."""
    model = next(
        (each for verb, form, each in _MODEL_OF if verb == method and re.fullmatch(form, path)), None
    )
    if model is None:
        return f"The SDK has no request model for {method} {path}"
    if not isinstance(body, dict):
        return f"{model.__name__}: the body is no object"
    try:
        parsed = model.from_dict(body)
    except Exception as error:  # noqa: BLE001  whatever a model raises is its refusal
        return f"{model.__name__}: {type(error).__name__}: {error}"
    undeclared = list(_undeclared(parsed, body, "body"))
    return f"{model.__name__}: undeclared keys {', '.join(undeclared)}" if undeclared else None


def _undeclared(parsed: Any, raw: Any, place: str) -> Any:
    """The places of keys that the models do not declare and drop in silence."""
    actual = getattr(parsed, "actual_instance", None)
    if actual is not None:
        parsed = actual
    if isinstance(parsed, BaseModel) and isinstance(raw, dict):
        fields = type(parsed).model_fields
        names = {field.alias or name: name for name, field in fields.items()}
        for key, value in raw.items():
            if key in names:
                yield from _undeclared(getattr(parsed, names[key]), value, f"{place}.{key}")
            elif "additional_properties" not in fields:
                yield f"{place}.{key}"
    elif isinstance(parsed, list) and isinstance(raw, list):
        for index, (item, value) in enumerate(zip(parsed, raw, strict=True)):
            yield from _undeclared(item, value, f"{place}.{index}")
    elif isinstance(parsed, dict) and isinstance(raw, dict):
        for key, value in raw.items():
            yield from _undeclared(parsed.get(key), value, f"{place}.{key}")


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "calls":
            answer: Any = make_calls(command["url"])
        else:
            answer = [judge(each["method"], each["path"], each["body"]) for each in command["bodies"]]
        sys.stdout.write(json.dumps(answer, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
