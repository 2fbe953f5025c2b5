"""How rows are stored, and what the answers say of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

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
from airflow_provider.mixpeek.ingest._row_files import RowFiles
from airflow_provider.mixpeek.waiting import Outcome

OnChanged = Literal["keep", "reject"]
Policy = Literal["insert", "update", "upsert"]

#: Seconds between the looks for a row whose answer was lost. A write that arrives later than the last look is
#: not seen, and the row is sent a second time.
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
    :param started: When this try was, on the session's clock; earlier ones were over then.
    :param on_changed: What becomes of a row whose object was made of other values.
    :param skip_duplicates: The server may return an object that is there instead of storing one.
    :param files: What uploads the files of rows that bring some; None where none does.
    """

    bucket_id: str
    repeatable: bool
    unique: tuple[str, ...] = ()
    policy: Policy | None = None
    marked: bool = False
    doubtful_before: int = 0
    started: float = 0.0
    on_changed: OnChanged = "keep"
    skip_duplicates: bool = False
    files: RowFiles | None = None


def send(action: SendObjects, session: Session, target: Target) -> Flow[Tell]:
    """Store the rows of a request."""
    if target.files is None:
        results = yield from _send(action.rows, session, target)
    else:
        results = yield from _send_with_files(action.rows, session, target, target.files)
    return lambda run: run.stored(action, results)


def _send(rows: Sequence[Row], session: Session, target: Target) -> Flow[list[Result]]:
    if target.unique:
        (row,) = rows
        return [(yield from _send_unique(row, session, target))]
    if target.repeatable or not target.marked:
        return (yield from _store(rows, session, target))
    return (yield from _store_once(rows, session, target))


def _send_with_files(
    rows: Sequence[Row], session: Session, target: Target, files: RowFiles
) -> Flow[list[Result]]:
    ready, refused = yield from files.bring(rows, session)
    results: dict[int, Result] = {**refused}
    if ready:
        try:
            sent = yield from _send(ready, session, target)
        except MixpeekStatusError as error:
            if not refused or not blame.is_about_rows(error):
                raise
            # Its places are not those of the rows: which one is to blame is found out without the refused.
            sent = [Later(None) for _ in ready]
        results |= zip([row.number for row in ready], sent, strict=True)
    return [results[row.number] for row in rows]


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
    try:
        results |= yield from _of_earlier_tries(rows, session, target)
    except MixpeekError as error:
        # None of them was sent now; and what fails is the question, which is no row's fault.
        return [Later(error) for _ in rows]
    for tries in range(1, _TRIES + 1):
        left = [row for row in rows if row.number not in results]
        if not left:
            break
        try:
            stored = yield from _store(left, session, target)
        except MixpeekError as error:
            if error.may_be_stored:
                found, failure = yield from _look_again_and_again(left, session, target)
                results |= found
                if failure is not None or tries == _TRIES:
                    unclear = Unclear(failure or error)
                    results |= {row.number: unclear for row in left if row.number not in results}
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


def _of_earlier_tries(rows: Sequence[Row], session: Session, target: Target) -> Flow[dict[int, Result]]:
    """Look for the rows that an earlier try may have sent."""
    doubtful = [row for row in rows if row.number < target.doubtful_before]
    if not doubtful:
        return {}
    found = yield from _found(doubtful, session, target)
    missing = [row for row in doubtful if row.number not in found]
    wait = target.started + sum(LOOKS) - session.clock()
    if missing and wait > 0:
        # That try may have ended a moment ago, with a request under way.
        yield Sleep(wait)
        found |= yield from _found(missing, session, target)
    return found


def _look_again_and_again(
    rows: Sequence[Row], session: Session, target: Target
) -> Flow[tuple[dict[int, Result], MixpeekError | None]]:
    """
    Look for rows whose answer was lost, since what was sent can arrive late.

    :return: What was found, and why not all looks were taken.
    """
    found: dict[int, Result] = {}
    for pause in LOOKS:
        missing = [row for row in rows if row.number not in found]
        if not missing:
            break
        try:
            yield Sleep(pause)
            found |= yield from _found(missing, session, target)
        except MixpeekError as error:
            return found, error
    return found, None


