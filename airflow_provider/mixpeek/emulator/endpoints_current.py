"""The endpoints of API 0.82 but for those that process: these are in ``processing_current``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from . import requests_current as requests
from .answers_current import (
    bucket_answer,
    created_answer,
    namespace_answer,
    object_answer,
    row_answer,
    task_answer,
)
from .context import Context, Inside, Keyed, Listing, Named, Open, Space, answer, read_body
from .errors import Refusal, invalid
from .filters import lookup
from .lists import Asked, list_answer, page_of, select_rows, unresolved
from .lookups import bucket_in, check_name, object_in
from .objects_current import create_object
from .openapi import body_of
from .paging import cut
from .processing_current import process_now
from .requests_common import SCALAR_TYPES
from .shapes import Problem

router = APIRouter()

AutoProcess = Annotated[bool, Query(description="Create a batch of the new objects and submit it.")]
PresignedUrls = Annotated[bool, Query(description="Accepted; the emulator keeps no files to hand out.")]


# --- who is asking, and whether anybody is there ---


@router.get("/v1/health")
async def health(_: Open) -> Response:
    return answer({"status": "OK"})


@router.get("/v1/health/liveness")
async def liveness(_: Open) -> Response:
    return answer({"status": "OK"})


@router.get("/v1/health/deep")
async def deep_health(_: Keyed) -> Response:
    services = ("cache", "metadata", "vector_store", "object_storage", "task_queue", "inference", "analytics")
    return answer({"status": "OK", "data": dict.fromkeys(services, True), "errors": None, "meta": None})


@router.get("/v1/me")
async def who_am_i(context: Keyed) -> Response:
    rate = context.settings.rate_limit
    categories = ("metadata", "data", "search", "upload", "compute")
    key = {
        "name": "emulator key",
        "key_type": "SECRET",
        "permissions": ["READ", "WRITE", "DELETE", "ADMIN"],
        "expires_at": None,
    }
    return answer(
        {
            "organization_id": "org_emulator",
            "organization_name": "Mixpeek emulator",
            "account_type": "ENTERPRISE",
            "user_email": None,
            "key": key,
            "rate_limits": dict.fromkeys(categories, int(rate * 60)) if rate else None,
            "principal_scoped": False,
        }
    )


# --- namespaces ---


@router.get("/v1/namespaces")
async def list_namespaces_by_query(context: Keyed, asked: Asked) -> Response:
    return _list_namespaces(context, asked, {})


@router.post("/v1/namespaces/list", openapi_extra=body_of(requests.NAMESPACE_LIST, required=False))
async def list_namespaces(request: Request, context: Keyed, asked: Asked) -> Response:
    return _list_namespaces(context, asked, await read_body(request, requests.NAMESPACE_LIST, optional=True))


def _list_namespaces(context: Context, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    context.state.settle()
    rows = [namespace_answer(each) for each in context.state.namespaces.values()]
    return list_answer(select_rows(rows, body, search_in="namespace_name"), page_of(asked, body))


@router.get("/v1/namespaces/{namespace_identifier}")
async def get_namespace(context: Keyed, namespace_identifier: str) -> Response:
    context.state.settle()
    namespace = context.state.namespace(namespace_identifier)
    if namespace is None:
        raise Refusal(404, f"Namespace '{namespace_identifier}' was not found")
    return answer(namespace_answer(namespace))


# --- buckets ---


@router.post("/v1/buckets", openapi_extra=body_of(requests.BUCKET_CREATE))
async def create_bucket(request: Request, inside: Named) -> Response:
    body = await read_body(request, requests.BUCKET_CREATE)
    _check_unique_key(body)
    now = inside.context.state.settle()
    check_name(inside, body["bucket_name"])
    return answer(bucket_answer(inside.context.state.add_bucket(inside.namespace, body, now), now))


def _check_unique_key(body: dict[str, Any]) -> None:
    declared = body["bucket_schema"]["properties"]
    problems = []
    for index, name in enumerate((body.get("unique_key") or {}).get("fields", ())):
        place = ("body", "unique_key", "fields", index)
        if name not in declared:
            problems.append(Problem("value_error", place, f"The bucket's schema does not declare '{name}'"))
        elif declared[name]["type"] not in SCALAR_TYPES:
            message = f"A unique key needs scalar properties; '{name}' is of type {declared[name]['type']}"
            problems.append(Problem("value_error", place, message))
    if problems:
        raise invalid(problems)


@router.get("/v1/buckets")
async def list_buckets_by_query(space: Listing, asked: Asked, search: str | None = None) -> Response:
    return _list_buckets(space, asked, {"search": search})


@router.post("/v1/buckets/list", openapi_extra=body_of(requests.BUCKET_LIST, required=False))
async def list_buckets(request: Request, space: Listing, asked: Asked) -> Response:
    return _list_buckets(space, asked, await read_body(request, requests.BUCKET_LIST, optional=True))


def _list_buckets(space: Space, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    now = space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    rows = [bucket_answer(bucket, now) for bucket in space.namespace.buckets.values()]
    chosen = select_rows(rows, body, search_in="bucket_name")
    objects, size = (sum(row[name] for row in chosen) for name in ("object_count", "total_size_bytes"))
    stats = {
        "total_objects": objects,
        "total_size_bytes": size,
        "avg_objects_per_bucket": objects / len(chosen) if chosen else 0.0,
        "avg_size_per_bucket": size / len(chosen) if chosen else 0.0,
    }
    return list_answer(chosen, page_of(asked, body), stats=stats)


@router.get("/v1/buckets/{bucket_identifier}")
async def get_bucket(inside: Named, bucket_identifier: str) -> Response:
    now = inside.context.state.settle()
    return answer(bucket_answer(bucket_in(inside, bucket_identifier), now))


@router.delete("/v1/buckets/{bucket_identifier}")
async def delete_bucket(inside: Named, bucket_identifier: str) -> Response:
    state = inside.context.state
    now = state.settle()
    bucket = bucket_in(inside, bucket_identifier)
    task = task_answer(state.delete_bucket(bucket, now), now)
    return answer(
        {
            "task_id": task["task_id"],
            "status": task["status"],
            "bucket_id": bucket.bucket_id,
            "bucket_name": bucket.name,
            "object_count": len(bucket.objects),
        }
    )


# --- objects ---


@router.post("/v1/buckets/{bucket_identifier}/objects", openapi_extra=body_of(requests.OBJECT_CREATE))
async def create_one(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    policy: Literal["insert", "update", "upsert"] | None = None,
    auto_process: AutoProcess = False,  # noqa: FBT002  a query parameter
) -> Response:
    body = await read_body(request, requests.OBJECT_CREATE)
    context = inside.context
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    created = create_object(context.state, context.settings, bucket, body, now=now, policy=policy)
    if auto_process and created.replayed_by is None:
        process_now(context, bucket, [created.stored.object_id], request.scope, now)
    return answer(created_answer(created, bucket.bucket_id))


@router.post("/v1/buckets/{bucket_identifier}/objects/batch", openapi_extra=body_of(requests.OBJECTS_BATCH))
async def create_many(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    auto_process: AutoProcess = False,  # noqa: FBT002  a query parameter
) -> Response:
    body = await read_body(request, requests.OBJECTS_BATCH)
    context = inside.context
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    if bucket.definition.get("unique_key"):
        message = (
            "The bucket has a unique key, which this call does not enforce: create its objects one by one"
        )
        raise invalid([Problem("value_error", ("body", "objects"), message)])
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
        succeeded.append(row_answer(created, bucket.bucket_id, index))
        if created.replayed_by is None:
            new.append(created.stored.object_id)
    if auto_process:
        process_now(context, bucket, new, request.scope, now)
    return answer(
        {
            "succeeded": succeeded,
            "failed": failed,
            "total_requested": len(body["objects"]),
            "succeeded_count": len(succeeded),
            "failed_count": len(failed),
        },
        status=422 if failed and not succeeded else 200,
    )


@router.get("/v1/buckets/{bucket_identifier}/objects")
async def list_objects_by_query(
    space: Listing,
    bucket_identifier: str,
    asked: Asked,
    return_presigned_urls: PresignedUrls = False,  # noqa: ARG001, FBT002  a query parameter
) -> Response:
    return _list_objects(space, bucket_identifier, asked, {})


@router.post(
    "/v1/buckets/{bucket_identifier}/objects/list",
    openapi_extra=body_of(requests.OBJECT_LIST, required=False),
)
async def list_objects(request: Request, space: Listing, bucket_identifier: str, asked: Asked) -> Response:
    body = await read_body(request, requests.OBJECT_LIST, optional=True)
    return _list_objects(space, bucket_identifier, asked, body)


def _list_objects(space: Space, bucket_id: str, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    bucket = bucket_in(Inside(space.context, space.namespace), bucket_id)
    page = page_of(asked, body)
    rows: list[Any]
    if body.get("filters") or body.get("search") or body.get("sort"):
        rows = select_rows([object_answer(each, bucket_id) for each in bucket.objects.values()], body)
        results, pagination = cut(rows, page)
    else:
        # Only the page becomes answers: a bucket may hold hundreds of thousands.
        stored, pagination = cut(list(bucket.objects.values()), page)
        results = [object_answer(each, bucket_id) for each in stored]
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


@router.get("/v1/buckets/{bucket_identifier}/objects/{object_identifier}")
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
    row = object_answer(stored, bucket.bucket_id)
    if include_document_count:
        row["document_count"] = stored.processed
    return answer(row)
