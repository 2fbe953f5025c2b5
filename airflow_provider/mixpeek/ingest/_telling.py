"""What a run says when it ends: in the log, and in the errors that it raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._design import Design
from airflow_provider.mixpeek.ingest._rejections import TooManyRejectedError
from airflow_provider.mixpeek.ingest._report import IngestError, RejectedRow, Report, RowsRejectedError
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sending import LOOKS

log = logging.getLogger("airflow_provider.mixpeek.ingest")

#: Rejected rows that the log names one by one.
_NAMED_IN_LOG = 20


def tell_report(report: Report) -> None:
    """Log what became of the rows."""
    log.info("%s", report)
    if report.stale:
        log.warning(
            "%s rows came with other values than their objects were made of, and these stay as they are. "
            "Rows that change belong in a bucket with a unique key, under policy='upsert'.",
            f"{report.stale:,}",
        )
    all_there = len(report.rejected_rows) == report.rejected
    tell_rejected(
        report.rejected_rows,
        "rows",
        count=report.rejected,
        where=f"see {report.rejected_uri}"
        if report.rejected_uri
        else "all of them are in the report"
        if all_there
        else "with rejected_to= all of them are in files",
    )


def tell_rejected(rejected: Sequence[object], what: str, *, count: int, where: str) -> None:
    """
    Log the first of what was rejected one by one, and how many more there are.

    :param rejected: Those that are known, each a text with its reason.
    :param what: What they are: ``rows``.
    :param count: All of them.
    :param where: Where all of them are to be found.
    """
    for each in rejected[:_NAMED_IN_LOG]:
        log.warning("Rejected %s", each)
    more = count - min(len(rejected), _NAMED_IN_LOG)
    if more > 0:
        log.warning("... and %d more rejected %s; %s", more, what, where)


def tell_interruption(interruption: BaseException, report: Report, *, again: str) -> None:
    """Log what was done before an interruption, and note it in the exception."""
    done = f"Ingestion was interrupted. What was done: {report}"
    log.warning("%s. %s", done, again)
    interruption.add_note(done)


def raise_failure(run: Run, report: Report, *, again: str) -> None:
    """
    Raise what a run was stopped by, if it was.

    :raises RowsRejectedError: rows are wrong, and more of them than is borne.
    :raises IngestError: anything else.
    """
    failure = run.failure
    if isinstance(failure, RejectedRow):
        raise RowsRejectedError(
            f"{failure}. The run was stopped there; {report}",
            hint=f'Mend the row, or pass on_error="collect" to set such rows aside. {again}',
            report=report,
        )
    if failure is not None:
        kind = RowsRejectedError if isinstance(failure, TooManyRejectedError) else IngestError
        reason = failure if isinstance(failure, MixpeekError) else f"{type(failure).__name__}: {failure}."
        raise kind(
            f"the run was stopped: {reason} What was done: {report}", hint=again, report=report
        ) from failure


def again(design: Design, *, has_checkpoint: bool) -> str:
    """What running a load again does: a promise, or a warning."""
    if design.repeatable:
        return "Run it again: what is stored is not stored twice."
    if design.marked and has_checkpoint:
        return (
            "This server has no idempotency keys. Run it again: what may be there is looked for first; "
            f"only a write that arrives over {sum(LOOKS):g} s after its connection broke is stored twice."
        )
    return "This server has no idempotency keys: running it again stores again what is stored."
