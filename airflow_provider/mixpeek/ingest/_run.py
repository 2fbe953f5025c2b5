"""
One ingestion as a state machine: what to send, to wait for, to batch, to give up next.

It is fed with what happened and asked what to do. It does no I/O, knows no time and starts no thread, so that
a simulation can replay any order of answers; ``_threads`` is the driver that real runs use.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider.mixpeek.client import (
    CreatedObjects,
    MixpeekError,
    MixpeekStatusError,
    MixpeekValidationError,
)
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._chunks import Cutter, Row
from airflow_provider.mixpeek.ingest._report import RejectedRow, Report, SubmittedBatch

OnError = Literal["fail", "collect"]
Process = Literal["new", "all", False]

#: Bytes of rows that wait or are under way at most, as a multiple of one request.
_BUFFERED_REQUESTS = 4

#: A server that refuses so many rows one by one for the same reason, and has stored none, refuses all.
_SYSTEMIC = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How much at once.

    :param max_objects: Objects of one request.
    :param max_request_bytes: Bytes of one request's body.
    :param batch_size: Objects of one batch.
    """

    max_objects: int
    max_request_bytes: int
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class SendObjects:
    """Store these rows. ``isolating`` says that a larger request with them was refused."""

    rows: tuple[Row, ...]
    isolating: bool = False


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


@dataclass(frozen=True, slots=True, eq=False)
class SubmitBatch:
    """Submit this batch."""

    batch_id: str
    objects: int


