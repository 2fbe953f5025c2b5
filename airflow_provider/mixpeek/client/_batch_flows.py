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
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep, after
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._models import Batch, Task
from airflow_provider.mixpeek.waiting import Outcome

RetryMode = Literal["transient_only", "all"]

#: Seconds in which a batch that is not there, or is a DRAFT, may be one that does not show yet.
SETTLE = 60.0

#: Seconds between two looks at such a batch.
LOOK_AGAIN = 5.0

#: How often a submission whose answer was unclear, and that left its batch a DRAFT, is sent again.
_SUBMITS = 3


def has_settled(session: Session, *, noted_at: float, started: float) -> bool:
    """
    Whether a batch that an earlier try has noted must show by now.

    :param noted_at: Unix time, by the clock of that try.
    :param started: When this try began to look, on the session's monotonic clock: it was noted before,
        whatever a wall clock says that was set back or is another machine's.
    """
    return max(session.wall() - noted_at, session.clock() - started) >= SETTLE


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
    it is still a DRAFT, and its task is returned when it is not. A batch that was submitted a moment ago may
    look like a DRAFT, or not be there; that is believed after a minute.
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
            conflict = isinstance(error, MixpeekConflictError)
            if not (unclear or conflict):
                raise
            # With force no other batch is in the way, so a conflict means that this one is submitted.
            patience = SETTLE if conflict and (in_doubt or force) else 0.0
            batch = yield from after(error, _look(session, bucket_id, batch_id, patience, in_doubt=in_doubt))
            if session.api.batch_words.get(batch.status) is not Outcome.WAITS_FOR_CALLER:
                return _task_of(batch, error)
            # A DRAFT that was refused: something is in the way, and repeating will not move it.
            if conflict or tries >= _SUBMITS:
                raise


def _look(session: Session, bucket_id: str, batch_id: str, patience: float, *, in_doubt: bool) -> Flow[Batch]:
    """
    Look at a batch that may have been submitted.

    :param patience: Seconds in which a DRAFT may be one whose submission does not show yet.
    :param in_doubt: Its submission may have arrived, so that the batch must be there.
    """
    started = session.clock()
    while True:
        passed = session.clock() - started
        try:
            batch = yield from call(session, session.api.get_batch(bucket_id, batch_id))
        except MixpeekNotFoundError:
            if not in_doubt or passed >= SETTLE:
                raise
        else:
            is_draft = session.api.batch_words.get(batch.status) is Outcome.WAITS_FOR_CALLER
            if not is_draft or passed >= patience:
                return batch
        yield Sleep(LOOK_AGAIN)


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