def _found(rows: Sequence[Row], session: Session, target: Target) -> Flow[dict[int, Result]]:
    there = yield from by_marker(session, target.bucket_id, rows)
    return {
        row.number: _was_there(row, there[row.number], session, target) for row in rows if row.number in there
    }


def _was_there(row: Row, found: MixpeekObject, session: Session, target: Target) -> Result:
    task_id = (found.model_extra or {}).get("task_id")
    processed = session.api.processes_on_create
    stored = Stored(
        found.object_id,
        replayed=True,
        unprocessed=not processed and _is_unprocessed(session, found.status),
        task_id=task_id if processed and isinstance(task_id, str) else None,
    )
    return _held_to_the_row(stored, found.model_extra, row, target)


# -- buckets with a unique key -----------------------------------------------------------------------------


def _send_unique(row: Row, session: Session, target: Target) -> Flow[Result]:
    """Store a row in a bucket that takes one object a request, and holds each unique key once."""
    try:
        answer = yield from _object_flows.create_encoded_object(
            session, target.bucket_id, row.body, policy=target.policy, repeatable=True
        )
    except (MixpeekConflictError, MixpeekNotFoundError) as error:
        refusal = error
    else:
        assert isinstance(answer, MixpeekObject), "a server with unique keys answers the object"  # noqa: S101
        if target.policy == "insert":
            return Stored(answer.object_id, replayed=False, unprocessed=True)
        return Stored(answer.object_id, replayed=None, unprocessed=True, rewritten=True)
    try:
        there = yield from by_unique_key(session, target.bucket_id, target.unique, row)
    except MixpeekError as failure:
        # It is the question that failed, which is no row's fault; so it does when the bucket is gone.
        return Unclear(failure) if refusal.may_be_stored else Later(failure)
    if isinstance(refusal, MixpeekConflictError) and target.policy == "insert" and there is not None:
        if holds_the_same(there, row):
            # It may well be our own, of a try whose answer was lost.
            return Stored(there.object_id, replayed=None, unprocessed=_is_unprocessed(session, there.status))
        return _rejected(row, refusal, "the bucket holds its unique key already, with other values")
    if isinstance(refusal, MixpeekNotFoundError) and target.policy == "update" and there is None:
        return _rejected(row, refusal, "the bucket holds no object of its unique key that could be updated")
    raise refusal  # it is about something else, such as a bucket that is being deleted


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
        results[position] = _refused(rows[position], refused, session)
    for position, created in zip(succeeded, answer.succeeded, strict=True):
        results[position] = _created(rows[position], created, session, target)
    return [results[position] for position in range(sent)]


def _created(row: Row, created: CreatedObject, session: Session, target: Target) -> Result:
    # API 0.81 returns the object that is there as well, and does not say so.
    says_so = not target.skip_duplicates or "replayed" in created.model_fields_set
    stored = Stored(
        created.object_id,
        replayed=created.replayed if says_so else None,
        unprocessed=(says_so and not created.replayed) or _is_unprocessed(session, created.status),
    )
    if not created.replayed or created.replayed_by == "skip_duplicates":
        return stored
    return _held_to_the_row(stored, created.model_extra, row, target)


def _held_to_the_row(stored: Stored, extra: Mapping[str, Any] | None, row: Row, target: Target) -> Result:
    """What becomes of a row whose object was there, by the hash of the values that it was made of."""
    kept = kept_hash(extra)
    if row.hash is None or kept in (None, row.hash):
        return stored
    if target.on_changed == "keep":
        return replace(stored, stale=True)
    return RejectedRow(
        row.number,
        f"its key is stored already, as the object {stored.object_id}, with other values",
        values=row.values(),
    )


def _refused(row: Row, refused: RefusedObject, session: Session) -> Result:
    """A row that the server did not store: it is wrong, or the server could not."""
    reason = session.settings.redact(refused.error)
    if refused.error_type == "QuotaExceededError":
        return Later(
            MixpeekQuotaError(
                reason,
                status=403,
                type=refused.error_type,
                hint="The plan is used up: raise it, or wait until it is renewed.",
            )
        )
    return RejectedRow(row.number, reason, error_type=refused.error_type, values=row.values())
