"""
The endpoints of the current generation (API 0.82) for namespaces, buckets and objects, each written down
once: path, body, answer. Batches and tasks stand in ``_current_batches``, words in ``_current_words``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider.mixpeek.client import _current_words as words
from airflow_provider.mixpeek.client._answers import json_object, model, unusable
from airflow_provider.mixpeek.client._calls import (
    Listed,
    Page,
    Query,
    encode,
    flags,
    listed,
    page,
    path,
    present,
    read,
    write,
)
from airflow_provider.mixpeek.client._current_batches import CurrentBatches
from airflow_provider.mixpeek.client._current_collections import CurrentCollections
from airflow_provider.mixpeek.client._current_uploads import CurrentUploads
from airflow_provider.mixpeek.client._flow import Answer, Call, Request
from airflow_provider.mixpeek.client._models import (
    Bucket,
    CreatedObjects,
    DeletedBucket,
    Me,
    MixpeekObject,
    Namespace,
    Task,
)
from airflow_provider.mixpeek.client._schema import DATA_TYPES, BlobForms

_NAMESPACES = listed(Namespace)
_BUCKETS = listed(Bucket)
_OBJECTS = listed(MixpeekObject)


class CurrentApi(CurrentBatches, CurrentUploads, CurrentCollections):
    """Describes the calls of API 0.82."""

    name = "current"
    other = "legacy"
    #: Enum ``BucketSchemaFieldType``.
    property_types = DATA_TYPES | {"text", "image", "audio", "video", "pdf", "excel"}
    #: ``CreateObjectsBatchRequest.objects`` takes so many.
    max_objects_per_request = 100
    processes_on_create = False
    metadata_is_declared = True
    blob_forms = BlobForms()
    same_paths_mean_other_things = False
    task_words = words.TASK
    batch_words = words.BATCH
    object_words = words.OBJECT
    upload_words = words.UPLOAD

    def stored_nothing(self, status: int) -> bool:
        """The vendor's SDK 1.3.783 repeats writes that were answered 429 or 503, and only those."""
        return status in (429, 503)

    def object_body(
        self,
        *,
        blobs: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]:
        """Declared values travel at the object's root, all others in the one object ``metadata``."""
        body: dict[str, Any] = {"blobs": blobs, **fields}
        if metadata:
            # A property of that name may be declared, and filled.
            own = fields.get("metadata")
            body["metadata"] = {**own, **metadata} if isinstance(own, Mapping) else metadata
        if key_prefix is not None:
            body["key_prefix"] = key_prefix
        if idempotency_key is not None:
            body["idempotency_key"] = idempotency_key
        return body

    # -- who and how ---------------------------------------------------------------------------------------

    def whoami(self) -> Call[Me]:
        """``GET /v1/me``."""
        return read("metadata", Request("GET", path("me")), Me)

    def health(self) -> Call[dict[str, Any]]:
        """``GET /v1/health``; needs no key."""
        request = Request("GET", path("health"))
        return Call(request, "metadata", lambda answer: json_object(answer, request), repeatable=True)

    # -- namespaces ----------------------------------------------------------------------------------------

    def create_namespace(
        self, name: str, *, description: str | None, feature_extractors: Sequence[Mapping[str, Any]]
    ) -> Call[Namespace]:
        """``POST /v1/namespaces``."""
        body = {
            "namespace_name": name,
            "description": description,
            "feature_extractors": feature_extractors or None,
        }
        request = Request("POST", path("namespaces"), body=encode(present(body)))
        return write("metadata", request, Namespace, repeatable=False)

    def get_namespace(self, namespace: str) -> Call[Namespace]:
        """``GET /v1/namespaces/{namespace}``."""
        return read("metadata", Request("GET", path("namespaces", namespace)), Namespace)

    def list_namespaces(self, *, cursor: str | None, size: int) -> Call[Page[Namespace]]:
        """``POST /v1/namespaces/list``, one page."""
        return _page("metadata", path("namespaces", "list"), Query(), _NAMESPACES, cursor, size)

    # -- buckets -------------------------------------------------------------------------------------------

    def create_bucket(
        self,
        name: str,
        *,
        schema: Mapping[str, Any],
        description: str | None,
        unique_key: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Call[Bucket]:
        """``POST /v1/buckets``; not repeatable: nothing says that a name is unique."""
        body = {
            "bucket_name": name,
            "bucket_schema": schema,
            "description": description,
            "unique_key": unique_key,
            "metadata": metadata,
        }
        request = Request("POST", path("buckets"), body=encode(present(body)))
        return write("metadata", request, Bucket, repeatable=False)

    def get_bucket(self, bucket_id: str) -> Call[Bucket]:
        """``GET /v1/buckets/{bucket}``."""
        return read("metadata", Request("GET", path("buckets", bucket_id)), Bucket)

    def list_buckets(self, query: Query, *, cursor: str | None, size: int) -> Call[Page[Bucket]]:
        """``POST /v1/buckets/list``, one page; here values of the body win over the query."""
        where = present({"limit": size, "offset": query.offset or None if cursor is None else None})
        return _page("metadata", path("buckets", "list"), query, _BUCKETS, cursor, size, body=where)

    def update_bucket(
        self,
        bucket_id: str,
        *,
        name: str | None,
        description: str | None,
        metadata: Mapping[str, Any] | None,
        schema: Mapping[str, Any] | None,
        unique_key: Mapping[str, Any] | None,
    ) -> Call[Bucket]:
        """``PATCH /v1/buckets/{bucket}``; of a unique key only ``default_policy`` may change."""
        body = {
            "bucket_name": name,
            "description": description,
            "metadata": metadata,
            "bucket_schema": schema,
            "unique_key": unique_key,
        }
        request = Request("PATCH", path("buckets", bucket_id), body=encode(present(body)))
        return write("metadata", request, Bucket, repeatable=True)

    def delete_bucket(self, bucket_id: str) -> Call[DeletedBucket]:
        """``DELETE /v1/buckets/{bucket}``."""
        request = Request("DELETE", path("buckets", bucket_id))
        return write("metadata", request, DeletedBucket, repeatable=True)

    # -- objects -------------------------------------------------------------------------------------------

    def create_object(
        self,
        bucket_id: str,
        body: bytes,
        *,
        policy: str | None = None,
        auto_process: bool = False,
        repeatable: bool,
    ) -> Call[MixpeekObject | Task]:
        """``POST /v1/buckets/{bucket}/objects``; the answer must name the object."""
        query = flags(policy=policy, auto_process=auto_process or None)
        request = Request("POST", path("buckets", bucket_id, "objects"), query, body)
        return write("data", request, MixpeekObject, repeatable=repeatable)

    def create_objects(
        self, bucket_id: str, bodies: Sequence[bytes], *, auto_process: bool = False, repeatable: bool
    ) -> Call[CreatedObjects]:
        """``POST /v1/buckets/{bucket}/objects/batch``; a 422 of the same shape is a result."""
        request = Request(
            "POST",
            path("buckets", bucket_id, "objects", "batch"),
            flags(auto_process=auto_process or None),
            b'{"objects":[' + b",".join(bodies) + b"]}",
        )

        def parse(answer: Answer) -> CreatedObjects:
            result = model(answer, CreatedObjects, request)
            accounted = len(result.succeeded) + len(result.failed)
            if accounted != len(bodies):
                raise unusable(
                    answer, request, f"it speaks of {accounted} objects and {len(bodies)} were sent"
                )
            return result

        return Call(request, "data", parse, repeatable, accepts=_is_result_of_batch)

    def get_object(self, bucket_id: str, object_id: str) -> Call[MixpeekObject]:
        """``GET /v1/buckets/{bucket}/objects/{object}``."""
        return read("data", Request("GET", path("buckets", bucket_id, "objects", object_id)), MixpeekObject)

    def list_objects(
        self, bucket_id: str, query: Query, *, cursor: str | None, size: int
    ) -> Call[Page[MixpeekObject]]:
        """``POST /v1/buckets/{bucket}/objects/list``, one page, oldest first."""
        return _page("data", path("buckets", bucket_id, "objects", "list"), query, _OBJECTS, cursor, size)

    def update_object(
        self,
        bucket_id: str,
        object_id: str,
        *,
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        blobs: Sequence[Mapping[str, Any]] | None,
    ) -> Call[MixpeekObject | Task]:
        """
        ``PATCH /v1/buckets/{bucket}/objects/{object}`` for fields at the root; ``PUT`` where ``metadata`` is
        to be merged, since PATCH knows no ``metadata``.
        """
        if blobs is not None:
            raise self._lacks("change the blobs of an object")
        method = "PATCH" if metadata is None else "PUT"
        body = present({**fields, "metadata": metadata, "key_prefix": key_prefix})
        request = Request(method, path("buckets", bucket_id, "objects", object_id), body=encode(body))
        return replace(write("data", request, MixpeekObject, repeatable=True), ambiguous=True)

    def delete_object(self, bucket_id: str, object_id: str) -> Call[Task | None]:
        """``DELETE /v1/buckets/{bucket}/objects/{object}``: answers nothing."""
        request = Request("DELETE", path("buckets", bucket_id, "objects", object_id))

        def parse(answer: Answer) -> Task | None:
            if answer.content.strip():
                raise unusable(answer, request, "it has a body, and a deletion answers none")
            return None

        return Call(request, "data", parse, repeatable=True, ambiguous=True)


def _page(
    category: Any,
    to: str,
    query: Query,
    kind: type[Listed],
    cursor: str | None,
    size: int,
    body: Mapping[str, Any] | None = None,
) -> Call[Page[Any]]:
    """A page by its cursor."""
    where = flags(limit=size, cursor=cursor, offset=query.offset or None if cursor is None else None)
    request = Request("POST", to, where, encode({**(body or {}), **query.body()}), reads=True)
    return page(category, request, kind, lambda found: found.pagination.next_cursor or None)


def _is_result_of_batch(answer: Answer) -> bool:
    if answer.status != 422:
        return 200 <= answer.status < 300
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    # The two bodies that a 422 can have here are told apart by this key: the error envelope has none.
    return isinstance(body, dict) and "succeeded" in body
