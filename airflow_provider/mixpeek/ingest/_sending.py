"""How rows are stored, and what the answers say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider.mixpeek.client import (
    CreatedObjects,
    MixpeekAnswerError,
    MixpeekQuotaError,
    Task,
    _object_flows,
)
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._models import RefusedObject
from airflow_provider.mixpeek.ingest._actions import SendObjects, Tell
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._results import Later, Result, Stored
from airflow_provider.mixpeek.waiting import Outcome


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where rows go, and how.

    :param bucket_id: Id of the bucket.
    :param keyed: The rows carry idempotency keys, so that sending them twice stores them once.
    """

    bucket_id: str
    keyed: bool


def send(action: SendObjects, session: Session, target: Target) -> Flow[Tell]:
    """Store the rows of a request."""
    if session.api.max_objects_per_request == 1:
        return (yield from _send_one(action, session, target))
    answer = yield from _object_flows.create_encoded_objects(
        session, target.bucket_id, [row.body for row in action.rows], repeatable=target.keyed
    )
    results = tie(action, answer, is_unprocessed=lambda word: _is_unprocessed(session, word))
    return lambda run: run.stored(action, results)


def _send_one(action: SendObjects, session: Session, target: Target) -> Flow[Tell]:
    (row,) = action.rows
    answer = yield from _object_flows.create_encoded_object(
        session, target.bucket_id, row.body, repeatable=target.keyed
    )
    if isinstance(answer, Task):
        stored = Stored(None, replayed=None, unprocessed=False, task_id=answer.task_id)
    else:
        stored = Stored(answer.object_id, replayed=None, unprocessed=_is_unprocessed(session, answer.status))
    return lambda run: run.stored(action, [stored])


def _is_unprocessed(session: Session, word: str | None) -> bool:
    outcome = session.api.object_words.get(word or "", Outcome.UNKNOWN)
    return outcome in (Outcome.WAITS_FOR_CALLER, Outcome.FAILED, Outcome.UNKNOWN)


def tie(
    action: SendObjects, answer: CreatedObjects, *, is_unprocessed: Callable[[str | None], bool]
) -> list[Result]:
    """
    Tie the rows of an answer to the rows of the request.

    :param is_unprocessed: Whether an object with this status word still waits to be processed.
    :raises MixpeekAnswerError: they cannot be tied.
    """
    sent = len(action.rows)
    failed = [refused.object_index for refused in answer.failed]
    # Rows without an index come in the order of the request (API 0.81 has none).
    free = iter([position for position in range(sent) if position not in set(failed)])
    succeeded = [
        next(free, sent) if created.object_index is None else created.object_index
        for created in answer.succeeded
    ]
    if sorted(failed + succeeded) != list(range(sent)):
        raise MixpeekAnswerError(
            f"the answer does not speak of each of the {sent} objects that were sent once, so which rows are "
            "stored cannot be told",
            hint="Tell the vendor if it stays.",
            may_be_stored=True,
        )
    results: dict[int, Result] = {}
    for position, refused in zip(failed, answer.failed, strict=True):
        results[position] = _refused(action.rows[position], refused)
    for position, created in zip(succeeded, answer.succeeded, strict=True):
        results[position] = Stored(
            created.object_id,
            replayed=created.replayed,
            unprocessed=not created.replayed or is_unprocessed(created.status),
        )
    return [results[position] for position in range(sent)]


def _refused(row: Row, refused: RefusedObject) -> Result:
    """A row that the server did not store: it is wrong, or the server could not."""
    if refused.error_type == "QuotaExceededError":
        return Later(
            MixpeekQuotaError(
                refused.error,
                status=403,
                type=refused.error_type,
                hint="The plan is used up: raise it, or wait until it is renewed.",
            )
        )
    return RejectedRow(row.number, refused.error, error_type=refused.error_type, values=row.values())
