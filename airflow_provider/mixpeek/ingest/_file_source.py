"""Files as a source of rows: one, those of a folder or a glob, or a part of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import SUPPORTED, WHOLE, File, Reader, Span, file_at, reader_of
from airflow_provider.mixpeek.ingest._listing import Listed, combined, listed
from airflow_provider.mixpeek.ingest._locations import Location, locate
from airflow_provider.mixpeek.ingest._rejected_rows import RejectedRowsSource, rejected_rows_in
from airflow_provider.mixpeek.ingest._sources import Block, Place, other_columns

#: Files of an object store that are looked at side by side.
_LOOKS = 16


class Slice(NamedTuple):
    """What is read of one file."""

    file: File
    reader: Reader
    span: Span = WHOLE


class FilesSource:
    """
    Slices of files, one after another; their rows are numbered through.

    :param uri: What stands for all of them.
    :param name: What logs call it.
    :param slices: At least one, of files of one format and with the same columns.
    :param fingerprint: Of all the files.
    :param first_row: Number of the first row.
    :param columns: Given where the rows of the first slice are not the ones that decide.
    """

    kind: Literal["file"] = "file"
    seeks = True
    rereadable = True

    def __init__(
        self,
        *,
        uri: str,
        name: str,
        slices: Sequence[Slice],
        fingerprint: dict[str, Any],
        first_row: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self.uri: str | None = uri
        self.name = name
        self.slices = slices
        self._fingerprint = fingerprint
        self._first_row = first_row
        self._columns = columns

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Every column; None for JSON Lines of which nothing was read yet."""
        if self._columns is None:
            self._columns = next((each.reader.columns for each in self.slices if each.reader.columns), None)
        return self._columns

    def fingerprint(self) -> dict[str, Any]:
        """Return what changes when a file does, or when there are other files."""
        return self._fingerprint

    def know_columns(self, *, block_rows: int) -> tuple[str, ...] | None:
        """Find out the columns as reading from the beginning does, if need be by reading a block."""
        for each in self.slices:
            if self.columns is None:
                next(each.reader.read(block_rows=block_rows), None)
        return self.columns

    def blocks(self, *, block_rows: int, after: Place | None = None) -> Iterator[Block]:
        """
        Read the files in blocks, none across two files.

        :raises SourceError: a file is damaged, or the place is not in it.
        """
        position, first, number = None, 0, self._first_row
        if after is not None:
            # The mapping is held against the columns, so a run that goes on must have the same.
            self.know_columns(block_rows=block_rows)
            position, first, number = after.position, self._index_of(after.uri), after.row + 1
        for each in self.slices[first:]:
            for block in each.reader.read(
                block_rows=block_rows, first_row=number, span=each.span, after=position
            ):
                yield block
                number += len(block)
            position = None

    def _index_of(self, uri: str) -> int:
        for index, each in enumerate(self.slices):
            if each.file.uri == uri:
                return index
        raise SourceError(
            f"{self.name}: the file {uri}, at which reading was to go on, is not in it",
            hint="Was it removed, or renamed?",
        )


def open_path(rows: Any, *, source_name: str | None) -> FilesSource | RejectedRowsSource:
    """
    Open a file, or all files of a folder or a glob.

    :param rows: As for :func:`~airflow_provider.mixpeek.ingest._locations.locate`.
    :param source_name: Stands for the URI of the file or folder, or of a glob's fixed leading part.
    :raises SourceError: there is none, one cannot be read or is not what its suffix says, or they do not go
        together.
    """
    location = locate(rows)
    found = _found(location)
    rejected = rejected_rows_in(found, source_name=source_name)
    if rejected is not None:
        return rejected
    if not found[0].relative:
        file = file_at(location, uri=source_name or location.uri)
        return FilesSource(
            uri=file.uri,
            name=file.uri,
            slices=[Slice(file, reader_of(file))],
            fingerprint=found[0].fingerprint,
        )
    return FilesSource(
        uri=source_name or location.uri,
        name=f"{source_name or location.uri} ({len(found):,} files)",
        slices=opened([_file(each, source_name) for each in found]),
        fingerprint=combined([(each.relative, each.fingerprint) for each in found]),
    )


def opened(files: Sequence[File]) -> list[Slice]:
    """
    Open files that are read as one.

    :raises SourceError: one cannot be read, or they have not the same format and columns.
    """
    form = files[0].form
    for file in files:
        if file.form != form:
            raise SourceError(
                f"the files have different formats: {files[0].name} is {form}, {file.name} {file.form}",
                hint="A glob such as *.csv reads those of one format.",
            )
    readers = _readers(files)
    columns = readers[0].columns
    for file, reader in zip(files, readers, strict=True):
        if columns is not None and reader.columns is not None and set(reader.columns) != set(columns):
            raise SourceError(
                f"{file.name} has other columns than {files[0].name}: "
                f"{other_columns(columns, reader.columns)}",
                hint="Read files of different columns one by one.",
            )
    return [Slice(file, reader) for file, reader in zip(files, readers, strict=True)]


def _found(location: Location) -> list[Listed]:
    try:
        return listed(location)
    except FileNotFoundError:
        hint = ""
        try:
            file_at(location, uri="")
        except SourceError:
            hint = f"Is it meant to be a path? {SUPPORTED}"
        raise SourceError(f"{location.name}: there is no such file", hint=hint) from None


def _file(found: Listed, source_name: str | None) -> File:
    uri = f"{source_name}/{found.relative}" if source_name else found.location.uri
    return file_at(found.location, uri=uri)


def _readers(files: Sequence[File]) -> list[Reader]:
    # Each look is a request or two; file systems that are no object stores may not bear several at a time.
    if len(files) == 1 or not getattr(files[0].location.fs, "async_impl", False):
        return [reader_of(file) for file in files]
    with ThreadPoolExecutor(_LOOKS) as pool:
        return list(pool.map(reader_of, files))
