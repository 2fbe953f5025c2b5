"""The rules by which batches are submitted, stopped and run again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.filters import matches
from airflow_provider.mixpeek.emulator.shapes import Problem

from .answers import object_answer
from .requests import MAX_OBJECTS_BY_FILTER

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.context import Context
    from airflow_provider.mixpeek.emulator.records import Batch, Bucket, Task


def members_of(bucket: Bucket, body: Mapping[str, Any], *, skip_validation: bool) -> list[str]:
    """The ids of the objects that a new batch is to hold, each once.

    :param body: Right in its shape (``BATCH_CREATE``).
    :param skip_validation: Whether ids are taken that no object has.
    :raises Refusal: 404 or 422, there are none, too many, or unknown ones.
    """
    filters, object_ids = body.get("filters"), body.get("object_ids")
    if (filters is None) == (object_ids is None):
        found = "neither" if filters is None else "both"
        message = f"Give object_ids or filters, one of them; got {found}"
        raise invalid([Problem("value_error", ("body",), message)])
    if object_ids is not None:
        return known_ids(bucket, object_ids, skip_validation=skip_validation)
    chosen = [
        object_id for object_id, stored in bucket.objects.items() if matches(object_answer(stored), filters)
    ][: body.get("limit")]
    if not chosen:
        raise invalid([Problem("value_error", ("body", "filters"), "No object of the bucket matches")])
    if len(chosen) > MAX_OBJECTS_BY_FILTER:
        message = f"At most {MAX_OBJECTS_BY_FILTER} objects by filter, {len(chosen)} match; give a limit"
        raise invalid([Problem("too_long", ("body", "filters"), message)])
    return chosen


def known_ids(bucket: Bucket, object_ids: list[str], *, skip_validation: bool) -> list[str]:
    """Each id once.

    :raises Refusal: 404, the bucket has no such object.
    """
    unique = list(dict.fromkeys(object_ids))
    missing = [] if skip_validation else [each for each in unique if each not in bucket.objects]
    if missing:
        raise Refusal(
            404,
            f"{len(missing)} of {len(unique)} objects are not in the bucket, first '{missing[0]}'",
            details={"missing_object_ids": missing[:100], "missing_count": len(missing)},
        )
    return unique


def check_size(context: Context, object_ids: list[str]) -> None:
    """Refuse a batch that is larger than the plan allows.

    :raises Refusal: 422.
    """
    limit = context.settings.max_batch_size
    if limit is not None and len(object_ids) > limit:
        message = f"A batch holds at most {limit} objects, not {len(object_ids)}"
        raise invalid(
            [Problem("too_long", ("body", "object_ids"), message)], limit=limit, requested=len(object_ids)
        )


def submit(
    context: Context,
    batch: Batch,
    scope: Mapping[str, Any],
    now: float,
    *,
    force: bool = False,
    retried: list[str] | None = None,
) -> Task:
    """Start the processing of a batch.

    :param scope: Of the request, for the faults.
    :param force: Whether it may run beside another batch of the bucket.
    :param retried: The objects to process; None: all.
    :raises Refusal: 409, another batch runs; 429, this one was submitted a moment ago. It stays as it is.
    """
    check_may_run(context, batch, now, force=force)
    return context.state.submit(batch, context.next_outcome(scope), now, retried=retried)


def check_may_run(context: Context, batch: Batch, now: float, *, force: bool = False) -> None:
    """Refuse what :func:`submit` would refuse."""
    wait = (batch.submitted or -math.inf) + context.settings.submit_interval - now
    if wait > 0:
        seconds = math.ceil(wait)
        raise Refusal(
            429,
            f"Batch '{batch.batch_id}' was submitted {now - (batch.submitted or 0):.0f} s ago; "
            f"one submission in {context.settings.submit_interval:g} s: retry after {seconds} s",
            details={"batch_id": batch.batch_id, "retry_after": seconds},
            headers={"Retry-After": str(seconds)},
        )
    if force:
        return
    for other in batch.bucket.batches.values():
        if other is not batch and other.runs and _share_collections(batch, other):
            raise Refusal(
                409,
                f"Batch '{other.batch_id}' of the same bucket is {other.status(now)}; "
                "wait for it, or submit with ?force=true",
                details={
                    "batch_id": batch.batch_id,
                    "running_batch_id": other.batch_id,
                    "status": other.status(now),
                },
            )


def _share_collections(batch: Batch, other: Batch) -> bool:
    """Whether two batches go into one collection; without a choice a batch goes into all."""
    chosen, others = batch.definition.get("collection_ids"), other.definition.get("collection_ids")
    return not chosen or not others or not set(chosen).isdisjoint(others)


def check_draft(batch: Batch, now: float, what: str) -> None:
    """Refuse what only a draft takes.

    :param what: What was to be done with it.
    :raises Refusal: 409.
    """
    if batch.task is not None:
        raise _in_another_state(batch, now, f"only a DRAFT batch can be {what}")


def check_over(batch: Batch, now: float, what: str) -> None:
    """Refuse what only a batch takes that ran to an end.

    :param what: What was to be done with it.
    :raises Refusal: 409.
    """
    if batch.task is None or batch.runs:
        raise _in_another_state(batch, now, f"only a finished batch can be {what}")


def _in_another_state(batch: Batch, now: float, wanted: str) -> Refusal:
    details = {"batch_id": batch.batch_id, "status": batch.status(now)}
    if batch.task is not None:
        details["task_id"] = batch.task.task_id
    return Refusal(409, f"Batch '{batch.batch_id}' is {batch.status(now)}; {wanted}", details=details)


def cancel(context: Context, batch: Batch, now: float) -> Task:
    """Stop a batch; one that is stopped stays so.

    :raises Refusal: 409, it was never submitted, or ended otherwise.
    """
    task = batch.task
    if task is None:
        raise _in_another_state(batch, now, "a draft is deleted, not cancelled")
    if task.final not in (None, context.state.words.canceled):
        raise _in_another_state(batch, now, "only a batch that runs can be cancelled")
    context.state.cancel(task)
    return task


def retryable(batch: Batch, mode: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Which failed objects a retry takes up, and what stays of the failures."""
    taken, left = [], []
    for failure in batch.failed:
        if mode == "all" or failure["error_type"] == "transient":
            taken.append(failure["object_id"])
        else:
            left.append(failure)
    return taken, left
