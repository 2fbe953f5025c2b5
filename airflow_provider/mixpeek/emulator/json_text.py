"""JSON to text and back with every digit: fast where orjson can, right where it cannot."""

from __future__ import annotations

import json
from typing import Any

import orjson

NotJson = orjson.JSONDecodeError
# Of integers beyond 64 bits orjson makes floats; no shorter one is such.
_DIGITS = bytes(b"0"[0] if chr(byte).isdecimal() and byte < 128 else b" "[0] for byte in range(256))
_LONG_NUMBER = b"0" * 19
# How deep orjson writes, less a little, and what an answer or a stored record may put around a value.
_DEEPEST = 240
_AROUND = 10


class TooDeepError(ValueError):
    """A text is nested deeper than an answer that holds it could be written."""


def read(text: bytes, *, deep: bool = True) -> Any:
    """The value of a JSON text.

    :param deep: Whether any depth is taken that can be read.
    :raises NotJson: It is none; ``NaN`` and infinite numbers are not.
    :raises TooDeepError: It is nested too deeply.
    """
    value = orjson.loads(text)
    if not deep and text.count(b"[") + text.count(b"{") > _DEEPEST:
        _check_depth(value)
    return json.loads(text) if _LONG_NUMBER in text.translate(_DIGITS) else value


def _check_depth(value: Any) -> None:
    for _ in range(_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        raise TooDeepError(f"Nested deeper than {_DEEPEST} levels") from None


def write(value: Any, *, sort_keys: bool = False) -> bytes:
    """The JSON text of a value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        text = json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys, allow_nan=False
        )
        return text.encode()
