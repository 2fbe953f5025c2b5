"""
One ingestion as a state machine: what to send, to wait for, to batch, to give up next.

It is fed with what happened and asked what to do. It does no I/O, knows no time and starts no thread, so that
a simulation can replay any order of answers; ``_threads`` is the driver that real runs use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from airflow_provider.mixpeek.client import MixpeekError, MixpeekStatusError
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._actions import (
    Action,
    CreateBatch,
    ListLive,
    LookAtObjects,
    SendObjects,
    SubmitBatch,
)
from airflow_provider.mixpeek.ingest._batching import Batching
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._fates import Fate, Fates
from airflow_provider.mixpeek.ingest._inherit import Inherited, LiveBatch
from airflow_provider.mixpeek.ingest._ledger import Entry, Ledger, Mark
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._outbox import Outbox
from airflow_provider.mixpeek.ingest._rejections import Rejections
from airflow_provider.mixpeek.ingest._report import RejectedRow, Report
from airflow_provider.mixpeek.ingest._results import Kept, Later, Result, Stored, Unclear
from airflow_provider.mixpeek.ingest._rows import Prepared

OnError = Literal["fail", "collect"]
Process = Literal["new", "all", False]

#: Calls about batches under way at once: where they are limited, they must not keep rows from being stored.
_BATCH_CALLS = 2

#: Objects that are looked at with one call.
_LOOKED_AT = 100

#: What the server says of a stored row: whether it was there already.
_FATE_OF = {True: Fate.REPLAYED, False: Fate.CREATED, None: Fate.STORED}


class Run:
    """
    The state of one ingestion.

    Every row has one fate at any moment, so the count holds even if a transition is broken off in the middle,
    as Ctrl-C does it.

    :param bucket_id: Where to.
    :param on_error: ``fail``: stop at the first rejected row. ``collect``: set it aside and go on.
    :param process: Which objects to submit in batches: ``new`` ones (what was there and is unprocessed counts
        as new), ``all`` of the run, or none.
    :param once: Two rows may be one object; it is processed once.
    :param mark: The watermark of earlier tries.
    :param inherited: Their batches.
    :param uri: Of the source.
    """

    def __init__(
        self,
        bucket_id: str,
        *,
        limits: Limits,
        on_error: OnError,
        process: Process,
        once: bool = False,
        mark: Mark | None = None,
        inherited: Inherited | None = None,
        uri: str | None = None,
    ) -> None:
        self._bucket_id = bucket_id
        self._limits = limits
        self._on_error = on_error
        self._process = process
        mark = mark or Mark()

        self._outbox = Outbox(max_objects=limits.max_objects, max_bytes=limits.max_request_bytes)
        #: Actions that were handed out and have not ended.
        self.under_way: set[Action] = set()

        self._ended = False
        self._failure: BaseException | RejectedRow | None = None
        before = {fate: mark.counts.get(fate.name.lower(), 0) for fate in Fate}
        self._resumed = sum(before.values())
        self._kept = Kept(stale=mark.counts.get("stale", 0))
        self._fates = Fates(mark.row, before)
        self._ledger = Ledger(mark, uri=uri)
        self._batching = Batching(
            size=limits.batch_size, replaces=process == "all", once=once, inherited=inherited or Inherited()
        )
        # Batches of others are listed once, when it first matters: None before, False while it is under way.
        self._has_listed: bool | None = None
        self._unlisted: list[tuple[Row, Stored]] = []

        self._rejections = Rejections(limits.max_rejected, before=before[Fate.REJECTED])
        self._requests = 0
        # What earlier tries were stopped for, more rows must not make bearable.
        self._check_rejections()

    # -- what happened -------------------------------------------------------------------------------------

    def read(self, block: Prepared) -> None:
        """Rows came from the source, the next ones."""
        self._ledger.read(block.lines)
        self._fates.add(len(block.lines.keys))
        self._outbox.add(block.rows)
        for row in block.rejected:
            self._reject(row)
        self._check_rejections()

    def end_of_source(self) -> None:
        """No more rows will come."""
        self._ended = True
        self._advance()
        self._check_rejections()

    def stored(self, action: SendObjects, results: Sequence[Result]) -> None:
        """A request was answered, row by row."""
        self._settle(action)
        again: list[Row] = []
        for row, result in zip(action.rows, results, strict=True):
            if isinstance(result, RejectedRow):
                self._outbox.settle(row)
                self._reject(result)
            elif isinstance(result, Unclear):
                self.stop(result.error)  # and the row stays as it is: sent, and in doubt
            elif isinstance(result, Later):
                self._fates.mark(row.number, Fate.WAITING)
                if result.error is None:
                    again.append(row)
                else:
                    self.stop(result.error)
            else:
                self._outbox.was_taken()
                self._fates.mark(row.number, _FATE_OF[result.replayed])
                if self._must_list_before(result):
                    self._unlisted.append((row, result))
                else:
                    self._take(row, result)
        self._outbox.send_again(again)
        self._advance()

    def batch_created(self, action: CreateBatch, batch_id: str, made: CreateBatch) -> None:
        """
        A batch was created and is a draft. It is submitted when it is noted (:meth:`take_notes`).

        :param made: What it is: the action, without objects that are gone.
        """
        self._settle(action)
        self._batching.created(action, batch_id, made)

    def batch_needless(self, action: CreateBatch) -> None:
        """None of the objects of a batch is there any more."""
        self._settle(action)
        self._batching.replace(action, ())

    def take_notes(self) -> list[SubmitBatch]:
        """Batches that the caller writes down now; they are submitted next."""
        return self._batching.take_notes()

    def batch_submitted(self, action: SubmitBatch, task_id: str) -> None:
        """A batch was submitted."""
        self._settle(action)
        self._batching.was_submitted(action, task_id)

    def listed(self, action: ListLive, batches: Sequence[LiveBatch]) -> None:
        """The bucket's batches that run or are drafts."""
        self._settle(action)
        self._batching.listed(batches)
        self._has_listed = True

    def looked(self, action: LookAtObjects, results: Sequence[Stored]) -> None:
        """How far objects are by now."""
        self._settle(action)
        for (row, _), result in zip(action.rows, results, strict=True):
            self._take(row, result)
        self._advance()

    def failed(self, action: Action, error: BaseException) -> None:
        """A request failed for good: its tries are used up, or trying again is useless."""
        self._settle(action)
        if isinstance(action, SendObjects):
            self._sending_failed(action, error)
        elif (
            isinstance(action, ListLive | LookAtObjects)
            or self._failure
            or not self._batching.can_go_on(action, error)
        ):
            self.stop(error)

    def stop(self, why: BaseException | RejectedRow) -> None:
        """Send nothing more. What is under way may still be answered."""
        if self._failure is None:
            self._failure = why

    def abandon(self) -> None:
        """What is under way will not be waited for: whether it is stored stays in doubt."""
        self.under_way.clear()

    # -- what to do ----------------------------------------------------------------------------------------

    def next_action(self) -> Action | None:
        """What to send now, if there is anything; it counts as under way from here on."""
        action = None if self._failure is not None else self._choose()
        if action is not None:
            self.under_way.add(action)
            if isinstance(action, SendObjects):
                self._mark(action, Fate.SENT)
        return action

    def _choose(self) -> Action | None:
        if sum(not isinstance(action, SendObjects) for action in self.under_way) < _BATCH_CALLS:
            if self._unlisted and self._has_listed is None:
                self._has_listed = False
                return ListLive()
            if self._unlisted and self._has_listed:
                # What was PENDING before the list was read may be done since.
                rows, self._unlisted = self._unlisted[:_LOOKED_AT], self._unlisted[_LOOKED_AT:]
                return LookAtObjects(tuple(rows))
            action = self._batching.next_action()
            if action is not None:
                return action
        sending = self._outbox.take(rest=self._ended)
        if sending is None and not self.under_way and not self._ended and self._is_far_ahead:
            # Rows that are not sent, or need no batch, have come in such number that a request or a batch
            # which is not full holds them all back.
            sending = self._outbox.take(rest=True)
            if sending is None:
                self._advance()
                self._batching.cut(rest=True)
                return self._batching.next_action()
        return sending

    @property
    def wants_rows(self) -> bool:
        """Whether to read on: the source has more, and what is buffered is bounded."""
        is_full = self._outbox.bytes >= self._limits.bytes_ahead or self._is_far_ahead
        return not self._ended and self._failure is None and not is_full

    @property
    def _is_far_ahead(self) -> bool:
        return self._fates.end - self.passed >= self._limits.rows_ahead

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        if self.under_way:
            return False
        if self._failure is not None:
            return True
        waiting = self._outbox or self._unlisted or not self._batching.is_idle
        return self._ended and not waiting

    @property
    def failure(self) -> BaseException | RejectedRow | None:
        """Why the run was stopped, if it was: an error, or the first wrong row."""
        return self._failure

    # -- what is done with ---------------------------------------------------------------------------------

    @property
    def mark(self) -> Mark:
        """The watermark as far as rows were released."""
        return self._ledger.mark

    @property
    def passed(self) -> int:
        """Number of the first row that is not done with."""
        return self._batching.watermark(self._ledger.next_row)

    def release(self) -> list[Entry]:
        """Let the watermark pass as far as it can; the rows that it passes, in their order."""
        return self._ledger.release(self.passed)

    def report(self, *, seconds: float) -> Report:
        """
        The count. Rows under way must be answered or abandoned before.

        :raises AssertionError: a run that was not stopped has rows without an end.
        """
        for result in self._ledger.drain():
            self._kept.add(result)  # of a stopped run, whose rows come after one that was never settled
        count = self._fates.count
        unsent, in_doubt = count(Fate.WAITING), count(Fate.SENT)
        if self._failure is None and (unsent or in_doubt):
            raise AssertionError(
                f"please report this: {unsent} rows unsent, {in_doubt} in doubt, and no reason"
            )
        return Report(
            bucket_id=self._bucket_id,
            rows_read=len(self._fates),
            resumed=self._resumed,
            created=count(Fate.CREATED),
            replayed=count(Fate.REPLAYED),
            stored=count(Fate.STORED),
            rejected=count(Fate.REJECTED),
            unsent=unsent,
            in_doubt=in_doubt,
            stale=self._kept.stale,
            kept_ids=None if self._kept.object_ids is None else tuple(self._kept.object_ids),
            task_ids=tuple(self._kept.task_ids),
            rejected_rows=tuple(sorted(self._rejections.kept, key=lambda row: row.row)),
            batches=tuple(self._batching.submitted),
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
            f"{len(self._batching.submitted):,} batches submitted; {len(self.under_way)} requests under way"
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _mark(self, action: SendObjects, fate: Fate) -> None:
        for row in action.rows:
            self._fates.mark(row.number, fate)

    def _settle(self, action: Action) -> None:
        self.under_way.remove(action)
        self._requests += 1
        if isinstance(action, SendObjects):
            self._outbox.answered(action)

    def _reject(self, row: RejectedRow) -> None:
        row = self._ledger.located(row)
        self._fates.mark(row.row, Fate.REJECTED)
        self._ledger.settle(row.row, row)
        self._rejections.add(row)
        if self._on_error == "fail":
            self.stop(row)
        else:
            self._check_rejections()

    def _take(self, row: Row, result: Stored) -> None:
        self._outbox.settle(row)
        self._ledger.settle(row.number, result)

    def _must_list_before(self, result: Stored) -> bool:
        """Whether the object may be in a batch that this run knows nothing of."""
        return (
            not self._has_listed
            and result.replayed is not False
            and not result.rewritten
            and self._is_to_be_processed(result)
            and not self._batching.holds(result.object_id or "")
        )

    def _is_to_be_processed(self, result: Stored) -> bool:
        if result.object_id is None:
            return False
        return self._process == "all" or (self._process == "new" and result.unprocessed)

    def _sending_failed(self, action: SendObjects, error: BaseException) -> None:
        if not isinstance(error, MixpeekError) or error.may_be_stored:
            self.stop(error)  # and its rows stay as they are: sent, and in doubt
            return
        self._mark(action, Fate.WAITING)
        if not isinstance(error, MixpeekStatusError) or not blame.is_about_rows(error) or self._failure:
            self.stop(error)
            return
        for row in self._outbox.isolate(action, error):
            self._reject(row)
        self._advance()
        if (everything := self._outbox.refuses_everything(error)) is not None:
            self.stop(everything)

    def _advance(self) -> None:
        """Pass over settled rows in their order, and cut what is to be processed into batches."""
        for number, result in self._ledger.advance(stop_at_rejected=self._on_error == "fail"):
            self._kept.add(result)
            if isinstance(result, Stored) and self._is_to_be_processed(result):
                assert result.object_id is not None  # noqa: S101 - it is to be processed
                self._batching.add(result.object_id, number, rewritten=result.rewritten)
        self._fates.fold(self._ledger.next_row)
        if self._failure is None:
            complete = self._ended and self._ledger.next_row == self._fates.end
            self._batching.cut(rest=complete)

    def _check_rejections(self) -> None:
        enough = self._rejections.too_many(read=len(self._fates), at_the_end=self._ended)
        if enough is not None:
            self.stop(enough)
