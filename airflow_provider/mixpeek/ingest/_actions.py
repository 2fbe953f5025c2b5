"""
What a run can ask for, and how each is carried out: as a flow of the client, so that threads, and simulations
in virtual time, do the same.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider.mixpeek.client import (
    CreatedObjects,
    MixpeekAnswerError,
    Task,
    _batch_flows,
    _object_flows,
)
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.waiting import Outcome

if TYPE_CHECKING:
    from airflow_provider.mixpeek.ingest._run import Run

log = logging.getLogger("airflow_provider.mixpeek.ingest")


@dataclass(frozen=True, slots=True, eq=False)
class SendObjects:
    """Store these rows. ``isolating`` says that a larger request with them was refused."""

    rows: tuple[Row, ...]
    isolating: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of its rows."""
        return sum(len(row.body) for row in self.rows)

    def __str__(self) -> str:
        return f"storing the rows {self.rows[0].number} to {self.rows[-1].number} ({len(self.rows)})"


@dataclass(frozen=True, slots=True, eq=False)
class CreateBatch:
    """Create a batch of these objects."""

    object_ids: tuple[str, ...]
    dedup_strategy: str

    @property
    def name(self) -> str:
        """Names the members, so that people can tell equal batches: it decides nothing."""
        digest = hashlib.blake2b("\n".join(self.object_ids).encode(), digest_size=6).hexdigest()
        return f"airflow-{digest}-{len(self.object_ids)}"

    def __str__(self) -> str:
        return f"creating a batch of {len(self.object_ids)} objects"


@dataclass(frozen=True, slots=True, eq=False)
class SubmitBatch:
    """Submit this batch."""

    batch_id: str
    objects: int

    def __str__(self) -> str:
        return f"submitting the batch {self.batch_id} ({self.objects} objects)"


Action = SendObjects | CreateBatch | SubmitBatch


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A row that the server holds.

    :param object_id: Its object; None where the server names only the task that makes it.
    :param replayed: It was there already; None where the server does not say.
    :param unprocessed: Nothing has processed it yet, nor is going to.
    :param task_id: The task that makes and processes it, where there is one.
    """

    object_id: str | None
    replayed: bool | None
    unprocessed: bool
    task_id: str | None = None


Result = Stored | RejectedRow

#: Tells a run how an action went.
Tell = Callable[["Run"], None]


def carry_out(action: Action, session: Session, bucket_id: str, *, keyed: bool) -> Flow[Tell]:
    """
    Carry out an action of a run.

    :param session: The client's.
    :param bucket_id: Id of the bucket.
    :param keyed: The rows carry idempotency keys, so that sending them twice stores them once.
    :return: A flow, whose result tells the run. What it raises is for :meth:`Run.failed`.
    """
    if isinstance(action, SendObjects):
        if session.api.max_objects_per_request == 1:
            return (yield from _send_one(action, session, bucket_id, keyed=keyed))
        answer = yield from _object_flows.create_encoded_objects(
            session, bucket_id, [row.body for row in action.rows], repeatable=keyed
        )
        results = tie(action, answer, is_unprocessed=lambda word: _is_unprocessed(session, word))
        return lambda run: run.stored(action, results)
    if isinstance(action, CreateBatch):
        batch = yield from _batch_flows.create_batch(
            session,
            bucket_id,
            action.object_ids,
            filters=None,
            limit=None,
            collection_ids=None,
            name=action.name,
            dedup_strategy=action.dedup_strategy,
        )
        return lambda run: run.batch_created(action, batch.batch_id)
    # Our batches have no member in common, so another one that runs is no reason to refuse this one.
    task = yield from _batch_flows.submit_batch(session, bucket_id, action.batch_id, force=True)
    log.info("Batch %s (%d objects) is submitted: %s", action.batch_id, action.objects, task.task_id)
    return lambda run: run.batch_submitted(action, task.task_id)


def _send_one(action: SendObjects, session: Session, bucket_id: str, *, keyed: bool) -> Flow[Tell]:
    (row,) = action.rows
    answer = yield from _object_flows.create_encoded_object(session, bucket_id, row.body, repeatable=keyed)
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
        row = action.rows[position]
        results[position] = RejectedRow(
            row.number, refused.error, error_type=refused.error_type, values=row.values()
        )
    for position, created in zip(succeeded, answer.succeeded, strict=True):
        results[position] = Stored(
            created.object_id,
            replayed=created.replayed,
            unprocessed=not created.replayed or is_unprocessed(created.status),
        )
    return [results[position] for position in range(sent)]
