"""
Every error of the client.

::

    MixpeekError
    ├── MixpeekConfigError           a setting or an argument is wrong; nothing was sent (also a ValueError)
    │   ├── MixpeekGenerationError   the generation of the API does not have that, or is another one
    │   └── MixpeekFileError         a file cannot be uploaded as it is: missing, empty, too large, changed
    ├── MixpeekStoppedError          the caller ended a wait between two tries
    ├── MixpeekReadError             where a file is read from failed; says nothing about the file
    ├── MixpeekWorkError             a wait for tasks or batches is over, and they did not all end well
    │   ├── MixpeekWorkFailedError       one failed or was cancelled
    │   │   └── MixpeekWorkPartialError  a part of one did
    │   ├── MixpeekWorkNotSubmittedError nobody submitted it, so nothing will ever happen
    │   ├── MixpeekWorkLostError         the server knows it no longer
    │   ├── MixpeekWaitContactError      nothing could be seen; says nothing about the work
    │   └── MixpeekWaitTimeoutError      the deadline came first; says nothing either (also a TimeoutError)
    ├── MixpeekConnectionError       no answer came
    │   └── MixpeekTimeoutError      ... in time
    ├── MixpeekAnswerError           an answer came that is not the API's: HTML, cut off, without its id
    │   └── MixpeekNamespaceError    the server does not know the namespace
    └── MixpeekStatusError           the API refused
        ├── MixpeekValidationError       400, 413, 422
        ├── MixpeekAuthenticationError   401
        ├── MixpeekPermissionError       403
        │   └── MixpeekQuotaError        403 QuotaExceededError
        ├── MixpeekUploadURLError        a storage no longer takes a file at its presigned URL
        ├── MixpeekStorageError          a storage refused a file for another reason
        ├── MixpeekNotFoundError         404
        ├── MixpeekConflictError         409
        ├── MixpeekRateLimitError        429
        └── MixpeekServerError           5xx

All of them pickle, and none holds the API key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """
    One complaint of a 422.

    :param location: Path to what is wrong, such as ``("body", "objects", 3, "blobs", 0, "type")``.
    :param message: The vendor's words.
    :param type: The vendor's short name of the complaint, such as ``extra_forbidden``.
    """

    location: tuple[str | int, ...]
    message: str
    type: str = ""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.location))}: {self.message}" if self.location else self.message


class MixpeekError(Exception):
    """
    Base of all errors of this client.

    :param message: What happened, one sentence without a full stop.
    :param hint: What to do next; may be empty.
    :param method: HTTP method of the call, where there was one.
    :param path: Path of the call, without the query.
    :param request_id: The server's ``x-request-id``, for the vendor's support.
    :param may_be_stored: Whether a write may have been carried out all the same.
    :param retryable: Whether the same call may succeed later.
    :param retry_after: Seconds after which the server says to try again; None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        method: str = "",
        path: str = "",
        request_id: str | None = None,
        may_be_stored: bool = False,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.method = method
        self.path = path
        self.request_id = request_id
        self.may_be_stored = may_be_stored
        self.retryable = retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = f"{self.method} {self.path}: " if self.path else ""
        request = f" (request id {self.request_id})" if self.request_id else ""
        return f"{where}{self.message}{request}." + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(cls: type[MixpeekError], message: str, state: dict[str, Any]) -> MixpeekError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


def as_json(error: MixpeekError) -> dict[str, Any]:
    """An error as plain values, to be raised elsewhere by :func:`from_json`; without its vendor's details."""
    plain = {name: value for name, value in vars(error).items() if _is_plain(value)}
    return {"kind": type(error).__name__, "fields": plain}


def from_json(told: Mapping[str, Any]) -> MixpeekError | None:
    """The error that :func:`as_json` told of; None where this version has no such error."""
    kind, fields = globals().get(str(told.get("kind"))), told.get("fields")
    if not (isinstance(kind, type) and issubclass(kind, MixpeekError) and isinstance(fields, Mapping)):
        return None
    bare = kind("", status=0) if issubclass(kind, MixpeekStatusError) else kind("")
    return _rebuild(kind, str(fields.get("message", "")), {**vars(bare), **fields})


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


