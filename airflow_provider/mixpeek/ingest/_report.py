"""What became of the rows: the count, and the errors that carry it."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.mixpeek.client import MixpeekError, WaitFor

#: Ids and rejected rows that a report keeps in memory; files have all of them.
KEPT_IDS = 100_000
KEPT_REJECTED = 10_000


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """
    A row that was not stored.

    :param row: Its number in the source, from 0.
    :param reason: Why, one sentence.
    :param column: The column to blame, where there is one.
    :param error_type: The vendor's error type, where the server rejected it; empty where we did.
    :param values: The whole row as it came, column to cell.
    :param file: The URI of its file, where the source is more, or less, than one whole file.
    :param file_row: Its number in that file, from 0; None where reading began in the middle of it.
    """

    row: int
    reason: str
    column: str | None = None
    error_type: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    file: str = ""
    file_row: int | None = None

    def __str__(self) -> str:
        where = f"row {self.row}"
        if self.file:
            where += f" ({self.file})" if self.file_row is None else f" ({self.file}, row {self.file_row})"
        if self.column:
            where += f", column {self.column!r}"
        return f"{where}: {self.error_type + ': ' if self.error_type else ''}{self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: _picklable(value) for name, value in self.values.items()}
        told = (self.row, self.reason, self.column, self.error_type, values, self.file, self.file_row)
        return RejectedRow, told


def _picklable(value: Any) -> Any:
    """A cell, or what it looks like: rows are rejected for holding anything at all."""
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever a foreign object raises
        return repr(value)
    return value


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """
    A batch that was submitted.

    :param task_id: The task of its first tier; empty where the server names none.
    :param objects: How many objects are in it.
    """

    batch_id: str
    task_id: str
    objects: int


def waits_for(
    bucket_id: str, batches: Iterable[SubmittedBatch], task_ids: Iterable[str] = ()
) -> list[dict[str, str | None]]:
    """What there is to wait for, as it travels through XCom."""
    waits = [WaitFor(batch.task_id or None, batch.batch_id, bucket_id) for batch in batches]
    waits += [WaitFor(task_id, None, bucket_id) for task_id in task_ids]
    return [wait.as_dict() for wait in waits]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What became of the rows of one ingestion. Every row that was read is counted once:
    ``rows_read == created + replayed + stored + rejected + unsent + in_doubt``.

    :param bucket_id: Where to.
    :param rows_read: Rows read from the source, by this run and, where a checkpoint says so, those before it.
    :param resumed: Rows of those that earlier tries had settled, and that this one did not send.
    :param created: New objects.
    :param replayed: Objects that were there already under the row's key and were left as they are.
    :param stored: The server holds them and does not say whether they are new.
    :param rejected: Rows that are wrong; see ``rejected_rows``.
    :param unsent: Rows that were read before the run was stopped, and not sent.
    :param in_doubt: Rows that were sent and never answered. Under keys sending them again is safe; without
        (legacy generation, API 0.81) it may store them twice.
    :param stale: Replayed rows whose object has other values than the row has now.
    :param kept_ids: See :attr:`object_ids`; None where there are too many.
    :param task_ids: Tasks that make and process an object each (legacy generation), in the order of the rows.
    :param rejected_rows: The rejected rows of this run by row number, the first 10,000 of them.
    :param batches: Batches that hold the objects and are submitted, those of earlier tries included.
    :param rejected_uri: The directory that rejected rows were written to; None where there are none, or no
        directory was given.
    :param receipt_uri: The directory of the receipt, where one was given.
    :param requests: Requests that were answered or failed, tries of the same one not counted.
    :param seconds: How long this run took.
    """

    bucket_id: str
    rows_read: int = 0
    resumed: int = 0
    created: int = 0
    replayed: int = 0
    stored: int = 0
    rejected: int = 0
    unsent: int = 0
    in_doubt: int = 0
    stale: int = 0
    kept_ids: tuple[str, ...] | None = field(default=(), repr=False)
    task_ids: tuple[str, ...] = field(default=(), repr=False)
    rejected_rows: tuple[RejectedRow, ...] = field(default=(), repr=False)
    batches: tuple[SubmittedBatch, ...] = ()
    rejected_uri: str | None = None
    receipt_uri: str | None = None
    requests: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        accounted = sum(self.counts().values())
        if accounted != self.rows_read:
            raise AssertionError(
                f"the count does not hold, please report it: {self.rows_read} rows read, {self.counts()}"
            )

    def counts(self) -> dict[str, int]:
        """The six counts that add up to ``rows_read``."""
        return {
            "created": self.created,
            "replayed": self.replayed,
            "stored": self.stored,
            "rejected": self.rejected,
            "unsent": self.unsent,
            "in_doubt": self.in_doubt,
        }

    @property
    def object_ids(self) -> tuple[str, ...]:
        """
        Ids of the created, replayed and stored objects, in the order of their rows. Rows that an earlier try
        had settled are not among them; on the legacy generation, whose answers name no object, none is.

        :raises MixpeekError: there are more than 100,000.
        """
        if self.kept_ids is None:
            raise MixpeekError(
                f"there are more than {KEPT_IDS:,} object ids, and none of them are kept in memory",
                hint="Pass receipt_to= to have the id of every row in files.",
            )
        return self.kept_ids

    @property
    def waits(self) -> list[dict[str, str | None]]:
        """What there is to wait for: ``[{"task_id", "batch_id", "bucket"}]``."""
        return waits_for(self.bucket_id, self.batches, self.task_ids)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts().items() if count
        )
        resumed = f", {self.resumed:,} of them by earlier tries" if self.resumed else ""
        stale = f" ({self.stale:,} stale)" if self.stale else ""
        batches = f"; {len(self.batches):,} batches submitted" if self.batches else ""
        tasks = f"; {len(self.task_ids):,} tasks to wait for" if self.task_ids else ""
        done = f"{counts or 'nothing to do'}{stale}{batches}{tasks}"
        return f"{self.rows_read:,} rows read{resumed}: {done} ({self.seconds:.1f} s)"


class IngestError(MixpeekError):
    """
    An ingestion that did not get to its end. What it did is in ``report``; its cause is the reason.

    :param report: What became of the rows up to then.
    """

    def __init__(self, message: str, *, report: Report, **common: Any) -> None:
        super().__init__(message, **common)
        self.report = report


class RowsRejectedError(IngestError):
    """A row was rejected, and ``on_error`` is ``"fail"``."""
