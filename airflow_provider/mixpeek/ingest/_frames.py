"""Data frames, through narwhals: one reading of pandas, polars, Arrow and whatever else it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import narwhals.stable.v2 as nw
from narwhals.exceptions import DuplicateError

from airflow_provider.mixpeek.ingest._cells import as_it_came, cells
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import (
    Place,
    name_of,
    other_columns,
    refuse_place,
    rows_of_a_block,
)

Frame = nw.DataFrame[Any]


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Some rows of a frame."""

    first_row: int
    frame: Frame
    positions: Sequence[str] | None = None
    uri: str | None = None
    problems: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> Sequence[Any]:
        """Read a column; a cell that cannot be read is its row's problem."""
        return cells(self.frame.get_column(name))

    def row(self, index: int) -> dict[str, Any]:
        """Return one row as it came."""
        # Column by column: a row of a pandas frame would turn integers beside floats into floats.
        one = self.frame[index : index + 1]
        return {name: as_it_came(one.get_column(name)) for name in one.columns}


def _cut(frame: Frame, first_row: int, block_rows: int) -> Iterator[FrameBlock]:
    rows = len(frame)
    step = rows_of_a_block(block_rows, rows=rows, size=_size(frame))
    for start in range(0, rows, step):
        yield FrameBlock(first_row + start, frame[start : start + step])


class FrameSource:
    """A frame in memory."""

    kind: Literal["frame"] = "frame"
    seeks = False
    rereadable = True

    def __init__(self, frame: Frame, *, uri: str | None) -> None:
        self.uri = uri
        self.name = name_of(frame.to_native(), uri)
        self.columns: tuple[str, ...] | None = tuple(frame.columns)
        self.frame = frame

    def fingerprint(self) -> None:
        """Rows in memory have none."""

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[FrameBlock]:
        """Cut the frame into blocks, without copying where its library can."""
        refuse_place(after)
        return _cut(self.frame, 0, block_rows)


class FramesSource:
    """
    Frames that come one after another, all with the columns of the first.

    :param first: The first, opened.
    :param rest: Those that follow, as they come.
    """

    kind: Literal["frame"] = "frame"
    seeks = False
    rereadable = False

    def __init__(self, first: FrameSource, rest: Iterator[Any], *, uri: str | None) -> None:
        self.uri = uri
        self.name = name_of(rest, uri)
        self.columns = first.columns
        self._first = first
        self._rest = rest

    def fingerprint(self) -> None:
        """Rows in memory have none."""

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[FrameBlock]:
        """
        Read frame by frame; frames of more rows are cut.

        :raises SourceError: what comes is no frame, or one of other columns.
        """
        refuse_place(after)
        first_row = 0
        for number, opened in enumerate(chain([self._first], map(self._opened, self._rest))):
            self._check(opened, f"frame {number}, from row {first_row} on,")
            yield from _cut(opened.frame, first_row, block_rows)
            first_row += len(opened.frame)

    def _opened(self, frame: Any) -> FrameSource:
        opened = frame_source(frame, uri=None)
        if opened is None:
            raise SourceError(f"among the frames is a {type(frame).__name__}, which is none")
        return opened

    def _check(self, opened: FrameSource, name: str) -> None:
        other = other_columns(self.columns or (), opened.columns or ())
        if other:
            raise SourceError(
                f"{name} has other columns than the first: {other}", hint="Give every frame the same columns."
            )


class BatchReaderSource:
    """A ``pyarrow.RecordBatchReader``: batches that come one after another."""

    kind: Literal["frame"] = "frame"
    seeks = False
    rereadable = False

    def __init__(self, reader: Any, *, uri: str | None) -> None:
        check_columns(reader.schema.names)
        self.uri = uri
        self.name = name_of(reader, uri)
        self.columns: tuple[str, ...] | None = tuple(reader.schema.names)
        self._reader = reader

    def fingerprint(self) -> None:
        """Rows in memory have none."""

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[FrameBlock]:
        """Read batch by batch; batches of more rows are cut."""
        refuse_place(after)
        first_row = 0
        for batch in self._reader:
            yield from _cut(arrow_frame([batch]), first_row, block_rows)
            first_row += len(batch)


def frame_source(rows: Any, *, uri: str | None) -> FrameSource | None:
    """
    Open a frame.

    :return: None where it is no frame.
    :raises SourceError: it is a lazy frame or a single column, or its columns have no usable names.
    """
    if type(rows).__name__ == "RecordBatch" and type(rows).__module__.startswith("pyarrow"):
        rows = _table([rows])
    try:
        found = nw.from_native(rows, pass_through=True, allow_series=True)
    except DuplicateError as error:
        raise _duplicates(str(error).partition("\n- ")[2].replace("\n- ", ", ")) from None
    if isinstance(found, nw.LazyFrame):
        raise SourceError(
            "the frame is lazy: it holds a query, not rows",
            hint="Call .collect() on it first (.compute() in Dask, .to_arrow_table() in DuckDB).",
        )
    if isinstance(found, nw.Series):
        raise SourceError("a single column is no table", hint="Call .to_frame() on it, and name the column.")
    if not isinstance(found, nw.DataFrame):
        return None
    check_columns(found.columns)
    return FrameSource(found, uri=uri)


def _table(batches: Sequence[Any]) -> Any:
    import pyarrow  # type: ignore[import-untyped]

    return pyarrow.Table.from_batches(batches)


def arrow_frame(batches: Sequence[Any]) -> Frame:
    """Take record batches of one schema, at least one, as a frame."""
    return nw.from_native(_table(batches), eager_only=True)


def check_columns(names: Sequence[Any]) -> None:
    """
    Refuse column names that a mapping cannot name.

    :raises SourceError: there is none, one is no text, or one comes twice.
    """
    if not names:
        raise SourceError(
            "the rows have no columns", hint="The index of a pandas frame is not one: call .reset_index()."
        )
    odd = [name for name in names if not isinstance(name, str)]
    if any(isinstance(name, tuple) for name in odd):
        raise SourceError(
            f"the columns have several levels (a MultiIndex), such as {odd[0]!r}",
            hint='Flatten them: frame.columns = ["_".join(map(str, name)) for name in frame.columns].',
        )
    if odd:
        raise SourceError(
            f"the column names {', '.join(map(repr, odd[:5]))} are of type {type(odd[0]).__name__}",
            hint="Name columns by texts: frame.columns = frame.columns.map(str).",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _duplicates(", ".join(map(repr, twice[:5])))


def _duplicates(names: str) -> SourceError:
    return SourceError(
        f"columns come more than once: {names}", hint="Rename them, so that each name means one column."
    )


def _size(frame: nw.DataFrame[Any]) -> int | float:
    """Bytes of a frame; 0 where they cannot be told: Arrow's views, before pyarrow 24."""
    try:
        return frame.estimated_size()
    except TypeError:
        return 0
