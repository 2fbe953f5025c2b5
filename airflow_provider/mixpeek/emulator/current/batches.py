"""The endpoints of a bucket's batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from airflow_provider.mixpeek.emulator.context import Context, Inside, Listing, Named, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.lookups import bucket_in
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.paging import Page, cut
from airflow_provider.mixpeek.emulator.records import Batch
from airflow_provider.mixpeek.emulator.seen import is_batch_seen, task_of_batch_seen
from airflow_provider.mixpeek.emulator.shapes import Problem

from . import declared, requests
from .answers import batch_answer, canceled_answer, task_answer
from .lists import page_of, unresolved
from .running import (
    cancel,
    check_draft,
    check_may_run,
    check_over,
    check_size,
    known_ids,
    members_of,
    retryable,
    submit,
)

router = APIRouter()
since_82 = APIRouter()
_DEFAULT_PAGE = 100
_BATCHES = "/v1/buckets/{bucket_identifier}/batches"
_BATCH = f"{_BATCHES}/{{batch_id}}"

Reason = Annotated[str | None, Query(description="Accepted; the emulator keeps no audit.")]
SkipValidation = Annotated[bool, Query(description="Do not check that the objects exist.")]


def _batch_in(inside: Inside, bucket_id: str, batch_id: str, *, writing: bool = False) -> Batch:
    batch = bucket_in(inside, bucket_id, writing=writing).batches.get(batch_id)
    if batch is None:
        raise Refusal(404, f"Batch '{batch_id}' was not found in bucket '{bucket_id}'")
    return batch


def written(context: Context, batch: Batch, now: float) -> dict[str, Any]:
    """The answer to a call that wrote a batch."""
    return batch_answer(batch, batch.task, now, before_82=context.settings.is_before_82)


def looked_at(context: Context, batch: Batch, now: float) -> dict[str, Any]:
    """The answer to a look at a batch, which may lag.

    :raises Refusal: 404, it does not show yet.
    """
    if not is_batch_seen(batch, context.settings, now):
        raise Refusal(404, f"Batch '{batch.batch_id}' was not found")
    task = task_of_batch_seen(batch, context.settings, now)
    return batch_answer(batch, task, now, before_82=context.settings.is_before_82)


def batches_answer(
    context: Context, batches: Iterable[Batch], body: Mapping[str, Any], now: float
) -> Response:
    """A page of the batches that a list's body asks for."""
    word, collection = body.get("status"), body.get("collection_id")
    settings = context.settings
    rows = [
        batch
        for batch in batches
        if is_batch_seen(batch, settings, now)
        and (word is None or looked_at(context, batch, now)["status"] == word)
        and (collection is None or collection in (batch.definition.get("collection_ids") or ()))
        and body.get("bucket_id") in (None, batch.bucket.bucket_id)
        and body.get("namespace_id")
        in (None, batch.bucket.namespace.namespace_id, batch.bucket.namespace.name)
    ]
    page, pagination = cut(rows, page_of({}, body, default_limit=_DEFAULT_PAGE))
    results = [looked_at(context, batch, now) for batch in page]
    return answer({"results": results, "total_count": len(rows), "pagination": pagination})


@router.post(_BATCHES, openapi_extra=body_of(requests.BATCH_CREATE), responses=declared.BATCH)
async def create_batch(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    skip_validation: SkipValidation = False,  # noqa: FBT002  a query parameter
    auto_submit: Annotated[bool | None, Query()] = None,
    trigger_processing: Annotated[bool | None, Query()] = None,
) -> Response:
    context = inside.context
    before_82 = context.settings.is_before_82
    body = await read_body(request, requests.BATCH_CREATE_81 if before_82 else requests.BATCH_CREATE)
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    if before_82:
        body = {"object_ids": body["object_ids"]}
    object_ids = members_of(bucket, body, skip_validation=skip_validation)
    check_size(context, object_ids)
    batch = context.state.add_batch(bucket, object_ids, body, now)
    if not before_82 and _wants_submit(auto_submit, trigger_processing, body):
        submit(context, batch, request.scope, now)
    return answer(written(context, batch, now))


def _wants_submit(
    auto_submit: bool | None,  # noqa: FBT001  as it came
    trigger_processing: bool | None,  # noqa: FBT001
    body: Mapping[str, Any],
    *,
    default: bool = False,
) -> bool:
    """What query and body say together: the query wins, and the new name over the old one."""
    said = (auto_submit, trigger_processing, body.get("auto_submit"), body.get("trigger_processing"))
    return next((each for each in said if each is not None), default)


@router.post(
    f"{_BATCHES}/list", openapi_extra=body_of(requests.BATCH_LIST, required=False), responses=declared.PAGE
)
async def list_batches(request: Request, space: Listing, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.BATCH_LIST, optional=True)
    now = space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    bucket = bucket_in(Inside(space.context, space.namespace), bucket_identifier)
    return batches_answer(space.context, bucket.batches.values(), body, now)


