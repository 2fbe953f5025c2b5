"""
JSON Lines: one object a line. Blank lines are no rows.

A position is the offset of a line's first byte, in the decompressed file where it is compressed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from airflow_provider.mixpeek.ingest._dicts import DictBlock, keys_of
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
from airflow_provider.mixpeek.ingest._json_text import loads
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES

_BOM = b"\xef\xbb\xbf"
_STEP_BYTES = 64 * 1024


class JsonLinesReader:
    """
    Reads a JSON Lines file. Its columns are those of the first block of rows that is read from its beginning.

    :raises SourceError: the last line is cut off; of a compressed file that is not known before it is read.
    """

    count: int | None = None

    def __init__(self, file: File) -> None:
        self.columns: tuple[str, ...] | None = None
        self._file = file
        if not file.compression:
            _check_last_line(file)

    def read(
        self, *, block_rows: int, first_row: int = 0, span: Span = WHOLE, after: str | None = None
    ) -> Iterator[DictBlock]:
        """
        Read the file in blocks. A line that is no JSON object is a row with a problem.

        :raises SourceError: a line is not UTF-8, no row of the first block has a key, or no row
            is at ``after``.
        """
        from_the_start = after is None and span.start is None
        with self._file.open() as stream:
            for block in self._blocks(self._lines(stream, span, after), block_rows, first_row):
                if self.columns is None and from_the_start:
                    self.columns = keys_of(block.rows)
                    if not self.columns:
                        raise SourceError(f"{self._file.name}: the rows have no columns")
                yield block

    def cuts(self, *, step: int, most: int) -> Cuts:
        """Find where the file can be cut, in one pass."""
        with self._file.open() as stream:
            offsets = (offset for _, offset, _ in self._lines(stream, WHOLE, None))
            return cuts_of_text(offsets, step=step, most=most)

    def _lines(
        self, stream: BinaryIO, span: Span, after: str | None
    ) -> Iterator[tuple[int | None, int, bytes]]:
        """Read the lines that are rows: number, unknown after a seek; offset; text."""
        offset, number = 0, 0
        sought = after is not None or span.start is not None
        if sought:
            offset = line_at(self._file, stream, str(span.start) if after is None else after, span)
        if after is not None:
            line = stream.readline()
            if not line.strip():
                raise no_row(self._file, after)
            offset += len(line)
        for line in stream:
            if span.end is not None and offset >= span.end:
                return
            start, offset, number = offset, offset + len(line), number + 1
            text = line if start else line.removeprefix(_BOM)
            if text and not text.isspace():
                yield None if sought else number, start, text

    def _blocks(
        self, lines: Iterable[tuple[int | None, int, bytes]], block_rows: int, first_row: int
    ) -> Iterator[DictBlock]:
        rows: list[dict[str, Any]] = []
        positions: list[str] = []
        raw: dict[int, Any] = {}
        problems: dict[int, str] = {}
        size = 0
        for number, offset, text in lines:
            row, problem = self._row(text, number, offset)
            if problem:
                problems[len(rows)] = problem
                raw[len(rows)] = row
                row = {}
            rows.append(row)
            positions.append(str(offset))
            size += len(text)
            if len(rows) == block_rows or size >= BLOCK_BYTES:
                yield DictBlock(first_row, rows, positions, problems, raw, self._file.uri)
                first_row += len(rows)
                rows, positions, raw, problems, size = [], [], {}, {}, 0
        if rows:
            yield DictBlock(first_row, rows, positions, problems, raw, self._file.uri)

    def _row(self, line: bytes, number: int | None, offset: int) -> tuple[Any, str]:
        try:
            row = loads(line)
        except ValueError as error:
            try:
                text = line.decode().rstrip("\r\n")
            except UnicodeDecodeError as wrong:
                raise not_utf8(self._file, wrong, line=number, offset=offset) from None
            return text, f"the line is not JSON ({where(number, offset)}): {error}"
        if isinstance(row, dict):
            return row, ""
        return row, f"the line is a {type(row).__name__}, not an object ({where(number, offset)})"


def _check_last_line(file: File) -> None:
    with file.open() as stream:
        last, offset = _last_line(stream)
        if not last.strip():
            return  # what ends with a line break was written to its end
        try:
            loads(last.removeprefix(_BOM))
        except ValueError:
            line = 1 + _line_breaks(stream, offset)
            raise SourceError(
                f"{file.name} is cut off: "
                f"its last line, {line} (byte {offset}), ends in the middle of an object",
                hint="Write the file again, or drop that line.",
            ) from None


def _last_line(stream: BinaryIO) -> tuple[bytes, int]:
    """Return what follows the last line break, and where it begins."""
    size = start = stream.seek(0, os.SEEK_END)
    tail, step = b"", _STEP_BYTES
    while start > 0 and b"\n" not in tail:
        start = max(0, start - step)
        step *= 2
        stream.seek(start)
        tail = stream.read(size - start)
    last = tail.rpartition(b"\n")[2]
    return last, size - len(last)


def _line_breaks(stream: BinaryIO, end: int) -> int:
    stream.seek(0)
    found = 0
    while end > 0:
        chunk = stream.read(min(_STEP_BYTES, end))
        found += chunk.count(b"\n")
        end -= len(chunk)
    return found
