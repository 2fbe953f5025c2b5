"""
Where rows come from: data frames, dicts, files, all read as blocks of columns.

This module knows what is what; each kind is read in a module of its own, imported when it is needed, so that
importing this one pulls in neither pandas nor pyarrow nor narwhals.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from airflow_provider.mixpeek.ingest._errors import SourceError

_SOURCES = (
    "Rows are a pandas, polars or pyarrow frame, a list or iterator of dicts, "
    "or the path of a Parquet, CSV or JSON Lines file."
)

#: Bytes of a block as it is read, about: rows that hold whole files are read a few at a time.
BLOCK_BYTES = 8_000_000


def rows_of_a_block(most: int, *, rows: int, size: float) -> int:
    """
    How many rows a block may have.

    :param most: The most, where rows are small.
    :param rows: How many there are,
    :param size: and how many bytes all of them have.
    """
    return max(1, min(most, int(BLOCK_BYTES * rows / max(size, 1))))


class Place(NamedTuple):
    """
    Where a row of a file stands, as a checkpoint keeps it.

    :param row: The row's number in the source, from 0.
    :param uri: Of its file, as the block it came in has it.
    :param position: In that file, as the block has it.
    """

    row: int
    uri: str
    position: str


class Block(Protocol):
    """Some rows of a source, column by column."""

    @property
    def first_row(self) -> int:
        """Number of the block's first row in the source, counted from 0."""

    @property
    def positions(self) -> Sequence[str] | None:
        """
        Where each row stands, for files only: ``<row group>:<row>`` in Parquet, the byte offset in CSV and
        JSON Lines.
        """

    @property
    def problems(self) -> Mapping[int, str]:
        """Rows that cannot be read: index in the block -> why."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Sequence[Any]:
        """
        Read a column, one value a row.

        Values are as the reader has them, so absent ones may still be NaN, NaT or pandas.NA: what
        :func:`~airflow_provider.mixpeek.ingest._values.plain_column` takes. In CSV the empty cell, and no
        other, is None. A row that has a problem is None. A cell that is damaged, or of a kind that Python
        cannot hold, is :class:`~airflow_provider.mixpeek.ingest._values.Unreadable`.
        """

    def row(self, index: int) -> dict[str, Any]:
        """Return one row as it came, with all its columns."""


class Source(Protocol):
    """
    Rows to be read once, front to back.

    Opening a source checks what can be known without reading it through.
    """

    @property
    def kind(self) -> Literal["frame", "rows", "file"]:
        """What it is; keys by position are for files."""

    @property
    def uri(self) -> str | None:
        """Normalised URI of a file, or the name the user gave; None for rows in memory without a name."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """
        Every column, in order.

        None where only the rows know (an iterator of dicts, JSON Lines) and no block was read yet; then the
        columns of the first block.
        """

    def blocks(self, *, block_rows: int) -> Iterator[Block]:
        """
        Read the rows in blocks of at most ``block_rows`` and about :data:`BLOCK_BYTES`, but at least a row;
        memory is bounded by a block where the source streams. Sources without rows have no block.

        :raises SourceError: the source is damaged further on.
        """


def open_source(rows: Any, *, source_name: str | None = None) -> Source:
    """
    Find out what kind of rows these are.

    :param rows: A frame (pandas, polars, pyarrow, or any that narwhals reads eagerly; the index of a pandas
        frame is not a column: ``reset_index()`` makes it one), a list or iterator of dicts, or a file as
        text, ``Path`` or ``file://`` URL, recognised by its suffix: ``.parquet .pq .csv .jsonl .ndjson``.
    :param source_name: A name that stands for the source, wherever it is read from; in place of a file's URI.
    :raises SourceError: it is none of these, or what can be known of it at once is wrong.
    """
    if isinstance(rows, str | Path):
        from airflow_provider.mixpeek.ingest._files import open_file

        return open_file(rows, source_name=source_name)
    _refuse_what_only_looks_like_rows(rows)
    if isinstance(rows, list | tuple):
        from airflow_provider.mixpeek.ingest._dicts import ListSource

        return ListSource(rows, uri=source_name)
    package = type(rows).__module__.partition(".")[0]
    if isinstance(rows, Iterator) and package == "pyarrow":
        from airflow_provider.mixpeek.ingest._frames import BatchReaderSource

        return BatchReaderSource(rows, uri=source_name)
    if isinstance(rows, Iterator) or (isinstance(rows, Sequence) and not hasattr(rows, "dtype")):
        from airflow_provider.mixpeek.ingest._dicts import IteratorSource

        return IteratorSource(rows, uri=source_name)
    from airflow_provider.mixpeek.ingest._frames import frame_source

    source = frame_source(rows, uri=source_name)
    if source is not None:
        return source
    if isinstance(rows, Iterable) and not hasattr(rows, "dtype"):
        from airflow_provider.mixpeek.ingest._dicts import IteratorSource

        return IteratorSource(rows, uri=source_name)
    raise SourceError(f"{_kind(rows)} is no source of rows", hint=_SOURCES)


def _refuse_what_only_looks_like_rows(rows: Any) -> None:
    if rows is None:
        raise SourceError("rows is None", hint=f"Did the task before return nothing? {_SOURCES}")
    if inspect.isawaitable(rows) or isinstance(rows, AsyncIterator):
        raise SourceError(f"{_kind(rows)} is asynchronous", hint="Await it first and pass what it returns.")
    if isinstance(rows, Mapping):
        raise SourceError(
            "a single dict is no source of rows",
            hint="Put one row into a list; for a dict of columns pass pandas.DataFrame(rows).",
        )
    if isinstance(rows, Set):
        raise SourceError(f"{_kind(rows)} has no order, so its rows have no numbers", hint="Pass a list.")
    if isinstance(rows, bytes | bytearray | memoryview) or hasattr(rows, "read"):
        raise SourceError(f"{_kind(rows)} is no source of rows", hint="Pass the file's path.")


def _kind(rows: Any) -> str:
    kind = type(rows)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
