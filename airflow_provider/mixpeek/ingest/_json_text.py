"""JSON text as values, no digit lost."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG_NUMBER = re.compile(rb"\d{19}")


def loads(text: bytes) -> Any:
    """
    Parse JSON.

    orjson rounds integers beyond 64 bits to floats, so text that may hold one is read again by the slower
    standard reader, which accepts what is no JSON (NaN) and so comes second.

    :raises ValueError: it is not JSON, not UTF-8, or nested too deeply.
    """
    value = orjson.loads(text)
    try:
        return json.loads(text) if _LONG_NUMBER.search(text) else value
    except RecursionError:
        raise ValueError("lists and objects are nested too deeply") from None


def dumps(value: Any) -> bytes:
    """
    Write JSON in UTF-8, on one line, integers beyond 64 bits included.

    :raises TypeError: it holds what JSON has not.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
