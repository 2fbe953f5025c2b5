"""From an answer to a result, or to the error that says what happened and what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekAuthenticationError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekQuotaError,
    MixpeekRateLimitError,
    MixpeekServerError,
    MixpeekStatusError,
    MixpeekValidationError,
    ValidationIssue,
)
from airflow_provider.mixpeek.client._http_date import unix_time

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._flow import Answer, Request
    from airflow_provider.mixpeek.client._settings import Settings

M = TypeVar("M", bound=BaseModel)

#: Letters of a server's text that an error repeats at most.
LONGEST_TEXT = 500

#: Bytes and depth of a refusal's body that are read as JSON at most; errors are logged and pickled.
_LARGEST_REFUSAL = 1024 * 1024
_DEEPEST = 16

#: Refusals after which the same request may succeed.
_PASSING = frozenset({429, 500, 502, 503, 504})

OTHER_GENERATION = (
    "Does this server speak the other generation of the API? Check the connection's generation."
)

_INDEX = re.compile(r"[0-9]{1,9}")

_HINTS = {
    401: "Check the API key: is it whole, and of this server?",
    403: "Ask for an API key with the permission this call needs (READ, WRITE, DELETE or ADMIN).",
    404: "Check the id and the connection's namespace: things of another namespace are not found.",
    405: OTHER_GENERATION,
    409: "It exists already, or its state forbids this; look at it and decide.",
    413: "Send less in one request.",
    422: "Correct what is named and send it again.",
    429: "Send less often (requests_per_second), or ask the vendor for a higher limit.",
}


def model(answer: Answer, kind: type[M], request: Request) -> M:
    """
    Parse an answer into its model.

    :raises MixpeekAnswerError: it is not JSON, or lacks what the call must return.
    """
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise unusable(answer, request, _what_is_wrong(error)) from None


def json_object(answer: Answer, request: Request) -> dict[str, Any]:
    """
    Parse an answer that is a free JSON object.

    :raises MixpeekAnswerError: it is something else.
    """
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        raise unusable(answer, request, "it is not JSON") from None
    if not isinstance(found, dict):
        raise unusable(answer, request, "it is not a JSON object")
    return found


def json_list(answer: Answer, kind: type[M], request: Request) -> list[M]:
    """
    Parse an answer that is a bare array.

    :raises MixpeekAnswerError: it is something else, or lacks what each of its items must have.
    """
    try:
        return TypeAdapter(list[kind]).validate_json(answer.content)  # type: ignore[valid-type]
    except ValidationError as error:
        raise unusable(answer, request, _what_is_wrong(error)) from None


def unusable(answer: Answer, request: Request, why: str) -> MixpeekAnswerError:
    """An error for an answer with a good status and a body that this call cannot have."""
    if _is_html(answer):
        why, hint = "it is a web page", "Check the base URL: something else than the API answers there."
    else:
        hint = OTHER_GENERATION
    return MixpeekAnswerError(
        f"the answer ({answer.status}) cannot be used: {why}",
        hint=hint,
        method=request.method,
        path=request.path,
        request_id=answer.headers.get("x-request-id"),
        may_be_stored=request.writes,
    )


def _what_is_wrong(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "json_invalid":
        return "it is not JSON, or cut off"
    if first["type"] == "missing":
        return f"it has no {where}"
    return f"{where}: {first['msg']}" if where else first["msg"]


def refusal(
    settings: Settings, request: Request, answer: Answer, *, stored_nothing: bool, wall: float
) -> MixpeekError:
    """
    Turn a refusing answer into its error.

    Understands the vendor's envelope (API 0.81 and 0.82), the lists of ``detail`` that its older generation
    sends with a 422, the older nesting below ``detail``, the error without envelope of the limits page, plain
    text, HTML, and nothing at all.

    :param stored_nothing: Whether this status of this generation promises that a write was not carried out.
    :param wall: Unix time in seconds, against which a ``Retry-After`` date is held where the answer has no
        ``Date``.
    """
    status = answer.status
    common: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "request_id": answer.headers.get("x-request-id"),
    }
    if 300 <= status < 400:
        return MixpeekAnswerError(
            f"the server redirects ({status}) to {_host(answer.headers.get('location', ''))}, which would be "
            "sent the key and is not followed",
            hint="Set the base URL to the address that the API really has.",
            **common,
        )
    body = _clean(_body(answer), settings)
    found = _error_part(body)
    listed = found.get("details")
    details: dict[str, Any] = listed if isinstance(listed, dict) else {}
    kind = _short(_text(found.get("type")))
    retry_after = _retry_after(answer.headers, details, found, wall=wall)
    issues = tuple(_issues(body, details))
    return _error_class(status, kind)(
        f"{status}{f' {kind}' if kind else ''}: {_message(answer, body, found, issues, settings)}",
        status=status,
        type=kind,
        code=_text(found.get("code")) or None,
        details=details,
        validation_errors=issues,
        hint=_hint(status, kind, details, retry_after),
        retryable=status in _PASSING and details.get("retryable") is not False,
        retry_after=retry_after,
        may_be_stored=status >= 500 and not stored_nothing and request.writes,
        **common,
    )


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or "another address"
    except ValueError:
        return "another address"


def _error_class(status: int, kind: str) -> type[MixpeekStatusError]:
    if status >= 500:
        return MixpeekServerError
    if status == 403:
        return MixpeekQuotaError if kind == "QuotaExceededError" else MixpeekPermissionError
    by_status: dict[int, type[MixpeekStatusError]] = {
        400: MixpeekValidationError,
        401: MixpeekAuthenticationError,
        404: MixpeekNotFoundError,
        409: MixpeekConflictError,
        413: MixpeekValidationError,
        422: MixpeekValidationError,
        429: MixpeekRateLimitError,
    }
    return by_status.get(status, MixpeekStatusError)


def _hint(status: int, kind: str, details: Mapping[str, Any], retry_after: float | None) -> str:
    hint = _HINTS.get(status, "")
    if status == 403 and isinstance(details.get("limit"), int | float):
        resource = _text(details.get("resource")) or "limit"
        current = _short(str(details.get("current", "?")))
        hint = f"The plan's {resource} is used up ({current} of {details['limit']})."
    elif status == 404 and not kind:
        # The API names the kind of its errors: this comes from something that does not know the path.
        hint = f"{hint} {OTHER_GENERATION}"
    elif status >= 500:
        hint = "The server failed; try again later, and tell the vendor the request id if it stays."
    when = "" if retry_after is None else f"The server asks to wait {retry_after:,.0f} s."
    return " ".join(filter(None, (hint, when)))


def _body(answer: Answer) -> Any:
    if not answer.content or len(answer.content) > _LARGEST_REFUSAL:
        return None
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def _clean(value: Any, settings: Settings, depth: int = 0) -> Any:
    """Take the key out wherever it was echoed, and cut what is nested deeper than any error needs."""
    if isinstance(value, str):
        # Half a surrogate pair is legal in JSON, and no log can write it.
        return settings.redact(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {_clean(name, settings): _clean(part, settings, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_clean(part, settings, depth + 1) for part in value]
    return value


def _error_part(body: Any) -> dict[str, Any]:
    """The outermost part with a message, else the innermost, of whatever shape the body has."""
    while isinstance(body, dict) and not isinstance(body.get("message"), str):
        inner = body.get("detail") if isinstance(body.get("detail"), dict) else body.get("error")
        if not isinstance(inner, dict):
            break
        body = inner
    return body if isinstance(body, dict) else {}


def _message(
    answer: Answer,
    body: Any,
    found: Mapping[str, Any],
    issues: Sequence[ValidationIssue],
    settings: Settings,
) -> str:
    said = _said(answer, body, found, settings)
    if not issues or (said and str(issues[0]) in said):
        return said or "no reason given"
    first = _short(str(issues[0])) + (f" and {len(issues) - 1} more" if len(issues) > 1 else "")
    return f"{said} [{first}]" if said else first


def _said(answer: Answer, body: Any, found: Mapping[str, Any], settings: Settings) -> str:
    for part in (found.get("message"), found.get("detail"), found.get("error"), body):
        if isinstance(part, str) and part.strip():
            return _short(part)
    if _is_html(answer):
        return "a web page, not the API's answer"
    if len(answer.content) > _LARGEST_REFUSAL:
        return f"a body of {len(answer.content):,} bytes, which was not read"
    return "" if body is not None else _short(settings.redact(answer.content.decode("utf-8", "replace")))


def _issues(body: Any, details: Mapping[str, Any]) -> list[ValidationIssue]:
    listed = details.get("validation_errors")
    if listed is None and isinstance(body, dict):
        listed = body.get("detail")
    if not isinstance(listed, list):
        return []
    return [
        ValidationIssue(
            location=_location(entry.get("location", entry.get("loc"))),
            message=_short(_text(entry.get("message", entry.get("msg")))),
            type=_text(entry.get("type")),
        )
        for entry in listed
        if isinstance(entry, dict)
    ]


def _location(found: Any) -> tuple[str | int, ...]:
    if isinstance(found, str):
        return tuple(int(part) if _INDEX.fullmatch(part) else part for part in found.split("."))
    if not isinstance(found, list):
        return ()
    return tuple(part for part in found if isinstance(part, str | int))


def _retry_after(headers: Mapping[str, str], *bodies: Mapping[str, Any], wall: float) -> float | None:
    """Seconds to wait: the header, as seconds or as a date, before the body's hints."""
    header = headers.get("retry-after", "").strip()
    date, server_time = unix_time(header), unix_time(headers.get("date", ""))
    # The date is one of the server's clock, so it is held against the server's own Date.
    now = wall if server_time is None else server_time
    hints: list[Any] = [header, None if date is None else max(0.0, date - now)]
    for body in bodies:
        hints += [body.get("retry_after_seconds"), body.get("retry_after")]
    for hint in hints:
        try:
            seconds = float(hint)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(seconds) and seconds >= 0 and not isinstance(hint, bool):
            return seconds
    return None


def _is_html(answer: Answer) -> bool:
    start = answer.content[:200].lstrip().lower()
    return "html" in answer.headers.get("content-type", "") or start.startswith((b"<!doctype", b"<html"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str) -> str:
    # A log is read by terminals, to which control characters are commands.
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]}..."
