"""
Where rows come from: data frames, dicts, files, all read as blocks of columns.

This module knows what is what; each kind is read in a module of its own, imported when it is needed, so that
importing this one pulls in neither pandas nor pyarrow nor narwhals.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple, Protocol

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._locations import brings_file_system

_SOURCES = (
    "Rows are a pandas, polars or pyarrow frame, a list or iterator of dicts, an iterator of frames, "
    "or the path or URL of Parquet, CSV or JSON Lines: of a file, of a folder, or a glob."
)

#: Rows that are read and converted at a time: as fast as larger blocks, and what a run holds in memory beside
#: the requests that wait.
BLOCK_ROWS = 1_000

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
    def uri(self) -> str | None:
        """What stands for the file that the rows are from; None where they are from none."""

    @property
    def positions(self) -> Sequence[str] | None:
        """
        Where each row stands in its file, for files only: ``<row group>:<row>`` in Parquet, the byte offset
        in CSV and JSON Lines.
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
    Rows to be read front to back.

    Opening a source checks what can be known without reading it through.
    """

    @property
    def kind(self) -> Literal["frame", "rows", "file"]:
        """What it is; keys by position are for files."""

    @property
    def uri(self) -> str | None:
        """
        The name the user gave, or what stands for the files: the normalised URI of a file, a folder or a
        glob; for a part, with what of it is read. None for rows in memory without a name.
        """

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def seeks(self) -> bool:
        """Whether reading can begin after a row: files."""

    @property
    def rereadable(self) -> bool:
        """Whether :meth:`blocks` can be called again and gives the same rows: all but iterators."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """
        Every column, in order.

        None where only the rows know (an iterator of dicts, JSON Lines) and no block was read yet; then the
        columns of the first block.
        """

    def fingerprint(self) -> dict[str, Any] | None:
        """
        Return what changes when the content of files does, as small JSON; None for what is no file.

        It is that of the time at which the source was opened. The time of a file's last change is part of it
        where its file system knows nothing better.
        """

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[Block]:
        """
        Read the rows in blocks of at most ``block_rows`` and about :data:`BLOCK_BYTES`, but at least a row;
        memory is bounded by a block where the source streams. Sources without rows have no block.

        :param after: Begin with the row behind this one, which has the next number. Only where :attr:`seeks`.
        :raises SourceError: the source is damaged further on; there is no such place.
        :raises ValueError: the source does not seek.
        """


def refuse_place(after: Place | None) -> None:
    """Refuse to begin anywhere but at the beginning."""
    if after is not None:
        raise ValueError("only files can be read from a row on")


def check_source_name(name: str | None) -> None:
    """
    See that a name can be told and written down.

    :raises SourceError: it is a URL with a user and password, or with a query.
    """
    from airflow_provider.mixpeek.ingest._part_files import without_credentials

    if name is not None and without_credentials(name) != name:
        raise SourceError(
            "the source_name is a URL with a user and password, or with a query, and would be written down",
            hint="Give a name without them.",
        )


def open_source(rows: Any, *, source_name: str | None = None) -> Source:
    """
    Find out what kind of rows these are.

    :param rows: A frame (pandas, polars, pyarrow, or any that narwhals reads eagerly; the index of a pandas
        frame is not a column: ``reset_index()`` makes it one), a list or iterator of dicts, an iterator of
        frames; files: the path or URL (any that fsspec reads) of one, of a folder, or a glob, as text,
        ``os.PathLike`` or Airflow's ``ObjectStoragePath``, be it data or rejected rows of an earlier load; or
        a part that :func:`~airflow_provider.mixpeek.ingest.split_source` made.
    :param source_name: A name that stands for the source, wherever it is read from; in place of the URI of a
        file, a folder, or a glob's fixed leading part.
    :raises SourceError: it is none of these, or what can be known of it at once is wrong.
    """
    from airflow_provider.mixpeek.ingest._parts import PART, SourcePart, open_part

    check_source_name(source_name)
    if isinstance(rows, SourcePart) or (isinstance(rows, Mapping) and PART in rows):
        return open_part(SourcePart.of(rows), source_name=source_name)
    if is_path(rows):
        from airflow_provider.mixpeek.ingest._file_source import open_path

        return open_path(rows, source_name=source_name)
    _refuse_what_only_looks_like_rows(rows)
    if isinstance(rows, list | tuple):
        from airflow_provider.mixpeek.ingest._dicts import ListSource

        return ListSource(rows, uri=source_name)
    package = type(rows).__module__.partition(".")[0]
    if package == "pyarrow" and type(rows).__name__ == "RecordBatchReader":
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


def is_path(rows: Any) -> bool:
    """Whether it is a path or URL, or one of Airflow's or of universal_pathlib that bring a file system."""
    return isinstance(rows, str | os.PathLike) or brings_file_system(rows)


def other_columns(expected: Sequence[str], found: Sequence[str]) -> str:
    """Say which columns are missing and which are too many; empty where they are the same, in any order."""
    lacking = [name for name in expected if name not in set(found)]
    adding = [name for name in found if name not in set(expected)]
    return " and ".join(
        f"{what} {', '.join(map(repr, names[:5]))}{' ...' if len(names) > 5 else ''}"
        for what, names in (("it lacks", lacking), ("it adds", adding))
        if names
    )


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
    # Pandas reads files in chunks with readers that have a method of that name.
    is_file = hasattr(rows, "read") and not type(rows).__module__.startswith("pandas.")
    if isinstance(rows, bytes | bytearray | memoryview) or is_file:
        raise SourceError(f"{_kind(rows)} is no source of rows", hint="Pass the file's path.")


def name_of(rows: Any, uri: str | None) -> str:
    """What logs call rows in memory."""
    return uri or f"a {type(rows).__name__}"


def _kind(rows: Any) -> str:
    kind = type(rows)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