@router.get(_BATCH, responses=declared.BATCH)
async def get_batch(inside: Named, bucket_identifier: str, batch_id: str) -> Response:
    now = inside.context.state.settle()
    return answer(looked_at(inside.context, _batch_in(inside, bucket_identifier, batch_id), now))


@router.delete(_BATCH, responses=declared.DONE)
async def delete_batch(inside: Named, bucket_identifier: str, batch_id: str) -> Response:
    now = inside.context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    check_draft(batch, now, "deleted")
    inside.context.state.drop_batch(batch)
    return answer({"message": f"Batch '{batch_id}' is deleted", "success": True})


@router.post(f"{_BATCH}/objects", openapi_extra=body_of(requests.BATCH_OBJECTS), responses=declared.BATCH)
async def add_objects(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    skip_validation: SkipValidation = False,  # noqa: FBT002  a query parameter
) -> Response:
    body = await read_body(request, requests.BATCH_OBJECTS)
    context = inside.context
    now = context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    check_draft(batch, now, "added to")
    added = known_ids(batch.bucket, body["object_ids"], skip_validation=skip_validation)
    object_ids = list(dict.fromkeys([*batch.object_ids, *added]))
    check_size(context, object_ids)
    batch.object_ids, batch.updated = object_ids, now
    context.state.touch(batch)
    return answer(written(context, batch, now))


@router.post(
    f"{_BATCH}/submit", openapi_extra=body_of(requests.BATCH_SUBMIT, required=False), responses=declared.TASK
)
async def submit_batch(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    force: Annotated[bool, Query(description="Run beside another batch of the bucket.")] = False,  # noqa: FBT002
) -> Response:
    body = await read_body(request, requests.BATCH_SUBMIT, optional=True)
    context = inside.context
    now = context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    check_draft(batch, now, "submitted")
    task = submit(context, batch, request.scope, now, force=force)
    batch.webhook_url = body.get("webhook_url")
    return answer(task_answer(task, now))


@router.post(f"{_BATCH}/cancel", responses=declared.TASK)
async def cancel_batch(
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    reason: Reason = None,  # noqa: ARG001
) -> Response:
    now = inside.context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id)
    return answer(canceled_answer(cancel(inside.context, batch, now), now))


@router.post(f"{_BATCH}/retry", openapi_extra=body_of(requests.BATCH_RETRY), responses=declared.RUN_AGAIN)
async def retry_batch(request: Request, inside: Named, bucket_identifier: str, batch_id: str) -> Response:
    body = await read_body(request, requests.BATCH_RETRY)
    context = inside.context
    now = context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    check_over(batch, now, "retried")
    taken, left = retryable(batch, body.get("retry_mode", "transient_only"))
    if body.get("tier_nums") and 0 not in body["tier_nums"]:
        taken, left = [], batch.failed
    task_id = None
    if taken:
        task_id = submit(context, batch, request.scope, now, force=True, retried=taken).task_id
        batch.failed = left
    return answer(
        {
            "batch_id": batch_id,
            "status": batch.status(now),
            "task_id": task_id,
            "retried_count": len(taken),
            "skipped_count": len(left),
        }
    )


@since_82.post(
    f"{_BATCH}/resubmit",
    openapi_extra=body_of(requests.BATCH_RESUBMIT, required=False),
    responses=declared.RUN_AGAIN,
)
async def resubmit_batch(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    from_tier: Annotated[int, Query(ge=0)] = 0,
    auto_submit: Annotated[bool | None, Query()] = None,
    trigger_processing: Annotated[bool | None, Query()] = None,
) -> Response:
    body = await read_body(request, requests.BATCH_RESUBMIT, optional=True)
    context = inside.context
    now = context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id, writing=True)
    check_over(batch, now, "submitted again")
    if from_tier:
        raise invalid([Problem("value_error", ("query", "from_tier"), "The batch has one tier, number 0")])
    wants_submit = _wants_submit(auto_submit, trigger_processing, body, default=True)
    before = batch.status(now)
    if wants_submit:
        check_may_run(context, batch, now)
    context.state.make_draft(batch, now)
    if wants_submit:
        submit(context, batch, request.scope, now)
    return answer(
        {
            "batch_id": batch_id,
            "status": batch.status(now),
            "previous_status": before,
            "task_id": batch.task.task_id if batch.task else None,
        }
    )


@router.get(f"{_BATCH}/failed-documents", responses=declared.PAGE)
async def failed_documents(
    inside: Named,
    bucket_identifier: str,
    batch_id: str,
    tier_num: Annotated[int | None, Query(ge=0)] = None,
    collection_id: str | None = None,
    limit: Annotated[int, Query(ge=1)] = _DEFAULT_PAGE,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    inside.context.state.settle()
    batch = _batch_in(inside, bucket_identifier, batch_id)
    collections = batch.definition.get("collection_ids") or ()
    rows = [] if tier_num or (collection_id and collection_id not in collections) else batch.failed
    page, pagination = cut(rows, Page(limit, offset, include_total=True))
    results = [{**each, "tier_num": 0} for each in page]
    return answer(
        {"batch_id": batch_id, "results": results, "total_count": len(rows), "pagination": pagination}
    )
