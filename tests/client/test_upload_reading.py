"""Files that cannot be read: whose fault that is, and what is told of it."""

from __future__ import annotations

import errno
import io
import logging
import pickle
from typing import IO, Any

import pytest

from airflow_provider.mixpeek.client import MixpeekError, MixpeekFileError, MixpeekReadError
from airflow_provider.mixpeek.client._read_failures import read_failure

CONTENT = bytes(range(256)) * 2000
URL = "https://u:pw@storage.example.com/a.png?X-Amz-Signature=SECRET"
PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"


class HTTPError(Exception):
    """As aiohttp's, which fsspec lets through or hides behind a missing file."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, url={URL}")
        self.status = status


HTTPError.__module__ = "aiohttp.client_exceptions"


def missing(cause: Exception) -> FileNotFoundError:
    error = FileNotFoundError(URL)
    error.__cause__ = cause
    return error


OF_THE_FILE = [
    (FileNotFoundError(URL), "there is no such file"),
    (missing(KeyError(URL)), "there is no such file"),
    (missing(HTTPError(404)), "its server answers 404"),
    (PermissionError(errno.EACCES, URL), "the permission to read it is missing"),
    (IsADirectoryError(URL), "it is a folder"),
    (NotADirectoryError(URL), "a part of its path is no folder"),
    (OSError(errno.ENAMETOOLONG, URL), "it is no path of a file (ENAMETOOLONG)"),
    (OSError(errno.ENXIO, URL), "it is no path of a file (ENXIO)"),
    (HTTPError(410), "its server answers 410"),
]
NOT_ITS_FAULT = [
    (OSError(URL), "OSError"),
    (OSError(errno.EIO, URL), "OSError EIO"),
    (TimeoutError(URL), "TimeoutError"),
    (ConnectionResetError(errno.ECONNRESET, URL), "ConnectionResetError ECONNRESET"),
    (HTTPError(503), "HTTPError"),
    (HTTPError(429), "HTTPError"),
    (missing(HTTPError(503)), "HTTPError"),
    (missing(TimeoutError(URL)), "TimeoutError"),
    (ValueError(URL), "ValueError"),
]


@pytest.mark.parametrize(("error", "why"), OF_THE_FILE)
def test_what_no_second_try_mends_is_the_file_s_fault(error: Exception, why: str):
    told = read_failure("a.png", error)
    assert isinstance(told, MixpeekFileError)
    assert told.message == f"a.png cannot be read: {why}"


@pytest.mark.parametrize(("error", "why"), NOT_ITS_FAULT)
def test_all_else_is_not_and_may_pass(error: Exception, why: str):
    told = read_failure("a.png", error)
    assert (type(told), told.retryable) == (MixpeekReadError, True)
    assert told.message == f"a.png cannot be read now ({why})"


class Flaky:
    """A file whose place fails some times before it gives what is in it."""

    name = "a.png"

    def __init__(self, *, failures: int, after: int) -> None:
        self.failures = failures
        self.after = after

    def open(self, _mode: str) -> IO[bytes]:
        flaky = self

        class File(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if flaky.failures and self.tell() >= flaky.after:
                    flaky.failures -= 1
                    raise OSError(f"SlowDown for {URL}")
                return super().read(size)

        return File(CONTENT)


@pytest.mark.parametrize("after", [0, 300_000])
def test_a_place_that_fails_for_a_moment_stops_no_upload(mixpeek: Any, emulator: Any, after: int):
    bucket = mixpeek.buckets.create("files", schema={"hero": "image"}).bucket_id
    told = mixpeek.uploads.upload_file(bucket, Flaky(failures=3, after=after))
    assert emulator.state()["files"] == {told.sha256: 1}


def test_a_place_that_fails_while_the_file_is_sent_stops_no_upload(mixpeek: Any, emulator: Any):
    bucket = mixpeek.buckets.create("files", schema={"hero": "image"}).bucket_id
    file = Flaky(failures=0, after=300_000)
    reads = 0

    class Second(Flaky):
        def open(self, mode: str) -> IO[bytes]:
            nonlocal reads
            reads += 1
            file.failures = int(reads in (2, 3))
            return file.open(mode)

    told = mixpeek.uploads.upload_file(bucket, Second(failures=0, after=0))
    assert reads == 4
    assert emulator.state()["files"] == {told.sha256: 1}


def test_a_place_that_goes_on_failing_is_told_without_what_it_says(
    mixpeek: Any, emulator: Any, caplog: Any, count: Any
):
    caplog.set_level(logging.DEBUG)
    bucket = mixpeek.buckets.create("files", schema={"hero": "image"}).bucket_id
    with pytest.raises(MixpeekReadError, match=r"a\.png cannot be read now \(OSError\)") as caught:
        mixpeek.uploads.upload_file(bucket, Flaky(failures=9, after=0))
    error: MixpeekError = caught.value
    assert error.retryable
    shown = [f"{each!r} {each}" for each in (error, error.__cause__, error.__context__)]
    shown += [repr(pickle.dumps(error)), caplog.text]
    assert not [text for text in shown if "SECRET" in text or "pw" in text]
    assert "Reading it again" in caplog.text
    assert count("PUT", PUT) == 0


def test_a_stream_that_broke_off_is_not_taken_for_whole(mixpeek: Any, emulator: Any):
    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.given += 1
            if self.given == 2:
                raise TimeoutError
            return b"x" * size if self.given < 4 else b""

    bucket = mixpeek.buckets.create("files", schema={"hero": "image"}).bucket_id
    with pytest.raises(MixpeekReadError, match="can be read only once: open it again") as caught:
        mixpeek.uploads.upload_file(bucket, Stream(), filename="a.png")
    assert not caught.value.retryable
    assert emulator.state()["files"] == {}


@pytest.mark.parametrize("path", ["a\0.png", "a\0/b.png"])
def test_a_path_with_a_nul_is_none(mixpeek: Any, path: str):
    with pytest.raises(MixpeekFileError, match="NUL"):
        mixpeek.uploads.upload_file("bkt_1", path)


def test_a_storage_that_finds_the_file_slow_is_asked_again(mixpeek: Any, emulator: Any, tmp_path: Any):
    bucket = mixpeek.buckets.create("files", schema={"hero": "image"}).bucket_id
    (tmp_path / "a.png").write_bytes(CONTENT)
    body = "<Code>RequestTimeout</Code>"
    emulator.fault({"fault": "status", "status": 400, "body": body, "path": "/_storage/*", "times": 2})
    told = mixpeek.uploads.upload_file(bucket, tmp_path / "a.png")
    assert emulator.state()["files"] == {told.sha256: 1}
