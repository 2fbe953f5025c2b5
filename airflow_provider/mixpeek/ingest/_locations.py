"""
Where files are: on this machine, or wherever fsspec reaches. Here, and nowhere else, a file is opened.

A URL may hold credentials, in its query or before the ``@``. They stay in what is handed to the file system:
no name, URI or error of this module has them.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from airflow_provider.mixpeek.client._file_names import HTTP, name_of_url, without_query
from airflow_provider.mixpeek.ingest._errors import SourceError

T = TypeVar("T")

_URL = re.compile(r"[a-z][a-z0-9+.-]*(://|::)", re.IGNORECASE)
_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs"}
#: What stands before the ``@`` names a container, not a user.
_AZURE = frozenset({"abfs", "adl", "az", "wasb", "wasbs"})
#: Buckets have no users: before the ``@`` stands the id of an Airflow connection.
_BUCKETS = frozenset({"s3", "gs"})
_LOCAL = frozenset({"", "file", "local"})

#: What file systems call that which changes with a file's content, the surest first.
_TAGS = (
    "ETag", "etag", "md5Hash", "md5", "Content-MD5", "generation",
    "LastModified", "last_modified", "Last-Modified", "mtime", "modified",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Location:
    """
    A file, a folder or a glob.

    :param fs: The fsspec file system; None for this machine's own.
    :param path: As the file system takes it.
    :param uri: Normalised, without credentials.
    :param name: What messages call it: a path or a URI.
    :param text: From which it is found again; None where that would need credentials.
    :param secrets: Texts that no message may hold.
    """

    fs: Any = field(repr=False)
    path: str = field(repr=False)
    uri: str
    name: str
    text: str | None = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        return self.fs is None

    @property
    def file_name(self) -> str:
        """The name of the file alone, without what is secret in its URL."""
        return self.path.rpartition("/")[2] if self.local else name_of_url(self.uri)

    def below(self, path: str, relative: str) -> Location:
        """Return a file of this folder: its path, and that part of it which comes after the folder's."""
        if self.local:
            return _local(path)
        uri = f"{self.uri}/{relative}"
        text = None if self.text is None else f"{self.text.rstrip('/')}/{relative}"
        return Location(self.fs, path, uri, uri, text, self.secrets)

    def info(self) -> Mapping[str, Any]:
        """
        Ask what is there, as fsspec tells it.

        :raises FileNotFoundError: nothing is.
        :raises SourceError: it cannot be known.
        """
        try:
            if self.fs is None:
                about = os.stat(self.path)  # noqa: PTH116 - the path is a text here
                kind = "directory" if stat.S_ISDIR(about.st_mode) else "file"
                return {"type": kind, "size": about.st_size, "mtime_ns": about.st_mtime_ns}
            return cast("Mapping[str, Any]", self.fs.info(self.path))
        except FileNotFoundError:
            raise FileNotFoundError(self.name) from None
        except Exception as error:  # noqa: BLE001 - file systems raise what they like
            raise self.failure(error) from None

    def fingerprint(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """
        Say what changes when the file's content does: its size, and the surest mark that there is.

        :param info: As from :meth:`info`, or from a listing.
        """
        size = {"size": info.get("size")}
        if self.fs is None:
            return size | {"mtime_ns": info["mtime_ns"]}
        tag = next((tag for tag in _TAGS if info.get(tag)), None)
        if tag is not None:
            return size | {tag: str(info[tag])}
        return size | {"ukey": str(self.guarded(self.fs.ukey, self.path))}

    def current_fingerprint(self) -> dict[str, Any]:
        """
        Ask for the fingerprint of now.

        :raises SourceError: there is no such file, or it cannot be known.
        """
        return self.guarded(lambda: self.fingerprint(self.info()))

    def open(self, *, by_ranges: bool = False) -> BinaryIO:
        """
        Open the file for reading; it can be sought in.

        :param by_ranges: Read what is asked for and no byte more, for formats that jump.
        :raises SourceError: it is not there, is a folder, or cannot be read; from the file's methods, too.
        """
        more = {"cache_type": "none"} if by_ranges and not self.local else {}
        file = self.guarded(lambda: self.unguarded(**more))
        if self.local:
            return cast("BinaryIO", file)
        raw = GuardedFile(file, failure=self.failure)
        return cast("BinaryIO", raw if by_ranges else io.BufferedReader(raw, 1 << 16))

    def unguarded(self, **more: Any) -> Any:
        """Open the file; its errors are the file system's own, and may hold secrets."""
        return Path(self.path).open("rb") if self.fs is None else self.fs.open(self.path, "rb", **more)

    def guarded(self, call: Callable[..., T], *arguments: Any) -> T:
        """
        Make a call of the file system.

        :raises SourceError: it failed, for whatever reason.
        """
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001 - file systems raise what they like
            raise self.failure(error) from None

    def failure(self, error: Exception) -> SourceError:
        """Say what went wrong, without credentials."""
        if isinstance(error, SourceError):
            return error
        if isinstance(error, FileNotFoundError):
            return SourceError(f"{self.name}: there is no such file")
        if isinstance(error, IsADirectoryError):
            return SourceError(f"{self.name} is a folder")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        # A cause would show its own text, URL and all, so there is none.
        return SourceError(f"{self.name} cannot be read: {_without(self.secrets, reason)}")


class GuardedFile(io.RawIOBase):
    """
    A file whose errors say which file it is, and hold no credentials.

    :param file: Read, sought in, and closed.
    :param below: Closed after it.
    """

    def __init__(
        self, file: Any, *, failure: Callable[[Exception], SourceError], below: BinaryIO | None = None
    ) -> None:
        super().__init__()
        self._file = file
        self._below = below
        self._failure = failure

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._guarded(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._guarded(self._file.seek, offset, whence))

    def tell(self) -> int:
        return int(self._guarded(self._file.tell))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            if self._below is not None:
                self._below.close()
        super().close()

    def _guarded(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001 - file systems and decompressors raise what they like
            raise self._failure(error) from None


def is_url(text: str) -> bool:
    """Whether a text is taken for a URL, and not for a path of this machine."""
    return _URL.match(text) is not None


def brings_file_system(path: Any) -> bool:
    """Whether a path is one of Airflow's or of universal_pathlib; some releases are ``os.PathLike`` too."""
    # Asked of the type: a frame has an attribute for each of its columns, however they are called.
    return all(hasattr(type(path), name) for name in ("fs", "path", "protocol"))


def locate(rows: Any) -> Location:
    """
    Find out where a path or URL leads.

    :param rows: A text, an ``os.PathLike``, or a path that brings its file system along.
    :raises SourceError: it is no path, or its file system is not to be had.
    """
    where = _local_or_url(rows)
    if isinstance(where, Location):
        return where
    if brings_file_system(rows):
        return _remote(
            where,
            fs_and_path=lambda: (rows.fs, rows.path),
            options=getattr(rows, "storage_options", None),
        )
    return _remote(where)


def uri_of(rows: Any) -> str | Location:
    """
    Say where a path or URL leads without asking any file system but this machine's.

    :param rows: As for :func:`locate`.
    :return: The normalised URI without credentials or connection; a file of this machine as it is located.
    :raises SourceError: it is no path.
    """
    where = _local_or_url(rows)
    if isinstance(where, Location):
        return where
    connection = _connection(rows) if brings_file_system(rows) else None
    return _uri(where.replace(f"://{connection}@", "://", 1) if connection else where)


def _connection(path: Any) -> str | None:
    """The Airflow connection that a path names; in a place of its own since Airflow 3.2."""
    options = getattr(path, "storage_options", None) or {}
    connection = getattr(path, "conn_id", None) or options.get("conn_id")
    return connection if isinstance(connection, str) else None


def _local_or_url(rows: Any) -> Location | str:
    if brings_file_system(rows):
        return _local(rows.path) if rows.protocol in _LOCAL else str(rows)
    path = os.fsdecode(os.fspath(rows))
    if not path.strip():
        raise SourceError("the path is empty")
    if not isinstance(rows, str) or not is_url(path):
        return _local(path)
    scheme, separator, _rest = path.partition("://")
    if separator and scheme.lower() in _LOCAL:
        return _local(_path_of_file_url(path))
    return path


def _local(path: str) -> Location:
    # Not resolve(): a link that names today's file is what the user calls the source.
    absolute = os.path.abspath(path)  # noqa: PTH100 - Path has nothing that drops ".." without following links
    return Location(None, absolute, Path(absolute).as_uri(), absolute, absolute)


def _path_of_file_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise SourceError(
            f"{_normal(url)}: the URL names another machine, {parts.hostname!r}",
            hint="A file URL has three slashes: file:///data/films.csv.",
        )
    # Not parts.path: a question mark is a letter of a file's name, or of a glob.
    return unquote(url.partition("://")[2].removeprefix(parts.netloc))


def _remote(
    url: str,
    *,
    fs_and_path: Callable[[], tuple[Any, str]] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Location:
    links = url.split("::")
    uri = _uri(url)
    scheme = uri.partition("://")[0]
    if fs_and_path is None and scheme in _BUCKETS and "@" in url.partition("://")[2].partition("/")[0]:
        raise SourceError(
            f"{uri}: the URL names somebody before the '@'",
            hint="For an Airflow connection pass ObjectStoragePath(url, conn_id=...) from airflow.sdk.",
        )
    words = [word for link in links for word in _credentials(link)]
    forms = {form for word in words for form in (word, unquote(word), quote(word, safe=""))}
    secrets = sorted(forms, key=len, reverse=True)
    try:
        import fsspec  # type: ignore[import-untyped]

        fs, path = fs_and_path() if fs_and_path else fsspec.core.url_to_fs(url)
        # What it remembers of an earlier run in this process may be no longer so.
        fs.invalidate_cache()
    except ImportError as error:
        raise SourceError(
            f"{uri}: {scheme}:// needs a package that is not installed", hint=f"{error}."
        ) from None
    except Exception as error:  # noqa: BLE001 - file systems raise what they like
        raise SourceError(
            f"{uri} cannot be reached: {_without(secrets, str(error))}",
            # A ValueError says that there is no such protocol, or that the URL is none.
            retryable=not isinstance(error, ValueError),
        ) from None
    text = None if secrets or options else url
    return Location(fs, path, uri, uri, text, secrets)


def _uri(url: str) -> str:
    return "::".join(map(_normal, url.split("::")))


def _normal(link: str) -> str:
    scheme, separator, _ = link.partition("://")
    if not separator:
        return link
    scheme = _SAME.get(scheme.lower(), scheme.lower())
    host, slash, path = without_query(link).partition("://")[2].partition("/")
    if scheme in HTTP:
        path = path.partition("#")[0]
    user, _, host = host.rpartition("@")
    if scheme in _AZURE and user:
        host = f"{user.partition(':')[0]}@{host}"
    return f"{scheme}://" + re.sub("/+", "/", host + slash + path).strip("/")


def _credentials(link: str) -> list[str]:
    """Return every text of a URL that may be secret."""
    bare = without_query(link)
    scheme, _, rest = bare.partition("://")
    user, _, password = rest.partition("/")[0].rpartition("@")[0].partition(":")
    query = link[len(bare) :].removeprefix("?")
    # A user alone is a name, or a connection's; with HTTP often a token.
    who = user if password or scheme.lower() in HTTP else ""
    return [word for word in (who, password, query, *(value for _, value in parse_qsl(query))) if word]


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
