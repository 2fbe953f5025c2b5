"""
A file could not be read: is that its own fault, or did the place where it is fail?

File systems of fsspec raise what they like, and their texts may repeat a URL with all that is secret in it:
of a foreign error nothing is told but its type.
"""

from __future__ import annotations

import errno

from airflow_provider.mixpeek.client._errors import MixpeekError, MixpeekFileError, MixpeekReadError

#: What no second try mends. The first that fits is told.
_OF_THE_FILE: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, "there is no such file"),
    (PermissionError, "the permission to read it is missing"),
    (IsADirectoryError, "it is a folder"),
    (NotADirectoryError, "a part of its path is no folder"),
)
#: Paths that are none, and sockets and devices.
_NO_FILES = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENODEV})

#: Of the 4xx of a server that files are read from, those that a later try may not meet.
_PASSING = frozenset({408, 425, 429})


def read_failure(name: str, error: Exception, *, again: bool = True) -> MixpeekError:
    """
    Say that a file cannot be read, and whose fault that is.

    :param name: What to call the file.
    :param error: What its file system raised. It must not become the cause: a cause is shown.
    :param again: Whether the file can be read once more from its beginning.
    :return: A :class:`MixpeekFileError` where the file is to blame; else a :class:`MixpeekReadError`.
    """
    error = _cause_of_a_missing_file(error)
    why = _of_the_file(error)
    if why:
        return MixpeekFileError(f"{name} cannot be read: {why}")
    number = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    hint = (
        "Where it is failed, which says nothing about the file: try again later."
        if again
        else "It can be read only once: open it again."
    )
    return MixpeekReadError(
        f"{name} cannot be read now ({type(error).__name__}{number and f' {number}'})",
        hint=hint,
        retryable=again,
    )


def _of_the_file(error: Exception) -> str:
    for kind, why in _OF_THE_FILE:
        if isinstance(error, kind):
            return why
    if isinstance(error, OSError) and error.errno in _NO_FILES:
        return f"it is no path of a file ({errno.errorcode[error.errno]})"
    # The errors of aiohttp, which reads from HTTP servers, have the status of the answer.
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in _PASSING:
        return f"its server answers {status}"
    return ""


def _cause_of_a_missing_file(error: Exception) -> Exception:
    """fsspec calls a file of an HTTP server missing whatever the server answers, and when it is down."""
    cause = error.__cause__
    if (
        isinstance(error, FileNotFoundError)
        and isinstance(cause, Exception)
        and (isinstance(cause, OSError) or type(cause).__module__.partition(".")[0] == "aiohttp")
    ):
        return cause
    return error
