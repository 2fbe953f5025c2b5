"""The endpoints of the current generation (API 0.82) for batches and tasks, each written down once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider.mixpeek.client._answers import json_object
from airflow_provider.mixpeek.client._api import Api
from airflow_provider.mixpeek.client._calls import (
    Page,
    encode,
    flags,
    listed,
    page,
    path,
    present,
    read,
    write,
)
from airflow_provider.mixpeek.client._flow import Call, Request
from airflow_provider.mixpeek.client._gate import Category
from airflow_provider.mixpeek.client._models import Batch, Task

_BATCHES = listed(Batch)
_TASKS = listed(Task)


class CurrentBatches(Api):
    """Describes the calls of API 0.82 that process objects."""

    def create_batch(
        self,
        bucket_id: str,
        *,
        object_ids: Sequence[str] | None,
        filters: Mapping[str, Any] | None,
        limit: int | None,
        collection_ids: Sequence[str] | None,
        name: str | None,
        dedup_strategy: str | None,
    ) -> Call[Batch]:
        """
        ``POST /v1/buckets/{bucket}/batches``: a DRAFT, never submitted by the same call.

        Repeatable: a DRAFT whose answer was lost is known to nobody, so nobody submits it, and the vendor
        removes it after about 30 minutes (text of ``auto_submit``, API 0.82).
        """
        body = {
            "object_ids": None if object_ids is None else list(object_ids),
            "filters": filters,
            "limit": limit,
            "collection_ids": None if collection_ids is None else list(collection_ids),
            "batch_name": name,
            "dedup_strategy": dedup_strategy,
        }
        request = Request("POST", path("buckets", bucket_id, "batches"), body=encode(present(body)))
        return write("compute", request, Batch, repeatable=True)

    def add_to_batch(self, bucket_id: str, batch_id: str, object_ids: Sequence[str]) -> Call[Batch]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/objects``; a batch holds each object once."""
        request = Request(
            "POST", _batch(bucket_id, batch_id, "objects"), body=encode({"object_ids": list(object_ids)})
        )
        return write("compute", request, Batch, repeatable=True)

    def submit_batch(self, bucket_id: str, batch_id: str, *, force: bool) -> Call[Task]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/submit``; it must be a DRAFT."""
        request = Request(
            "POST", _batch(bucket_id, batch_id, "submit"), flags(force=force or None), encode({})
        )
        return write("compute", request, Task, repeatable=False)

    def get_batch(self, bucket_id: str | None, batch_id: str) -> Call[Batch]:
        """``GET /v1/buckets/{bucket}/batches/{batch}``, or ``GET /v1/batches/{batch}`` without a bucket."""
        where = _batch(bucket_id, batch_id) if bucket_id else path("batches", batch_id)
        return read("metadata", Request("GET", where), Batch)

    def list_batches(
        self, bucket_id: str, *, status: str | None, cursor: str | None, size: int
    ) -> Call[Page[Batch]]:
        """``POST /v1/buckets/{bucket}/batches/list``, one page; paging travels in the body."""
        body = present({"status": status, "limit": size, "cursor": cursor})
        request = Request(
            "POST", path("buckets", bucket_id, "batches", "list"), body=encode(body), reads=True
        )
        return page("metadata", request, _BATCHES, _next_cursor)

    def cancel_batch(self, bucket_id: str, batch_id: str, *, reason: str | None) -> Call[Task]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/cancel``."""
        request = Request("POST", _batch(bucket_id, batch_id, "cancel"), flags(reason=reason))
        return write("compute", request, Task, repeatable=True)

    def delete_batch(self, bucket_id: str, batch_id: str) -> Call[dict[str, Any]]:
        """``DELETE /v1/buckets/{bucket}/batches/{batch}``."""
        return _free("compute", Request("DELETE", _batch(bucket_id, batch_id)), repeatable=True)

    def retry_batch(self, bucket_id: str, batch_id: str, *, mode: str) -> Call[dict[str, Any]]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/retry``."""
        request = Request("POST", _batch(bucket_id, batch_id, "retry"), body=encode({"retry_mode": mode}))
        return _free("compute", request, repeatable=False)

    def resubmit_batch(
        self, bucket_id: str, batch_id: str, *, from_tier: int | None, auto_submit: bool | None
    ) -> Call[dict[str, Any]]:
        """``POST /v1/buckets/{bucket}/batches/{batch}/resubmit``."""
        query = flags(from_tier=from_tier, auto_submit=auto_submit)
        return _free(
            "compute", Request("POST", _batch(bucket_id, batch_id, "resubmit"), query), repeatable=False
        )

    def failed_documents(
        self, bucket_id: str, batch_id: str, *, limit: int, offset: int
    ) -> Call[dict[str, Any]]:
        """``GET /v1/buckets/{bucket}/batches/{batch}/failed-documents``."""
        query = flags(limit=limit, offset=offset)
        return _free(
            "metadata",
            Request("GET", _batch(bucket_id, batch_id, "failed-documents"), query),
            repeatable=True,
        )

    def batch_queue(self) -> Call[dict[str, Any]]:
        """``GET /v1/batches/queue``."""
        return _free("metadata", Request("GET", path("batches", "queue")), repeatable=True)

    def get_task(self, task_id: str) -> Call[Task]:
        """``GET /v1/tasks/{task}``."""
        return read("metadata", Request("GET", path("tasks", task_id)), Task)

    def list_tasks(self, *, status: str | None, cursor: str | None, size: int) -> Call[Page[Task]]:
        """``POST /v1/tasks/list``, one page."""
        request = Request(
            "POST",
            path("tasks", "list"),
            flags(limit=size, cursor=cursor),
            encode(present({"status": status})),
            reads=True,
        )
        return page("metadata", request, _TASKS, _next_cursor)

    def cancel_task(self, task_id: str) -> Call[dict[str, Any]]:
        """``DELETE /v1/tasks/{task}``; succeeds for unknown ids."""
        return _free("metadata", Request("DELETE", path("tasks", task_id)), repeatable=True)


def _batch(bucket_id: str, batch_id: str, *rest: str) -> str:
    return path("buckets", bucket_id, "batches", batch_id, *rest)


def _free(category: Category, request: Request, *, repeatable: bool) -> Call[dict[str, Any]]:
    """A call whose answer is a free object."""
    return Call(request, category, lambda answer: json_object(answer, request), repeatable)


def _next_cursor(found: Any) -> str | None:
    cursor: str | None = found.pagination.next_cursor
    return cursor or None
