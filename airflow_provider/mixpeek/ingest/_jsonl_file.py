"""JSON Lines: one object a line. Blank lines are no rows; a position is the offset of a line's first byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

from airflow_provider.mixpeek.ingest._dicts import DictBlock, keys_of
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import not_utf8
from airflow_provider.mixpeek.ingest._json_text import loads
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES

_BOM = b"\xef\xbb\xbf"
_STEP_BYTES = 64 * 1024


class JsonLinesSource:
    """
    A JSON Lines file. Its columns are those of the first block.

    :raises SourceError: the last line is cut off.
    """

    kind: Literal["file"] = "file"

    def __init__(self, path: Path, *, uri: str) -> None:
        self.uri: str | None = uri
        self.columns: tuple[str, ...] | None = None
        self._path = path
        _check_last_line(path)

    def blocks(self, *, block_rows: int) -> Iterator[DictBlock]:
        """
        Read the file in blocks. A line that is no JSON object is a row with a problem.

        :raises SourceError: a line is not UTF-8, or no row of the first block has a key.
        """
        first_row = 0
        for block in self._read(block_rows):
            if self.columns is None:
                self.columns = keys_of(block.rows)
                if not self.columns:
                    raise SourceError(f"{self._path}: the rows have no columns")
            yield block
            first_row += len(block)

    def _read(self, block_rows: int) -> Iterator[DictBlock]:
        first_row, offset, begin = 0, 0, 0
        rows: list[dict[str, Any]] = []
        positions: list[str] = []
        raw: dict[int, Any] = {}
        problems: dict[int, str] = {}
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start, offset = offset, offset + len(line)
                text = line.removeprefix(_BOM) if start == 0 else line
                if text.isspace() or not text:
                    continue
                row, problem = self._row(text, number, start)
                if problem:
                    problems[len(rows)] = problem
                    raw[len(rows)] = row
                    row = {}
                rows.append(row)
                positions.append(str(start))
                if len(rows) == block_rows or offset - begin >= BLOCK_BYTES:
                    begin = offset
                    yield DictBlock(first_row, rows, positions, problems, raw)
                    first_row += len(rows)
                    rows, positions, raw, problems = [], [], {}, {}
        if rows:
            yield DictBlock(first_row, rows, positions, problems, raw)

    def _row(self, line: bytes, number: int, offset: int) -> tuple[Any, str]:
        try:
            row = loads(line)
        except ValueError as error:
            try:
                text = line.decode().rstrip("\r\n")
            except UnicodeDecodeError as wrong:
                raise not_utf8(self._path, wrong, line=number, offset=offset) from None
            return text, f"the line is not JSON (line {number}, byte {offset}): {error}"
        if isinstance(row, dict):
            return row, ""
        return row, f"the line is a {type(row).__name__}, not an object (line {number}, byte {offset})"


def _check_last_line(path: Path) -> None:
    with path.open("rb") as file:
        last, offset = _last_line(file)
        if not last.strip():
            return  # what ends with a line break was written to its end
        try:
            loads(last.removeprefix(_BOM))
        except ValueError:
            line = 1 + _line_breaks(file, offset)
            raise SourceError(
                f"{path} is cut off: its last line, {line} (byte {offset}), ends in the middle of an object",
                hint="Write the file again, or drop that line.",
            ) from None


def _last_line(file: BinaryIO) -> tuple[bytes, int]:
    """Return what follows the last line break, and where it begins."""
    size = start = file.seek(0, os.SEEK_END)
    tail, step = b"", _STEP_BYTES
    while start > 0 and b"\n" not in tail:
        start = max(0, start - step)
        step *= 2
        file.seek(start)
        tail = file.read(size - start)
    last = tail.rpartition(b"\n")[2]
    return last, size - len(last)


def _line_breaks(file: BinaryIO, end: int) -> int:
    file.seek(0)
    found = 0
    while end > 0:
        chunk = file.read(min(_STEP_BYTES, end))
        found += chunk.count(b"\n")
        end -= len(chunk)
    return found
