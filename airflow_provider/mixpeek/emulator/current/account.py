"""Health, the caller, and namespaces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider.mixpeek.emulator.context import Context, Keyed, Open, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal
from airflow_provider.mixpeek.emulator.filters import select_rows
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.settings import CATEGORIES

from . import declared, requests
from .answers import namespace_answer
from .lists import Asked, list_answer, page_of

router = APIRouter()
since_82 = APIRouter()

# --- who is asking, and whether anybody is there ---


@router.get("/v1/health", responses=declared.HEALTH)
async def health(_: Open) -> Response:
    return answer({"status": "OK"})


@router.get("/v1/health/liveness", responses=declared.HEALTH)
async def liveness(_: Open) -> Response:
    return answer({"status": "OK"})


@since_82.get("/v1/health/deep", responses=declared.HEALTH)
async def deep_health(_: Keyed) -> Response:
    services = ("cache", "metadata", "vector_store", "object_storage", "task_queue", "inference", "analytics")
    return answer({"status": "OK", "data": dict.fromkeys(services, True), "errors": None, "meta": None})


@since_82.get("/v1/me", responses=declared.CALLER)
async def who_am_i(context: Keyed) -> Response:
    settings = context.settings
    rates = {category: settings.rate_limits.get(category, settings.rate_limit) for category in CATEGORIES}
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
            "rate_limits": {category: int(rate * 60) for category, rate in rates.items() if rate} or None,
            "principal_scoped": False,
        }
    )


# --- namespaces ---


@router.post("/v1/namespaces", openapi_extra=body_of(requests.NAMESPACE_CREATE), responses=declared.NAMESPACE)
async def create_namespace(request: Request, context: Keyed) -> Response:
    body = await read_body(request, requests.NAMESPACE_CREATE)
    now = context.state.settle()
    return answer(namespace_answer(context.state.create_namespace(body, now)))


@since_82.get("/v1/namespaces", responses=declared.PAGE)
async def list_namespaces_by_query(context: Keyed, asked: Asked) -> Response:
    return _list_namespaces(context, asked, {})


@router.post(
    "/v1/namespaces/list",
    openapi_extra=body_of(requests.NAMESPACE_LIST, required=False),
    responses=declared.PAGE,
)
async def list_namespaces(request: Request, context: Keyed, asked: Asked) -> Response:
    return _list_namespaces(context, asked, await read_body(request, requests.NAMESPACE_LIST, optional=True))


def _list_namespaces(context: Context, asked: dict[str, Any], body: dict[str, Any]) -> Response:
    context.state.settle()
    rows = [namespace_answer(each) for each in context.state.namespaces.values()]
    return list_answer(select_rows(rows, body, search_in="namespace_name"), page_of(asked, body))


@router.get("/v1/namespaces/{namespace_identifier}", responses=declared.NAMESPACE)
async def get_namespace(context: Keyed, namespace_identifier: str) -> Response:
    context.state.settle()
    namespace = context.state.namespace(namespace_identifier)
    if namespace is None:
        raise Refusal(404, f"Namespace '{namespace_identifier}' was not found")
    return answer(namespace_answer(namespace))
