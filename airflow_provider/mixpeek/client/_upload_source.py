"""A file that is to be uploaded, wherever it is: read in pieces, hashed as it goes, never held in memory."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from airflow_provider.mixpeek.client._errors import MixpeekConfigError, MixpeekError, MixpeekFileError
from airflow_provider.mixpeek.client._file_names import HTTP, name_of_url
from airflow_provider.mixpeek.client._read_failures import read_failure

#: Bytes of one piece.
PIECE = 256 * 1024

#: Bytes of the largest file of any plan (text of the uploads' create call, API 0.82).
LARGEST_FILE = 50 * 1024**3

#: How files of types begin whose names do not say it.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
)


class FileSource:
    """
    One file: a path, an fsspec URL, something with an ``open`` method, or an open binary file.

    What cannot be read twice is copied to a temporary file first: its size and hash must be known before it
    is sent. An open file is read from where it stands, and not closed.

    :param file: What to read.
    :param filename: Its name, 1 to 255 characters, no path; None: the name that it has.
    :param content_type: Its media type; None: found by its name, else by how it begins.
    :raises MixpeekFileError: there is no name that the API takes.
    :raises MixpeekConfigError: it is none of these.
    """

    def __init__(self, file: Any, *, filename: str | None = None, content_type: str | None = None) -> None:
        self._copy: IO[bytes] | None = None
        self._is_spent = False
        self._start = 0
        self._open, self._closes, found = self._ways(file)
        name = filename or found
        if not name or "/" in name or "\\" in name or len(name) > 255:
            raise MixpeekFileError(
                "the file's name is missing, too long or a path",
                hint="Pass filename=, 1 to 255 characters without a folder.",
            )
        self.filename = name
        #: What messages call it; something with an ``open`` method may have a better word, ``shown``.
        self.shown = str(getattr(file, "shown", name))
        self._content_type = content_type
        self._beginning = b""
        self.size = 0
        self.sha256 = ""

    def _ways(self, file: Any) -> tuple[Callable[[], IO[bytes]], bool, str]:
        """How it is opened, whether we close it, and the name that it has."""
        if isinstance(file, str) and "://" in file:
            return (lambda: _open_url(file)), True, name_of_url(file)
        if isinstance(file, str) and "\0" in file:
            raise MixpeekFileError("the path of the file has a NUL character")
        if isinstance(file, str):
            return (lambda: open(file, "rb")), True, os.path.basename(file)  # noqa: PTH119, PTH123
        if hasattr(file, "open") and hasattr(file, "name"):
            # The name of an UPath has the query of its URL.
            name = name_of_url(str(file)) if _is_of_the_web(file) else str(file.name)
            return (lambda: cast("IO[bytes]", file.open("rb"))), True, name
        if hasattr(file, "read"):
            name = getattr(file, "name", "")
            if not (hasattr(file, "seekable") and file.seekable()):
                return (lambda: self._again(file)), False, os.path.basename(name) if _is_text(name) else ""  # noqa: PTH119
            self._start = file.tell()
            return (lambda: self._rewound(file)), False, os.path.basename(name) if _is_text(name) else ""  # noqa: PTH119
        raise MixpeekConfigError(
            f"a {type(file).__name__} is no file",
            hint="Pass a path, an fsspec URL, a Path, or a file opened in binary mode.",
        )

    def _rewound(self, file: IO[bytes]) -> IO[bytes]:
        file.seek(self._start)
        return file

    def _again(self, stream: IO[bytes]) -> IO[bytes]:
        """The copy of a stream that can be read only once; made at the first time."""
        if self._copy is None:
            self._copy, self._is_spent = cast("IO[bytes]", tempfile.TemporaryFile()), True  # noqa: SIM115 - closed by close()
            for piece in _pieces(stream):
                self._copy.write(piece)
            self._is_spent = False
        self._copy.seek(0)
        return self._copy

    @property
    def content_type(self) -> str:
        """Its media type; known in full after :meth:`measure`."""
        by_name = self._content_type or mimetypes.guess_type(self.filename)[0]
        if by_name:
            return by_name
        found = (kind for start, kind in _BEGINNINGS if self._beginning.startswith(start))
        return next(found, "application/octet-stream")

    def measure(self) -> None:
        """
        Read it once, for its size and SHA-256.

        :raises MixpeekFileError: it is missing, empty, or larger than any plan allows.
        :raises MixpeekReadError: where it is failed.
        """
        digest, size = hashlib.sha256(), 0
        for piece in self._read():
            self._beginning = self._beginning or piece[:16]
            digest.update(piece)
            size += len(piece)
            if size > LARGEST_FILE:
                raise MixpeekFileError(
                    f"{self.shown} is larger than {LARGEST_FILE:,} bytes, which no plan allows"
                )
        if size == 0:
            raise MixpeekFileError(
                f"{self.shown} is empty, and the API takes no empty file", hint="Leave it out."
            )
        self.size, self.sha256 = size, digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """
        Its bytes, which are held to what :meth:`measure` found before the last of them is given out.

        :raises MixpeekFileError: it changed, or is gone.
        :raises MixpeekReadError: where it is failed.
        """
        digest, size = hashlib.sha256(), 0
        held = b""
        for piece in self._read():
            if held:
                yield held
            digest.update(piece)
            size += len(piece)
            held = piece
            if size > self.size:
                break
        # A file that is not whole is never stored: the request lacks its last piece.
        if size != self.size or digest.hexdigest() != self.sha256:
            raise MixpeekFileError(
                f"{self.shown} changed while it was uploaded",
                hint="Nothing of it was stored. Upload files that nobody writes to.",
            )
        yield held

    def _read(self) -> Iterator[bytes]:
        failure = None
        try:
            file = self._open()
            try:
                yield from _pieces(file)
            finally:
                if self._closes:
                    file.close()
        except MixpeekError:
            raise
        except Exception as error:  # noqa: BLE001 - file systems raise what they like
            failure = read_failure(self.shown, error, again=not self._is_spent)
        if failure is not None:
            # Raised here and not there: the foreign error would be its context.
            raise failure

    def close(self) -> None:
        """Let a temporary copy go."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def _is_of_the_web(file: object) -> bool:
    return str(file).partition("://")[0].lower() in HTTP


def _is_text(name: object) -> bool:
    return isinstance(name, str)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        if not isinstance(piece, bytes):
            raise MixpeekConfigError("the file is opened in text mode", hint="Open it in binary mode: 'rb'.")
        yield piece


def _open_url(url: str) -> IO[bytes]:
    # Not every client reads remote files.
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    scheme = url.partition("://")[0]
    try:
        filesystem, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        # A URL may hold a password.
        raise MixpeekConfigError(
            f"files of {scheme}:// cannot be read ({type(error).__name__})",
            hint=f"Install what fsspec needs for {scheme}://, and check the URL.",
        ) from None
    return cast("IO[bytes]", filesystem.open(path, "rb"))
