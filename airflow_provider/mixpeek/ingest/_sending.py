"""How rows are stored, and what the answers say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider.mixpeek.client import (
    CreatedObjects,
    MixpeekAnswerError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
    MixpeekQuotaError,
    MixpeekStatusError,
    Task,
    _object_flows,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep
from airflow_provider.mixpeek.client._models import CreatedObject, MixpeekObject, RefusedObject
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._actions import LookAtObjects, SendObjects, Tell
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._lookup import (
    by_ids,
    by_marker,
    by_unique_key,
    holds_the_same,
    kept_hash,
)
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._results import Later, Result, Stored, Unclear
from airflow_provider.mixpeek.waiting import Outcome

OnChanged = Literal["keep", "reject"]
Policy = Literal["insert", "update", "upsert"]

#: Seconds after which a row without an answer is looked for, again and again. A write that arrives later than
#: the last look is not seen, and the row is sent a second time.
LOOKS = (1.0, 4.0, 10.0)

#: How often rows that are not found then are sent.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where rows go, and how.

    :param bucket_id: Id of the bucket.
    :param repeatable: Sending a row twice stores it once: by its idempotency key, or the bucket's unique key.
    :param unique: The fields of the bucket's unique key; such buckets take one object a request.
    :param policy: What the server does about an object whose unique key exists.
    :param marked: Objects keep the keys of their rows, and can be looked for by them.
    :param doubtful_before: Rows before this one may have been sent by an earlier try, and are looked for
        before they are sent, where they are not repeatable.
    :param on_changed: What becomes of a row whose object was made of other values.
    """

    bucket_id: str
    repeatable: bool
    unique: tuple[str, ...] = ()
    policy: Policy | None = None
    marked: bool = False
    doubtful_before: float = 0
    on_changed: OnChanged = "keep"


def send(action: SendObjects, session: Session, target: Target) -> Flow[Tell]:
    """Store the rows of a request."""
    if target.unique:
        (row,) = action.rows
        results = [(yield from _send_unique(row, session, target))]
    elif target.repeatable or not target.marked:
        results = yield from _store(action.rows, session, target)
    else:
        results = yield from _store_once(action.rows, session, target)
    return lambda run: run.stored(action, results)


def look(action: LookAtObjects, session: Session, target: Target) -> Flow[Tell]:
    """Look how far objects are that were there already."""
    ids = [stored.object_id or "" for _, stored in action.rows]
    there = yield from by_ids(session, target.bucket_id, ids)
    results = []
    for _, stored in action.rows:
        seen = there.get(stored.object_id or "")
        word = seen.status if seen else None
        results.append(replace(stored, unprocessed=stored.unprocessed and _is_unprocessed(session, word)))
    return lambda run: run.looked(action, results)


def _store(rows: Sequence[Row], session: Session, target: Target) -> Flow[list[Result]]:
    """One request."""
    if session.api.max_objects_per_request > 1:
        answer = yield from _object_flows.create_encoded_objects(
            session, target.bucket_id, [row.body for row in rows], repeatable=target.repeatable
        )
        return tie(rows, answer, session, target)
    (row,) = rows
    task = yield from _object_flows.create_encoded_object(
        session, target.bucket_id, row.body, repeatable=target.repeatable
    )
    assert isinstance(task, Task), "a server that takes one object a request answers a task"  # noqa: S101
    return [Stored(None, replayed=None, unprocessed=False, task_id=task.task_id)]


# -- servers without idempotency keys ----------------------------------------------------------------------


def _store_once(rows: Sequence[Row], session: Session, target: Target) -> Flow[list[Result]]:
    """Store rows that must not be sent twice: those that may have been sent are looked for."""
    results: dict[int, Result] = {}
    doubtful = [row for row in rows if row.number < target.doubtful_before]
    if doubtful:
        results |= yield from _found(doubtful, session, target)
    for tries in range(1, _TRIES + 1):
        left = [row for row in rows if row.number not in results]
        if not left:
            break
        try:
            stored = yield from _store(left, session, target)
        except MixpeekError as error:
            if error.may_be_stored:
                results |= yield from _look_again_and_again(left, session, target)
                if tries == _TRIES:
                    results |= {row.number: Unclear(error) for row in left if row.number not in results}
            elif results and isinstance(error, MixpeekStatusError) and blame.is_about_rows(error):
                # Which of them is to blame is found out without those that are stored.
                results |= {row.number: Later(None) for row in left}
            elif results:
                results |= {row.number: Later(error) for row in left}
            else:
                raise
        else:
            results |= dict(zip([row.number for row in left], stored, strict=True))
    return [results[row.number] for row in rows]


