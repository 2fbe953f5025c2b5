"""The endpoints of collections: what is made of a bucket's objects, and having it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider.mixpeek.emulator.context import Context, Inside, Named, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.filters import matches, select_rows
from airflow_provider.mixpeek.emulator.lookups import bucket_in, collection_in
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.records import Batch, Bucket, Collection
from airflow_provider.mixpeek.emulator.shapes import Problem

from . import collection_requests as shapes
from . import declared
from .answers import collection_answer, object_answer
from .lists import Asked, Listing, Space, list_answer, page_of, unresolved
from .running import submit

router = APIRouter()
_COLLECTION = "/v1/collections/{collection_identifier}"
#: Objects of one batch of a trigger (text of the vendor's trigger call, API 0.82).
_BATCH_OBJECTS = 1_000


@router.post(
    "/v1/collections", openapi_extra=body_of(shapes.COLLECTION_CREATE), responses=declared.COLLECTION
)
async def create_collection(request: Request, inside: Named) -> Response:
    body = await read_body(request, shapes.COLLECTION_CREATE)
    now = inside.context.state.settle()
    _check_source(inside, body["source"])
    name = body["collection_name"]
    if any(each.name == name for each in inside.namespace.collections.values()):
        message = f"A collection named '{name}' exists in namespace '{inside.namespace.name}'"
        raise Refusal(409, message, kind="AlreadyExistsError")
    return answer(collection_answer(inside.context.state.add_collection(inside.namespace, body, now)))


def _check_source(inside: Inside, source: Mapping[str, Any]) -> None:
    name = "bucket_ids" if source["type"] == "bucket" else "collection_ids"
    if name == "bucket_ids":
        if not source.get(name):
            raise invalid([Problem("value_error", ("body", "source", name), "Name the source buckets")])
        for bucket_id in source[name]:
            bucket_in(inside, bucket_id)
        return
    ids = _above(source)
    if not ids:
        raise invalid([Problem("value_error", ("body", "source", name), "Name the source collections")])
    for collection_id in ids:
        collection_in(inside, collection_id)


def _above(source: Mapping[str, Any]) -> list[str]:
    """The collections that a collection reads from, named by one key or the other."""
    return source.get("collection_ids") or ([source["collection_id"]] if source.get("collection_id") else [])


@router.get("/v1/collections", responses=declared.PAGE)
async def list_collections_by_query(space: Listing, asked: Asked, search: str | None = None) -> Response:
    return _list(space, asked, {"search": search})


@router.post(
    "/v1/collections/list",
    openapi_extra=body_of(shapes.COLLECTION_LIST, required=False),
    responses=declared.PAGE,
)
async def list_collections(request: Request, space: Listing, asked: Asked) -> Response:
    return _list(space, asked, await read_body(request, shapes.COLLECTION_LIST, optional=True))


def _list(space: Space, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    rows = [collection_answer(each) for each in space.namespace.collections.values()]
    return list_answer(select_rows(rows, body, search_in="collection_name"), page_of(asked, body))


@router.get(_COLLECTION, responses=declared.COLLECTION)
async def get_collection(inside: Named, collection_identifier: str) -> Response:
    inside.context.state.settle()
    return answer(collection_answer(collection_in(inside, collection_identifier)))


@router.post(
    f"{_COLLECTION}/trigger",
    openapi_extra=body_of(shapes.COLLECTION_TRIGGER, required=False),
    responses=declared.TRIGGERED,
)
async def trigger_collection(request: Request, inside: Named, collection_identifier: str) -> Response:
    context = inside.context
    before_82 = context.settings.is_before_82
    shape = shapes.COLLECTION_TRIGGER_81 if before_82 else shapes.COLLECTION_TRIGGER
    body = await read_body(request, shape, optional=True)
    now = context.state.settle()
    collection = collection_in(inside, collection_identifier)
    chosen = [
        (bucket, ids[start : start + _BATCH_OBJECTS])
        for bucket in _buckets(inside, collection, body)
        for ids in (_objects(bucket, body),)
        for start in range(0, len(ids), _BATCH_OBJECTS)
    ]
    return answer(_run(context, collection, chosen, body, request.scope, now), status=202)


def _buckets(inside: Inside, collection: Collection, body: Mapping[str, Any]) -> list[Bucket]:
    """The buckets that a collection reads from, at first or second hand."""
    source = collection.definition["source"]
    ids = source.get("bucket_ids") or []
    found = [bucket_in(inside, each) for each in ids]
    for each in [] if ids else _above(source):
        found += _buckets(inside, collection_in(inside, each), {})
    wanted = body.get("include_buckets")
    unique = {bucket.bucket_id: bucket for bucket in found}
    return [bucket for key, bucket in unique.items() if wanted is None or {key, bucket.name} & set(wanted)]


def _objects(bucket: Bucket, body: Mapping[str, Any]) -> list[str]:
    ids, filters = body.get("object_ids"), body.get("source_filters")
    return [
        object_id
        for object_id, stored in bucket.objects.items()
        if (ids is None or object_id in ids) and (filters is None or matches(object_answer(stored), filters))
    ]


def _run(
    context: Context,
    collection: Collection,
    chosen: list[tuple[Bucket, list[str]]],
    body: Mapping[str, Any],
    scope: Any,
    now: float,
) -> dict[str, Any]:
    """Make the batches of a trigger and submit them, all of them or none."""
    definition = {
        "collection_ids": [collection.collection_id],
        "dedup_strategy": body.get("dedup_strategy"),
    }
    batches: list[Batch] = []
    for bucket, ids in chosen:
        batch = context.state.add_batch(bucket, ids, dict(definition), now)
        try:
            submit(context, batch, scope, now, force=bool(batches))
        except Refusal:
            context.state.drop_batch(batch)
            raise
        batches.append(batch)
    tasks = [batch.task for batch in batches if batch.task] or [
        context.state.trigger_nothing(collection, now)
    ]
    told = {
        "batch_id": batches[0].batch_id if batches else None,
        "task_id": tasks[0].task_id,
        "collection_id": collection.collection_id,
        "source_bucket_ids": list(dict.fromkeys(bucket.bucket_id for bucket, _ in chosen)),
        "source_collection_ids": None,
        "object_count": sum(len(ids) for _, ids in chosen),
        "document_count": None,
        "total_tiers": 1,
        "message": f"{len(batches)} batches are submitted" if batches else "There is nothing to process",
    }
    if not context.settings.is_before_82:
        # Of one batch alone these are null (SDK 1.3.783).
        many = len(batches) > 1
        told |= {
            "batch_ids": [batch.batch_id for batch in batches] if many else None,
            "task_ids": [task.task_id for task in tasks] if many else None,
            "batch_count": len(batches) if many else None,
        }
    return told