class MixpeekConfigError(MixpeekError, ValueError):
    """A setting or an argument is wrong. Nothing was sent."""


class MixpeekGenerationError(MixpeekConfigError):
    """The generation of the API does not have that, or the server speaks the other one."""


class MixpeekFileError(MixpeekConfigError):
    """A file cannot be uploaded as it is: missing, empty, too large, or changed meanwhile."""


class MixpeekStoppedError(MixpeekError):
    """The caller ended a wait between two tries of a call."""


class MixpeekReadError(MixpeekError):
    """A file that is to be uploaded cannot be read just now: where it is failed, which is no fault of its."""


class MixpeekWorkError(MixpeekError):
    """
    A wait for tasks or batches is over, and they did not all end well.

    :param ends: What ended otherwise (:class:`WaitFor`), each with a sentence that says how.
    :param running: What was still running (:class:`WaitFor`); it runs on, and nobody waits for it.
    """

    def __init__(
        self,
        message: str,
        *,
        ends: Mapping[Any, str] | None = None,
        running: tuple[Any, ...] = (),
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.ends: Mapping[Any, str] = ends or {}
        self.running = running


class MixpeekWorkFailedError(MixpeekWorkError):
    """The work failed or was cancelled."""


class MixpeekWorkPartialError(MixpeekWorkFailedError):
    """A part of the work failed, and the caller does not take partial results."""


class MixpeekWorkNotSubmittedError(MixpeekWorkError):
    """The batch is a draft that nobody submitted."""


class MixpeekWorkLostError(MixpeekWorkError):
    """The server knows it no longer, so how it ended cannot be told."""


class MixpeekWaitContactError(MixpeekWorkError):
    """Too many looks in a row failed. The work may be going on."""


class MixpeekWaitTimeoutError(MixpeekWorkError, TimeoutError):
    """The deadline came first. The work may be going on."""


class MixpeekConnectionError(MixpeekError):
    """No answer: the server cannot be reached, or the connection broke."""


class MixpeekTimeoutError(MixpeekConnectionError):
    """No whole answer within the timeout."""


class MixpeekAnswerError(MixpeekError):
    """An answer that the API cannot have given: another service, a proxy, another generation."""


class MixpeekNamespaceError(MixpeekAnswerError):
    """The server answered that it does not know the namespace (header ``X-Namespace-Unresolved``)."""


class MixpeekStatusError(MixpeekError):
    """
    The API refused the call.

    :param status: HTTP status.
    :param type: The vendor's error type, such as ``NotFoundError``; empty where the body names none.
    :param code: The vendor's finer code (API 0.82), where there is one.
    :param details: The vendor's ``details``; empty where there are none.
    :param validation_errors: The complaints of a 422.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str = "",  # noqa: A002 - the vendor's own name
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        validation_errors: tuple[ValidationIssue, ...] = (),
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.status = status
        self.type = type
        self.code = code
        self.details: Mapping[str, Any] = details or {}
        self.validation_errors = validation_errors


class MixpeekValidationError(MixpeekStatusError):
    """400, 413 or 422: the request is wrong as it stands."""


class MixpeekAuthenticationError(MixpeekStatusError):
    """401: the API key is missing, wrong or expired."""


class MixpeekPermissionError(MixpeekStatusError):
    """403: the key lacks a permission, or the feature is not enabled."""


class MixpeekUploadURLError(MixpeekStatusError):
    """The storage does not take the file at its presigned URL: it ran out, or does not fit."""


class MixpeekStorageError(MixpeekStatusError):
    """The storage refused the file, and not for its URL."""


class MixpeekQuotaError(MixpeekPermissionError):
    """403 QuotaExceededError: the plan is used up; reads go on."""


class MixpeekNotFoundError(MixpeekStatusError):
    """404: there is no such thing in this namespace."""


class MixpeekConflictError(MixpeekStatusError):
    """409: it exists already, or is in a state that forbids the call."""


class MixpeekRateLimitError(MixpeekStatusError):
    """429: too many requests; nothing was stored."""


class MixpeekServerError(MixpeekStatusError):
    """5xx: the server failed."""
