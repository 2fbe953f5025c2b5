"""Rows that are dicts, in a list or from an iterator; an iterator of frames is handed on to their reader."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import (
    BLOCK_BYTES,
    Block,
    Place,
    Source,
    name_of,
    refuse_place,
)
from airflow_provider.mixpeek.ingest._values import Unreadable

_LARGE = frozenset({bytes, str})


@dataclass(frozen=True, slots=True)
class DictBlock:
    """Rows as dicts. A row that is none, or cannot be read, is empty here and named in ``problems``."""

    first_row: int
    rows: Sequence[Mapping[str, Any]]
    positions: Sequence[str] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)
    raw: Mapping[int, Any] = field(default_factory=dict)
    uri: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Sequence[Any]:
        """Read a column; a row without the key is None."""
        try:
            return [row.get(name) for row in self.rows]
        except Exception:  # noqa: BLE001 - whatever a foreign mapping raises; each row by itself tells which did
            return [_cell(row, name) for row in self.rows]

    def row(self, index: int) -> dict[str, Any]:
        """Return one row; what is no dict stands under the key ``row``."""
        if index in self.raw:
            return {"row": self.raw[index]}
        row = self.rows[index]
        try:
            return dict(row)
        except Exception:  # noqa: BLE001 - as in column(); what can be read of it is told
            return {name: _cell(row, name) for name in _keys(row)}


def _cell(row: Mapping[str, Any], name: str) -> Any:
    try:
        return row.get(name)
    except Exception as error:  # noqa: BLE001 - it is told as the row's problem
        return Unreadable(f"it cannot be read: {type(error).__name__}: {error}")


def keys_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Collect the keys of rows in the order in which they are first seen."""
    try:
        return tuple(dict.fromkeys(chain.from_iterable(rows)))
    except Exception:  # noqa: BLE001 - as in DictBlock.column(); the others have keys all the same
        return tuple(dict.fromkeys(chain.from_iterable(map(_keys, rows))))


def _keys(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(dict.fromkeys(row))
    except Exception:  # noqa: BLE001 - its cells may be had all the same, by the keys of other rows
        return ()


class ListSource:
    """
    A list or tuple of dicts.

    :raises SourceError: no element is a dict, a key is no text, or no row has a key.
    """

    kind: Literal["rows"] = "rows"

    seeks = False
    rereadable = True

    def __init__(self, rows: Sequence[Any], *, uri: str | None) -> None:
        self.uri = uri
        self.name = name_of(rows, uri)
        self._rows = rows
        dicts = rows if set(map(type, rows)) <= {dict} else [row for row in rows if isinstance(row, Mapping)]
        if rows and not dicts:
            raise _no_dicts(rows[0])
        self.columns: tuple[str, ...] | None = _checked_keys(dicts)

    def fingerprint(self) -> None:
        """Rows in memory have none."""

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[DictBlock]:
        """Read the rows in blocks."""
        refuse_place(after)
        rows = iter(self._rows)
        first_row = 0
        while taken := _take(rows, block_rows):
            yield _block(first_row, taken)
            first_row += len(taken)


class IteratorSource:
    """
    Dicts, or frames, that come one after another.

    Its columns are those of the first block of dicts, or of the first frame.
    """

    kind: Literal["rows"] = "rows"
    seeks = False

    def __init__(self, rows: Iterable[Any], *, uri: str | None) -> None:
        self.uri = uri
        self.name = name_of(rows, uri)
        self.columns: tuple[str, ...] | None = None
        # What only iterates may do so once.
        self.rereadable = isinstance(rows, Collection)
        self._rows = rows

    def fingerprint(self) -> None:
        """Rows in memory have none."""

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[Block]:
        """
        Take the rows in blocks.

        :raises SourceError: what comes first is neither dict nor frame, or has no usable columns; a frame has
            other columns than the first.
        """
        refuse_place(after)
        rows = iter(self._rows)
        first = list(islice(rows, 1))
        if first and not isinstance(first[0], Mapping) and (frames := self._frames(first[0], rows)):
            return frames.blocks(block_rows=block_rows)
        return self._dicts(chain(first, rows), block_rows)

    def _frames(self, first: Any, rows: Iterator[Any]) -> Source | None:
        from airflow_provider.mixpeek.ingest._frames import FramesSource, frame_source

        opened = frame_source(first, uri=None)
        if opened is None:
            return None
        self.columns = opened.columns
        return FramesSource(opened, rows, uri=self.uri)

    def _dicts(self, rows: Iterator[Any], block_rows: int) -> Iterator[DictBlock]:
        first_row = 0
        while taken := _take(rows, block_rows):
            block = _block(first_row, taken)
            if self.columns is None:
                if len(block.raw) == len(taken):
                    raise _no_dicts(taken[0])
                self.columns = _checked_keys(block.rows)
            yield block
            first_row += len(taken)


def _take(rows: Iterator[Any], most: int) -> list[Any]:
    taken: list[Any] = []
    size = 0
    for row in islice(rows, most):
        taken.append(row)
        size += _weight(row)
        if size >= BLOCK_BYTES:
            break
    return taken


def _weight(row: Any) -> int:
    """Bytes of what can be large in a row: files and texts."""
    if not isinstance(row, Mapping):
        return 0
    try:
        return sum([len(cell) for cell in row.values() if type(cell) in _LARGE])
    except Exception:  # noqa: BLE001 - as in DictBlock.column(), which tells it as this row's problem
        return 0


def _block(first_row: int, rows: Sequence[Any]) -> DictBlock:
    if set(map(type, rows)) <= {dict}:
        return DictBlock(first_row, rows)
    raw = {index: row for index, row in enumerate(rows) if not isinstance(row, Mapping)}
    return DictBlock(
        first_row,
        [{} if index in raw else row for index, row in enumerate(rows)],
        problems={index: f"the row is a {type(row).__name__}, not a dict" for index, row in raw.items()},
        raw=raw,
    )


def _checked_keys(rows: Sequence[Mapping[Any, Any]]) -> tuple[str, ...]:
    columns = keys_of(rows)
    for column in columns:
        if not isinstance(column, str):
            number = next(number for number, row in enumerate(rows) if column in _keys(row))
            raise SourceError(
                f"the row {number} has the key {column!r}, a {type(column).__name__}",
                hint="Columns are named by texts: {str(key): value for key, value in row.items()}.",
            )
    if rows and not columns:
        raise SourceError("the rows have no columns: every dict is empty, or its keys cannot be read")
    return columns


def _no_dicts(row: Any) -> SourceError:
    return SourceError(
        f"the rows are of type {type(row).__name__}, not dicts",
        hint="Turn each into a dict: dict(zip(names, row)), row._asdict(), row.model_dump().",
    )
