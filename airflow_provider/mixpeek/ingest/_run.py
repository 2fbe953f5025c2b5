"""
One ingestion as a state machine: what to send, to wait for, to batch, to give up next.

It is fed with what happened and asked what to do. It does no I/O, knows no time and starts no thread, so that
a simulation can replay any order of answers; ``_threads`` is the driver that real runs use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from airflow_provider.mixpeek.client import MixpeekError, MixpeekStatusError, MixpeekValidationError
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._actions import (
    Action,
    CreateBatch,
    Result,
    SendObjects,
    Stored,
    SubmitBatch,
)
from airflow_provider.mixpeek.ingest._chunks import Cutter, Row
from airflow_provider.mixpeek.ingest._report import RejectedRow, Report, SubmittedBatch

OnError = Literal["fail", "collect"]
Process = Literal["new", "all", False]

#: Bytes of rows that wait or are under way at most, as a multiple of one request; a block more may come.
_BUFFERED_REQUESTS = 4

#: Calls about batches under way at once: where they are limited, they must not keep rows from being stored.
_BATCH_CALLS = 2

#: A server that refuses so many requests in a row while rows to blame are looked for, and stores none in
#: between, refuses everything.
_SYSTEMIC = 200


class Fate(IntEnum):
    """What has become of a row; it fits into a byte."""

    WAITING = 0
    SENT = 1
    CREATED = 2
    REPLAYED = 3
    STORED = 4
    REJECTED = 5


#: What the server says of a stored row: whether it was there already.
_FATE_OF = {True: Fate.REPLAYED, False: Fate.CREATED, None: Fate.STORED}


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


class Run:
    """
    The state of one ingestion.

    Every row has one fate at any moment, so the count holds even if a transition is broken off in the middle,
    as Ctrl-C does it.

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
        # A stack: one refused request is looked through before the next one is.
        self._isolating: list[SendObjects] = []
        self._to_create: deque[CreateBatch] = deque()
        self._to_submit: deque[SubmitBatch] = deque()
        self._in_flight: set[Action] = set()
        self._bytes_taken = 0
        self._refused_in_a_row = 0

        self._ended = False
        self._failure: BaseException | RejectedRow | None = None
        self._fates = bytearray()
        self._rejected: list[RejectedRow] = []
        self._requests = 0
        # Rows are answered in any order and batched in theirs: the same rows make the same batches.
        self._answered: dict[int, Stored | None] = {}
        self._next_row = 0
        self._to_batch: list[str] = []
        self._object_ids: list[str] = []
        self._task_ids: list[str] = []
        self._batches: list[SubmittedBatch] = []

    # -- what happened -------------------------------------------------------------------------------------

    def read(self, count: int, rows: Sequence[Row], rejected: Sequence[RejectedRow]) -> None:
        """Rows came from the source: ``count`` in all, those that can be sent, and those that are wrong."""
        self._fates.extend(bytes(count))
        self._cutter.add(rows)
        for row in rejected:
            self._reject(row)

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
                self._refused_in_a_row = 0
                self._answered[row.number] = result
                self._fates[row.number] = _FATE_OF[result.replayed]
        self._advance()

    def batch_created(self, action: CreateBatch, batch_id: str) -> None:
        """A batch was created and waits to be submitted."""
        self._settle(action)
        self._to_submit.append(SubmitBatch(batch_id, len(action.object_ids)))

    def batch_submitted(self, action: SubmitBatch, task_id: str) -> None:
        """A batch was submitted."""
        self._settle(action)
        self._batches.append(SubmittedBatch(action.batch_id, task_id, action.objects))

    def failed(self, action: Action, error: BaseException) -> None:
        """A request failed for good: its tries are used up, or trying again is useless."""
        self._settle(action)
        if isinstance(action, SendObjects):
            self._sending_failed(action, error)
        elif not (isinstance(action, CreateBatch) and self._smaller_batches(action, error)):
            self.stop(error)

    def stop(self, why: BaseException | RejectedRow) -> None:
        """Send nothing more. What is under way may still be answered."""
        if self._failure is None:
            self._failure = why

    def abandon(self) -> None:
        """What is under way will not be waited for: whether it is stored stays in doubt."""
        self._in_flight.clear()

    # -- what to do ----------------------------------------------------------------------------------------

    def next_action(self) -> Action | None:
        """What to send now, if there is anything; it counts as under way from here on."""
        action = None if self._failure is not None else self._choose()
        if action is not None:
            self._in_flight.add(action)
            if isinstance(action, SendObjects):
                self._mark(action, Fate.SENT)
        return action

    def _choose(self) -> Action | None:
        if sum(not isinstance(action, SendObjects) for action in self._in_flight) < _BATCH_CALLS:
            if self._to_submit:
                return self._to_submit.popleft()
            if self._to_create:
                return self._to_create.popleft()
        if self._isolating:
            return self._isolating.pop()
        rows = self._cutter.cut(rest=self._ended)
        if not rows:
            return None
        action = SendObjects(rows)
        self._bytes_taken += action.bytes
        return action

    @property
    def wants_rows(self) -> bool:
        """Whether to read on: the source has more, and what is buffered is bounded."""
        most = _BUFFERED_REQUESTS * self._limits.max_request_bytes
        return not self._ended and self._failure is None and self.buffered_bytes < most

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the rows that are read and not settled."""
        return self._cutter.bytes + self._bytes_taken

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
    def failure(self) -> BaseException | RejectedRow | None:
        """Why the run was stopped, if it was: an error, or with ``on_error="fail"`` the first wrong row."""
        return self._failure

    def report(self, *, seconds: float) -> Report:
        """
        The count. Rows under way must be answered or abandoned before.

        :raises AssertionError: a run that was not stopped has rows without an end.
        """
        for _, row in sorted(self._answered.items()):
            self._keep(row)  # of a stopped run, whose rows come after one that was never settled
        self._answered.clear()
        count = self._fates.count
        unsent, in_doubt = count(Fate.WAITING), count(Fate.SENT)
        if self._failure is None and (unsent or in_doubt):
            raise AssertionError(
                f"please report this: {unsent} rows unsent, {in_doubt} in doubt, and no reason"
            )
        return Report(
            bucket_id=self._bucket_id,
            rows_read=len(self._fates),
            created=count(Fate.CREATED),
            replayed=count(Fate.REPLAYED),
            stored=count(Fate.STORED),
            rejected=count(Fate.REJECTED),
            unsent=unsent,
            in_doubt=in_doubt,
            object_ids=tuple(self._object_ids),
            task_ids=tuple(self._task_ids),
            rejected_rows=tuple(sorted(self._rejected, key=lambda row: row.row)),
            batches=tuple(self._batches),
            requests=self._requests,
            seconds=seconds,
        )

    def progress(self) -> str:
        """Where the run stands, for a line in the log."""
        count = self._fates.count
        return (
            f"{len(self._fates):,} rows read so far: {count(Fate.CREATED):,} created, "
            f"{count(Fate.REPLAYED):,} replayed, {count(Fate.STORED):,} stored, "
            f"{count(Fate.REJECTED):,} rejected; "
            f"{len(self._batches):,} batches submitted; {len(self._in_flight)} requests under way"
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _mark(self, action: SendObjects, fate: Fate) -> None:
        for row in action.rows:
            self._fates[row.number] = fate

    def _settle(self, action: Action) -> None:
        self._in_flight.remove(action)
        self._requests += 1
        if isinstance(action, SendObjects):
            self._bytes_taken -= action.bytes

    def _reject(self, row: RejectedRow) -> None:
        self._fates[row.row] = Fate.REJECTED
        self._rejected.append(row)
        self._answered[row.row] = None
        if self._on_error == "fail":
            self.stop(row)

    def _sending_failed(self, action: SendObjects, error: BaseException) -> None:
        if not isinstance(error, MixpeekError) or error.may_be_stored:
            self.stop(error)  # and its rows stay as they are: sent, and in doubt
            return
        self._mark(action, Fate.WAITING)
        if isinstance(error, MixpeekStatusError) and blame.is_about_rows(error) and self._failure is None:
            self._isolate(action, error)
        else:
            self.stop(error)

    def _isolate(self, action: SendObjects, error: MixpeekStatusError) -> None:
        verdict = blame.judge(error, len(action.rows))
        for group in reversed(verdict.again):
            again = SendObjects(tuple(action.rows[position] for position in group), isolating=True)
            self._isolating.append(again)
            self._bytes_taken += again.bytes
        for position, complaint in verdict.guilty.items():
            row = action.rows[position]
            self._reject(
                RejectedRow(
                    row.number,
                    complaint.reason,
                    column=row.column_at(complaint.location),
                    error_type=error.type,
                    values=row.values(),
                )
            )
        self._advance()
        self._refused_in_a_row += action.isolating
        if self._refused_in_a_row >= _SYSTEMIC:
            self.stop(_refuses_everything(error))

    def _smaller_batches(self, action: CreateBatch, error: BaseException) -> bool:
        """Cut a batch that the server refuses, since plans allow different sizes and no call tells which."""
        count = len(action.object_ids)
        if not isinstance(error, MixpeekValidationError) or count == 1 or self._failure is not None:
            return False
        named = error.details.get("limit")
        size = named if isinstance(named, int) and 0 < named < count else (count + 1) // 2
        self._batch_size = min(self._batch_size, size)
        # In front of the others: if size is not what is wrong, a single object shows it soon.
        self._to_create.extendleft(
            CreateBatch(action.object_ids[start : start + size], action.dedup_strategy)
            for start in reversed(range(0, count, size))
        )
        return True

    def _advance(self) -> None:
        """Pass over settled rows in their order, and cut what is to be processed into batches."""
        while self._next_row in self._answered:
            row = self._answered.pop(self._next_row)
            self._next_row += 1
            self._keep(row)
            if row is None or row.object_id is None:
                continue
            if self._process == "all" or (self._process == "new" and row.unprocessed):
                self._to_batch.append(row.object_id)
        if self._failure is not None:
            return
        complete = self._ended and self._next_row == len(self._fates)
        while len(self._to_batch) >= self._batch_size or (complete and self._to_batch):
            members = tuple(self._to_batch[: self._batch_size])
            del self._to_batch[: self._batch_size]
            self._to_create.append(CreateBatch(members, "replace" if self._process == "all" else "skip"))

    def _keep(self, row: Stored | None) -> None:
        """Remember the ids of a row that the server holds."""
        if row is not None and row.object_id is not None:
            self._object_ids.append(row.object_id)
        if row is not None and row.task_id is not None:
            self._task_ids.append(row.task_id)


def _refuses_everything(last: MixpeekStatusError) -> MixpeekError:
    error = MixpeekError(
        f"{_SYSTEMIC} requests in a row were refused, smaller and smaller ones, and no row was stored in "
        f"between, so it is hardly the rows that are wrong; the last refusal: {last.message}",
        method=last.method,
        path=last.path,
        request_id=last.request_id,
        hint=last.hint,
    )
    error.__cause__ = last
    return error
