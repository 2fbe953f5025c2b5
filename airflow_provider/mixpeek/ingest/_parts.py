"""
A big source cut into parts, for many workers.

A part says in small JSON what is read of which files. The keys of rows by position do not depend on how a
source was cut: they have the row's own file and its place in it, and nothing of the part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._file_source import FilesSource, open_path, opened
from airflow_provider.mixpeek.ingest._files import Cuts, Span, file_at
from airflow_provider.mixpeek.ingest._listing import combined
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._sources import BLOCK_ROWS, check_source_name, is_path

#: The key that tells a part from other dicts; its value is the form's version.
PART = "mixpeek_part"
_VERSION = 1

_ROWS_PER_PART = 100_000
#: Airflow maps a task over 1,024 items at most, unless max_map_length is raised.
_MOST_PARTS = 1_000
#: Places at which a source could be cut that are remembered while it is read through.
_MOST_CUTS = 20_000
_MOST_CUTS_OF_A_FILE = 100
#: By how much parts grow until they are few enough.
_LARGER = 1.1


class PartFile(NamedTuple):
    """
    A file of a part.

    :param path: Where it is: a path or URL, or an object that
        :func:`~airflow_provider.mixpeek.ingest._sources.open_source` takes.
    :param uri: What stands for it in the keys of its rows.
    :param fingerprint: Of its content when it was cut.
    """

    path: Any
    uri: str
    fingerprint: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourcePart:
    """
    A part of a source: some rows of one file, or several whole files. Made by :func:`split_source`.

    :param files: The files, at least one.
    :param rows: How many rows it has.
    :param first_row: Number of its first row in its file.
    :param start: Where it begins: byte of a text, row of a Parquet file. None: at the first row.
    :param end: Before where it ends. None: after the last row.
    :param columns: Columns of JSON Lines, as the whole source has them.
    """

    files: tuple[PartFile, ...]
    rows: int
    first_row: int = 0
    start: int | None = None
    end: int | None = None
    columns: tuple[str, ...] | None = None

    @property
    def uri(self) -> str:
        """What stands for the part, and for no other."""
        first, last = self.files[0].uri, self.files[-1].uri
        if len(self.files) > 1:
            return f"{first}#to={last}"
        whole = self.start is None and self.end is None
        return first if whole else f"{first}#rows={self.first_row}-{self.first_row + self.rows - 1}"

    @property
    def name(self) -> str:
        """What logs call it."""
        first, last = self.files[0].uri, self.files[-1].uri
        if len(self.files) > 1:
            return f"{len(self.files):,} files, {first} to {last}"
        return f"rows {self.first_row:,} to {self.first_row + self.rows - 1:,} of {first}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, for XCom."""
        return {
            PART: _VERSION,
            "files": [file._asdict() for file in self.files],
            "rows": self.rows,
            "first_row": self.first_row,
            "start": self.start,
            "end": self.end,
            "columns": None if self.columns is None else list(self.columns),
        }

    @classmethod
    def of(cls, value: SourcePart | Mapping[str, Any]) -> SourcePart:
        """
        Take a part back from JSON.

        :raises SourceError: it is none, or of a version that this one does not know.
        """
        if isinstance(value, SourcePart):
            return value
        if value.get(PART) != _VERSION:
            raise SourceError(
                f"a part of version {value.get(PART)!r} cannot be read, only of {_VERSION}",
                hint="Split the source again, with the version of this package that reads it.",
            )
        try:
            columns = value["columns"]
            part = cls(
                tuple(PartFile(**file) for file in value["files"]),
                value["rows"],
                value["first_row"],
                value["start"],
                value["end"],
                None if columns is None else tuple(columns),
            )
        except (KeyError, TypeError) as error:
            raise _no_part(str(error)) from None
        if not part.files:
            raise _no_part("it has no files")
        return part

    def with_paths(self, path_of: Callable[[str], Any]) -> SourcePart:
        """
        Return it with other paths.

        :param path_of: Path or URL -> what to open in its place, such as ``ObjectStoragePath``, which finds
            the Airflow connection that is named in the URL.
        """
        files = tuple(file._replace(path=path_of(file.path)) for file in self.files)
        return replace(self, files=files)


def _no_part(reason: str) -> SourceError:
    return SourceError(f"it is no part of a source: {reason}", hint="split_source() makes them.")


def open_part(part: SourcePart, *, source_name: str | None) -> FilesSource:
    """
    Open a part.

    :raises SourceError: a file is not there, or has changed since it was cut.
    """
    if source_name is not None:
        raise SourceError(
            f"{part.name} has the name that it was cut under, and takes no other",
            hint="Give source_name to split_source().",
        )
    files = []
    for each in part.files:
        location = locate(each.path)
        if location.current_fingerprint() != each.fingerprint:
            raise SourceError(
                f"{location.name} has changed since it was split",
                hint="Split it again, and ingest the new parts.",
            )
        files.append(file_at(location, uri=each.uri))
    slices = opened(files)
    if len(slices) == 1:
        slices = [slices[0]._replace(span=Span(part.start, part.end))]
    fingerprints = [(file.uri, file.fingerprint) for file in part.files]
    return FilesSource(
        uri=part.uri,
        name=part.name,
        slices=slices,
        fingerprint=fingerprints[0][1] if len(fingerprints) == 1 else combined(fingerprints),
        first_row=part.first_row,
        columns=part.columns,
    )


