"""
The endpoints of the current generation (API 0.82), each written down once: path, body, answer.

Nothing here sends: every method describes one call. Words for states stand in ``_current_words``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, Field

from airflow_provider.mixpeek.client import _current_words as words
from airflow_provider.mixpeek.client._answers import json_object, model, unusable
from airflow_provider.mixpeek.client._errors import MixpeekConfigError
from airflow_provider.mixpeek.client._flow import Answer, Call, Page, Request
from airflow_provider.mixpeek.client._gate import Category
from airflow_provider.mixpeek.client._models import (
    Answered,
    Batch,
    Bucket,
    CreatedObjects,
    DeletedBucket,
    Me,
    MixpeekObject,
    Task,
)
from airflow_provider.mixpeek.client._requests import NewObject
from airflow_provider.mixpeek.client._schema import DATA_TYPES

M = TypeVar("M", bound=BaseModel)

#: Items of one page (``Limit`` parameter).
PAGE_SIZE = 1000


class _Pagination(Answered):
    next_cursor: str | None = None


class _List(Answered):
    """A list as the API answers it."""

    pagination: _Pagination = Field(default_factory=_Pagination)


class _Buckets(_List):
    results: list[Bucket]


class _Objects(_List):
    results: list[MixpeekObject]


class CurrentApi:
    """Describes the calls of API 0.82."""

    name = "current"
    #: Enum ``BucketSchemaFieldType``.
    property_types = DATA_TYPES | {"text", "image", "audio", "video", "pdf", "excel"}
    #: ``CreateObjectsBatchRequest.objects`` takes so many.
    max_objects_per_request = 100
    task_words = words.TASK
    batch_words = words.BATCH
    object_words = words.OBJECT

    @staticmethod
    def stored_nothing(status: int) -> bool:
        """Whether a write answered like this was certainly not carried out (SDK 1.3.783: 429, 503)."""
        return status in (429, 503)

    # -- who and how ---------------------------------------------------------------------------------------

    def whoami(self) -> Call[Me]:
        """``GET /v1/me``."""
        return _read("metadata", Request("GET", "/v1/me"), Me)

    def health(self) -> Call[dict[str, Any]]:
        """``GET /v1/health``; needs no key."""
        request = Request("GET", "/v1/health")
        return Call(request, "metadata", lambda answer: json_object(answer, request), repeatable=True)

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
        request = Request("POST", "/v1/buckets", body=encode(_present(body)))
        return _write("metadata", request, Bucket, repeatable=False)

    def get_bucket(self, bucket_id: str) -> Call[Bucket]:
        """``GET /v1/buckets/{bucket}``."""
        return _read("metadata", Request("GET", _path("buckets", bucket_id)), Bucket)

    def delete_bucket(self, bucket_id: str) -> Call[DeletedBucket]:
        """``DELETE /v1/buckets/{bucket}``."""
        return _write(
            "metadata", Request("DELETE", _path("buckets", bucket_id)), DeletedBucket, repeatable=True
        )

    def list_buckets(self, *, search: str | None, cursor: str | None) -> Call[Page[Bucket]]:
        """``POST /v1/buckets/list``, one page."""
        body = encode({"limit": PAGE_SIZE} | _present({"search": search}))
        request = Request("POST", "/v1/buckets/list", _page_query(cursor), body, reads=True)
        return _page("metadata", request, _Buckets)

    # -- objects -------------------------------------------------------------------------------------------

    @staticmethod
    def object_body(
        *,
        blobs: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]:
        """One object as the API takes it: custom fields at its root, undeclared ones in ``metadata``."""
        body: dict[str, Any] = {"blobs": blobs, **fields}
        if metadata:
            body["metadata"] = metadata
        if key_prefix is not None:
            body["key_prefix"] = key_prefix
        if idempotency_key is not None:
            body["idempotency_key"] = idempotency_key
        return body

    def new_object_body(self, new: NewObject) -> dict[str, Any]:
        """The body of a checked object."""
        body = self.object_body(
            blobs=[_present(blob.model_dump()) for blob in new.blobs],
            fields=new.fields_,
            metadata=new.metadata,
            key_prefix=new.key_prefix,
            idempotency_key=new.idempotency_key,
        )
        return body | ({"skip_duplicates": True} if new.skip_duplicates else {})

    def create_object(self, bucket_id: str, body: bytes, *, repeatable: bool) -> Call[MixpeekObject]:
        """``POST /v1/buckets/{bucket}/objects``; the answer must name the object."""
        request = Request("POST", _path("buckets", bucket_id, "objects"), body=body)
        return _write("data", request, MixpeekObject, repeatable=repeatable)

    def create_objects(
        self, bucket_id: str, bodies: Sequence[bytes], *, repeatable: bool
    ) -> Call[CreatedObjects]:
        """``POST /v1/buckets/{bucket}/objects/batch``; a 422 of the same shape is a result."""
        request = Request(
            "POST",
            _path("buckets", bucket_id, "objects", "batch"),
            body=b'{"objects":[' + b",".join(bodies) + b"]}",
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
        return _read("data", Request("GET", _path("buckets", bucket_id, "objects", object_id)), MixpeekObject)

    def list_objects(
        self, bucket_id: str, *, filters: Mapping[str, Any] | None, cursor: str | None
    ) -> Call[Page[MixpeekObject]]:
        """``POST /v1/buckets/{bucket}/objects/list``, one page, oldest first."""
        path = _path("buckets", bucket_id, "objects", "list")
        body = encode(_present({"filters": filters}))
        request = Request("POST", path, _page_query(cursor), body, reads=True)
        return _page("data", request, _Objects)

    # -- batches and tasks ---------------------------------------------------------------------------------

    def create_batch(
        self, bucket_id: str, object_ids: Sequence[str], *, name: str | None, dedup_strategy: str | None
    ) -> Call[Batch]:
        """
        ``POST /v1/buckets/{bucket}/batches``: a DRAFT, never submitted by the same call.

        Repeatable: a DRAFT whose answer was lost is known to nobody, so nobody submits it, and the vendor
        removes it after about 30 minutes (text of ``auto_submit``, API 0.82).
        """
        body = {"object_ids": list(object_ids), "batch_name": name, "dedup_strategy": dedup_strategy}
        request = Request("POST", _path("buckets", bucket_id, "batches"), body=encode(_present(body)))
        return _write("compute", request, Batch, repeatable=True)

    def get_batch(self, bucket_id: str | None, batch_id: str) -> Call[Batch]:
        """``GET /v1/buckets/{bucket}/batches/{batch}``, or ``GET /v1/batches/{batch}`` without a bucket."""
        path = _path("buckets", bucket_id, "batches", batch_id) if bucket_id else _path("batches", batch_id)
        return _read("metadata", Request("GET", path), Batch)

    def submit_batch(self, bucket_id: str, batch_id: str, *, force: bool) -> Call[Task]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/submit``; it must be a DRAFT."""
        path = _path("buckets", bucket_id, "batches", batch_id, "submit")
        query = (("force", "true"),) if force else ()
        return _write("compute", Request("POST", path, query, encode({})), Task, repeatable=False)

    def get_task(self, task_id: str) -> Call[Task]:
        """``GET /v1/tasks/{task}``."""
        return _read("metadata", Request("GET", _path("tasks", task_id)), Task)


