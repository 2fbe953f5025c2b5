"""JSON to text and back with every digit: fast where orjson can, right where it cannot."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

NotJson = orjson.JSONDecodeError
# Of integers beyond 64 bits orjson makes floats; no shorter one is such.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
# How deep orjson writes, less a little, and what an answer or a stored record may put around a value.
_DEEPEST = 240
_AROUND = 10


def read(text: bytes) -> Any:
    """The value of a JSON text.

    :raises NotJson: It is none; ``NaN`` and infinite numbers are not.
    """
    value = orjson.loads(text)
    return json.loads(text) if _LONG_NUMBER.search(text) else value


def is_too_deep(text: bytes, value: Any) -> bool:
    """Whether a value that was read could not be written again with something around it."""
    if text.count(b"[") + text.count(b"{") < _DEEPEST:
        return False
    for _ in range(_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError as error:
        # Numbers beyond 64 bits are no reason: those are written another way.
        return "64-bit" not in str(error)
    return False


def write(value: Any, *, sort_keys: bool = False) -> bytes:
    """The JSON text of a value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        text = json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys, allow_nan=False
        )
        return text.encode()
