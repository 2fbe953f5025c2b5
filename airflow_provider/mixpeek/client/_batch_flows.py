"""Calls about batches and tasks, with the checks that come before a request, once for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from airflow_provider.mixpeek.client._answers import OTHER_GENERATION
from airflow_provider.mixpeek.client._calls import Page, Reading
from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, after
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._models import Batch, Task
from airflow_provider.mixpeek.waiting import Outcome

RetryMode = Literal["transient_only", "all"]

#: How often a submission whose answer was unclear, and that left its batch a DRAFT, is sent again.
_SUBMITS = 3


def batch_page(session: Session, bucket_id: str, status: str | None, reading: Reading) -> Flow[Page[Batch]]:
    """One page of a bucket's batches."""
    return call(
        session,
        session.api.list_batches(bucket_id, status=status, cursor=reading.cursor, size=reading.size),
    )


def task_page(session: Session, status: str | None, reading: Reading) -> Flow[Page[Task]]:
    """One page of the tasks."""
    return call(session, session.api.list_tasks(status=status, cursor=reading.cursor, size=reading.size))


def create_batch(
    session: Session,
    bucket_id: str,
    object_ids: Sequence[str] | None,
    *,
    filters: Mapping[str, Any] | None,
    limit: int | None,
    collection_ids: Sequence[str] | None,
    name: str | None,
    dedup_strategy: str | None,
) -> Flow[Batch]:
    """Create a DRAFT batch."""
    if (object_ids is None) == (filters is None):
        raise MixpeekConfigError("a batch is made of object ids or of a filter: give one of the two")
    if object_ids is not None:
        _check_ids(object_ids)
    return call(
        session,
        session.api.create_batch(
            bucket_id,
            object_ids=object_ids,
            filters=filters,
            limit=limit,
            collection_ids=collection_ids,
            name=name,
            dedup_strategy=dedup_strategy,
        ),
    )


def add_to_batch(session: Session, bucket_id: str, batch_id: str, object_ids: Sequence[str]) -> Flow[Batch]:
    """Add objects to a DRAFT batch."""
    _check_ids(object_ids)
    return call(session, session.api.add_to_batch(bucket_id, batch_id, object_ids))


def retry_batch(session: Session, bucket_id: str, batch_id: str, *, mode: RetryMode) -> Flow[dict[str, Any]]:
    """Process again what failed of a batch."""
    if mode not in get_args(RetryMode):
        raise MixpeekConfigError(
            f"mode is {mode!r}, and must be one of {', '.join(map(repr, get_args(RetryMode)))}"
        )
    return call(session, session.api.retry_batch(bucket_id, batch_id, mode=mode))


def _check_ids(object_ids: Sequence[str]) -> None:
    if isinstance(object_ids, str) or not object_ids:
        raise MixpeekConfigError("a batch needs at least one object id", hint="Pass a list of ids.")


def submit_batch(session: Session, bucket_id: str, batch_id: str, *, force: bool) -> Flow[Task]:
    """
    Submit a batch exactly once.

    After an unclear answer, a conflict included, the batch itself is asked: it is submitted again only while
    it is still a DRAFT, and its task is returned when it is not.
    """
    in_doubt = False
    tries = 0
    while True:
        try:
            return (yield from call(session, session.api.submit_batch(bucket_id, batch_id, force=force)))
        except MixpeekError as error:
            tries += 1
            unclear = error.may_be_stored and not isinstance(error, MixpeekAnswerError)
            in_doubt = error.may_be_stored = in_doubt or error.may_be_stored
            if not (unclear or isinstance(error, MixpeekConflictError)) or tries >= _SUBMITS:
                raise
            batch = yield from after(error, call(session, session.api.get_batch(bucket_id, batch_id)))
            if session.api.batch_words.get(batch.status) is not Outcome.WAITS_FOR_CALLER:
                return _task_of(batch, error)
            if isinstance(error, MixpeekConflictError):
                # It is a DRAFT and was refused: something else is in the way, and repeating will not move it.
                raise


def _task_of(batch: Batch, why: MixpeekError) -> Task:
    if batch.task_id is None:
        raise MixpeekAnswerError(
            f"the batch {batch.batch_id} is {batch.status} and names no task, after: {why.message}",
            hint=OTHER_GENERATION,
            may_be_stored=True,
        ) from why
    return Task(
        task_id=batch.task_id,
        status=batch.status,
        additional_data={"batch_id": batch.batch_id, "bucket_id": batch.bucket_id},
    )
