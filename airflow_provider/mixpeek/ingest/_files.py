"""One file: found, looked at, and handed to the reader of its format."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import Source

_FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".csv": "CSV",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
_SUPPORTED = f"Supported are {', '.join(_FORMATS)}."

#: How a file begins -> what it is then.
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"BZh": "compressed with bzip2",
    b"ARROW1": "an Arrow IPC (Feather) file",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "text in UTF-16, not UTF-8",
    b"\xfe\xff": "text in UTF-16, not UTF-8",
}
_SNIFFED_BYTES = 4096


def open_file(path: str | Path, *, source_name: str | None) -> Source:
    """
    Open a Parquet, CSV or JSON Lines file.

    :param path: A path, or a ``file://`` URL.
    :param source_name: Stands for the file's URI.
    :raises SourceError: there is no such file, it cannot be read, or is not what its suffix says.
    """
    local = _local(path)
    suffix = local.suffix.lower()
    head = _head(local, supported=suffix in _FORMATS)
    if suffix not in _FORMATS:
        raise SourceError(f"{local}: files with the suffix {suffix!r} cannot be read", hint=_SUPPORTED)
    form = _FORMATS[suffix]
    _check_format(local, form, head)
    return _opened(local, form, source_name or local.as_uri())


def _opened(path: Path, form: str, uri: str) -> Source:
    if form == "Parquet":
        from airflow_provider.mixpeek.ingest._parquet_file import ParquetSource

        return ParquetSource(path, uri=uri)
    if form == "CSV":
        from airflow_provider.mixpeek.ingest._csv_file import CsvSource

        return CsvSource(path, uri=uri)
    from airflow_provider.mixpeek.ingest._jsonl_file import JsonLinesSource

    return JsonLinesSource(path, uri=uri)


def _local(path: str | Path) -> Path:
    if isinstance(path, str):
        if not path.strip():
            raise SourceError("the path is empty", hint=_SUPPORTED)
        scheme, separator, _rest = path.partition("://")
        if separator and scheme.lower() != "file":
            raise SourceError(
                f"{path}: {scheme}:// cannot be read, only files of this machine", hint=_SUPPORTED
            )
        if separator:
            parts = urlsplit(path)
            if parts.netloc not in {"", "localhost"}:
                raise SourceError(
                    f"{path}: the URL names another machine, {parts.netloc!r}",
                    hint="A file URL has three slashes: file:///data/films.csv.",
                )
            path = unquote(parts.path)
    # Not resolve(): a link that names today's file is what the user calls the source.
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path has nothing that drops ".." without following links


def _head(path: Path, *, supported: bool) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except FileNotFoundError:
        hint = "" if supported else f"Is it meant to be a path? {_SUPPORTED}"
        raise SourceError(f"{path}: there is no such file", hint=hint) from None
    except IsADirectoryError:
        raise SourceError(f"{path} is a folder", hint="Give the path of one file.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SourceError(f"{path} cannot be read: {reason}") from error
    if not head:
        raise SourceError(f"{path} is empty (0 bytes)")
    return head


def _check_format(path: Path, form: str, head: bytes) -> None:
    found = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if form == "Parquet":
        if not head.startswith(b"PAR1"):
            what = f"it is {found}" if found else "it does not begin with PAR1"
            raise SourceError(f"{path} is not a Parquet file: {what}")
        return
    if found is None and b"\0" in head:
        found = f"binary: there is a NUL at byte {head.index(0)}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if found is None and form == "CSV" and text[:1] in {b"{", b"["}:
        found = "JSON"
    if found is None and form == "JSON Lines" and text and text[:1] != b"{":
        array = text[:1] == b"["
        found = "one JSON array, not an object on each line" if array else "not JSON: line 1 is no object"
    if found:
        raise SourceError(f"{path} is not a {form} file: it is {found}")


def not_utf8(path: Path, error: UnicodeDecodeError, *, line: int, offset: int) -> SourceError:
    """Say where a text file is not UTF-8; ``offset`` is where the decoded bytes begin in the file."""
    return SourceError(
        f"{path} is not UTF-8: 0x{error.object[error.start]:02x} "
        f"at byte {offset + error.start}, in line {line}",
        hint="Convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8.",
    )
