"""The endpoints of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from airflow_provider.mixpeek.emulator.context import Context, Inside, Named, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.filters import lookup, select_rows
from airflow_provider.mixpeek.emulator.lookups import bucket_in, object_in
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.paging import cut
from airflow_provider.mixpeek.emulator.records import Bucket
from airflow_provider.mixpeek.emulator.shapes import Problem

from . import declared, requests
from .answers import created_answer, object_answer, row_answer
from .changing import Change, patch_object, put_object
from .creating import create_object
from .lists import Asked, Listing, Space, page_of, unresolved

router = APIRouter()
since_82 = APIRouter()
_OBJECTS = "/v1/buckets/{bucket_identifier}/objects"
_OBJECT = f"{_OBJECTS}/{{object_identifier}}"

AutoProcess = Annotated[bool, Query(description="Create a batch of the new objects and submit it.")]
PresignedUrls = Annotated[bool, Query(description="Accepted; the emulator keeps no files to hand out.")]


@router.post(_OBJECTS, openapi_extra=body_of(requests.OBJECT_CREATE), responses=declared.OBJECT)
async def create_one(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    policy: Literal["insert", "update", "upsert"] | None = None,
    auto_process: AutoProcess = False,  # noqa: FBT002  a query parameter
) -> Response:
    context = inside.context
    before_82 = context.settings.is_before_82
    body = await read_body(request, requests.OBJECT_CREATE_81 if before_82 else requests.OBJECT_CREATE)
    context.state.objects_received[_OBJECTS] += 1
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    created = create_object(context.state, context.settings, bucket, body, now=now, policy=policy)
    if auto_process and created.replayed_by is None:
        _process_now(context, bucket, [created.stored.object_id], request.scope, now)
    return answer(created_answer(created, before_82=before_82))


def _process_now(
    context: Context, bucket: Bucket, object_ids: list[str], scope: Mapping[str, Any], now: float
) -> None:
    """What ``auto_process`` does: a batch of its own, submitted, of which the answer says nothing."""
    if object_ids:
        batch = context.state.add_batch(bucket, object_ids, {}, now)
        context.state.submit(batch, context.next_outcome(scope), now)


@router.post(f"{_OBJECTS}/batch", openapi_extra=body_of(requests.OBJECTS_BATCH), responses=declared.ROWS)
async def create_many(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    auto_process: AutoProcess = False,  # noqa: FBT002  a query parameter
) -> Response:
    context = inside.context
    before_82 = context.settings.is_before_82
    body = await read_body(request, requests.OBJECTS_BATCH_81 if before_82 else requests.OBJECTS_BATCH)
    context.state.objects_received[f"{_OBJECTS}/batch"] += len(body["objects"])
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    if bucket.definition.get("unique_key"):
        message = (
            "The bucket has a unique key, which this call does not enforce: create its objects one by one"
        )
        raise invalid([Problem("value_error", ("body", "objects"), message)])
    context.state.check_quota()
    succeeded: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    new: list[str] = []
    for index, each in enumerate(body["objects"]):
        try:
            created = create_object(
                context.state, context.settings, bucket, each, now=now, location=("body", "objects", index)
            )
        except Refusal as refusal:
            failed.append({"object_index": index, "error": refusal.message, "error_type": refusal.kind})
            continue
        succeeded.append(row_answer(created, index, before_82=before_82))
        if created.replayed_by is None:
            new.append(created.stored.object_id)
    if auto_process:
        _process_now(context, bucket, new, request.scope, now)
    return answer(
        {
            "succeeded": succeeded,
            "failed": failed,
            "total_requested": len(body["objects"]),
            "succeeded_count": len(succeeded),
            "failed_count": len(failed),
        },
        status=422 if failed and not succeeded and not before_82 else 200,
    )


@since_82.get(_OBJECTS, responses=declared.PAGE)
async def list_objects_by_query(
    space: Listing,
    bucket_identifier: str,
    asked: Asked,
    return_presigned_urls: PresignedUrls = False,  # noqa: ARG001, FBT002  a query parameter
) -> Response:
    return _list_objects(space, bucket_identifier, asked, {})


@router.post(
    f"{_OBJECTS}/list", openapi_extra=body_of(requests.OBJECT_LIST, required=False), responses=declared.PAGE
)
async def list_objects(request: Request, space: Listing, bucket_identifier: str, asked: Asked) -> Response:
    body = await read_body(request, requests.OBJECT_LIST, optional=True)
    return _list_objects(space, bucket_identifier, asked, body)


def _list_objects(space: Space, bucket_id: str, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    before_82 = space.context.settings.is_before_82
    space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    bucket = bucket_in(Inside(space.context, space.namespace), bucket_id)
    page = page_of(asked, body)
    rows: list[Any]
    if body.get("filters") or body.get("search") or body.get("sort"):
        rows = select_rows(
            [object_answer(each, before_82=before_82) for each in bucket.objects.values()], body
        )
        results, pagination = cut(rows, page)
    else:
        # Only the page becomes answers: a bucket may hold hundreds of thousands.
        stored, pagination = cut(list(bucket.objects.values()), page)
        results = [object_answer(each, before_82=before_82) for each in stored]
    blobs = sum(len(row["blobs"]) for row in results)
    return answer(
        {
            "results": [_selected(row, body.get("select")) for row in results],
            "pagination": pagination,
            "stats": {
                "total_objects": len(results),
                "total_blobs": blobs,
                "avg_blobs_per_object": blobs / len(results) if results else 0.0,
                "objects_by_status": Counter(row["status"] for row in results),
            },
            "warnings": [],
        }
    )


def _selected(row: dict[str, Any], select: list[str] | None) -> dict[str, Any]:
    """The fields of a row that were asked for; the ids are always among them."""
    if not select:
        return row
    chosen: dict[str, Any] = {"object_id": row["object_id"], "bucket_id": row["bucket_id"]}
    for path in select:
        value, found = lookup(row, path)
        if found:
            at = chosen
            *parents, last = [path] if path in row else path.split(".")
            for part in parents:
                at = at.setdefault(part, {})
            at[last] = value
    return chosen


@router.get(_OBJECT, responses=declared.OBJECT)
async def get_object(
    inside: Named,
    bucket_identifier: str,
    object_identifier: str,
    return_presigned_urls: PresignedUrls = False,  # noqa: ARG001, FBT002  a query parameter
    include_document_count: Annotated[bool, Query()] = True,  # noqa: FBT002  a query parameter
) -> Response:
    inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier)
    stored = object_in(bucket, object_identifier)
    before_82 = inside.context.settings.is_before_82
    row = object_answer(stored, before_82=before_82)
    if include_document_count and not before_82:
        row["document_count"] = stored.processed
    return answer(row)


@router.put(_OBJECT, openapi_extra=body_of(requests.OBJECT_UPDATE), responses=declared.OBJECT)
async def put(request: Request, inside: Named, bucket_identifier: str, object_identifier: str) -> Response:
    body = await read_body(request, requests.OBJECT_UPDATE)
    return _change(put_object, inside, bucket_identifier, object_identifier, body)


@router.patch(_OBJECT, openapi_extra=body_of(requests.OBJECT_PATCH), responses=declared.OBJECT)
async def patch(request: Request, inside: Named, bucket_identifier: str, object_identifier: str) -> Response:
    body = await read_body(request, requests.OBJECT_PATCH)
    return _change(patch_object, inside, bucket_identifier, object_identifier, body)


def _change(change: Change, inside: Inside, bucket_id: str, object_id: str, body: dict[str, Any]) -> Response:
    context = inside.context
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_id, writing=True)
    stored = object_in(bucket, object_id)
    change(context.state, context.settings, bucket, stored, body, now)
    return answer(object_answer(stored, before_82=context.settings.is_before_82))


@router.delete(_OBJECT, status_code=204)
async def delete(inside: Named, bucket_identifier: str, object_identifier: str) -> Response:
    inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    inside.context.state.drop_object(bucket, object_in(bucket, object_identifier))
    return Response(status_code=204)
