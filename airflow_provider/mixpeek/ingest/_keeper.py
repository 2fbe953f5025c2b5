"""Writes down how far a run is: a batch before it is submitted, the watermark once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider.mixpeek.ingest._actions import Action, CreateBatch, SendObjects, SubmitBatch
from airflow_provider.mixpeek.ingest._journal import Journal
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sinks import Sinks
from airflow_provider.mixpeek.ingest._world import World

#: Seconds between two watermarks that are written.
EVERY = 1.0

#: Likewise where each time makes files as well.
EVERY_WITH_FILES = 10.0

#: Rows that are passed at most before it is written, since what became of each is held until then.
MOST_ROWS = 50_000

#: Full requests whose rows are written down before they are sent, where it must be known that they may be.
AHEAD = 200


class Keeper:
    """
    Keeps the journal of one run.

    :param world: What the watermark belongs to.
    :param sinks: Get every row before the watermark passes it; with them the watermark is written less often,
        since each time makes files.
    :param sent: Number of the row after the last that earlier tries may have sent.
    :param unrepeatable: Rows of one request, where none must be sent twice: that they may be sent is written
        down before they are. 0: they may.
    :param clock: Monotonic seconds.
    """

    def __init__(
        self,
        journal: Journal,
        world: World,
        *,
        sinks: Sinks,
        sent: int = 0,
        unrepeatable: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._world = world
        self._sinks = sinks
        self._clock = clock
        self._every = EVERY_WITH_FILES if sinks else EVERY
        self._write_at = clock() + self._every
        self._written: int | None = None
        self._ahead = AHEAD * unrepeatable
        # When rows that must not be sent twice are the occasion to look for another try.
        self._look_at = clock() + EVERY
        self._sent = sent
        # Set while it must not be written how far the run is: rows that the watermark has passed are not
        # where they belong, or what earlier tries have left there is still there.
        self._is_behind = True

    def begin(self, run: Run) -> None:
        """
        Write down what is about to be stored, before any of it is.

        :raises MixpeekError: it cannot be; likewise of all that writes.
        """
        self._sinks.start(run.mark.row)
        self._write(run)
        self._is_behind = False

    def permit(self, run: Run, action: Action) -> None:
        """
        Write down what must be before an action is carried out.

        :raises SupersededError: it must not be: another try has taken over, and would do the same.
        """
        if isinstance(action, CreateBatch | SubmitBatch):
            self._journal.check_writer()
        elif isinstance(action, SendObjects) and self._ahead:
            last = action.rows[-1].number
            if last >= self._sent:
                self._sent = last + self._ahead
                self._write(run)
            elif self._clock() >= self._look_at:
                self._journal.check_writer()
            else:
                return
            self._look_at = self._clock() + EVERY

    def keep(self, run: Run, *, at_once: bool = False) -> None:
        """
        Write down what is to be written down now.

        :param at_once: The watermark too, whenever it was written last.
        """
        for batch in run.take_notes():
            self._journal.note_batch(self._world.bucket_id, batch.batch_id, batch.of.upto_row)
        is_due = self._clock() >= self._write_at or run.passed - run.mark.row >= MOST_ROWS
        if not at_once and not is_due:
            return
        self._write_at = self._clock() + self._every
        if self._is_behind or run.passed == self._written:
            return
        self._journal.check_writer()
        self._is_behind = True
        entries = run.release()
        tasks = [
            entry.result.task_id
            for entry in entries
            if isinstance(entry.result, Stored) and entry.result.task_id is not None
        ]
        if tasks:
            self._journal.note_tasks(tasks)
        self._sinks.write(entries, upto_row=run.mark.row)
        self._is_behind = False
        self._write(run)

    def _write(self, run: Run) -> None:
        self._journal.write(self._world, run.mark, sent=max(self._sent, run.mark.row))
        self._written = run.mark.row
