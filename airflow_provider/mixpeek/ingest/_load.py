"""One load from its beginning, which may be in the middle, to its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import chain

from airflow_provider.mixpeek.client import Bucket, BucketSchema, MixpeekClient
from airflow_provider.mixpeek.ingest import _batch_calls, _telling, _threads
from airflow_provider.mixpeek.ingest._actions import Action, Tell
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._identity import Keyer, Mode, row_keyer
from airflow_provider.mixpeek.ingest._inherit import Inherited, LiveBatch, NotedBatch
from airflow_provider.mixpeek.ingest._journal import Journal
from airflow_provider.mixpeek.ingest._keeper import Keeper
from airflow_provider.mixpeek.ingest._ledger import Mark
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping, Plan, plan
from airflow_provider.mixpeek.ingest._options import Options
from airflow_provider.mixpeek.ingest._perform import carry_out
from airflow_provider.mixpeek.ingest._reading import Reader
from airflow_provider.mixpeek.ingest._report import Report
from airflow_provider.mixpeek.ingest._resume import Beginning, behind, stored_mark, take_over
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sending import Target
from airflow_provider.mixpeek.ingest._sources import Source
from airflow_provider.mixpeek.ingest._world import World

log = logging.getLogger("airflow_provider.mixpeek.ingest")


class Load:
    """
    One call of :func:`~airflow_provider.mixpeek.ingest.ingest`, its arguments checked.

    :param journal: Opened.
    """

    def __init__(
        self,
        mixpeek: MixpeekClient,
        bucket: Bucket,
        source: Source,
        *,
        mapping: ObjectMapping | None,
        mode: Mode,
        scope: str,
        journal: Journal,
        options: Options,
    ) -> None:
        self._mixpeek = mixpeek
        self._bucket = bucket
        self._source = source
        self._mapping = mapping
        self._mode = mode
        self._scope = f"{scope}\0{journal.salt}" if journal.salt else scope
        self._journal = journal
        self._options = options
        self._stop = threading.Event()
        self._stoppable = mixpeek.stopped_by(self._stop)
        self._keyed = _keyed(mixpeek)
        self._target = Target(bucket.bucket_id, keyed=self._keyed)

    def run(self) -> Report:
        """Store the rows, and have the objects processed."""
        started = time.monotonic()
        reader = Reader(
            self._source,
            planner=lambda: self._plan,
            keyer=self._keyer,
            wire=self._mixpeek.session.api,
            keyed=self._keyed,
            max_bytes=self._options.max_request_bytes,
        )
        begun = self._begin(reader)
        if begun is None:
            self._journal.finish()
            return Report(bucket_id=self._bucket.bucket_id)
        blocks, beginning = begun
        run = Run(
            self._bucket.bucket_id,
            limits=self._options.limits(self._mixpeek.session.api.max_objects_per_request),
            on_error=self._options.on_error,
            process=self._options.process,
            mark=beginning.mark,
            inherited=beginning.inherited,
        )
        keeper = Keeper(self._journal, self._world)
        try:
            _threads.drive(
                run, blocks, self._perform, keeper, in_flight=self._options.in_flight, stop=self._stop
            )
        except BaseException as interruption:
            report = run.report(seconds=time.monotonic() - started)
            _telling.tell_interruption(interruption, report, keyed=self._keyed)
            raise
        report = run.report(seconds=time.monotonic() - started)
        _telling.tell_report(report)
        _telling.raise_failure(run, report, keyed=self._keyed)
        self._journal.finish()
        return report

    # -- where to begin ------------------------------------------------------------------------------------

    def _begin(self, reader: Reader) -> tuple[Iterator[Prepared], Beginning] | None:
        """
        Find where to begin; nothing is sent before the mapping fits and there are rows.

        :return: The rows, and where they begin; None where there is no row, nor a column.
        """
        if not self._source.columns:
            return self._begin_with_unknown_columns(reader)
        mark = self._stored_mark() if self._source.rereadable else None
        blocks: Iterator[Prepared] | None = None
        if mark is not None:
            log.info("An earlier try has settled the rows before %s; going on there.", f"{mark.row:,}")
            if self._mode == "position" and self._source.seeks and mark.place is not None:
                blocks = reader.read(start=mark.row, after=mark.place)
            else:
                blocks = behind(mark, reader.read(start=mark.row))
            if blocks is None:
                log.warning(
                    "The rows before %s are not the same or not in the same order as then: all rows are sent "
                    "again, under their keys.",
                    f"{mark.row:,}",
                )
                mark = None
        beginning = take_over(self._journal, self._world, mark, look=self._look)
        if blocks is None or beginning.mark is None:
            return self._from_the_first_row(reader, beginning.inherited)
        return blocks, beginning

    def _begin_with_unknown_columns(self, reader: Reader) -> tuple[Iterator[Prepared], Beginning] | None:
        """The plan needs the columns, which are those of the first block."""
        blocks = reader.read()
        first = next(blocks, None)
        if first is None:
            self._refuse_no_rows()
            return None
        if self._source.rereadable and self._stored_mark() is not None:
            return self._begin(reader)
        beginning = take_over(self._journal, self._world, None, look=self._look)
        return _chained(first, blocks, beginning.inherited)

    def _from_the_first_row(
        self, reader: Reader, inherited: Inherited
    ) -> tuple[Iterator[Prepared], Beginning]:
        blocks = reader.read()
        first = next(blocks, None)
        if first is None:
            self._refuse_no_rows()
            return iter(()), Beginning(None, inherited)
        return _chained(first, blocks, inherited)

    def _refuse_no_rows(self) -> None:
        if not self._options.allow_empty:
            raise SourceError("there are no rows at all", hint="If that is fine, pass allow_empty=True.")

    def _stored_mark(self) -> Mark | None:
        accepted = self._journal.was_asked_for
        return stored_mark(
            self._journal,
            self._world,
            on_source_change="accept" if accepted else self._options.on_source_change,
        )

    # -- what it is made of --------------------------------------------------------------------------------

    @cached_property
    def _plan(self) -> Plan:
        planned = plan(
            self._mapping,
            schema=self._bucket.bucket_schema or BucketSchema(),
            columns=self._source.columns,
            metadata_is_declared=self._mixpeek.session.api.metadata_is_declared,
        )
        if self._mapping is None:
            _tell_columns(planned, self._source.columns or ())
        return planned

    @cached_property
    def _world(self) -> World:
        return World.of(
            bucket_id=self._bucket.bucket_id,
            part=self._source.name,
            source=self._source.fingerprint(),
            plan=self._plan,
            mode=self._mode,
            scope=self._scope,
        )

    def _keyer(self, planned: Plan) -> Keyer:
        return row_keyer(
            self._mode,
            bucket_id=self._bucket.bucket_id,
            scope=self._scope,
            source_uri=self._source.uri if self._mode == "position" else None,
            columns=planned.key_columns if self._mode == "columns" else (),
        )

    # -- what it sends -------------------------------------------------------------------------------------

    def _perform(self, action: Action) -> Tell:
        return self._stoppable.run(carry_out(action, self._stoppable.session, self._target))

    def _look(self, noted: list[NotedBatch], before_row: int) -> list[LiveBatch]:
        session = self._stoppable.session
        calls = [
            partial(
                self._stoppable.run, _batch_calls.look(batch, session, before_row=before_row)
            )
            for batch in noted
        ]
        return _threads.gather(calls, at_once=self._options.in_flight, stop=self._stop)


def _chained(
    first: Prepared, rest: Iterator[Prepared], inherited: Inherited
) -> tuple[Iterator[Prepared], Beginning]:
    return chain([first], rest), Beginning(Mark(first.lines.first_row), inherited)


def _keyed(mixpeek: MixpeekClient) -> bool:
    """Whether rows carry keys; where they cannot, that is said once."""
    keyed = mixpeek.has_idempotency_keys()
    if not keyed:
        log.warning(
            "This server has no idempotency keys (they came with API 0.82): a row whose answer is lost stays "
            "in doubt and is not sent again, and rows that are ingested again are stored again."
        )
    return keyed


def _tell_columns(planned: Plan, columns: Sequence[str]) -> None:
    """Say which columns a missing mapping has found, since nobody named them."""
    used = planned.identity_columns
    ignored = [column for column in columns if column not in used]
    log.info(
        "No mapping is given: of the columns, %s are named like properties of the bucket and used%s",
        ", ".join(used),
        f"; {', '.join(ignored)} are not, and ignored" if ignored else "",
    )