def _look_again_and_again(rows: Sequence[Row], session: Session, target: Target) -> Flow[dict[int, Result]]:
    """Look for rows whose answer was lost, since what was sent can arrive late."""
    found: dict[int, Result] = {}
    for pause in LOOKS:
        yield Sleep(pause)
        missing = [row for row in rows if row.number not in found]
        found |= yield from _found(missing, session, target)
        if len(found) == len(rows):
            break
    return found


def _found(rows: Sequence[Row], session: Session, target: Target) -> Flow[dict[int, Result]]:
    there = yield from by_marker(session, target.bucket_id, rows)
    return {number: _stored_before(found, session) for number, found in there.items()}


def _stored_before(found: MixpeekObject, session: Session) -> Stored:
    task_id = (found.model_extra or {}).get("task_id")
    processed = session.api.processes_on_create
    return Stored(
        found.object_id,
        replayed=True,
        unprocessed=not processed and _is_unprocessed(session, found.status),
        task_id=task_id if processed and isinstance(task_id, str) else None,
    )


# -- buckets with a unique key -----------------------------------------------------------------------------


def _send_unique(row: Row, session: Session, target: Target) -> Flow[Result]:
    """Store a row in a bucket that takes one object a request, and holds each unique key once."""
    try:
        answer = yield from _object_flows.create_encoded_object(
            session, target.bucket_id, row.body, policy=target.policy, repeatable=True
        )
    except MixpeekConflictError as error:
        # It may be our own, of a try whose answer was lost.
        there = yield from by_unique_key(session, target.bucket_id, target.unique, row)
        if there is not None and holds_the_same(there, row):
            return Stored(there.object_id, replayed=None, unprocessed=_is_unprocessed(session, there.status))
        return _rejected(row, error, "the bucket holds its unique key already, with other values")
    except MixpeekNotFoundError as error:
        # Raises when it is the bucket that is gone.
        if target.policy != "update" or (
            yield from by_unique_key(session, target.bucket_id, target.unique, row)
        ):
            raise
        return _rejected(row, error, "the bucket holds no object of its unique key that could be updated")
    assert isinstance(answer, MixpeekObject), "a server with unique keys answers the object"  # noqa: S101
    return Stored(answer.object_id, replayed=False if target.policy == "insert" else None, unprocessed=True)


def _rejected(row: Row, error: MixpeekStatusError, reason: str) -> RejectedRow:
    return RejectedRow(row.number, f"{reason} ({error.message})", error_type=error.type, values=row.values())


# -- answers -----------------------------------------------------------------------------------------------


def _is_unprocessed(session: Session, word: str | None) -> bool:
    outcome = session.api.object_words.get(word or "", Outcome.UNKNOWN)
    return outcome in (Outcome.WAITS_FOR_CALLER, Outcome.FAILED, Outcome.UNKNOWN)


def tie(rows: Sequence[Row], answer: CreatedObjects, session: Session, target: Target) -> list[Result]:
    """
    Tie the rows of an answer to the rows of the request.

    :raises MixpeekAnswerError: they cannot be tied.
    """
    sent = len(rows)
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
        results[position] = _refused(rows[position], refused)
    for position, created in zip(succeeded, answer.succeeded, strict=True):
        results[position] = _created(rows[position], created, session, target)
    return [results[position] for position in range(sent)]


def _created(row: Row, created: CreatedObject, session: Session, target: Target) -> Result:
    kept = kept_hash(created.model_extra) if created.replayed and row.hash else None
    stale = kept is not None and kept != row.hash
    if stale and target.on_changed == "reject":
        return RejectedRow(
            row.number,
            f"its key is stored already, as the object {created.object_id}, with other values",
            values=row.values(),
        )
    return Stored(
        created.object_id,
        replayed=created.replayed,
        unprocessed=not created.replayed or _is_unprocessed(session, created.status),
        stale=stale,
    )


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
