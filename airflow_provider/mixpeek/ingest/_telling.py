"""What a run says when it ends: in the log, and in the errors that it raises."""

from __future__ import annotations

import logging

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
    for row in report.rejected_rows[:_NAMED_IN_LOG]:
        log.warning("Rejected %s", row)
    more = report.rejected - min(len(report.rejected_rows), _NAMED_IN_LOG)
    if more > 0:
        all_there = len(report.rejected_rows) == report.rejected
        where = "all of them are in the report" if all_there else "with rejected_to= all of them are in files"
        log.warning(
            "... and %d more rejected rows; %s",
            more,
            f"see {report.rejected_uri}" if report.rejected_uri else where,
        )


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
            "This server has no idempotency keys. Run it again: what may be stored is looked for first; only "
            f"a write that arrives more than {sum(LOOKS):g} s after its connection broke is stored twice."
        )
    return "This server has no idempotency keys: running it again stores again what is stored."
