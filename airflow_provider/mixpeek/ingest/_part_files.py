"""
Files that are written in parts: what a run leaves behind beside its report.

A part tells of the rows from a first row on, up to where the next part begins. Its name is
``<prefix>-<first row>.<kind>.<extension>``, with a prefix that is the load's and twelve digits, so that names
sort like rows. A part is written whole and is there, under its name, before the run goes on, and a try that
begins at a row writes the parts from that row on anew. So whatever a crash leaves, the parts of all tries
together hold each row once.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar, cast
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from airflow_provider.mixpeek.client import MixpeekConfigError, MixpeekError
from airflow_provider.mixpeek.ingest._errors import SourceError

_Item = TypeVar("_Item")

_USER_AND_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")
# A file system that takes no credentials in its URLs has them for a part of the path, and says so.
_USER_AND_PASSWORD_ALONE = re.compile(r"[^\s/'\"]+:[^\s/'\"]+@")
_QUERY = re.compile(r"(://[^?\s]*)\?\S*")
_PART_NAME = re.compile(r"(?P<prefix>.+)-(?P<row>\d{12,})\.(?P<kind>\w+)\.(?P<extension>\w+)")


class PartName(NamedTuple):
    """
    What the name of a part says.

    :param prefix: Of the load.
    :param first_row: The first row that it may hold.
    :param kind: ``rejected`` or ``receipt``.
    """

    prefix: str
    first_row: int
    kind: str
    extension: str

    @classmethod
    def of(cls, name: str) -> PartName | None:
        """Read a file's name; None where it is not that of a part."""
        found = _PART_NAME.fullmatch(name)
        return found and cls(found["prefix"], int(found["row"]), found["kind"], found["extension"])


class PartError(MixpeekError):
    """A part could not be written, or one that a try before left behind not be removed."""


def without_credentials(text: str) -> str:
    """Drop what may be secret from the URLs of a text: user with password, and the query."""
    return _QUERY.sub(r"\1", _USER_AND_PASSWORD.sub("://", text))


