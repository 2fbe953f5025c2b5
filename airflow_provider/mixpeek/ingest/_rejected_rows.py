"""
Rejected rows as files: JSON Lines in parts, which ``rows=`` takes again after somebody fixed them in place.

A line is an object: ``row`` (its number in the source), ``uri`` and ``position`` (where it is, for files),
``column``, ``reason``, ``error_type``, and ``values``, the row as it came, in the form of ``_tagged``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from airflow_provider.mixpeek.ingest._dicts import DictBlock, keys_of
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._json_text import dumps, loads
from airflow_provider.mixpeek.ingest._part_files import Part, PartWriter, find_parts, without_credentials
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES
from airflow_provider.mixpeek.ingest._tagged import decode, encode

KIND = "rejected"


class RejectedRowsWriter(PartWriter[bytes]):
    """
    Writes rejected rows, as ``<prefix>-<first row>.rejected.jsonl``.

    :param where: The directory; see :func:`~airflow_provider.mixpeek.ingest._part_files.open_folder`.
    :param prefix: Names the load.
    :raises MixpeekConfigError: that is no directory.
    """

    def __init__(self, where: str | os.PathLike[str], *, prefix: str) -> None:
        super().__init__(where, prefix=prefix, kind=KIND, extension="jsonl")

    def add(self, rejected: RejectedRow, *, uri: str | None = None, position: str | None = None) -> None:
        """
        Take a row, which is written when its part is closed. Rows may come in any order.

        :param uri: The file that it is from,
        :param position: and where it stands in it.
        """
        line = {
            "row": rejected.row,
            "uri": uri and without_credentials(uri),
            "position": position,
            "column": rejected.column,
            "reason": rejected.reason,
            "error_type": rejected.error_type,
            "values": rejected.values,
        }
        # At once: the row's block need not be kept for it.
        self._add(rejected.row, dumps({name: encode(value) for name, value in line.items()}) + b"\n")

    def _content(self, items: Sequence[bytes]) -> bytes:
        return b"".join(items)


class _Line(NamedTuple):
    """A line that was read: its row, or why there is none."""

    position: str
    values: dict[str, Any]
    problem: str
    raw: Any


class RejectedRowsSource:
    """
    The rows of a directory of parts, or of one part, in the order of their loads and rows. Lines that were
    emptied or removed are no rows; one that cannot be read is a row with a problem.

    A position is the load's prefix and the number that the row had there, and the URI is the directory's: a
    row has the same key whichever lines around it are removed, and whether all parts are read or one alone.

    Its columns are those of the first block.

    :param where: The directory or the part.
    :raises SourceError: there are no parts.
    :raises MixpeekConfigError: that is no place that fsspec knows.
    """

    kind: Literal["file"] = "file"

    def __init__(self, where: str | os.PathLike[str], *, source_name: str | None = None) -> None:
        self._parts = find_parts(where, kind=KIND)
        self.uri: str | None = source_name or self._parts[0].folder.uri
        self.columns: tuple[str, ...] | None = None

    def blocks(self, *, block_rows: int) -> Iterator[DictBlock]:
        """
        Read the rows in blocks.

        :raises SourceError: a part cannot be read, or no row of the first block has a column.
        """
        first_row = 0
        for lines in self._batches(block_rows):
            block = DictBlock(
                first_row,
                [line.values for line in lines],
                [line.position for line in lines],
                {index: line.problem for index, line in enumerate(lines) if line.problem},
                {index: line.raw for index, line in enumerate(lines) if line.problem},
            )
            if self.columns is None:
                self.columns = keys_of(block.rows)
                if not self.columns:
                    raise SourceError(f"{self.uri}: the rows have no columns")
            yield block
            first_row += len(block)

    def _batches(self, most: int) -> Iterator[list[_Line]]:
        batch: list[_Line] = []
        size = 0
        for part in self._parts:
            for text, line in _lines(part):
                batch.append(line)
                size += len(text)
                if len(batch) == most or size >= BLOCK_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch


def _lines(part: Part) -> Iterator[tuple[bytes, _Line]]:
    with part.open() as file, part.reading():
        for number, text in enumerate(file, 1):
            if text.strip():
                yield text, _line(part, number, text)


def _line(part: Part, number: int, text: bytes) -> _Line:
    try:
        row, values = _parsed(text)
    except (RecursionError, ValueError) as error:
        problem = f"line {number} of {part.name} cannot be read: {error}"
        return _Line(f"{part.name}:{number}", {}, problem, text.decode(errors="replace").rstrip("\r\n"))
    return _Line(f"{part.prefix}:{row}", values, "", None)


def _parsed(text: bytes) -> tuple[int, dict[str, Any]]:
    line = loads(text)
    if not isinstance(line, dict) or type(line.get("row")) is not int:
        raise ValueError("it is no object with a number 'row'")
    values = decode(line.get("values"))
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError("its 'values' are no object, column to cell")
    return line["row"], values
