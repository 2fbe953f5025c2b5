"""
Rows in their order: settled in any, passed by the watermark one after another.

Rows before the **watermark** are done with: stored or rejected, and where they are to be processed, in a
batch that is submitted. A later try does not touch them again. The **digest** of their keys, one after
another, tells whether rows that are read again are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._sources import Place

_DIGEST_BYTES = 16


class Lines(NamedTuple):
    """
    What is known of some rows that were read, beside their values.

    :param first_row: Number of the first of them.
    :param keys: Their keys; None for rows that have none.
    :param uri: Of their file, where they come from one.
    :param positions: Where in it each stands.
    :param file_start: Number of the file's first row; None where that is not known.
    """

    first_row: int
    keys: Sequence[str | None]
    uri: str | None = None
    positions: Sequence[str] | None = None
    file_start: int | None = None

    def place(self, row: int) -> Place | None:
        """Where a row stands; None for rows that are in no file."""
        if self.uri is None or self.positions is None:
            return None
        return Place(row, self.uri, self.positions[row - self.first_row])


class Entry(NamedTuple):
    """A row that the watermark has passed, and what became of it."""

    row: int
    place: Place | None
    key: str | None
    result: Stored | RejectedRow


@dataclass(frozen=True, slots=True)
class Mark:
    """
    The watermark.

    :param row: Number of the first row that is not done with.
    :param place: Where the row before it stands in a file; None for other sources, and at the beginning.
    :param digest: Of the keys of the rows before it.
    :param counts: What became of those: ``created``, ``replayed``, ``stored``, ``rejected``, ``stale``.
    """

    row: int = 0
    place: Place | None = None
    digest: str = ""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, entries: Sequence[Entry]) -> Mark:
        """The watermark after these rows, which follow it."""
        if not entries:
            return self
        counts = dict(self.counts)
        for entry in entries:
            outcome = entry.result.outcome if isinstance(entry.result, Stored) else "rejected"
            counts[outcome] = counts.get(outcome, 0) + 1
            if isinstance(entry.result, Stored) and entry.result.stale:
                counts["stale"] = counts.get("stale", 0) + 1
        digest = chained(self.digest, [entry.key for entry in entries])
        return replace(self, row=entries[-1].row + 1, place=entries[-1].place, digest=digest, counts=counts)


def chained(digest: str, keys: Sequence[str | None]) -> str:
    """
    The digest after these keys.

    :param digest: Of the keys before them; empty at the beginning.
    """
    link = bytes.fromhex(digest)
    for key in keys:
        link = blake2b(link + (key or "").encode(), digest_size=_DIGEST_BYTES).digest()
    return link.hex()


class Ledger:
    """
    The rows of one run, from the first that is not done with.

    :param mark: The watermark at its start.
    :param uri: Of the whole source.
    """

    def __init__(self, mark: Mark, *, uri: str | None = None) -> None:
        self.mark = mark
        #: Number of the first row that is not settled.
        self.next_row = mark.row
        self._results: dict[int, Stored | RejectedRow] = {}
        self._lines: deque[Lines] = deque()
        self._source_uri = uri
        # The file that is read, and the number of its first row. Behind a watermark, and in a part of a file,
        # reading may begin in its middle.
        self._file = mark.place.uri if mark.place else None
        self._file_start: int | None = None
        self._files_begin = mark.row == 0 or mark.place is not None

    def read(self, lines: Lines) -> None:
        """Rows were read, the next ones."""
        if lines.uri != self._file:
            self._file = lines.uri
            self._file_start = lines.first_row if self._files_begin else None
        self._lines.append(lines._replace(file_start=self._file_start))

    def located(self, row: RejectedRow) -> RejectedRow:
        """The same row, with its file where the source does not say which that is."""
        lines = next((each for each in reversed(self._lines) if each.first_row <= row.row), None)
        if lines is None or lines.uri is None or lines.uri == self._source_uri:
            return row
        file_row = None if lines.file_start is None else row.row - lines.file_start
        return replace(row, file=lines.uri, file_row=file_row)

    def settle(self, row: int, result: Stored | RejectedRow) -> None:
        """It is known what became of a row."""
        self._results[row] = result

    def advance(self, *, stop_at_rejected: bool) -> Iterator[tuple[int, Stored | RejectedRow]]:
        """
        Go over rows that are settled, in their order, each once.

        :param stop_at_rejected: A rejected row is the end of the run, and is to be met again by the next try.
        """
        while (result := self._results.get(self.next_row)) is not None:
            if stop_at_rejected and isinstance(result, RejectedRow):
                return
            self.next_row += 1
            yield self.next_row - 1, result

    def drain(self) -> Iterator[Stored | RejectedRow]:
        """What became of rows behind one that will never be settled, in their order; they are forgotten."""
        for row in sorted(row for row in self._results if row >= self.next_row):
            yield self._results.pop(row)

    def release(self, upto: int) -> list[Entry]:
        """Let the watermark pass to this row, and hand out the rows that it passes."""
        entries: list[Entry] = []
        while self._lines and self.mark.row + len(entries) < upto:
            lines = self._lines[0]
            first = self.mark.row + len(entries)
            end = lines.first_row + len(lines.keys)
            for row in range(first, min(upto, end)):
                key = lines.keys[row - lines.first_row]
                entries.append(Entry(row, lines.place(row), key, self._results.pop(row)))
            if end > upto:
                break
            self._lines.popleft()
        self.mark = self.mark.after(entries)
        return entries