@dataclass(frozen=True, slots=True)
class Folder:
    """
    A directory, on this machine or on any storage that fsspec reaches. Made by :func:`open_folder`.

    :param fs: The file system of fsspec,
    :param path: and the path in it.
    :param uri: Where it is, without credentials.
    """

    fs: Any = field(repr=False)
    path: str
    uri: str

    @property
    def local(self) -> Path | None:
        """Its path where it is on this machine."""
        return Path(self.path) if _is_local(self.fs) else None

    def names(self) -> list[str]:
        """
        The names of the files that are in it, sorted; none where there is no such directory.

        :raises PartError: it cannot be listed.
        """
        with _telling("listing", self.uri):
            # What the file system remembers may be older than what another process has written.
            self.fs.invalidate_cache()
            try:
                paths = self.fs.ls(self.path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(path.rpartition("/")[2] for path in paths)

    def write(self, name: str, content: bytes) -> None:
        """
        Write a file in place of what was there; when this returns it is there to stay.

        :raises PartError: it cannot be written.
        """
        with _telling("writing", f"{self.uri}/{name}"):
            if self.local:
                _write_local(self.local / name, content)
            else:
                # One put, which object stores carry out whole or not at all.
                self.fs.pipe_file(f"{self.path}/{name}", content)

    def remove(self, name: str) -> None:
        """
        Remove a file, if it is there.

        :raises PartError: it is, and cannot be removed.
        """
        with _telling("removing", f"{self.uri}/{name}"), suppress(FileNotFoundError):
            self.fs.rm_file(f"{self.path}/{name}")

    def open(self, name: str) -> BinaryIO:
        """Open a file to read it; what fails is the file system's own error."""
        if self.local:
            return (self.local / name).open("rb")
        return cast("BinaryIO", self.fs.open(f"{self.path}/{name}", "rb"))

    def check(self) -> None:
        """
        Find out whether files can be written and removed; a directory on this machine is made.

        :raises MixpeekConfigError: they cannot.
        """
        probe = f".{uuid4().hex}.tmp"
        try:
            self.write(probe, b"\n")
            self.remove(probe)
        except PartError as error:
            raise MixpeekConfigError(
                f"the directory cannot be used: {error.message}",
                hint="Files are written and removed in it. On this machine it is made, elsewhere it is not.",
            ) from error.__cause__


def open_folder(where: str | os.PathLike[str]) -> Folder:
    """
    Find the storage that a directory is on. Some file systems connect to it.

    :param where: A path, a ``file://`` URL, any URL of fsspec, or a path that brings its file system along,
        such as Airflow's ``ObjectStoragePath``.
    :raises MixpeekConfigError: it is none of these, its storage cannot be reached, or the package for it is
        not installed.
    """
    fs, path, text = _resolved(where)
    return Folder(fs, path, Path(path).as_uri() if _is_local(fs) else without_credentials(text).rstrip("/"))


@dataclass(frozen=True, slots=True)
class Part:
    """
    A part that was found.

    :param first_row: The first row that it may hold.
    """

    folder: Folder
    name: str
    prefix: str
    first_row: int
    extension: str

    @property
    def uri(self) -> str:
        """Where it is, without credentials."""
        return f"{self.folder.uri}/{self.name}"

    def open(self) -> BinaryIO:
        """
        Open it to read it.

        :raises SourceError: it cannot be opened.
        """
        with self.reading():
            return self.folder.open(self.name)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """
        Turn what a file system raises into an error that names the part.

        :raises SourceError: reading it failed.
        """
        try:
            yield
        except MixpeekError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the storage's package raises
            raise SourceError(f"{self.uri} cannot be read: {_what(error)}") from _cause(error)


def find_parts(where: str | os.PathLike[str], *, kind: str) -> list[Part]:
    """
    Find the parts of one kind, in the order of their loads and rows.

    :param where: A directory, or one part.
    :param kind: Such as ``receipt``.
    :raises MixpeekConfigError: that is no place that fsspec knows.
    :raises SourceError: there are none.
    """
    given = open_folder(where)
    above, _, name = given.path.rpartition("/")
    one = _part(Folder(given.fs, above or "/", given.uri.rpartition("/")[0].rstrip("/")), name, kind)
    try:
        if one:
            parts = [one] if one.name in one.folder.names() else []
        else:
            parts = [part for name in given.names() if (part := _part(given, name, kind))]
    except PartError as error:
        raise SourceError(error.message) from error.__cause__
    if not parts:
        raise SourceError(
            f"{given.uri}: there is no such file" if one else f"{given.uri} has no files *.{kind}.*",
            hint="Give the directory that they were written to, or one of them.",
        )
    return sorted(parts, key=lambda part: (part.prefix, part.first_row))


class PartWriter(ABC, Generic[_Item]):
    """
    Writes parts of one kind. Used from one thread, in this order: ``check``, ``start``, then the subclass's
    ``add`` and ``close_part`` in turn.

    What was added and not yet closed is held in memory.

    :param where: The directory; see :func:`open_folder`.
    :param prefix: Names the load: the same in each of its tries, and no other load's.
    :raises MixpeekConfigError: see :func:`open_folder`.
    """

    def __init__(self, where: str | os.PathLike[str], *, prefix: str, kind: str, extension: str) -> None:
        self._folder = open_folder(where)
        self._prefix = prefix
        self._extension = f"{kind}.{extension}"
        # Of any extension: the user may have chosen another format since.
        self._name = re.compile(rf"{re.escape(prefix)}-(\d{{12,}})\.{kind}\.\w+")
        self._unfinished = re.compile(rf"\.{self._name.pattern}-.*\.tmp")
        self._first_row: int | None = None
        self._open: list[tuple[int, _Item]] = []

    @property
    def uri(self) -> str:
        """The directory, without credentials."""
        return self._folder.uri

    def check(self) -> None:
        """
        Find out whether the directory can be written.

        :raises MixpeekConfigError: it cannot.
        """
        self._folder.check()

    def start(self, first_row: int) -> None:
        """
        Begin a try: remove the parts that a try before wrote from this row on, and files left half written.

        :param first_row: The first row that this try tells of: 0, or a row up to which a part was closed.
        :raises PartError: they cannot be listed or removed.
        """
        for name in self._folder.names():
            part = self._name.fullmatch(name)
            if (part and int(part[1]) >= first_row) or self._unfinished.fullmatch(name):
                self._folder.remove(name)
        self._first_row = first_row

    def close_part(self, upto_row: int) -> None:
        """
        Write what was added of the rows before ``upto_row`` as a part; the next one begins there.

        Where nothing was added there is no file: ``start`` has removed what a try before may have left.

        :raises PartError: it cannot be written. What was added is kept, and the part can be closed again.
        """
        if self._first_row is None:
            raise RuntimeError("start() comes first")
        closed = [(row, item) for row, item in self._open if row < upto_row]
        if closed:
            closed.sort(key=lambda entry: entry[0])
            name = f"{self._prefix}-{self._first_row:012}.{self._extension}"
            self._folder.write(name, self._content([item for _, item in closed]))
            self._open = [(row, item) for row, item in self._open if row >= upto_row]
        self._first_row = upto_row

    def _add(self, row: int, item: _Item) -> None:
        if self._first_row is None or row < self._first_row:
            raise RuntimeError(f"the part that row {row} belongs to is not open")
        self._open.append((row, item))

    @abstractmethod
    def _content(self, items: Sequence[_Item]) -> bytes:
        """The bytes of a part."""


def _part(folder: Folder, name: str, kind: str) -> Part | None:
    named = PartName.of(name)
    if named is None or named.kind != kind:
        return None
    return Part(folder, name, named.prefix, named.first_row, named.extension)


def _resolved(where: Any) -> tuple[Any, str, str]:
    """Return the file system, the path in it, and the text that names both."""
    if hasattr(where, "fs") and hasattr(where, "path"):
        return where.fs, where.path.rstrip("/") or "/", str(where)
    try:
        text = os.fspath(where)
    except TypeError:
        text = ""
    if not isinstance(text, str) or not text.strip():
        raise MixpeekConfigError(
            f"{where!r} is no directory", hint="Give a path, or a URL as s3://bucket/load."
        )
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    try:
        fs, path = url_to_fs(text)
    except Exception as error:  # noqa: BLE001 - some connect at once
        message = f"{without_credentials(text)} cannot be used: {_what(error)}"
        raise MixpeekConfigError(message) from _cause(error)
    return fs, path.rstrip("/") or "/", text


def _is_local(fs: Any) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


@contextmanager
def _telling(doing: str, uri: str) -> Iterator[None]:
    """Turn what a file system raises into an error that names the URI."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever the storage's package raises
        raise PartError(
            f"{doing} {uri} failed: {_what(error)}",
            hint="Check that its directory can be written and its storage be reached, then run again.",
        ) from _cause(error)


def _what(error: Exception) -> str:
    return _USER_AND_PASSWORD_ALONE.sub("", without_credentials(_said(error)))


def _cause(error: Exception) -> Exception | None:
    """The error, unless a traceback would show with it what may not be shown."""
    return error if _what(error) == _said(error) else None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _write_local(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its own name for each write: two processes must not write into one file.
    new = path.with_name(f".{path.name}-{uuid4().hex}.tmp")
    try:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
