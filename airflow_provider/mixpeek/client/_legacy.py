"""
The endpoints of the legacy generation (SDK 0.22.0), each written down once: path, body, answer.

Paths of this generation mean other things on a server of the current one: a POST to
``/v1/buckets/{bucket}/objects`` lists here and creates there. So a client of this generation looks which one
the server speaks before its first call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider.mixpeek.client import _legacy_words as words
from airflow_provider.mixpeek.client._answers import json_list, json_object
from airflow_provider.mixpeek.client._api import Api
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
from airflow_provider.mixpeek.client._errors import MixpeekGenerationError
from airflow_provider.mixpeek.client._flow import Answer, Call, Request
from airflow_provider.mixpeek.client._models import (
    Bucket,
    DeletedBucket,
    MixpeekObject,
    Namespace,
    Task,
)
from airflow_provider.mixpeek.client._schema import DATA_TYPES, BlobForms

_BUCKETS = listed(Bucket)
_OBJECTS = listed(MixpeekObject)
_TASKS = listed(Task)


class LegacyApi(Api):
    """Describes the calls of SDK 0.22.0."""

    name = "legacy"
    other = "current"
    #: Enum ``BucketSchemaFieldType``.
    property_types = DATA_TYPES | {
        *("text", "image", "audio", "video", "pdf"),
        *("json", "document", "spreadsheet", "presentation"),
        *("dense_vector", "sparse_vector", "int8_vector"),
    }
    max_objects_per_request = 1
    processes_on_create = True
    metadata_is_declared = False
    #: ``CreateBlobRequest.data`` is any JSON: a URL, a text, an object. No form for base64 is described.
    blob_forms = BlobForms(wrapped_texts=False, base64=False)
    same_paths_mean_other_things = True
    task_words = words.TASK
    batch_words = words.BATCH
    object_words = words.OBJECT
    upload_words = words.UPLOAD

    def stored_nothing(self, status: int) -> bool:
        """Only a rate limit promises it; nothing is said of 503 in this generation."""
        return status == 429

    def object_body(
        self,
        *,
        blobs: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]:
        """
        All values travel in ``metadata``, declared or not.

        :raises MixpeekGenerationError: it has an idempotency key, which this generation would ignore.
        """
        if idempotency_key is not None:
            raise MixpeekGenerationError(
                "the legacy generation of the API has no idempotency keys",
                hint="Leave it out: a lost create is then not tried again. The current one has them.",
            )
        self._check_blobs(blobs)
        together = {**fields, **(metadata or {})}
        return present({"blobs": blobs, "metadata": together or None, "key_prefix": key_prefix})

    def _check_blobs(self, blobs: Sequence[Mapping[str, Any]]) -> None:
        """Refuse what ``CreateBlobRequest`` does not have, and the server would ignore."""
        for name in ("upload_id", "checksum"):
            if any(name in blob for blob in blobs):
                raise self._lacks(f"store a blob with {name}")

    # -- how -----------------------------------------------------------------------------------------------

    def health(self) -> Call[dict[str, Any]]:
        """``GET /healthcheck``."""
        request = Request("GET", "/healthcheck")
        return Call(request, "metadata", lambda answer: json_object(answer, request), repeatable=True)

    # -- namespaces ----------------------------------------------------------------------------------------

    def create_namespace(
        self, name: str, *, description: str | None, feature_extractors: Sequence[Mapping[str, Any]]
    ) -> Call[Namespace]:
        """``POST /v1/namespaces``."""
        body = {"namespace_name": name, "description": description, "feature_extractors": feature_extractors}
        request = Request("POST", path("namespaces"), body=encode(present(body)))
        return write("metadata", request, Namespace, repeatable=False)

    def get_namespace(self, namespace: str) -> Call[Namespace]:
        """``GET /v1/namespaces/{namespace}``."""
        return read("metadata", Request("GET", path("namespaces", namespace)), Namespace)

    def list_namespaces(self, *, cursor: str | None, size: int) -> Call[Page[Namespace]]:  # noqa: ARG002
        """``GET /v1/namespaces``: a bare array with all of them."""
        request = Request("GET", path("namespaces"))

        def parse(answer: Answer) -> Page[Namespace]:
            return Page(json_list(answer, Namespace, request), None)

        return Call(request, "metadata", parse, repeatable=True)

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
        """``POST /v1/buckets/create``."""
        if unique_key is not None:
            raise self._lacks("give a bucket a unique key")
        for prop, definition in schema.get("properties", {}).items():
            if definition.get("required"):
                raise self._lacks(f"require a property ({prop!r})")
        body = {
            "bucket_name": name,
            "bucket_schema": schema,
            "description": description,
            "metadata": metadata,
        }
        request = Request("POST", path("buckets", "create"), body=encode(present(body)))
        return write("metadata", request, Bucket, repeatable=False)

    def get_bucket(self, bucket_id: str) -> Call[Bucket]:
        """``GET /v1/buckets/{bucket}``."""
        return read("metadata", Request("GET", path("buckets", bucket_id)), Bucket)

    def list_buckets(self, query: Query, *, cursor: str | None, size: int) -> Call[Page[Bucket]]:
        """``POST /v1/buckets``, one page."""
        return _page("metadata", path("buckets"), query, _BUCKETS, cursor, size)

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
        """``PUT /v1/buckets/{bucket}``; the schema is fixed at creation."""
        if schema is not None or unique_key is not None:
            raise self._lacks("change a bucket's schema or unique key")
        body = present({"bucket_name": name, "description": description, "metadata": metadata})
        request = Request("PUT", path("buckets", bucket_id), body=encode(body))
        return write("metadata", request, Bucket, repeatable=True)

    def delete_bucket(self, bucket_id: str) -> Call[DeletedBucket]:
        """``DELETE /v1/buckets/{bucket}``."""
        return write(
            "metadata", Request("DELETE", path("buckets", bucket_id)), DeletedBucket, repeatable=True
        )

    # -- objects -------------------------------------------------------------------------------------------

    def create_object(
        self,
        bucket_id: str,
        body: bytes,
        *,
        policy: str | None = None,
        auto_process: bool = False,  # noqa: ARG002 - this generation always does
        repeatable: bool,
    ) -> Call[MixpeekObject | Task]:
        """``POST /v1/buckets/{bucket}/objects/create``: answers a task, and not the object."""
        if policy is not None:
            raise self._lacks("store by a policy")
        request = Request("POST", path("buckets", bucket_id, "objects", "create"), body=body)
        return write("data", request, Task, repeatable=repeatable)

    def get_object(self, bucket_id: str, object_id: str) -> Call[MixpeekObject]:
        """``GET /v1/buckets/{bucket}/objects/{object}``."""
        return read("data", Request("GET", path("buckets", bucket_id, "objects", object_id)), MixpeekObject)

    def list_objects(
        self, bucket_id: str, query: Query, *, cursor: str | None, size: int
    ) -> Call[Page[MixpeekObject]]:
        """``POST /v1/buckets/{bucket}/objects``, one page."""
        return _page("data", path("buckets", bucket_id, "objects"), query, _OBJECTS, cursor, size)

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
        """``PUT /v1/buckets/{bucket}/objects/{object}``: ``metadata`` is merged into what is there."""
        self._check_blobs(blobs or ())
        together = {**fields, **(metadata or {})}
        body = present({"metadata": together or None, "key_prefix": key_prefix, "blobs": blobs})
        request = Request("PUT", path("buckets", bucket_id, "objects", object_id), body=encode(body))
        # Metadata is merged, so merging it twice is the same; nothing says so of blobs.
        return write("data", request, Task, repeatable=blobs is None)

    def delete_object(self, bucket_id: str, object_id: str) -> Call[Task | None]:
        """``DELETE /v1/buckets/{bucket}/objects/{object}``: answers a task."""
        return write(
            "data", Request("DELETE", path("buckets", bucket_id, "objects", object_id)), Task, repeatable=True
        )

    # -- tasks ---------------------------------------------------------------------------------------------

    def get_task(self, task_id: str) -> Call[Task]:
        """``GET /v1/tasks/{task}``."""
        return read("metadata", Request("GET", path("tasks", task_id)), Task)

    def list_tasks(self, *, status: str | None, cursor: str | None, size: int) -> Call[Page[Task]]:
        """``GET /v1/tasks``, one page of those that have not finished."""
        if status is not None:
            raise self._lacks("list tasks by their status")
        number = int(cursor or 1)
        request = Request("GET", path("tasks"), flags(page=number, page_size=size))

        def following(found: Any) -> str | None:
            return str(number + 1) if number * size < (found.pagination.total or 0) else None

        return page("metadata", request, _TASKS, following)

    def cancel_task(self, task_id: str) -> Call[dict[str, Any]]:
        """``DELETE /v1/tasks/{task}``; the answer is not described."""
        request = Request("DELETE", path("tasks", task_id))
        return Call(request, "metadata", lambda _: {}, repeatable=True)


def _page(
    category: Any, to: str, query: Query, kind: type[Listed], cursor: str | None, size: int
) -> Call[Page[Any]]:
    """A page by counting: the cursor is how many items come before it."""
    before = query.offset if cursor is None else int(cursor)
    request = Request("POST", to, flags(limit=size, offset=before), encode(query.body()), reads=True)

    def following(found: Any) -> str | None:
        reached = before + len(found.results)
        return str(reached) if found.results and reached < (found.pagination.total or 0) else None

    return page(category, request, kind, following)
