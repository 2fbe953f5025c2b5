"""The endpoints of API 0.82 that process objects: batches and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from . import requests_current as requests
from .answers_current import batch_answer, object_answer, task_answer
from .context import Context, Inside, Keyed, Listing, Named, answer, read_body
from .errors import Refusal, invalid
from .filters import matches
from .lists import page_of, unresolved
from .lookups import bucket_in
from .openapi import body_of
from .paging import cut
from .records import Batch, Bucket, Task
from .shapes import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter()
_DEFAULT_BATCHES = 100


def process_now(
    context: Context, bucket: Bucket, object_ids: list[str], scope: Mapping[str, Any], now: float
) -> None:
    """What ``auto_process`` does: a batch of its own, submitted, of which the answer says nothing."""
    if object_ids:
        batch = context.state.add_batch(bucket, object_ids, {}, now)
        context.state.submit(batch, context.next_outcome(scope), now)


@router.post("/v1/buckets/{bucket_identifier}/batches", openapi_extra=body_of(requests.BATCH_CREATE))
async def create_batch(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    skip_validation: Annotated[bool, Query()] = False,  # noqa: FBT002  a query parameter
    auto_submit: Annotated[bool | None, Query()] = None,
    trigger_processing: Annotated[bool | None, Query()] = None,
) -> Response:
    body = await read_body(request, requests.BATCH_CREATE)
    state = inside.context.state
    now = state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    object_ids = _members(bucket, body, skip_validation=skip_validation)
    limit = inside.context.settings.max_batch_size
    if limit is not None and len(object_ids) > limit:
        message = f"A batch holds at most {limit} objects, not {len(object_ids)}"
        raise invalid(
            [Problem("too_long", ("body", "object_ids"), message)], limit=limit, requested=len(object_ids)
        )
    batch = state.add_batch(bucket, object_ids, body, now)
    submit = (auto_submit, trigger_processing, body.get("auto_submit"), body.get("trigger_processing"))
    if next((said for said in submit if said is not None), False):
        state.submit(batch, inside.context.next_outcome(request.scope), now)
    return answer(batch_answer(batch, now))


def _members(bucket: Bucket, body: dict[str, Any], *, skip_validation: bool) -> list[str]:
    """The ids of the objects that a new batch is to hold, each once."""
    filters, object_ids = body.get("filters"), body.get("object_ids")
    if (filters is None) == (object_ids is None):
        found = "neither" if filters is None else "both"
        raise invalid(
            [Problem("value_error", ("body",), f"Give object_ids or filters, one of them; got {found}")]
        )
    if object_ids is not None:
        unique = list(dict.fromkeys(object_ids))
        missing = [] if skip_validation else [each for each in unique if each not in bucket.objects]
        if missing:
            raise Refusal(
                404,
                f"{len(missing)} of {len(unique)} objects are not in the bucket, first '{missing[0]}'",
                details={"missing_object_ids": missing[:100], "missing_count": len(missing)},
            )
        return unique
    chosen = [
        object_id
        for object_id, stored in bucket.objects.items()
        if matches(object_answer(stored, bucket.bucket_id), filters)
    ][: body.get("limit")]
    if not chosen:
        raise invalid([Problem("value_error", ("body", "filters"), "No object of the bucket matches")])
    if len(chosen) > requests.MAX_OBJECTS_BY_FILTER:
        message = (
            f"At most {requests.MAX_OBJECTS_BY_FILTER} objects by filter, {len(chosen)} match; give a limit"
        )
        raise invalid([Problem("too_long", ("body", "filters"), message)])
    return chosen


@router.post(
    "/v1/buckets/{bucket_identifier}/batches/list", openapi_extra=body_of(requests.BATCH_LIST, required=False)
)
async def list_batches(request: Request, space: Listing, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.BATCH_LIST, optional=True)
    now = space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    bucket = bucket_in(Inside(space.context, space.namespace), bucket_identifier)
    word, collection = body.get("status"), body.get("collection_id")
    rows = [
        batch
        for batch in bucket.batches.values()
        if (word is None or batch.status(now) == word)
        and (collection is None or collection in (batch.definition.get("collection_ids") or ()))
        and body.get("bucket_id") in (None, bucket_identifier)
        and body.get("namespace_id") in (None, space.namespace.namespace_id, space.namespace.name)
    ]
    page, pagination = cut(rows, page_of({}, body, default_limit=_DEFAULT_BATCHES))
    return answer(
        {
            "results": [batch_answer(batch, now) for batch in page],
            "total_count": len(rows),
            "pagination": pagination,
        }
    )


@router.get("/v1/buckets/{bucket_identifier}/batches/{batch_id}")
async def get_batch_of_bucket(inside: Named, bucket_identifier: str, batch_id: str) -> Response:
    now = inside.context.state.settle()
    return answer(batch_answer(_batch_in(inside, bucket_identifier, batch_id), now))


def _batch_in(inside: Inside, bucket_id: str, batch_id: str, *, writing: bool = False) -> Batch:
    batch = bucket_in(inside, bucket_id, writing=writing).batches.get(batch_id)
    if batch is None:
        raise Refusal(404, f"Batch '{batch_id}' was not found in bucket '{bucket_id}'")
    return batch


@router.post(
    "/v1/buckets/{bucket_identifier}/batches/{batch_id}/submit",
    openapi_extra=body_of(requests.BATCH_SUBMIT, required=False),
)
async def submit_batch(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    force: Annotated[bool, Query(description="Accepted; batches do not hinder each other.")] = False,  # noqa: ARG001, FBT002
) -> Response:
    body = await read_body(request, requests.BATCH_SUBMIT, optional=True)
    state = inside.context.state
    now = state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    if batch.task is not None:
        raise Refusal(
            409,
            f"Batch '{batch_id}' is {batch.status(now)}; only a DRAFT batch can be submitted",
            details={"batch_id": batch_id, "status": batch.status(now), "task_id": batch.task.task_id},
        )
    batch.webhook_url = body.get("webhook_url")
    task = state.submit(batch, inside.context.next_outcome(request.scope), now)
    return answer(task_answer(task, now))


@router.get("/v1/batches/{batch_id}")
async def get_batch(context: Keyed, batch_id: str) -> Response:
    now = context.state.settle()
    batch = context.state.batches.get(batch_id)
    if batch is None:
        raise Refusal(404, f"Batch '{batch_id}' was not found")
    return answer(batch_answer(batch, now))


@router.get("/v1/tasks/{task_id}")
async def get_task(context: Keyed, task_id: str) -> Response:
    now = context.state.settle()
    task: Task | None = context.state.tasks.get(task_id)
    if task is None:
        raise Refusal(404, f"Task '{task_id}' was not found")
    return answer(task_answer(task, now))
