"""
CSV (RFC 4180): commas, quotes, line breaks inside quotes, UTF-8 with or without a byte order mark.

Cells are texts, whatever they look like ("007" stays "007" in every block), and only the empty cell is absent
("NA" is Namibia). Blank lines are no rows. A record's position is the offset of its first byte in the file,
in the decompressed text where it is compressed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import (
    WHOLE,
    Cuts,
    File,
    Span,
    cuts_of_text,
    line_at,
    no_row,
    not_utf8,
    where,
)
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES

#: The reader's own limit, 128 KB, is less than a long text; without any, one lost quote reads a whole file.
_LONGEST_CELL = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Some records. One that has too few or too many cells is absent in every column."""

    first_row: int
    names: tuple[str, ...]
    records: Sequence[Sequence[str]]
    cells: Mapping[str, Sequence[str | None]]
    positions: Sequence[str]
    uri: str | None
    problems: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def column(self, name: str) -> Sequence[Any]:
        """Read a column: texts, and None for empty cells."""
        return self.cells[name]

    def row(self, index: int) -> dict[str, Any]:
        """Return one record, empty cells as None; cells beyond the header are ``column 5`` and so on."""
        record = self.records[index]
        extra = (f"column {number}" for number in range(len(self.names) + 1, len(record) + 1))
        row = dict(zip((*self.names, *extra), (cell or None for cell in record), strict=False))
        return dict.fromkeys(self.names) | row


class CsvReader:
    """
    Reads a CSV file.

    :raises SourceError: there is no header, or one that does not name columns.
    """

    count: int | None = None

    def __init__(self, file: File) -> None:
        self._file = file
        with file.open() as stream:
            records = _Records(file, stream)
            header = next(iter(records.take(1)), None)
        if header is None:
            raise SourceError(f"{file.name} has no header: every line is blank")
        names = tuple(header[2])
        _check_header(file, names)
        self.columns: tuple[str, ...] | None = names
        self._names = names
        self._begin = records.offset

    def read(
        self, *, block_rows: int, first_row: int = 0, span: Span = WHOLE, after: str | None = None
    ) -> Iterator[CsvBlock]:
        """
        Read the file in blocks.

        :raises SourceError: a record cannot be told from the next, or is not UTF-8; none begins at ``after``.
        """
        with self._file.open() as stream:
            records = _Records(self._file, stream, end=span.end)
            if after is None and span.start is None:
                records.take(1)
            else:
                inside = Span(self._begin if span.start is None else span.start, span.end)
                records.seek(str(span.start) if after is None else after, inside)
            if after is not None and not records.take(1):
                raise no_row(self._file, after)
            while taken := records.take(block_rows):
                yield self._block(first_row, taken)
                first_row += len(taken)

    def cuts(self, *, step: int, most: int) -> Cuts:
        """
        Find where the file can be cut, in one pass: only a parser knows which line breaks end a record.

        :raises SourceError: a record cannot be told from the next, or is not UTF-8.
        """
        with self._file.open() as stream:
            records = _Records(self._file, stream)
            records.take(1)
            offsets = (offset for taken in iter(lambda: records.take(1_000), []) for offset, _, _ in taken)
            return cuts_of_text(offsets, step=step, most=most)

    def _block(self, first_row: int, taken: Sequence[tuple[int, int | None, list[str]]]) -> CsvBlock:
        names, width = self._names, len(self._names)
        offsets, _, records = zip(*taken, strict=True)
        problems = {
            index: f"the record has {len(record)} cells, the header {width} ({where(line, offset)})"
            for index, (offset, line, record) in enumerate(taken)
            if len(record) != width
        }
        whole = [[""] * width if index in problems else record for index, record in enumerate(records)]
        columns = zip(*whole, strict=True)
        cells = {
            name: [cell or None for cell in column] if "" in column else column
            for name, column in zip(names, columns, strict=True)
        }
        positions = list(map(str, offsets))
        return CsvBlock(first_row, names, records, cells, positions, self._file.uri, problems)


class _Records:
    """
    Reads records, and knows where each begins: ``(offset, line, cells)``, lines counted
    from 1 and unknown after a seek.

    :param end: The offset at which no record begins that is read.
    """

    def __init__(self, file: File, stream: BinaryIO, *, end: int | None = None) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
        self._file = file
        self._stream = stream
        self._end = sys.maxsize if end is None else end
        self.offset = 0
        self._line: int | None = 0
        self._reader = csv.reader(self._texts(), strict=True)

    def seek(self, position: str, span: Span) -> None:
        """
        Go on reading at a place.

        :raises SourceError: it lies outside of the span, or no line begins there.
        """
        self.offset = line_at(self._file, self._stream, position, span)
        # Which line that is, only the lines before could tell.
        self._line = None

    def take(self, count: int) -> list[tuple[int, int | None, list[str]]]:
        """Read some records; none only where no more come, however many blank lines there are."""
        records: list[tuple[int, int | None, list[str]]] = []
        begin = self.offset
        while len(records) < count and self.offset < self._end:
            if records and self.offset - begin >= BLOCK_BYTES:
                break
            offset = self.offset
            line = None if self._line is None else self._line + 1
            try:
                record = next(self._reader, None)
            except csv.Error as error:
                raise SourceError(
                    f"{self._file.name}: a record cannot be read ({where(line, offset)}): {error}",
                    hint="Quotes inside a quoted cell are doubled, and a quoted cell ends with a quote.",
                ) from error
            if record is None:
                break
            if record:
                records.append((offset, line, record))
        return records

    def _texts(self) -> Iterator[str]:
        for line in self._stream:
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                line_number = None if self._line is None else self._line + 1
                raise not_utf8(self._file, error, line=line_number, offset=self.offset) from None
            if not self.offset:
                text = text.removeprefix("\ufeff")
            self.offset += len(line)
            if self._line is not None:
                self._line += 1
            yield text


def _check_header(file: File, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            f"{file.name}: columns come more than once: {', '.join(map(repr, twice))}",
            hint="Rename them in the header, so that each name means one column.",
        )
    if len(names) == 1 and (separator := next((sign for sign in ";\t|" if sign in names[0]), None)):
        raise SourceError(
            f"{file.name}: the header is one cell, {names[0]!r}",
            hint=f"It looks as if {separator!r} separates the cells; in CSV a comma does.",
        )
