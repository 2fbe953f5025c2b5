"""Runs in the environment of the vendor's SDK 1.3.783: a JSON command a line in, a JSON answer a line out.

``calls`` makes every call that the emulator has, through the generated API classes and the hand-written
client, and says what each answer was parsed as. ``models`` holds request bodies to the SDK's request models.
Importing the SDK takes seconds, so one process serves all tests. It imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from typing import Any

import mixpeek
from mixpeek import Mixpeek
from mixpeek import models as sdk
from pydantic import BaseModel
from sdk_talk import Calls, judge, serve

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


def make_calls(url: str) -> list[dict[str, Any]]:
    """Every call once or more; stops at the first that fails."""
    call = Calls(lambda answer: answer.to_dict() if isinstance(answer, BaseModel) else answer)
    try:
        _generated(call, url)
        _hand_written(call, url)
    except Exception:  # noqa: BLE001  whatever it is, the test shows it
        call.stopped()
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
        call(
            "POST /v1/namespaces",
            namespaces.create_namespace,
            sdk.CreateNamespaceRequest.from_dict(
                {"namespace_name": "made_here", "description": "by the SDK"}
            ),
        )
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
        change = {"description": "changed", "metadata": {"team": "etl"}}
        call(
            "PUT /v1/buckets/{bucket_identifier}",
            buckets.update_bucket,
            bucket,
            sdk.BucketUpdateRequest.from_dict(change),
        )
        call(
            "PATCH /v1/buckets/{bucket_identifier}",
            buckets.patch_bucket,
            bucket,
            sdk.BucketPatchRequest.from_dict({"description": "changed again"}),
        )
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
        gone = objects.create_object_buckets(
            bucket, sdk.CreateObjectRequest.from_dict({"sku": "A-9"})
        ).object_id
        call(
            f"PATCH {path}/{{object_identifier}}",
            objects.patch_object_buckets,
            bucket,
            gone,
            sdk.PatchObjectRequest.from_dict({"sku": "A-8"}),
        )
        call(
            f"PUT {path}/{{object_identifier}}",
            objects.update_object_buckets,
            bucket,
            gone,
            sdk.UpdateObjectRequest.from_dict({"metadata": {"sku": "A-7"}}),
        )
        call(f"DELETE {path}/{{object_identifier}}", objects.delete_object_buckets, bucket, gone)
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
        _uploads(call, client, bucket)
        _collections(call, client, bucket)
        _more_batches(call, client, bucket, batch.batch_id, [row.object_id for row in rows.succeeded])
        _refused(call, "404", buckets.get_bucket, "nope")
        _refused(call, "409", buckets.create_bucket, sdk.BucketCreateRequest.from_dict(BUCKET))
        nothing = sdk.CreateObjectRequest.from_dict({"nope": 1})
        _refused(call, "422", objects.create_object_buckets, bucket, nothing)
        settings.access_token = None
        _refused(call, "401", account.whoami_me)
        settings.access_token = KEY
        call("DELETE /v1/buckets/{bucket_identifier}", buckets.delete_bucket, bucket)


def _uploads(call: Calls, client: Any, bucket: str) -> None:
    """Two files by hand: the generated class makes nothing of the 201 of a single new one."""
    uploads = mixpeek.BucketUploadsApi(client)
    path = "/v1/buckets/{bucket_identifier}/uploads"
    few = {"filename": "a.png", "content_type": "image/png", "blob_property": "hero"}
    call(f"POST {path}", uploads.create_upload_buckets, bucket, sdk.CreateUploadRequest.from_dict(few))
    many = sdk.BatchUploadRequest.from_dict({"uploads": [few, few | {"filename": "b.png"}]})
    made = call(f"POST {path}/batch", uploads.create_uploads_batch_buckets, bucket, many).uploads
    etags = []
    for number, upload in enumerate(made):
        put = urllib.request.Request(
            str(upload.presigned_url),
            data=b"file %d" % number,
            method="PUT",
            headers={"Content-Type": "image/png"},
        )
        with urllib.request.urlopen(put) as answer:
            etags.append(answer.headers["ETag"])
    one, other = (upload.upload_id for upload in made)
    confirmation = sdk.ConfirmUploadRequest.from_dict({"etag": etags[0], "file_size_bytes": 6})
    call(
        f"POST {path}/{{upload_id}}/confirm",
        uploads.confirm_upload_buckets,
        bucket,
        one,
        confirm_upload_request=confirmation,
    )
    confirmations = sdk.BatchConfirmRequest.from_dict({"confirmations": [{"upload_id": other}]})
    call(
        f"POST {path}/confirm/batch",
        uploads.confirm_uploads_batch_buckets,
        bucket,
        batch_confirm_request=confirmations,
    )
    call(f"GET {path}/{{upload_id}}", uploads.get_upload_buckets, bucket, other)
    again = few | {"file_hash": hashlib.sha256(b"file 0").hexdigest()}
    call("duplicate", uploads.create_upload_buckets, bucket, sdk.CreateUploadRequest.from_dict(again))
    listed = call(f"POST {path}/list", uploads.list_uploads_buckets, bucket)
    waiting = next(each.upload_id for each in listed.results if each.status == "PENDING")
    call(f"DELETE {path}/{{upload_id}}", uploads.delete_upload_buckets, bucket, waiting)


def _more_batches(call: Calls, client: Any, bucket: str, done: str, object_ids: list[str]) -> None:
    """What else is done with batches and tasks."""
    one, every, tasks = mixpeek.BucketBatchesApi(client), mixpeek.BatchesApi(client), mixpeek.TasksApi(client)
    path = "/v1/buckets/{bucket_identifier}/batches"
    request = sdk.RetryBatchRequest.from_dict({"retry_mode": "all", "max_retry_count": 2})
    call(f"POST {path}/{{batch_id}}/retry", one.retry_batch_buckets_batches, bucket, done, request)
    call(
        f"POST {path}/{{batch_id}}/resubmit",
        one.resubmit_batch_buckets_batches,
        bucket,
        done,
        auto_submit=False,
    )
    call(
        f"GET {path}/{{batch_id}}/failed-documents",
        one.get_failed_documents_buckets_batches_batch,
        bucket,
        done,
        limit=5,
    )
    wanted = sdk.CreateBatchRequest.from_dict({"object_ids": object_ids[:1]})
    draft = one.create_batch_buckets_batches(bucket, wanted).batch_id
    more = sdk.AddObjectsToBatchRequest.from_dict({"object_ids": object_ids[1:]})
    call(f"POST {path}/{{batch_id}}/objects", one.add_objects_to_batch_buckets_batches, bucket, draft, more)
    call(f"DELETE {path}/{{batch_id}}", one.delete_batch_buckets_batches, bucket, draft)
    for operation, cancel in [
        (f"POST {path}/{{batch_id}}/cancel", lambda batch: one.cancel_batch_buckets_batches(bucket, batch)),
        ("POST /v1/batches/{batch_id}/cancel", every.cancel_batch_by_id_batches),
    ]:
        # The test lets these two run for long; one that is stopped may be told so again.
        batch = one.create_batch_buckets_batches(bucket, wanted).batch_id
        task = one.submit_batch_buckets_batches(bucket, batch, force=True)
        call("DELETE /v1/tasks/{task_id}", tasks.kill_task, task.task_id)
        call(operation, cancel, batch)
    call("GET /v1/batches/queue", every.get_queue_status_batches)
    asked = sdk.ListBatchesRequest.from_dict({"namespace_id": NAMESPACE})
    call("POST /v1/batches/list", every.list_all_batches, list_batches_request=asked)
    asked = sdk.ListTasksRequest.from_dict({"task_type": "api_buckets_batches_process"})
    call("POST /v1/tasks/list", tasks.list_tasks, limit=5, list_tasks_request=asked)


def _collections(call: Calls, client: Any, bucket: str) -> None:
    collections = mixpeek.CollectionsApi(client)
    path = "/v1/collections"
    wanted = {
        "collection_name": "captions",
        "source": {"type": "bucket", "bucket_ids": [bucket]},
        "feature_extractor": {"feature_extractor_name": "text_extractor", "version": "v1"},
    }
    request = sdk.CreateCollectionRequest.from_dict(wanted)
    made = call(f"POST {path}", collections.create_collection, request)
    call(f"GET {path}/{{collection_identifier}}", collections.get_collection, "captions")
    call(f"POST {path}/list", collections.list_collections, limit=5)
    call(f"GET {path}", collections.list_collections_get, search="capt")
    asked = sdk.TriggerCollectionRequest.from_dict({"dedup_strategy": "skip"})
    call(
        f"POST {path}/{{collection_identifier}}/trigger",
        collections.trigger_collection,
        made.collection_id,
        trigger_collection_request=asked,
    )


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
    ("POST", "/v1/namespaces", sdk.CreateNamespaceRequest),
    ("POST", "/v1/buckets", sdk.BucketCreateRequest),
    ("POST", "/v1/buckets/list", sdk.ListBucketsRequest),
    ("POST", "/v1/namespaces/list", sdk.ListNamespacesRequest),
    ("POST", f"{_ONE}/objects", sdk.CreateObjectRequest),
    ("POST", f"{_ONE}/objects/batch", sdk.CreateObjectsBatchRequest),
    ("POST", f"{_ONE}/objects/list", sdk.ListObjectsRequest),
    ("POST", f"{_ONE}/uploads", sdk.CreateUploadRequest),
    ("POST", f"{_ONE}/uploads/batch", sdk.BatchUploadRequest),
    ("POST", f"{_ONE}/uploads/list", sdk.ListUploadsRequest),
    ("POST", f"{_ONE}/uploads/confirm/batch", sdk.BatchConfirmRequest),
    ("POST", f"{_ONE}/uploads/[^/]+/confirm", sdk.ConfirmUploadRequest),
    ("POST", f"{_ONE}/batches", sdk.CreateBatchRequest),
    ("POST", f"{_ONE}/batches/list", sdk.ListBatchesRequest),
    ("POST", f"{_ONE}/batches/[^/]+/submit", sdk.SubmitBatchRequest),
    ("PUT", _ONE, sdk.BucketUpdateRequest),
    ("PATCH", _ONE, sdk.BucketPatchRequest),
    ("PUT", f"{_ONE}/objects/[^/]+", sdk.UpdateObjectRequest),
    ("PATCH", f"{_ONE}/objects/[^/]+", sdk.PatchObjectRequest),
    ("POST", f"{_ONE}/batches/[^/]+/objects", sdk.AddObjectsToBatchRequest),
    ("POST", f"{_ONE}/batches/[^/]+/retry", sdk.RetryBatchRequest),
    ("POST", "/v1/batches/list", sdk.ListBatchesRequest),
    ("POST", "/v1/collections/list", sdk.ListCollectionsRequest),
    ("POST", "/v1/collections/[^/]+/trigger", sdk.TriggerCollectionRequest),
    ("POST", "/v1/tasks/list", sdk.ListTasksRequest),
]


def _read(model: type[Any], body: Any) -> Any:
    return model.from_dict(body)


if __name__ == "__main__":
    serve(make_calls, lambda request: judge(_MODEL_OF, _read, request))
