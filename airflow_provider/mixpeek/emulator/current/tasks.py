"""The endpoints of tasks."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from airflow_provider.mixpeek.emulator.context import Keyed, answer, read_body
from airflow_provider.mixpeek.emulator.filters import select_rows
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.paging import cut
from airflow_provider.mixpeek.emulator.seen import is_task_seen, task_seen

from . import declared, requests
from .answers import task_answer
from .lists import Asked, page_of

router = APIRouter()


@router.get("/v1/tasks/{task_id}", responses=declared.TASK)
async def get_task(context: Keyed, task_id: str) -> Response:
    now = context.state.settle()
    return answer(task_answer(task_seen(context.state, context.settings, task_id, now), now))


@router.post(
    "/v1/tasks/list", openapi_extra=body_of(requests.TASK_LIST, required=False), responses=declared.PAGE
)
async def list_tasks(request: Request, context: Keyed, asked: Asked) -> Response:
    body = await read_body(request, requests.TASK_LIST, optional=True)
    now = context.state.settle()
    rows = [
        task_answer(task, now)
        for task in context.state.tasks.values()
        if is_task_seen(task, context.settings, now)
        and body.get("status") in (None, task.status(now))
        and body.get("task_type") in (None, task.task_type)
    ]
    results, pagination = cut(select_rows(rows, body), page_of(asked, {}))
    return answer({"results": results, "pagination": pagination})


@router.delete("/v1/tasks/{task_id}", responses=declared.DONE)
async def kill_task(context: Keyed, task_id: str) -> Response:
    context.state.settle()
    task = context.state.tasks.get(task_id)
    if task is not None:
        context.state.cancel(task)
    return answer({"message": f"Task '{task_id}' is stopped", "success": True})
