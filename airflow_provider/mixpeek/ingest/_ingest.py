"""The one call: rows in, report out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, get_args

from airflow_provider.mixpeek.client import (
    Bucket,
    BucketSchema,
    MixpeekClient,
    MixpeekConfigError,
    MixpeekError,
    MixpeekGenerationError,
)
from airflow_provider.mixpeek.ingest import _run, _threads
from airflow_provider.mixpeek.ingest._actions import Action, Tell, carry_out
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._identity import Keyer, Mode, row_keyer
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping, Plan, plan
from airflow_provider.mixpeek.ingest._report import IngestError, RejectedRow, Report, RowsRejectedError
from airflow_provider.mixpeek.ingest._rows import Prepared, prepare
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sources import BLOCK_ROWS, Block, Source, open_source

log = logging.getLogger("airflow_provider.mixpeek.ingest")

#: Bytes of one request's body.
MAX_REQUEST_BYTES = 8_000_000

#: Objects of one batch: what the vendor advises for most uses (100 to 1,000; API 0.81 prose).
BATCH_SIZE = 1_000

#: Requests under way at once: the vendor's smallest plan allows five, the next one fifty (API 0.81 prose).
IN_FLIGHT = 8

#: Rejected rows that the log names one by one.
_NAMED_IN_LOG = 20


def ingest(
    mixpeek: MixpeekClient,
    bucket: str,
    rows: Any,
    *,
    mapping: ObjectMapping | Mapping[str, Any] | None = None,
    keys: Mode | None = None,
    scope: str | Callable[[Mode], str] = "",
    on_error: _run.OnError = "fail",
    process: _run.Process = "new",
    batch_size: int = BATCH_SIZE,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    in_flight: int = IN_FLIGHT,
    source_name: str | None = None,
    allow_empty: bool = False,
) -> Report:
    """
    Create an object from every row, and have the objects processed.

    Each row is created under an idempotency key that is the same whenever the same row is ingested again, so
    that a second call, after whatever happened to the first, stores only what is missing.

    :param mixpeek: The client.
    :param bucket: Name or id of the bucket.
    :param rows: pandas, polars, pyarrow or any eager frame that narwhals reads; a list or iterator of dicts;
        the path of a Parquet, CSV or JSON Lines file.
    :param mapping: What the columns become. None: columns named like properties of the bucket's schema.
    :param keys: What identifies a row. ``content`` (frames, dicts): the row itself, and how many equal rows
        came before; ``position`` (files): the row and its place in the file; ``columns`` (when the mapping
        names an ``idempotency_key``): those columns and nothing else.
    :param scope: Part of every key: the same rows under another scope are other objects. ``content`` needs
        one, such as the name and date of the load. May be a function of the kind of keys.
    :param on_error: ``fail``: stop at the first row that is wrong. ``collect``: set it aside, with the
        reason, and go on.
    :param process: ``new``: submit objects in batches unless they are processed already; ``all``: those too,
        their documents replaced; False: store only. On the legacy generation creates always process.
    :param batch_size: Objects of one batch; cut smaller where the server says its plan allows less.
    :param max_request_bytes: Bytes of one request's body; a row that is larger is rejected.
    :param in_flight: Requests under way at once.
    :param source_name: Stands for a file wherever it is read from: its keys do not depend on the path.
    :param allow_empty: No rows at all are a success and not an error.
    :return: What became of the rows.
    :raises MixpeekConfigError: the rows, the mapping or an argument is wrong; nothing was sent.
    :raises RowsRejectedError: a row was wrong and ``on_error`` is ``fail``; what was done is in its report.
    :raises IngestError: the run did not get to its end; what was done is in its report, the reason its cause.
    """
    limits = _checked(
        mixpeek,
        bucket,
        whole_numbers={
            "batch_size": batch_size,
            "max_request_bytes": max_request_bytes,
            "in_flight": in_flight,
        },
        words={
            "on_error": (on_error, get_args(_run.OnError)),
            "process": (process, get_args(_run.Process)),
        },
    )
    source = open_source(rows, source_name=source_name)
    mapped = ObjectMapping.of(mapping)
    mode = _mode(keys, mapped, source)
    scope = _scope(scope, mode)
    target = mixpeek.buckets.find(bucket)
    _refuse_unique_key(target)
    _refuse_storing_only(mixpeek, process)
    log.info(
        "Ingesting %s into the bucket %s (%s), rows identified by %s in the scope %r",
        source.name,
        target.bucket_name,
        target.bucket_id,
        mode,
        scope,
    )

    started = time.monotonic()

    def planner() -> tuple[Plan, Keyer]:
        planned = plan(
            mapped,
            schema=target.bucket_schema or BucketSchema(),
            columns=source.columns,
            metadata_is_declared=mixpeek.session.api.metadata_is_declared,
        )
        if mapped is None:
            _tell_columns(planned, source.columns or ())
        return planned, row_keyer(
            mode,
            bucket_id=target.bucket_id,
            scope=scope,
            columns=planned.key_columns if mode == "columns" else (),
        )

    keyed = _keyed(mixpeek)
    blocks = _prepared(source, planner, mixpeek, keyed=keyed, max_bytes=max_request_bytes)
    first = next(blocks, None)
    if first is None and not allow_empty:
        raise SourceError("there are no rows at all", hint="If that is fine, pass allow_empty=True.")

    run = Run(target.bucket_id, limits=limits, on_error=on_error, process=process)
    stop = threading.Event()
    stoppable = mixpeek.stopped_by(stop)

    def perform(action: Action) -> Tell:
        return stoppable.run(carry_out(action, stoppable.session, target.bucket_id, keyed=keyed))

    try:
        _threads.drive(run, chain([first] if first else [], blocks), perform, in_flight=in_flight, stop=stop)
    except BaseException as interruption:
        _tell_interruption(interruption, run.report(seconds=time.monotonic() - started), keyed=keyed)
        raise
    report = run.report(seconds=time.monotonic() - started)
    _log(report)
    _raise_failure(run, report, keyed=keyed)
    return report


def _checked(
    mixpeek: MixpeekClient,
    bucket: str,
    *,
    whole_numbers: Mapping[str, int],
    words: Mapping[str, tuple[Any, tuple[Any, ...]]],
) -> _run.Limits:
    if not isinstance(mixpeek, MixpeekClient):
        raise MixpeekConfigError(
            f"the client is of type {type(mixpeek).__name__}", hint="Ingestion takes a MixpeekClient."
        )
    if not isinstance(bucket, str) or not bucket.strip():
        raise MixpeekConfigError(f"the bucket is {bucket!r}", hint="Give its name or its id.")
    for name, number in whole_numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise MixpeekConfigError(f"{name} is {number!r}, and must be a whole number above 0")
    for name, (word, known) in words.items():
        # 0 equals False, and is none of the words.
        if not any(word == one and type(word) is type(one) for one in known):
            raise MixpeekConfigError(f"{name} is {word!r}, and must be one of {', '.join(map(repr, known))}")
    return _run.Limits(
        max_objects=mixpeek.session.api.max_objects_per_request,
        max_request_bytes=whole_numbers["max_request_bytes"],
        batch_size=whole_numbers["batch_size"],
    )


def _mode(keys: Mode | None, mapping: ObjectMapping | None, source: Source) -> Mode:
    """What identifies a row of this call."""
    named = mapping is not None and mapping.idempotency_key is not None
    if keys not in (None, *get_args(Mode)):
        raise MixpeekConfigError(
            f"keys is {keys!r}, and must be one of {', '.join(map(repr, get_args(Mode)))}"
        )
    mode: Mode = keys or ("columns" if named else "position" if source.kind == "file" else "content")
    if (mode == "columns") != named:
        raise MixpeekConfigError(
            f"keys={mode!r} and the mapping's idempotency_key do not go together",
            hint="Rows are identified by an idempotency_key exactly when keys is 'columns'.",
        )
    if mode == "position" and source.kind != "file":
        raise MixpeekConfigError("keys='position' is for files: rows of a frame have no place of their own")
    return mode


def _scope(given: str | Callable[[Mode], str], mode: Mode) -> str:
    scope = given(mode) if callable(given) else given
    if not isinstance(scope, str):
        raise MixpeekConfigError(f"scope is {scope!r}, and must be a text")
    if mode == "content" and not scope:
        raise MixpeekConfigError(
            "rows that are identified by their content need a scope=",
            hint="Name the load, such as 'shop-2026-11-23': rows that come again under it are stored once.",
        )
    return scope


def _refuse_unique_key(bucket: Bucket) -> None:
    if bucket.unique_key is not None:
        raise MixpeekConfigError(
            f"the bucket {bucket.bucket_name!r} has a unique key, and takes no objects in bulk",
            hint="Ingestion cannot fill such buckets yet: use one without a unique key, or objects.create.",
        )


def _refuse_storing_only(mixpeek: MixpeekClient, process: _run.Process) -> None:
    api = mixpeek.session.api
    if api.processes_on_create and process is False:
        raise MixpeekGenerationError(
            f"process=False: the {api.name} generation of the API always processes what it creates",
            hint=f"The {api.other} one stores and processes in two steps.",
        )


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


def _prepared(
    source: Source,
    planner: Callable[[], tuple[Plan, Keyer]],
    mixpeek: MixpeekClient,
    *,
    keyed: bool,
    max_bytes: int,
) -> Iterator[Prepared]:
    """Read a source and make each block ready; the plan is made as soon as the columns are known."""
    # An empty list has no columns, and that is not what is wrong with it.
    ready = planner() if source.columns else None
    for block in _blocks(source):
        planned, keyer = ready = ready or planner()
        yield prepare(block, planned, keyer, wire=mixpeek.session.api, keyed=keyed, max_bytes=max_bytes)


def _blocks(source: Source) -> Iterator[Block]:
    read = 0
    try:
        for block in source.blocks(block_rows=BLOCK_ROWS):
            read = block.first_row + len(block)
            yield block
    except MixpeekError:
        raise
    except Exception as error:
        # What an iterator of rows raises is its own; the run must not lose its report over it.
        raise SourceError(
            f"the rows broke off, after {read:,} of them: {type(error).__name__}: {error}"
        ) from error


def _again(*, keyed: bool, when: str = "") -> str:
    if keyed:
        return f"Run it again{when}: what is stored is not stored twice."
    return "This server has no idempotency keys: running it again stores again what is stored."


def _raise_failure(run: Run, report: Report, *, keyed: bool) -> None:
    again = _again(keyed=keyed, when=" when that is mended")
    failure = run.failure
    if isinstance(failure, RejectedRow):
        raise RowsRejectedError(
            f"{failure}. The run was stopped there; {report}",
            hint=f'Mend the row, or pass on_error="collect" to set such rows aside. {again}',
            report=report,
        )
    if failure is not None:
        reason = failure if isinstance(failure, MixpeekError) else f"{type(failure).__name__}: {failure}."
        raise IngestError(
            f"the run was stopped: {reason} What was done: {report}", hint=again, report=report
        ) from failure


def _tell_interruption(interruption: BaseException, report: Report, *, keyed: bool) -> None:
    done = f"Ingestion was interrupted. What was done: {report}"
    log.warning("%s. %s", done, _again(keyed=keyed))
    interruption.add_note(done)


def _log(report: Report) -> None:
    log.info("%s", report)
    for row in report.rejected_rows[:_NAMED_IN_LOG]:
        log.warning("Rejected %s", row)
    if report.rejected > _NAMED_IN_LOG:
        log.warning(
            "... and %d more rejected rows; all of them are in the report", report.rejected - _NAMED_IN_LOG
        )