def split_source(
    rows: Any,
    *,
    parts: int | None = None,
    rows_per_part: int | None = None,
    source_name: str | None = None,
) -> list[dict[str, Any]]:
    """
    Cut files into parts, each to be ingested by a task of its own: ``.expand(rows=...)``.

    A part is some rows of one file, or several whole files. Parquet is cut by what its footer says, between
    row groups where they are small enough. CSV and JSON Lines are read through once to find where rows begin;
    whoever reads a part of a compressed file has to decompress all that is before it.

    :param rows: The path or URL of a file, of a folder, or a glob.
    :param parts: How many parts at most, about equal.
    :param rows_per_part: Rows of a part, about. Without either: 100,000, or more, so that there are no more
        than 1,000 parts.
    :param source_name: Stands for the source's path, as in :func:`~airflow_provider.mixpeek.ingest.ingest`.
    :return: At least one, as small JSON, in the order of the rows.
    :raises SourceError: it is no file, cannot be read, or holds credentials in its URL, which the parts would
        carry along; there would be more than 1,000 parts.
    """
    _check_wish(parts, rows_per_part)
    check_source_name(source_name)
    if not is_path(rows):
        raise SourceError(
            f"a {type(rows).__name__} cannot be split, only files can",
            hint="Write it to a Parquet file first.",
        )
    source = open_path(rows, source_name=source_name)
    if not isinstance(source, FilesSource):
        raise SourceError(f"{source.name} cannot be split", hint="Pass them as they are: they are few.")
    for each in source.slices:
        if each.file.location.text is None:
            raise SourceError(
                f"{each.file.name} is reached with credentials, which its parts would carry along",
                hint="Take them from the environment, or use ObjectStoragePath with a connection.",
            )
    files = [
        PartFile(each.file.location.text, each.file.uri, each.file.location.current_fingerprint())
        for each in source.slices
    ]
    columns = (
        source.know_columns(block_rows=BLOCK_ROWS) if source.slices[0].file.form == "JSON Lines" else None
    )
    return [
        SourcePart(
            tuple(files[index] for index in piece.files),
            piece.rows,
            piece.first_row,
            piece.start,
            piece.end,
            columns,
        ).as_dict()
        for piece in _pieces(source, parts, rows_per_part)
    ]


class _Piece(NamedTuple):
    """A part: the numbers of its files, and what is read of the only one."""

    files: Sequence[int]
    rows: int
    first_row: int = 0
    start: int | None = None
    end: int | None = None


def _pieces(source: FilesSource, parts: int | None, rows_per_part: int | None) -> list[_Piece]:
    readers = [each.reader for each in source.slices]
    step = rows_per_part or (1 if parts else _ROWS_PER_PART)
    counts = [reader.count for reader in readers if reader.count is not None]
    if parts and len(counts) == len(readers):
        step = max(1, sum(counts) // parts)
    most_cuts = max(_MOST_CUTS_OF_A_FILE, _MOST_CUTS // len(readers))
    cuts = [reader.cuts(step=step, most=most_cuts) for reader in readers]
    total = sum(each.count for each in cuts)
    most = parts or _MOST_PARTS
    target = rows_per_part or (total / parts if parts else max(_ROWS_PER_PART, total / _MOST_PARTS))
    pieces = _cut(cuts, target)
    while len(pieces) > most:
        if rows_per_part:
            raise SourceError(
                f"{source.name} would become {len(pieces):,} parts, and {most:,} are the most",
                hint=f"Airflow maps a task over about as many. Its {total:,} rows need larger parts.",
            )
        # Files that do not fill a part leave more parts than the rows alone would.
        target *= _LARGER
        pieces = _cut(cuts, target)
    return pieces


def _cut(cuts: Sequence[Cuts], target: float) -> list[_Piece]:
    """Cut files of more rows than the target, and put those of fewer together."""
    pieces: list[_Piece] = []
    together: list[int] = []
    rows = 0
    for index, each in enumerate(cuts):
        if together and rows + each.count > target:
            pieces.append(_Piece(together, rows))
            together, rows = [], 0
        if each.count > target:
            pieces += _ranges(index, each, target)
        elif each.count:
            together.append(index)
            rows += each.count
    if together:
        pieces.append(_Piece(together, rows))
    # Whether no rows at all are an error, who ingests them says.
    return pieces or [_Piece([0], 0)]


def _ranges(index: int, cuts: Cuts, target: float) -> list[_Piece]:
    chosen = sorted({_nearest(cuts.rows, number * target) for number in range(1, ceil(cuts.count / target))})
    begins = [0, *(cuts.rows[each] for each in chosen if each >= 0)]
    starts = [None, *(cuts.starts[each] for each in chosen if each >= 0)]
    return [
        _Piece([index], next_begin - begin, begin, start, end)
        for begin, start, next_begin, end in zip(
            begins, starts, [*begins[1:], cuts.count], [*starts[1:], None], strict=True
        )
    ]


def _nearest(rows: Sequence[int], row: float) -> int:
    """Return the index of what comes nearest; -1 where the beginning does."""
    after = bisect_left(rows, row)
    before = rows[after - 1] if after else 0
    return after if after < len(rows) and rows[after] - row <= row - before else after - 1


def _check_wish(parts: int | None, rows_per_part: int | None) -> None:
    if parts is not None and rows_per_part is not None:
        raise MixpeekConfigError(
            "parts and rows_per_part are both given", hint="Give one of them, or neither."
        )
    for name, number in (("parts", parts), ("rows_per_part", rows_per_part)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise MixpeekConfigError(f"{name} is {number!r}, and must be a whole number above 0")
    if parts is not None and parts > _MOST_PARTS:
        raise MixpeekConfigError(f"parts is {parts:,}, and {_MOST_PARTS:,} are the most")
