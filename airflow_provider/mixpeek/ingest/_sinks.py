"""Files that are written of the rows, beside the checkpoint, where the caller asks for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._ledger import Entry
from airflow_provider.mixpeek.ingest._listing import would_be_read
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._part_files import PartWriter, open_folder
from airflow_provider.mixpeek.ingest._receipt import Format, Receipt, ReceiptWriter
from airflow_provider.mixpeek.ingest._rejected_rows import SUFFIX, RejectedRowsWriter
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._sources import is_path

Directory = str | os.PathLike[str]

#: What parts are called, for those who choose files by their names.
_NAMES = [f"load-{0:012}.{end}" for end in ("rejected.jsonl", "receipt.jsonl", "receipt.parquet")]


@dataclass(frozen=True, slots=True)
class Destinations:
    """
    Where files are written to.

    :param rejected_to: The directory for rejected rows.
    :param receipt_to: The directory for the receipt.
    """

    rejected_to: Directory | None = None
    receipt_to: Directory | None = None
    receipt_format: Format = "jsonl"

    def check(self, rows: Any) -> None:
        """
        See that all of them can be written, before anything is sent.

        :param rows: What is read, which must not be what is written.
        :raises MixpeekConfigError: one cannot.
        """
        for name, directory in (("rejected_to", self.rejected_to), ("receipt_to", self.receipt_to)):
            if directory is None:
                continue
            folder = open_folder(directory)
            if is_path(rows) and _is_read(rows, directory):
                raise MixpeekConfigError(
                    f"{name} is {folder.uri}, and what is written there would be read as rows the next time",
                    hint="Name a directory outside of rows=, or one in it that begins with '_': such are not "
                    "read.",
                )
            folder.check()
        if self.receipt_to is not None:
            ReceiptWriter(self.receipt_to, prefix="-", format=self.receipt_format)

    def open(self, load: str, *, part: str) -> Sinks:
        """
        Open them for one load.

        :param load: Names it: the same in each of its tries, and no other load's.
        :param part: Which of its rows are read.
        """
        prefix = f"{_word(load)}-{_word(part)}"
        return Sinks(
            None if self.rejected_to is None else RejectedRowsWriter(self.rejected_to, prefix=prefix),
            None
            if self.receipt_to is None
            else ReceiptWriter(self.receipt_to, prefix=prefix, format=self.receipt_format),
        )


def _word(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _is_read(rows: Any, directory: Directory) -> bool:
    read = locate(rows)
    if read.path.endswith(SUFFIX):
        # The next time somebody reads all parts that are in its directory.
        read = replace(read, path=read.path.rpartition("/")[0], uri=read.uri.rpartition("/")[0])
    return would_be_read(read, locate(directory), _NAMES)


@dataclass(frozen=True, slots=True)
class Sinks:
    """The files of one load. They take the rows that are done with, in their order."""

    rejected: RejectedRowsWriter | None = None
    receipt: ReceiptWriter | None = None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.rejected or self.receipt)

    def start(self, first_row: int) -> None:
        """Rows come from this one on; what a try before has left of them goes."""
        for writer in self._writers:
            writer.start(first_row)

    def write(self, entries: Sequence[Entry], *, upto_row: int) -> None:
        """
        Take rows, and make them last: the watermark passes to ``upto_row`` next.

        :raises PartError: they cannot be written.
        """
        for entry in entries:
            uri, position = (entry.place.uri, entry.place.position) if entry.place else (None, None)
            if self.rejected and isinstance(entry.result, RejectedRow):
                self.rejected.add(entry.result, uri=uri, position=position)
            if self.receipt:
                self.receipt.add(_receipt(entry, uri, position))
        for writer in self._writers:
            writer.close_part(upto_row)

    @property
    def _writers(self) -> list[PartWriter[Any]]:
        return [writer for writer in (self.rejected, self.receipt) if writer is not None]


def _receipt(entry: Entry, uri: str | None, position: str | None) -> Receipt:
    result = entry.result
    if not isinstance(result, Stored):
        return Receipt(entry.row, "rejected", uri, position, entry.key)
    return Receipt(entry.row, result.outcome, uri, position, entry.key, result.object_id, result.task_id)
