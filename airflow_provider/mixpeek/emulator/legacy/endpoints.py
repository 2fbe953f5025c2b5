"""The endpoints of the legacy generation: ``POST /v1/buckets`` lists, every write of an object is a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from airflow_provider.mixpeek.emulator.context import Anywhere, Keyed, Open, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal
from airflow_provider.mixpeek.emulator.filters import select_rows
from airflow_provider.mixpeek.emulator.lookups import bucket_in, check_name, object_in
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.paging import DEFAULT_LIMIT, Page, cut
from airflow_provider.mixpeek.emulator.seen import is_task_seen, task_seen

from . import declared, requests
from .answers import bucket_answer, namespace_answer, object_answer, task_answer
from .objects import create_object, update_object

router = APIRouter()
_BUCKET = "/v1/buckets/{bucket_identifier}"
_OBJECT = f"{_BUCKET}/objects/{{object_identifier}}"


async def _window(
    limit: Annotated[int | None, Query(ge=1)] = None, offset: Annotated[int | None, Query(ge=0)] = None
) -> Page:
    return Page(limit or DEFAULT_LIMIT, offset or 0, include_total=True)


Window = Annotated[Page, Depends(_window)]
"""The part of a list that a query asks for."""


def _page(rows: Sequence[dict[str, Any]], page: Page) -> Response:
    results, pagination = cut(rows, page)
    del pagination["next_cursor"]
    return answer({"results": results, "pagination": pagination})


@router.get("/healthcheck", responses=declared.HEALTH)
async def health(_: Open) -> Response:
    return answer({"status": "OK"})


# --- namespaces ---


@router.post(
    "/v1/namespaces",
    status_code=201,
    openapi_extra=body_of(requests.NAMESPACE_CREATE),
    responses=declared.NEW_NAMESPACE,
)
async def create_namespace(request: Request, context: Keyed) -> Response:
    body = await read_body(request, requests.NAMESPACE_CREATE)
    now = context.state.settle()
    return answer(namespace_answer(context.state.create_namespace(body, now)), status=201)


@router.get("/v1/namespaces", responses=declared.NAMESPACES)
async def list_namespaces(context: Keyed) -> Response:
    context.state.settle()
    return answer([namespace_answer(each) for each in context.state.namespaces.values()])


@router.get("/v1/namespaces/{namespace}", responses=declared.NAMESPACE)
async def get_namespace(context: Keyed, namespace: str) -> Response:
    context.state.settle()
    found = context.state.namespace(namespace)
    if found is None:
        raise Refusal(404, f"Namespace '{namespace}' was not found")
    return answer(namespace_answer(found))


# --- buckets ---


@router.post("/v1/buckets/create", openapi_extra=body_of(requests.BUCKET_CREATE), responses=declared.BUCKET)
async def create_bucket(request: Request, inside: Anywhere) -> Response:
    body = await read_body(request, requests.BUCKET_CREATE)
    now = inside.context.state.settle()
    check_name(inside, body["bucket_name"])
    return answer(bucket_answer(inside.context.state.add_bucket(inside.namespace, body, now)))


@router.post("/v1/buckets", openapi_extra=body_of(requests.LIST, required=False), responses=declared.PAGE)
async def list_buckets(request: Request, inside: Anywhere, page: Window) -> Response:
    body = await read_body(request, requests.LIST, optional=True)
    inside.context.state.settle()
    rows = [bucket_answer(bucket) for bucket in inside.namespace.buckets.values()]
    return _page(select_rows(rows, body, search_in="bucket_name"), page)


@router.get(_BUCKET, responses=declared.BUCKET)
async def get_bucket(inside: Anywhere, bucket_identifier: str) -> Response:
    inside.context.state.settle()
    return answer(bucket_answer(bucket_in(inside, bucket_identifier)))


@router.put(_BUCKET, openapi_extra=body_of(requests.BUCKET_UPDATE), responses=declared.BUCKET)
async def update_bucket(request: Request, inside: Anywhere, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.BUCKET_UPDATE)
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    changed = {
        name: body[name] for name in ("bucket_name", "description", "metadata") if body.get(name) is not None
    }
    check_name(inside, changed.get("bucket_name", bucket.name), besides=bucket)
    inside.context.state.change_bucket(bucket, changed, now)
    return answer(bucket_answer(bucket))


@router.delete(_BUCKET, responses=declared.TASK)
async def delete_bucket(inside: Anywhere, bucket_identifier: str) -> Response:
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier)
    return answer(task_answer(inside.context.state.delete_bucket(bucket, now), now))


# --- objects ---


@router.post(
    f"{_BUCKET}/objects/create", openapi_extra=body_of(requests.OBJECT_CREATE), responses=declared.TASK
)
async def create(request: Request, inside: Anywhere, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.OBJECT_CREATE)
    context = inside.context
    context.state.objects_received[f"{_BUCKET}/objects/create"] += 1
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    outcome = context.next_outcome(request.scope)
    return answer(task_answer(create_object(context.state, bucket, body, outcome, now), now))


@router.post(
    f"{_BUCKET}/objects", openapi_extra=body_of(requests.LIST, required=False), responses=declared.PAGE
)
async def list_objects(request: Request, inside: Anywhere, bucket_identifier: str, page: Window) -> Response:
    body = await read_body(request, requests.LIST, optional=True)
    now = inside.context.state.settle()
    stored = bucket_in(inside, bucket_identifier).objects.values()
    return _page(select_rows([object_answer(each, now) for each in stored], body), page)


@router.get(_OBJECT, responses=declared.OBJECT)
async def get_object(inside: Anywhere, bucket_identifier: str, object_identifier: str) -> Response:
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier)
    return answer(object_answer(object_in(bucket, object_identifier), now))


@router.put(_OBJECT, openapi_extra=body_of(requests.OBJECT_UPDATE), responses=declared.TASK)
async def update(
    request: Request, inside: Anywhere, bucket_identifier: str, object_identifier: str
) -> Response:
    body = await read_body(request, requests.OBJECT_UPDATE)
    context = inside.context
    now = context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    stored = object_in(bucket, object_identifier)
    outcome = context.next_outcome(request.scope)
    return answer(task_answer(update_object(context.state, bucket, stored, body, outcome, now), now))


@router.delete(_OBJECT, responses=declared.TASK)
async def delete(inside: Anywhere, bucket_identifier: str, object_identifier: str) -> Response:
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    stored = object_in(bucket, object_identifier)
    return answer(task_answer(inside.context.state.delete_object(bucket, stored, now), now))


# --- tasks ---


@router.get("/v1/tasks", responses=declared.PAGE)
async def list_active_tasks(
    inside: Anywhere,
    page: Annotated[int | None, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1)] = DEFAULT_LIMIT,
) -> Response:
    now = inside.context.state.settle()
    active = [
        task_answer(each, now)
        for each in inside.context.state.tasks.values()
        if each.final is None and is_task_seen(each, inside.context.settings, now)
    ]
    return _page(active, Page(page_size, ((page or 1) - 1) * page_size, include_total=True))


@router.get("/v1/tasks/{task_id}", responses=declared.TASK)
async def get_task(inside: Anywhere, task_id: str) -> Response:
    now = inside.context.state.settle()
    return answer(task_answer(task_seen(inside.context.state, inside.context.settings, task_id, now), now))


@router.delete("/v1/tasks/{task_id}", responses=declared.DONE)
async def kill_task(inside: Anywhere, task_id: str) -> Response:
    inside.context.state.settle()
    task = inside.context.state.tasks.get(task_id)
    if task is not None:
        inside.context.state.cancel(task)
    return answer({"message": f"Task '{task_id}' is stopped", "success": True})
