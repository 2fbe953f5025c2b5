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
from airflow_provider.mixpeek.ingest._listing import Listed, combined
from airflow_provider.mixpeek.ingest._part_files import PartName, PartWriter, without_credentials
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES, Place, refuse_place
from airflow_provider.mixpeek.ingest._tagged import decode, encode

KIND = "rejected"
SUFFIX = f".{KIND}.jsonl"
_OF_A_RECEIPT = (".receipt.jsonl", ".receipt.parquet")


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
    The rows of parts of one directory, one part after the other. Lines that were emptied or removed are no
    rows; one that cannot be read is a row with a problem.

    A row's URI is the directory's. Its position is its load with the place in the file that it came from, or
    with the number that it had among rows that came from none: a row has the same key whichever lines around
    it are removed, whether all parts are read or one alone, and however the source was cut.

    Its columns are those of the first block.

    :param parts: At least one.
    :param uri: Of the directory.
    """

    kind: Literal["file"] = "file"
    seeks = False
    rereadable = True

    def __init__(self, parts: Sequence[Listed], *, uri: str) -> None:
        self._parts = parts
        self.uri: str | None = uri
        self.name = f"{uri} (rejected rows, {len(parts):,} files)"
        self.columns: tuple[str, ...] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """Return what changes when a part does, or when there are other parts."""
        return combined([(part.location.uri, part.fingerprint) for part in self._parts])

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[DictBlock]:
        """
        Read the rows in blocks.

        :raises SourceError: a part cannot be read, or no row of the first block has a column.
        """
        refuse_place(after)
        first_row = 0
        for lines in self._batches(block_rows):
            block = DictBlock(
                first_row,
                [line.values for line in lines],
                [line.position for line in lines],
                {index: line.problem for index, line in enumerate(lines) if line.problem},
                {index: line.raw for index, line in enumerate(lines) if line.problem},
                self.uri,
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


def rejected_rows_in(found: Sequence[Listed], *, source_name: str | None) -> RejectedRowsSource | None:
    """
    Take files for rejected rows, if they are such. The receipt may lie beside them.

    :param found: At least one.
    :param source_name: Stands for their directory.
    :return: None where there are none among the files.
    :raises SourceError: there are others as well, or they are in several directories.
    """
    parts = [each for each in found if each.name.endswith(SUFFIX)]
    if not parts:
        return None
    others = [
        each for each in found if "/" in each.relative or not each.name.endswith((SUFFIX, *_OF_A_RECEIPT))
    ]
    if others:
        raise SourceError(
            f"{parts[0].location.name} holds rejected rows, and {others[0].location.name} is read with it",
            hint="Rejected rows are read by themselves, and those of one directory at a time.",
        )
    return RejectedRowsSource(parts, uri=source_name or parts[0].location.uri.rpartition("/")[0])


def _lines(part: Listed) -> Iterator[tuple[bytes, _Line]]:
    with part.location.open() as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield text, _line(part.name, number, text)


def _line(name: str, number: int, text: bytes) -> _Line:
    try:
        position, values = _parsed(name, text)
    except (RecursionError, ValueError) as error:
        problem = f"line {number} of {name} cannot be read: {error}"
        return _Line(f"{name}:{number}", {}, problem, text.decode(errors="replace").rstrip("\r\n"))
    return _Line(position, values, "", None)


def _parsed(name: str, text: bytes) -> tuple[str, dict[str, Any]]:
    line = loads(text)
    if not isinstance(line, dict) or type(line.get("row")) is not int:
        raise ValueError("it is no object with a number 'row'")
    values = decode(line.get("values"))
    if not isinstance(values, dict) or not all(isinstance(column, str) for column in values):
        raise ValueError("its 'values' are no object, column to cell")
    part = PartName.of(name)
    prefix = part.prefix if part else name.removesuffix(SUFFIX)
    if isinstance(line.get("uri"), str) and isinstance(line.get("position"), str):
        load = prefix.partition("-")[0]
        return f"{load}:{line['uri']}:{line['position']}", values
    return f"{prefix}:{line['row']}", values
