"""One load from its beginning, which may be in the middle, to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain

from airflow_provider.mixpeek.client import Bucket, MixpeekClient
from airflow_provider.mixpeek.ingest import _batch_calls, _telling, _threads
from airflow_provider.mixpeek.ingest._actions import Action, Tell
from airflow_provider.mixpeek.ingest._design import Design
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._inherit import LiveBatch, NotedBatch
from airflow_provider.mixpeek.ingest._journal import Journal, Progress
from airflow_provider.mixpeek.ingest._keeper import Keeper
from airflow_provider.mixpeek.ingest._ledger import Mark
from airflow_provider.mixpeek.ingest._options import Options
from airflow_provider.mixpeek.ingest._perform import carry_out
from airflow_provider.mixpeek.ingest._reading import Reader
from airflow_provider.mixpeek.ingest._report import Report
from airflow_provider.mixpeek.ingest._resume import ANY_ROW, Beginning, behind, stored_progress, take_over
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sinks import Sinks
from airflow_provider.mixpeek.ingest._sources import Source

log = logging.getLogger("airflow_provider.mixpeek.ingest")


class Load:
    """
    One call of :func:`~airflow_provider.mixpeek.ingest.ingest`, its arguments checked.

    :param journal: Opened.
    :param sinks: Not begun.
    :param again: What running it again does, for messages.
    """

    def __init__(
        self,
        mixpeek: MixpeekClient,
        bucket: Bucket,
        source: Source,
        design: Design,
        *,
        journal: Journal,
        options: Options,
        sinks: Sinks,
        again: str,
    ) -> None:
        self._bucket = bucket
        self._source = source
        self._design = design
        self._journal = journal
        self._options = options
        self._sinks = sinks
        self._again = again
        self._stop = threading.Event()
        self._mixpeek = mixpeek.stopped_by(self._stop)
        # Rows before this one may have been sent by an earlier try.
        self._sent = ANY_ROW if journal.is_replayed else 0
        self._started = self._mixpeek.session.clock()

    def run(self) -> Report:
        """Store the rows, and have the objects processed."""
        clock = self._mixpeek.session.clock
        begun = self._begin()
        if begun is None:
            self._journal.finish()
            return Report(bucket_id=self._bucket.bucket_id)
        blocks, beginning = begun
        run = Run(
            self._bucket.bucket_id,
            limits=self._options.limits(self._design.max_objects),
            on_error=self._options.on_error,
            process=self._options.process,
            once=self._options.skip_duplicates,
            mark=beginning.mark,
            inherited=beginning.inherited,
            uri=self._source.uri,
        )
        target = self._design.target(doubtful_before=self._sent, started=self._started)
        sinks = self._sinks
        keeper = Keeper(
            self._journal,
            self._design.world,
            sinks=sinks,
            sent=self._sent,
            unrepeatable=0 if self._design.repeatable else self._design.max_objects,
            clock=clock,
        )

        def perform(action: Action) -> Tell:
            return self._mixpeek.run(carry_out(action, self._mixpeek.session, target))

        # Of rows that are behind the watermark; all others bring their own.
        tasks = self._journal.tasks() if beginning.mark and beginning.mark.counts else []

        def report() -> Report:
            done = run.report(seconds=clock() - self._started)
            return replace(
                done,
                task_ids=tuple(dict.fromkeys([*tasks, *done.task_ids])),
                rejected_uri=sinks.rejected.uri
                if sinks.rejected and run.mark.counts.get("rejected")
                else None,
                receipt_uri=sinks.receipt.uri if sinks.receipt else None,
            )

        try:
            _threads.drive(
                run,
                blocks,
                perform,
                keeper,
                in_flight=self._options.in_flight,
                stop=self._stop,
                clock=clock,
            )
        except BaseException as interruption:
            _telling.tell_interruption(interruption, report(), again=self._again)
            raise
        done = report()
        _telling.tell_report(done)
        _telling.raise_failure(run, done, again=self._again)
        self._journal.finish()
        return done

    # -- where to begin ------------------------------------------------------------------------------------

    def _begin(self) -> tuple[Iterator[Prepared], Beginning] | None:
        """
        Find where to begin; nothing is sent before the mapping fits and there are rows.

        :return: The rows, and where they begin; None where there is no row, nor a column.
        """
        reader = Reader(self._source, self._design)
        first: Prepared | None = None
        blocks: Iterator[Prepared] | None = None
        if not self._source.columns:
            # The mapping needs the columns, which are those of the first block.
            blocks = reader.read()
            first = next(blocks, None)
            if first is None:
                self._refuse_no_rows()
                return None
        progress = self._progress()
        mark = None
        if progress is not None:
            self._sent = max(self._sent, progress.sent)
            mark = progress.mark if progress.mark.row and self._source.rereadable else None
        behind_mark = self._behind(reader, mark) if mark else None
        beginning = take_over(
            self._journal, self._design.world, mark if behind_mark else None, look=self._look
        )
        if behind_mark is not None and beginning.mark is not None:
            return behind_mark, beginning
        self._journal.begin_at_the_first_row()
        are_the_same = behind_mark is not None or self._design.mode == "position"
        if progress is not None and progress.sent and not are_the_same:
            # Rows were sent, and which ones their numbers do not tell any more.
            self._sent = ANY_ROW
        if first is None or blocks is None or behind_mark is not None:
            blocks = reader.read()
            first = next(blocks, None)
        if first is None:
            self._refuse_no_rows()
            return iter(()), Beginning(None, beginning.inherited)
        return chain([first], blocks), Beginning(Mark(first.lines.first_row), beginning.inherited)

    def _behind(self, reader: Reader, mark: Mark) -> Iterator[Prepared] | None:
        """The rows behind a watermark; None where those before it are not the same."""
        log.info("Earlier tries have settled the rows before row %s; going on there.", f"{mark.row:,}")
        if self._design.mode == "position" and self._source.seeks and mark.place is not None:
            return reader.read(start=mark.row, after=mark.place)
        rest = behind(mark, reader.read(start=mark.row))
        if rest is None:
            log.warning(
                "The rows before row %s are not the same, or not in the same order, as they were then: all "
                "rows are sent again. %s",
                f"{mark.row:,}",
                self._again,
            )
        return rest

    def _progress(self) -> Progress | None:
        accepted = self._journal.accepts_changes
        return stored_progress(
            self._journal,
            self._design.world,
            on_source_change="accept" if accepted else self._options.on_source_change,
        )

    def _refuse_no_rows(self) -> None:
        if not self._options.allow_empty:
            raise SourceError("there are no rows at all", hint="If that is fine, pass allow_empty=True.")

    def _look(self, noted: list[NotedBatch], before_row: int) -> list[LiveBatch]:
        session = self._mixpeek.session
        if self._options.skip_duplicates:
            # A row behind the watermark may be the same object as one before it.
            before_row = 0
        calls = [
            partial(self._mixpeek.run, _batch_calls.look(batch, session, before_row=before_row))
            for batch in noted
        ]
        return _threads.gather(calls, at_once=self._options.in_flight, stop=self._stop)
