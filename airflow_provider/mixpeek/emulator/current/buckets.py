"""The endpoints of buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from airflow_provider.mixpeek.emulator.bodies import SCALAR_TYPES
from airflow_provider.mixpeek.emulator.context import Inside, Named, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.filters import select_rows
from airflow_provider.mixpeek.emulator.lookups import bucket_in, check_name
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.records import Bucket
from airflow_provider.mixpeek.emulator.shapes import Problem

from . import declared, requests
from .answers import bucket_answer, task_answer
from .lists import Asked, Listing, Space, list_answer, page_of, unresolved

router = APIRouter()
since_82 = APIRouter()
_BUCKET = "/v1/buckets/{bucket_identifier}"
Break = Annotated[bool, Query(description="Let a schema lose properties, or change their types.")]


@router.post("/v1/buckets", openapi_extra=body_of(requests.BUCKET_CREATE), responses=declared.BUCKET)
async def create_bucket(request: Request, inside: Named) -> Response:
    body = await read_body(request, requests.BUCKET_CREATE)
    _check_unique_key(body["bucket_schema"]["properties"], body.get("unique_key"))
    now = inside.context.state.settle()
    check_name(inside, body["bucket_name"])
    return answer(bucket_answer(inside.context.state.add_bucket(inside.namespace, body, now), now))


def _check_unique_key(declared: Mapping[str, Any], unique_key: Mapping[str, Any] | None) -> None:
    problems = []
    for index, name in enumerate((unique_key or {}).get("fields", ())):
        place = ("body", "unique_key", "fields", index)
        if name not in declared:
            problems.append(Problem("value_error", place, f"The bucket's schema does not declare '{name}'"))
        elif declared[name]["type"] not in SCALAR_TYPES:
            message = f"A unique key needs scalar properties; '{name}' is of type {declared[name]['type']}"
            problems.append(Problem("value_error", place, message))
    if problems:
        raise invalid(problems)


@since_82.get("/v1/buckets", responses=declared.PAGE)
async def list_buckets_by_query(space: Listing, asked: Asked, search: str | None = None) -> Response:
    return _list_buckets(space, asked, {"search": search})


@router.post(
    "/v1/buckets/list", openapi_extra=body_of(requests.BUCKET_LIST, required=False), responses=declared.PAGE
)
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


@router.get(_BUCKET, responses=declared.BUCKET)
async def get_bucket(inside: Named, bucket_identifier: str) -> Response:
    now = inside.context.state.settle()
    return answer(bucket_answer(bucket_in(inside, bucket_identifier), now))


@router.put(_BUCKET, openapi_extra=body_of(requests.BUCKET_UPDATE), responses=declared.BUCKET)
async def put_bucket(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    force_schema_break: Break = False,  # noqa: FBT002  a query parameter
) -> Response:
    body = await read_body(request, requests.BUCKET_UPDATE)
    return _change(inside, bucket_identifier, body, breaking=force_schema_break)


@router.patch(_BUCKET, openapi_extra=body_of(requests.BUCKET_PATCH), responses=declared.BUCKET)
async def patch_bucket(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    force_schema_break: Break = False,  # noqa: FBT002  a query parameter
) -> Response:
    body = await read_body(request, requests.BUCKET_PATCH)
    return _change(inside, bucket_identifier, body, breaking=force_schema_break)


def _change(inside: Inside, bucket_id: str, body: dict[str, Any], *, breaking: bool) -> Response:
    """Write over what a body names; null names nothing."""
    state, settings = inside.context.state, inside.context.settings
    now = state.settle()
    bucket = bucket_in(inside, bucket_id, writing=True)
    known = requests.BUCKET_CHANGES_81 if settings.is_before_82 else requests.BUCKET_CHANGES
    changed = {name: value for name, value in body.items() if name in known and value is not None}
    check_name(inside, changed.get("bucket_name", bucket.name), besides=bucket)
    declared = changed.get("bucket_schema", bucket.definition["bucket_schema"])["properties"]
    if not breaking:
        _check_nothing_breaks(bucket, declared)
    unique_key = bucket.definition.get("unique_key")
    if "unique_key" in changed:
        if sorted(changed["unique_key"]["fields"]) != sorted((unique_key or {}).get("fields", ())):
            message = "Of a unique key only default_policy may change; repeat the fields it has"
            raise invalid([Problem("value_error", ("body", "unique_key", "fields"), message)])
        unique_key = changed["unique_key"]
    _check_unique_key(declared, unique_key)
    state.change_bucket(bucket, changed, now)
    return answer(bucket_answer(bucket, now))


def _check_nothing_breaks(bucket: Bucket, declared: Mapping[str, Any]) -> None:
    broken = [
        name
        for name, held in bucket.properties.items()
        if name not in declared or declared[name]["type"] != held["type"]
    ]
    if broken and bucket.objects:
        names = ", ".join(sorted(broken))
        message = f"Objects may have {names}: keep them and their types, or give ?force_schema_break=true"
        raise Refusal(409, message, details={"properties": sorted(broken)})


@router.delete(_BUCKET, responses=declared.BUCKET_DELETION)
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
