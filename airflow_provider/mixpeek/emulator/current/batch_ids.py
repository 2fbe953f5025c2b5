"""The endpoints of batches whose bucket is not named; 0.82 has them and 0.81 has not."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airflow_provider.mixpeek.emulator.context import Context, Keyed, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.records import Batch
from airflow_provider.mixpeek.emulator.seen import is_batch_seen

from . import declared, requests
from .answers import canceled_answer
from .batches import Reason, batches_answer, looked_at
from .running import cancel

router = APIRouter()


def _batch(context: Context, batch_id: str) -> Batch:
    batch = context.state.batches.get(batch_id)
    if batch is None:
        raise Refusal(404, f"Batch '{batch_id}' was not found")
    return batch


@router.post(
    "/v1/batches/list", openapi_extra=body_of(requests.BATCH_LIST, required=False), responses=declared.PAGE
)
async def list_batches(request: Request, context: Keyed) -> Response:
    """The batches of every namespace, or of the one that header or body name."""
    body = await read_body(request, requests.BATCH_LIST, optional=True)
    now = context.state.settle()
    named = request.headers.get("x-namespace", "").strip()
    if named:
        body = {"namespace_id": named} | {name: value for name, value in body.items() if value is not None}
    return batches_answer(context, context.state.batches.values(), body, now)


# Before the next one, which would take "queue" for an id.
@router.get("/v1/batches/queue", responses=declared.QUEUE)
async def queue(context: Keyed) -> Response:
    now = context.state.settle()
    jobs: dict[str, list[dict[str, Any]]] = {"running": [], "waiting": []}
    for batch in context.state.batches.values():
        if batch.runs and is_batch_seen(batch, context.settings, now):
            word = batch.status(now)
            jobs["waiting" if word in ("PENDING", "QUEUED") else "running"].append(
                {
                    "batch_id": batch.batch_id,
                    "bucket_id": batch.bucket.bucket_id,
                    "namespace_id": batch.bucket.namespace.namespace_id,
                    "task_id": batch.task.task_id if batch.task else None,
                    "status": word,
                    "object_count": len(batch.object_ids),
                }
            )
    return answer({**jobs, "total_count": sum(map(len, jobs.values()))})


@router.get("/v1/batches/{batch_id}", responses=declared.BATCH)
async def get_batch(context: Keyed, batch_id: str) -> Response:
    now = context.state.settle()
    return answer(looked_at(context, _batch(context, batch_id), now))


@router.post("/v1/batches/{batch_id}/cancel", responses=declared.TASK)
async def cancel_batch(context: Keyed, batch_id: str, reason: Reason = None) -> Response:  # noqa: ARG001
    now = context.state.settle()
    return answer(canceled_answer(cancel(context, _batch(context, batch_id), now), now))
