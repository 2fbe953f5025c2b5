"""
CSV (RFC 4180): commas, quotes, line breaks inside quotes, UTF-8 with or without a byte order mark.

Cells are texts, whatever they look like ("007" stays "007" in every block), and only the empty cell is absent
("NA" is Namibia). Blank lines are no rows. A record's position is the offset of its first byte in the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import not_utf8
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


class CsvSource:
    """
    A CSV file.

    :raises SourceError: there is no header, or one that does not name columns.
    """

    kind: Literal["file"] = "file"

    def __init__(self, path: Path, *, uri: str) -> None:
        self.uri: str | None = uri
        self._path = path
        with path.open("rb") as file:
            header = next(iter(_Records(path, file).take(1)), None)
        if header is None:
            raise SourceError(f"{path} has no header: every line is blank")
        names = tuple(header[2])
        _check_header(path, names)
        self.columns: tuple[str, ...] | None = names
        self._names = names

    def blocks(self, *, block_rows: int) -> Iterator[CsvBlock]:
        """
        Read the file in blocks.

        :raises SourceError: a record cannot be told from the next, or is not UTF-8.
        """
        with self._path.open("rb") as file:
            records = _Records(self._path, file)
            records.take(1)
            first_row = 0
            while taken := records.take(block_rows):
                yield self._block(first_row, taken)
                first_row += len(taken)

    def _block(self, first_row: int, taken: Sequence[tuple[int, int, list[str]]]) -> CsvBlock:
        names, width = self._names, len(self._names)
        offsets, _lines, records = zip(*taken, strict=True)
        problems = {
            index: f"the record has {len(record)} cells, the header {width} (line {line}, byte {offset})"
            for index, (offset, line, record) in enumerate(taken)
            if len(record) != width
        }
        whole = [[""] * width if index in problems else record for index, record in enumerate(records)]
        columns = zip(*whole, strict=True)
        cells = {
            name: [cell or None for cell in column] if "" in column else column
            for name, column in zip(names, columns, strict=True)
        }
        return CsvBlock(first_row, names, records, cells, list(map(str, offsets)), problems)


class _Records:
    """Reads records, and knows where each begins: ``(offset, line, cells)``, lines counted from 1."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
        self._path = path
        self._file = file
        self._offset = 0
        self._line = 0
        self._reader = csv.reader(self._texts(), strict=True)

    def take(self, count: int) -> list[tuple[int, int, list[str]]]:
        records: list[tuple[int, int, list[str]]] = []
        begin = self._offset
        while len(records) < count and self._offset - begin < BLOCK_BYTES:
            offset, line = self._offset, self._line + 1
            try:
                record = next(self._reader, None)
            except csv.Error as error:
                raise SourceError(
                    f"{self._path}: the record at line {line} (byte {offset}) cannot be read: {error}",
                    hint="Quotes inside a quoted cell are doubled, and a quoted cell ends with a quote.",
                ) from error
            if record is None:
                break
            if record:
                records.append((offset, line, record))
        return records

    def _texts(self) -> Iterator[str]:
        for line in self._file:
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(self._path, error, line=self._line + 1, offset=self._offset) from None
            if not self._offset:
                text = text.removeprefix("\ufeff")
            self._offset += len(line)
            self._line += 1
            yield text


def _check_header(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            f"{path}: columns come more than once: {', '.join(map(repr, twice))}",
            hint="Rename them in the header, so that each name means one column.",
        )
    if len(names) == 1 and (separator := next((sign for sign in ";\t|" if sign in names[0]), None)):
        raise SourceError(
            f"{path}: the header is one cell, {names[0]!r}",
            hint=f"It looks as if {separator!r} separates the cells; in CSV a comma does.",
        )
