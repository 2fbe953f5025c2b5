"""One file: what it is by its name, held against how it begins, and handed to the reader of its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from airflow_provider.mixpeek.client._file_names import without_query
from airflow_provider.mixpeek.ingest._compression import MAGIC, decompressed
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._locations import Location
from airflow_provider.mixpeek.ingest._sources import Block

_FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".csv": "CSV",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
SUPPORTED = (
    f"Supported are {', '.join(_FORMATS)}; CSV and JSON Lines also with {' or '.join(MAGIC)} at the end."
)

#: How a file begins -> what it is then.
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    MAGIC[".gz"]: "compressed with gzip",
    MAGIC[".zst"]: "compressed with Zstandard",
    b"BZh": "compressed with bzip2",
    b"ARROW1": "an Arrow IPC (Feather) file",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "text in UTF-16, not UTF-8",
    b"\xfe\xff": "text in UTF-16, not UTF-8",
}
_SNIFFED_BYTES = 4096


class Span(NamedTuple):
    """
    What of a file is read: from ``start`` to before ``end``, bytes of a text and rows of Parquet.

    :param start: None: from its first row.
    :param end: None: to its last.
    """

    start: int | None = None
    end: int | None = None


WHOLE = Span()


class Reader(Protocol):
    """Reads one file, as often as it is asked to."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns; None while only the rows know."""

    def read(
        self, *, block_rows: int, first_row: int = 0, span: Span = WHOLE, after: str | None = None
    ) -> Iterator[Block]:
        """
        Read in blocks.

        :param first_row: Number of the first row that is read.
        :param after: The position behind which the reading begins, within ``span``.
        :raises SourceError: the file is damaged, or there is no row at ``after``.
        """

    @property
    def count(self) -> int | None:
        """How many rows there are; None where only reading tells."""

    def cuts(self, *, step: int, most: int) -> Cuts:
        """
        Find where the file can be cut.

        :param step: Rows between two cuts, about.
        :param most: No more cuts than this: memory is bounded by it.
        :raises SourceError: the file is damaged.
        """


@dataclass(frozen=True, slots=True)
class Cuts:
    """
    Where a file can be cut.

    :param count: Its rows.
    :param rows: Numbers of the rows at which a part may begin, ascending, without the file's first.
    :param starts: Where each is, as in :class:`Span`.
    """

    count: int
    rows: Sequence[int]
    starts: Sequence[int]


@dataclass(frozen=True, slots=True)
class File:
    """
    A file that can be read.

    :param location: Where it is.
    :param form: ``Parquet``, ``CSV`` or ``JSON Lines``.
    :param compression: ``.gz``, ``.zst`` or nothing.
    :param uri: What stands for it in the keys of its rows.
    """

    location: Location
    form: str
    compression: str
    uri: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.location.name

    def open(self) -> BinaryIO:
        """
        Open its text, decompressed.

        :raises SourceError: it cannot be opened.
        """
        return decompressed(self.location, self.compression) if self.compression else self.location.open()


def file_at(location: Location, *, uri: str) -> File:
    """
    Tell a file's format by its name.

    :raises SourceError: it has none that can be read.
    """
    name = PurePosixPath(without_query(location.path))
    suffix = name.suffix.lower()
    compression = suffix if suffix in MAGIC else ""
    if compression:
        suffix = PurePosixPath(name.stem).suffix.lower()
    form = _FORMATS.get(suffix)
    if form is None or (compression and form == "Parquet"):
        raise SourceError(
            f"{location.name}: files with the suffix {suffix + compression!r} cannot be read", hint=SUPPORTED
        )
    return File(location, form, compression, uri)


def reader_of(file: File) -> Reader:
    """
    Open a file, and see that it is what its name says.

    :raises SourceError: it is not, or cannot be read.
    """
    _check(file)
    if file.form == "Parquet":
        from airflow_provider.mixpeek.ingest._parquet_file import ParquetReader

        return ParquetReader(file)
    if file.form == "CSV":
        from airflow_provider.mixpeek.ingest._csv_file import CsvReader

        return CsvReader(file)
    from airflow_provider.mixpeek.ingest._jsonl_file import JsonLinesReader

    return JsonLinesReader(file)


def _check(file: File) -> None:
    with file.location.open(by_ranges=True) as raw:
        head = raw.read(_SNIFFED_BYTES)
    if not head:
        raise SourceError(f"{file.name} is empty (0 bytes)")
    if file.compression:
        if not head.startswith(MAGIC[file.compression]):
            raise SourceError(
                f"{file.name} is not what its suffix {file.compression!r} says: it does not begin like that",
                hint="Name it after what it is.",
            )
        with file.open() as text:
            head = text.read(_SNIFFED_BYTES)
    found = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if file.form == "Parquet":
        if not head.startswith(b"PAR1"):
            what = f"it is {found}" if found else "it does not begin with PAR1"
            raise SourceError(f"{file.name} is not a Parquet file: {what}")
        return
    found = found or _found_in_text(head, file.form)
    if found:
        raise SourceError(f"{file.name} is not a {file.form} file: it is {found}")


def _found_in_text(head: bytes, form: str) -> str | None:
    if b"\0" in head:
        return f"binary: there is a NUL at byte {head.index(0)}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if form == "CSV" and text[:1] in {b"{", b"["}:
        return "JSON"
    if form == "JSON Lines" and text and text[:1] != b"{":
        return (
            "one JSON array, not an object on each line"
            if text[:1] == b"["
            else "not JSON: line 1 is no object"
        )
    return None


def where(line: int | None, offset: int) -> str:
    """Name a place in a text; its line is known only to who has read all that is before."""
    return f"byte {offset}" if line is None else f"line {line}, byte {offset}"


def not_utf8(file: File, error: UnicodeDecodeError, *, line: int | None, offset: int) -> SourceError:
    """Say where a text file is not UTF-8; ``offset`` is where the decoded bytes begin in the file."""
    place = where(line, offset + error.start)
    return SourceError(
        f"{file.name} is not UTF-8: 0x{error.object[error.start]:02x} ({place})",
        hint="Convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8.",
    )


def line_at(file: File, stream: BinaryIO, position: str, span: Span) -> int:
    """
    Go to the line that begins at a position.

    :return: Its offset.
    :raises SourceError: it lies outside of the span, or no line begins there.
    """
    offset = int(position) if position.isdecimal() else -1
    there = (span.start or 0) <= offset and (span.end is None or offset < span.end)
    if there and offset:
        stream.seek(offset - 1)
        there = stream.read(1) == b"\n"
    if not there:
        raise no_row(file, position)
    return offset


def no_row(file: File, position: str) -> SourceError:
    """Say that a place of a file is none."""
    return SourceError(
        f"{file.name}: no row begins at {position}",
        hint="The place was taken from another file, or the file has changed since.",
    )


def cuts_of_text(offsets: Iterable[int], *, step: int, most: int) -> Cuts:
    """
    Choose among the places at which rows begin.

    :param offsets: Of every row.
    """
    count = 0
    rows: list[int] = []
    starts: list[int] = []
    for row, offset in enumerate(offsets):
        count = row + 1
        if row and row % step == 0:
            rows.append(row)
            starts.append(offset)
            if len(rows) > most:
                # Every second one: those that are left are as far apart as the ones to come.
                rows, starts, step = rows[1::2], starts[1::2], step * 2
    return Cuts(count, rows, starts)
