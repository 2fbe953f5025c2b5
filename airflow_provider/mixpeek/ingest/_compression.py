"""Compressed text files, read as if they were not."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._locations import GuardedFile, Location

#: Suffix -> how a file of it begins.
MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
_NAMES = {".gz": "gzip", ".zst": "Zstandard"}
_BUFFER_BYTES = 1 << 16


def decompressed(location: Location, suffix: str) -> BinaryIO:
    """
    Open a compressed file. Seeking forward reads up to there, seeking back begins anew.

    :param suffix: ``.gz`` or ``.zst``.
    :raises SourceError: it cannot be opened, or Zstandard is not to be had; from the file's own methods, when
        it is damaged or cut off.
    """
    read = _zstd_file(location) if suffix == ".zst" else _gzip_file
    below = location.open()

    def damaged(error: Exception) -> SourceError:
        if isinstance(error, SourceError):
            return error
        what = "cut off" if isinstance(error, EOFError) else "damaged"
        return SourceError(f"{location.name} is {what}: as {_NAMES[suffix]} it cannot be read on ({error})")

    raw = GuardedFile(read(below), failure=damaged, below=below)
    return cast("BinaryIO", io.BufferedReader(raw, _BUFFER_BYTES))


def _gzip_file(below: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=below, mode="rb")


def _zstd_file(location: Location) -> Callable[[BinaryIO], Any]:
    try:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdFile
        else:
            from backports.zstd import ZstdFile
    except ImportError:
        raise SourceError(
            f"{location.name}: reading Zstandard needs backports.zstd",
            hint="Install it with: pip install 'airflow-provider-mixpeek[zstd]'.",
        ) from None
    return ZstdFile
