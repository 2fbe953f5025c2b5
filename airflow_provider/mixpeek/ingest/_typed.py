"""
Plain values as a bucket's schema wants them: fields of a data type, and the ``data`` of blobs.

Whole columns go through untouched where their values are of the type already; only what is left (texts from
CSV, mostly) is converted value by value.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from airflow_provider.mixpeek.client._file_names import without_secrets
from airflow_provider.mixpeek.client._schema import BlobForms, is_blob_type
from airflow_provider.mixpeek.ingest._json_text import loads
from airflow_provider.mixpeek.ingest._values import NoFormError, PlainColumn, convert, plain_column

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,307}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?:(:\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
#: A time in the form that is sent: what cells of a frame have become by then.
_SENT_AS_IT_IS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?", re.ASCII)
_URL = re.compile(r"(?:https?|s3)://[^\s/][^\s]*|data:[^,\s]*;base64,[A-Za-z0-9+/=_-]+", re.IGNORECASE)
_LOCAL = re.compile(r"(?:/|\./|\.\./|~|file:|[A-Za-z]:\\)")
#: Types of the legacy generation that hold a vector.
_VECTORS = frozenset({"dense_vector", "sparse_vector", "int8_vector"})
_CURRENT = BlobForms()
_MIDNIGHT: Final = "T00:00:00"

_FILE_FORMS = (
    "a file is an http, https or s3 URL, a data: URI with base64, bytes, or a dict with 'url' or 'base64'"
)


def typed_column(values: Sequence[Any], property_type: str) -> PlainColumn:
    """
    Bring plain values into a data type of the schema.

    :param values: Plain values (:func:`~airflow_provider.mixpeek.ingest._values.plain_column`).
    :param property_type: One of ``string number integer float boolean object array date datetime``.
    :return: Values that JSON can hold. ``"12.5"`` is 12.5 for a float, 9 is ``"9"`` for a string, ``"007"``
        is 7 for an integer, and a text of JSON is taken for an object or array.
    """
    accepted, form = _DATA_FORMS[property_type]
    if set(map(type, values)) <= accepted:
        return PlainColumn(values)
    return convert(values, lambda value: None if value is None else form(value))


def blob_column(values: Sequence[Any], property_type: str, forms: BlobForms = _CURRENT) -> PlainColumn:
    """
    Bring plain values into the ``data`` of blobs.

    :param values: Plain values.
    :param forms: What the server's generation takes.
    :param property_type: Any type of the schema. Texts travel wrapped, since a bare text that begins like a
        URL would be taken for one; files are URLs, data URIs, base64 or dicts that say which; blobs of a
        data type hold the typed value.
    """
    if not is_blob_type(property_type):
        return typed_column(values, property_type)
    if property_type == "json":
        return convert(values, _json_blob)
    if property_type in _VECTORS:
        return convert(values, lambda value: None if value is None else _array_or_object(value))
    if property_type != "text":
        return convert(values, _file if forms.base64 else _file_by_url)
    if not forms.wrapped_texts:
        return convert(values, _bare_text)
    if set(map(type, values)) <= {str, NoneType}:
        return PlainColumn([None if value is None else {"text": value} for value in values])
    return convert(values, _text_blob)


def text_of(value: Any) -> str:
    """
    Write a plain scalar as text, as JSON writes it.

    :raises NoFormError: it is bytes, a list or a dict.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise NoFormError(f"{_name(value)} is no text")


def _name(value: Any) -> str:
    return {bytes: "bytes", list: "a list", dict: "a dict", bool: "a boolean", str: "a text"}.get(
        type(value), "a number"
    )


