"""Writes down how far a run is: a batch before it is submitted, the watermark once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from airflow_provider.mixpeek.ingest._actions import Action, CreateBatch, SubmitBatch
from airflow_provider.mixpeek.ingest._journal import Journal, SupersededError
from airflow_provider.mixpeek.ingest._ledger import Entry
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._world import World

#: Seconds between two watermarks that are written.
EVERY = 1.0


class Sink(Protocol):
    """Takes the rows that are done with, in their order."""

    def add(self, entry: Entry) -> None:
        """Take a row."""

    def close_part(self, upto_row: int) -> None:
        """Make what was taken so far last: the watermark passes to this row next."""


class Keeper:
    """
    Keeps the journal of one run.

    :param world: What the watermark belongs to.
    :param sinks: Get every row before the watermark passes it.
    :param clock: Monotonic seconds.
    """

    def __init__(
        self,
        journal: Journal,
        world: World,
        *,
        sinks: Sequence[Sink] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._world = world
        self._sinks = sinks
        self._clock = clock
        self._write_at = clock() + EVERY
        self._written: int | None = None

    def objection(self, action: Action) -> SupersededError | None:
        """Why an action must not be carried out: another try has taken over, and would make that batch too."""
        if isinstance(action, CreateBatch | SubmitBatch) and self._journal.is_superseded:
            return self._journal.superseded()
        return None

    def begin(self, run: Run) -> None:
        """Write down what is about to be stored, before any of it is."""
        self._journal.write(self._world, run.mark)
        self._written = run.mark.row

    def keep(self, run: Run, *, at_once: bool = False) -> None:
        """
        Write down what is to be written down now.

        :param at_once: The watermark too, whenever it was written last.
        """
        for batch in run.take_notes():
            self._journal.note_batch(self._world.bucket_id, batch.batch_id, batch.of.upto_row)
        if not at_once and self._clock() < self._write_at:
            return
        self._write_at = self._clock() + EVERY
        entries = run.release()
        if run.mark.row == self._written:
            return
        if self._journal.is_superseded:
            run.stop(self._journal.superseded())
            return
        tasks = [
            entry.result.task_id
            for entry in entries
            if isinstance(entry.result, Stored) and entry.result.task_id is not None
        ]
        if tasks:
            self._journal.note_tasks(tasks)
        for sink in self._sinks:
            for entry in entries:
                sink.add(entry)
            sink.close_part(run.mark.row)
        self._journal.write(self._world, run.mark)
        self._written = run.mark.row