def encode(body: Any) -> bytes:
    """
    JSON as bytes.

    :raises MixpeekConfigError: a value has no JSON form; NaN and infinity have none.
    """
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MixpeekConfigError(f"the request cannot be written as JSON: {error}") from None


def _present(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _path(*segments: str) -> str:
    for segment in segments:
        if segment in ("", ".", "..") or not isinstance(segment, str):
            raise MixpeekConfigError(f"{segment!r} is not an id", hint="Pass the id that the server gave.")
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def _page_query(cursor: str | None) -> tuple[tuple[str, str], ...]:
    return (("limit", str(PAGE_SIZE)),) + ((("cursor", cursor),) if cursor else ())


def _read(category: Category, request: Request, kind: type[M]) -> Call[M]:
    return _write(category, request, kind, repeatable=True)


def _write(category: Category, request: Request, kind: type[M], *, repeatable: bool) -> Call[M]:
    return Call(request, category, lambda answer: model(answer, kind, request), repeatable)


def _page(category: Category, request: Request, kind: type[Any]) -> Call[Page[Any]]:
    def parse(answer: Answer) -> Page[Any]:
        found = model(answer, kind, request)
        return Page(found.results, found.pagination.next_cursor or None)

    return Call(request, category, parse, repeatable=True)


def _is_result_of_batch(answer: Answer) -> bool:
    if answer.status != 422:
        return 200 <= answer.status < 300
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    # The two bodies that a 422 can have here are told apart by this key: the error envelope has none.
    return isinstance(body, dict) and "succeeded" in body