def _shown(value: Any) -> str:
    text = repr(without_secrets(value) if isinstance(value, str) and "://" in value else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and abs(number := float(text)) != float("inf"):
            return number
        raise NoFormError(f"{_shown(value)} is no number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoFormError(f"{_name(value)} is no number")
    return value


def _integer(value: Any) -> int:
    number = _number(value)
    if isinstance(number, int):
        return number
    # A text has digits that its float has not: "9007199254740993.0".
    exact = Decimal(value.strip() if isinstance(value, str) else value)
    if exact != exact.to_integral_value():
        raise NoFormError(f"{_shown(value)} is no integer")
    return int(exact)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word not in {"true", "false"}:
        raise NoFormError(f"{_shown(value)} is no boolean; booleans are true and false")
    return word == "true"


def _object(value: Any) -> dict[str, Any]:
    parsed = _parsed(value)
    if not isinstance(parsed, dict):
        raise NoFormError(f"{_name(value)} is no object; give a dict, or text that holds a JSON object")
    return parsed


def _array(value: Any) -> list[Any]:
    parsed = _parsed(value)
    if not isinstance(parsed, list):
        raise NoFormError(f"{_name(value)} is no array; give a list, or text that holds a JSON array")
    return parsed


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = plain_column([loads(value.encode())])
    except ValueError:
        return value
    for problem in parsed.problems.values():
        raise NoFormError(problem)
    return parsed.values[0]


def _date(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _DATE.fullmatch(text):
        moment = _datetime(value, wanted="date")
        text, midnight, _zone = moment.partition(_MIDNIGHT)
        if not midnight or "." in moment:
            raise NoFormError(f"{_shown(value)} has a time of day, and the property is a date")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise NoFormError(f"{_shown(value)} is no day of the calendar") from None
    return text


def _datetime(value: Any, wanted: str = "datetime") -> str:
    if not isinstance(value, str):
        raise NoFormError(f"{_name(value)} is no {wanted}; give ISO 8601 text or a {wanted}")
    if _SENT_AS_IT_IS.fullmatch(value):
        with suppress(ValueError):  # told below, in words
            datetime.fromisoformat(value[:19])
            return value
    found = _DATETIME.fullmatch(value.strip())
    if found is None:
        raise NoFormError(f"{_shown(value)} is no {wanted} of ISO 8601, such as 2026-11-23T04:08:30Z")
    day, minutes, seconds, fraction, zulu, sign, hours_off, minutes_off = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}{seconds or ':00'}")
        if sign:
            offset = timedelta(hours=int(hours_off), minutes=int(minutes_off))
            zone = timezone(offset if sign == "+" else -offset)
            moment = moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise NoFormError(f"{_shown(value)} is no time of the calendar") from None
    fraction = (fraction or "").rstrip("0")
    return f"{moment.isoformat()}{'.' if fraction else ''}{fraction}{'Z' if zulu or sign else ''}"


def _text_blob(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        if value.keys() & {"text", "url", "base64"}:
            return value
        raise NoFormError("a dict is no text unless it has 'text', 'url' or 'base64'")
    if isinstance(value, bytes):
        raise NoFormError("bytes are no text; decode them first")
    return {"text": text_of(value)}


def _bare_text(value: Any) -> str | None:
    return None if value is None else text_of(value)


def _json_blob(value: Any) -> Any:
    if isinstance(value, bytes):
        raise NoFormError("bytes are no JSON; decode them first")
    return _parsed(value)


def _array_or_object(value: Any) -> Any:
    parsed = _parsed(value)
    if not isinstance(parsed, list | dict):
        raise NoFormError(f"{_name(value)} is no vector; give a list of numbers, or an object")
    return parsed


def _file_by_url(value: Any) -> Any:
    if isinstance(value, bytes) or (isinstance(value, dict) and "base64" in value):
        raise NoFormError("the legacy generation of the API takes files by their URL, not by value")
    return _file(value)


def _file(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        if _URL.fullmatch(value):
            return value
        if _URL.fullmatch(value.strip()):
            raise NoFormError(f"the URL has a blank at an end: {_shown(value)}")
        # One that lacks its scheme has a signature all the same.
        value = without_secrets(value)
        if _LOCAL.match(value):
            raise NoFormError(
                f"{_shown(value)} is a path of this machine, which the server cannot read: "
                "upload the file and give its URL, or read it and give its bytes"
            )
        raise NoFormError(f"{_shown(value)} is no file: {_FILE_FORMS}")
    if isinstance(value, bytes):
        if not value:
            raise NoFormError("the file is empty (0 bytes)")
        return {"base64": b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        if any(isinstance(value.get(key), str) and value[key] for key in ("url", "base64")):
            return value
        raise NoFormError(f"a dict without 'url' and 'base64' is no file: {_FILE_FORMS}")
    raise NoFormError(f"{_name(value)} is no file: {_FILE_FORMS}")


#: Data type -> the types that pass as they are, and what to do with a value of another one.
_DATA_FORMS: dict[str, tuple[frozenset[type], Callable[[Any], Any]]] = {
    "string": (frozenset({str, NoneType}), text_of),
    "number": (frozenset({int, float, NoneType}), _number),
    "float": (frozenset({int, float, NoneType}), _number),
    "integer": (frozenset({int, NoneType}), _integer),
    "boolean": (frozenset({bool, NoneType}), _boolean),
    "object": (frozenset({dict, NoneType}), _object),
    "array": (frozenset({list, NoneType}), _array),
    "date": (frozenset({NoneType}), _date),
    "datetime": (frozenset({NoneType}), _datetime),
}