Action = SendObjects | CreateBatch | SubmitBatch


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A row that the server holds.

    :param replayed: It was there already.
    :param unprocessed: Nothing has processed it yet.
    """

    object_id: str
    replayed: bool
    unprocessed: bool


@dataclass(slots=True)
class _Tally:
    read: int = 0
    created: int = 0
    replayed: int = 0
    unsent: int = 0
    in_doubt: int = 0
    requests: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)


Result = Stored | RejectedRow


class Run:
    """
    The state of one ingestion.

    :param bucket_id: Where to.
    :param on_error: ``fail``: stop at the first rejected row. ``collect``: set it aside and go on.
    :param process: Which objects to submit in batches: ``new`` ones (what was there and is unprocessed counts
        as new), ``all`` of the run, or none.
    """

    def __init__(self, bucket_id: str, *, limits: Limits, on_error: OnError, process: Process) -> None:
        self._bucket_id = bucket_id
        self._limits = limits
        self._on_error = on_error
        self._process = process
        self._batch_size = limits.batch_size

        self._cutter = Cutter(max_objects=limits.max_objects, max_bytes=limits.max_request_bytes)
        self._isolating: deque[SendObjects] = deque()
        self._to_create: deque[CreateBatch] = deque()
        self._to_submit: deque[SubmitBatch] = deque()
        self._in_flight: set[Action] = set()
        self._bytes_in_flight = 0

        self._ended = False
        self._failure: BaseException | None = None
        self._tally = _Tally()
        # Rows are answered in any order and batched in theirs: the same rows make the same batches.
        self._answered: dict[int, Stored | None] = {}
        self._next_row = 0
        self._to_batch: list[str] = []
        self._object_ids: list[str] = []
        self._batches: list[SubmittedBatch] = []
        self._refusals: dict[str, int] = {}

    # -- what happened -------------------------------------------------------------------------------------

    def read(self, count: int, rows: Iterable[Row], rejected: Sequence[RejectedRow]) -> None:
        """Rows came from the source: ``count`` in all, those that can be sent, and those that are wrong."""
        self._tally.read += count
        self._cutter.add(rows)
        for row in rejected:
            self._reject(row)
        self._advance()

    def end_of_source(self) -> None:
        """No more rows will come."""
        self._ended = True
        self._advance()

    def stored(self, action: SendObjects, results: Sequence[Result]) -> None:
        """A request was answered, row by row."""
        self._settle(action)
        for row, result in zip(action.rows, results, strict=True):
            if isinstance(result, RejectedRow):
                self._reject(result)
            else:
                self._answered[row.number] = result
                if result.replayed:
                    self._tally.replayed += 1
                else:
                    self._tally.created += 1
        self._advance()

    def batch_created(self, action: CreateBatch, batch_id: str) -> None:
        """A batch was created and waits to be submitted."""
        self._settle(action)
        self._to_submit.append(SubmitBatch(batch_id, len(action.object_ids)))

    def batch_submitted(self, action: SubmitBatch, task_id: str) -> None:
        """A batch was submitted."""
        self._settle(action)
        self._batches.append(SubmittedBatch(action.batch_id, task_id, action.objects))

    def failed(self, action: Action, error: Exception) -> None:
        """A request failed for good: its tries are used up, or trying again is useless."""
        self._settle(action)
        if isinstance(action, SendObjects):
            self._sending_failed(action, error)
        elif isinstance(action, CreateBatch) and self._smaller_batches(action, error):
            return
        else:
            self.stop(error)

    def stop(self, why: BaseException) -> None:
        """Send nothing more. What is under way may still be answered."""
        self._failure = self._failure or why
        self._tally.unsent += self._cutter.clear() + sum(len(action.rows) for action in self._isolating)
        self._isolating.clear()
        self._to_create.clear()
        self._to_submit.clear()

    def abandon(self) -> None:
        """What is under way will not be waited for: whether it is stored is in doubt."""
        for action in self._in_flight:
            if isinstance(action, SendObjects):
                self._tally.in_doubt += len(action.rows)
        self._in_flight.clear()
        self._bytes_in_flight = 0

    # -- what to do ----------------------------------------------------------------------------------------

    def next_action(self) -> Action | None:
        """What to send now, if there is anything; it counts as under way from here on."""
        if self._failure is not None:
            return None
        action = self._choose()
        if action is not None:
            self._in_flight.add(action)
            self._bytes_in_flight += _size(action)
        return action

    def _choose(self) -> Action | None:
        if self._to_submit:
            return self._to_submit.popleft()
        if self._to_create:
            return self._to_create.popleft()
        if self._isolating:
            return self._isolating.popleft()
        rows = self._cutter.cut(rest=self._ended)
        return SendObjects(rows) if rows else None

    @property
    def wants_rows(self) -> bool:
        """Whether to read on: the source has more, and what is buffered is bounded."""
        if self._ended or self._failure is not None:
            return False
        buffered = self._cutter.bytes + self._bytes_in_flight
        return buffered < _BUFFERED_REQUESTS * self._limits.max_request_bytes

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        if self._in_flight:
            return False
        if self._failure is not None:
            return True
        waiting = self._cutter or self._isolating or self._to_create or self._to_submit
        return self._ended and not waiting

    @property
    def failure(self) -> BaseException | None:
        """Why the run was stopped, if it was."""
        return self._failure

    def report(self, *, seconds: float) -> Report:
        """The count. Rows under way must be answered or abandoned before."""
        tally = self._tally
        return Report(
            bucket_id=self._bucket_id,
            rows_read=tally.read,
            created=tally.created,
            replayed=tally.replayed,
            rejected=len(tally.rejected),
            unsent=tally.unsent,
            in_doubt=tally.in_doubt,
            object_ids=(*self._object_ids, *self._beyond_a_gap()),
            rejected_rows=tuple(sorted(tally.rejected, key=lambda row: row.row)),
            batches=tuple(self._batches),
            requests=tally.requests,
            seconds=seconds,
        )

    def progress(self) -> str:
        """Where the run stands, for a line in the log."""
        tally = self._tally
        return (
            f"{tally.read:,} rows read so far: {tally.created:,} created, {tally.replayed:,} replayed, "
            f"{len(tally.rejected):,} rejected, {len(self._batches):,} batches submitted"
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _settle(self, action: Action) -> None:
        self._in_flight.remove(action)
        self._bytes_in_flight -= _size(action)
        self._tally.requests += 1

    def _reject(self, row: RejectedRow) -> None:
        self._tally.rejected.append(row)
        self._answered[row.row] = None
        if self._on_error == "fail" and self._failure is None:
            self.stop(FirstRejection(row))

    def _sending_failed(self, action: SendObjects, error: Exception) -> None:
        if isinstance(error, MixpeekStatusError) and blame.is_about_rows(error) and self._failure is None:
            self._isolate(action, error)
            return
        stored_perhaps = not isinstance(error, MixpeekError) or error.may_be_stored
        if stored_perhaps:
            self._tally.in_doubt += len(action.rows)
        else:
            self._tally.unsent += len(action.rows)
        self.stop(error)

    def _isolate(self, action: SendObjects, error: MixpeekStatusError) -> None:
        verdict = blame.judge(error, len(action.rows))
        for group in verdict.again:
            self._isolating.append(SendObjects(blame.pick(action.rows, group), isolating=True))
        for position, reason in verdict.guilty.items():
            self._reject(RejectedRow(action.rows[position].number, reason, error_type=error.type))
        self._advance()
        if len(action.rows) == 1 and action.isolating:
            self._refusals[error.message] = self._refusals.get(error.message, 0) + 1
            nothing_stored = not (self._tally.created or self._tally.replayed)
            if nothing_stored and self._refusals[error.message] >= _SYSTEMIC:
                self.stop(error)

    def _smaller_batches(self, action: CreateBatch, error: Exception) -> bool:
        """Cut a batch that the server refuses, since plans allow different sizes and no call tells which."""
        count = len(action.object_ids)
        if not isinstance(error, MixpeekValidationError) or count == 1 or self._failure is not None:
            return False
        named = error.details.get("limit")
        size = named if isinstance(named, int) and 0 < named < count else (count + 1) // 2
        self._batch_size = min(self._batch_size, size)
        self._to_create.extend(
            CreateBatch(action.object_ids[start : start + size], action.dedup_strategy)
            for start in range(0, count, size)
        )
        return True

    def _advance(self) -> None:
        """Pass over settled rows in their order, and cut what is to be processed into batches."""
        while self._next_row in self._answered:
            row = self._answered.pop(self._next_row)
            self._next_row += 1
            if row is not None:
                self._object_ids.append(row.object_id)
                if self._process == "all" or (self._process == "new" and row.unprocessed):
                    self._to_batch.append(row.object_id)
        if self._failure is not None:
            return
        complete = self._ended and self._next_row == self._tally.read
        while len(self._to_batch) >= self._batch_size or (complete and self._to_batch):
            members = tuple(self._to_batch[: self._batch_size])
            del self._to_batch[: self._batch_size]
            self._to_create.append(CreateBatch(members, "replace" if self._process == "all" else "skip"))

    def _beyond_a_gap(self) -> list[str]:
        """Objects of a stopped run whose rows come after one that was never settled."""
        return [row.object_id for _, row in sorted(self._answered.items()) if row is not None]


class FirstRejection(Exception):  # noqa: N818 - a reason to stop, never raised
    """Why a run with ``on_error="fail"`` stopped."""

    def __init__(self, row: RejectedRow) -> None:
        super().__init__(str(row))
        self.row = row


def tie(
    action: SendObjects, answer: CreatedObjects, *, is_unprocessed: Callable[[str | None], bool]
) -> list[Result]:
    """
    Tie the rows of an answer to the rows of the request.

    :param is_unprocessed: Whether an object with this status word still waits to be processed.
    :raises ValueError: they cannot be tied.
    """
    results: dict[int, Result] = {}
    for refused in answer.failed:
        number = action.rows[refused.object_index].number if refused.object_index < len(action.rows) else -1
        results[refused.object_index] = RejectedRow(number, refused.error, error_type=refused.error_type)
    # Rows without an index come in the order of the request (API 0.81 has none).
    free = iter([position for position in range(len(action.rows)) if position not in results])
    for created in answer.succeeded:
        position = next(free, -1) if created.object_index is None else created.object_index
        results[position] = Stored(
            created.object_id,
            replayed=created.replayed,
            unprocessed=not created.replayed or is_unprocessed(created.status),
        )
    if sorted(results) != list(range(len(action.rows))):
        raise ValueError(
            f"the answer speaks of the rows {sorted(results)} of {len(action.rows)} that were sent"
        )
    return [results[position] for position in range(len(action.rows))]


def _size(action: Action) -> int:
    return sum(len(row.body) for row in action.rows) if isinstance(action, SendObjects) else 0
