"""
A JSON form in which cells keep what they are, for rows that are set aside and read again.

What JSON has stays itself: texts, finite numbers, booleans, null, lists, dicts with text keys. All else
becomes a dict with the key ``$type``, a tag:

========================  ===================================================================================
value                     tag
========================  ===================================================================================
bytes-like                ``{"$type": "bytes", "value": "<base64>"}``
datetime, with offset     ``{"$type": "datetime", "value": "2026-11-23T04:08:30.25+01:00"}``, where its zone
                          has a name also ``"zone": "Europe/Berlin"``; a pandas Timestamp with nanoseconds has
                          nine digits, and is one again
date                      ``{"$type": "date", "value": "2026-11-23"}``
time                      ``{"$type": "time", "value": "04:08:30"}``, and its zone as above
timedelta                 ``{"$type": "timedelta", "value": "86401.5"}``, in seconds; up to nine digits
datetime64, timedelta64   ``{"$type": "datetime64", "value": "2026-11-23", "unit": "D"}``; durations: a number
Decimal, UUID, complex    ``{"$type": "decimal", "value": "1.50"}``, ``uuid``, ``complex``
NaN, inf, -inf            ``{"$type": "float", "value": "nan"}``
pandas.NaT, pandas.NA     ``{"$type": "pandas", "value": "NaT"}``
int of 4,000 digits       ``{"$type": "int", "value": "0x..."}``
tuple, set, frozenset     ``{"$type": "tuple", "value": [...]}``
other dicts               ``{"$type": "dict", "value": [[key, value], ...]}``: a key is no text, or ``$type``
text with half a pair     ``{"$type": "text", "value": "a\\ud800"}``; a backslash in it is ``\\u005c``
everything else           ``{"$type": "repr", "value": "<what it looks like>", "of": "<its type>"}``
========================  ===================================================================================

Read back, numpy and Arrow scalars are Python values, arrays lists, named tuples tuples, and a ``repr`` is
:class:`Lost`, which rejects its row again; all others equal what they were.
"""

from __future__ import annotations

import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from types import NoneType
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from airflow_provider.mixpeek.ingest._json_text import dumps
from airflow_provider.mixpeek.ingest._values import Unreadable, nanoseconds_of

_TYPE = "$type"
_MAX_DEPTH = 100
#: Python refuses to print integers of more than 4,300 digits.
_PRINTABLE_BITS = 14_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_TO_ESCAPE = re.compile("[\\\\\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
_NANOSECONDS = re.compile(r"\.\d{6}(\d{3})")

#: Takes a value and the ids of the lists and dicts it is in.
_Form = Callable[[Any, tuple[int, ...]], Any]
_Clock = TypeVar("_Clock", datetime, time)


@dataclass(frozen=True, slots=True)
class Lost(Unreadable):
    """
    Stands for a value that could not be kept.

    :param looks: What it looked like.
    :param of: Its type, where it had one.
    """

    looks: str
    of: str | None


def encode(value: Any) -> Any:
    """
    Bring a value into a form that :mod:`json` and every other JSON writer take.

    Never fails: what cannot be kept is kept as what it looks like.
    """
    return _encode(value, ())


def decode(value: Any) -> Any:
    """
    Bring a value back.

    :param value: JSON, made by :func:`encode` and then perhaps changed by hand.
    :raises ValueError: a tag is unknown, or does not hold what it should.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TYPE not in value:
        return {key: decode(item) for key, item in value.items()}
    name = value[_TYPE]
    read = _READERS.get(name) if isinstance(name, str) else None
    if read is None:
        raise ValueError(f"there is no {_TYPE} {name!r}; known are {', '.join(_READERS)}")
    try:
        return read(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"the {_TYPE} {name!r} cannot be read: {reason}") from None


def _encode(value: Any, above: tuple[int, ...]) -> Any:
    try:
        return _form(type(value))(value, above)
    except Exception:  # noqa: BLE001 - whatever a foreign object raises
        return _lost(value, above)


def _find_form(kind: type) -> _Form:
    np, pandas, arrow = (sys.modules.get(name) for name in ("numpy", "pandas", "pyarrow"))
    if pandas and kind in {type(pandas.NaT), type(pandas.NA)}:
        name = "NaT" if kind is type(pandas.NaT) else "NA"
        return lambda _value, _above: _tag("pandas", name)
    if np and issubclass(kind, np.generic | np.ndarray):
        return _numpy_form(kind, np)
    if arrow and issubclass(kind, arrow.Scalar):
        return lambda value, above: _encode(value.as_py(), above)
    return next((form for base, form in _FORMS if issubclass(kind, base)), _lost)


_form: Callable[[type], _Form] = lru_cache(maxsize=256)(_find_form)


def _numpy_form(kind: type, np: Any) -> _Form:
    if issubclass(kind, np.ndarray):
        # tolist() would turn nanoseconds into bare integers.
        return lambda value, above: _encode(
            list(value) if value.ndim and value.dtype.kind in "mM" else value.tolist(), above
        )
    if issubclass(kind, np.datetime64):
        return lambda value, _above: _tag("datetime64", str(value), unit=_unit(value))
    if issubclass(kind, np.timedelta64):
        return _timedelta64
    # These two have no Python type of their own: item() returns what it is called on.
    if issubclass(kind, np.longdouble):
        return lambda value, above: _float(float(value), above)
    if issubclass(kind, np.clongdouble):
        return lambda value, _above: _tag("complex", str(complex(value)))
    return lambda value, above: _encode(value.item(), above)


def _tag(name: str, value: Any, **more: str | None) -> dict[str, Any]:
    return {_TYPE: name, "value": value} | {key: item for key, item in more.items() if item is not None}


def _lost(value: Any, _above: tuple[int, ...]) -> dict[str, Any]:
    kind = type(value)
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - as above
        text = f"<{kind.__qualname__}>"
    return _tag("repr", _text(text, ()), of=f"{kind.__module__}.{kind.__qualname__}")


def _unreadable(value: Unreadable, _above: tuple[int, ...]) -> dict[str, Any]:
    looks, of = (value.looks, value.of) if isinstance(value, Lost) else (f"<{value.reason}>", None)
    return _tag("repr", _text(looks, ()), of=of)


def _same(value: Any, _above: tuple[int, ...]) -> Any:
    return value


def _text(value: str, _above: tuple[int, ...]) -> Any:
    text = str.__str__(value)
    if _SURROGATE.search(text) is None:
        return text
    # JSON can write half a pair, but readers join two that only stand side by side, or refuse it.
    return _tag("text", _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _int(value: int, _above: tuple[int, ...]) -> Any:
    number = int.__int__(value)
    return number if number.bit_length() <= _PRINTABLE_BITS else _tag("int", hex(number))


def _float(value: float, _above: tuple[int, ...]) -> Any:
    number = float.__float__(value)
    return number if isfinite(number) else _tag("float", str(number))


def _datetime(value: datetime, above: tuple[int, ...]) -> Any:
    if not 1 <= value.year <= 9999:
        # A pandas Timestamp of coarse unit; no other datetime is so far away.
        return _lost(value, above) if value.tzinfo else _encode(value.to_datetime64(), above)  # type: ignore[attr-defined]
    return _tag("datetime", value.isoformat(), zone=_zone_name(value.tzinfo))


def _timedelta(value: timedelta, above: tuple[int, ...]) -> Any:
    if not timedelta.min.days <= value.days <= timedelta.max.days:
        return _encode(value.to_timedelta64(), above)  # type: ignore[attr-defined]
    nanoseconds = nanoseconds_of(value)
    whole, rest = divmod(abs(nanoseconds), 10**9)
    text = f"{'-' if nanoseconds < 0 else ''}{whole}.{rest:09d}"
    return _tag("timedelta", text.rstrip("0").rstrip("."))


def _timedelta64(value: Any, _above: tuple[int, ...]) -> Any:
    ticks = value.astype("int64").item()
    return _tag("timedelta64", "NaT" if value != value else ticks, unit=_unit(value))


def _unit(value: Any) -> str:
    import numpy as np

    unit, count = np.datetime_data(value.dtype)
    return unit if count == 1 else f"{count}{unit}"


def _zone_name(zone: tzinfo | None) -> str | None:
    # zoneinfo, and pytz.
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return name if isinstance(name, str) else None


def _inside(value: Any, above: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in above or len(above) >= _MAX_DEPTH:
        raise RecursionError
    return (*above, id(value))


def _list(value: Sequence[Any], above: tuple[int, ...]) -> list[Any]:
    inside = _inside(value, above)
    return [_encode(item, inside) for item in value]


def _set(value: Set[Any], above: tuple[int, ...]) -> list[Any]:
    # In an order of their own: the same set is the same text in every process.
    return sorted(_list(list(value), above), key=dumps)


def _dict(value: Mapping[Any, Any], above: tuple[int, ...]) -> dict[str, Any]:
    inside = _inside(value, above)
    items = [(_encode(key, inside), _encode(item, inside)) for key, item in value.items()]
    if all(isinstance(key, str) and key != _TYPE for key, _ in items):
        return dict(items)
    return _tag("dict", [list(item) for item in items])


#: In this order: an IntEnum is an int, a bool is an int, a datetime is a date, and none is to be kept so.
_FORMS: tuple[tuple[type | tuple[type, ...], _Form], ...] = (
    (NoneType, _same),
    (Enum, _lost),
    (str, _text),
    (bool, _same),
    (int, _int),
    (float, _float),
    (complex, lambda value, _above: _tag("complex", str(value))),
    (Decimal, lambda value, _above: _tag("decimal", str(value))),
    (UUID, lambda value, _above: _tag("uuid", str(value))),
    (datetime, _datetime),
    (date, lambda value, _above: _tag("date", value.isoformat())),
    (time, lambda value, _above: _tag("time", value.isoformat(), zone=_zone_name(value.tzinfo))),
    (timedelta, _timedelta),
    (
        (bytes, bytearray, memoryview),
        lambda value, _above: _tag("bytes", b64encode(bytes(value)).decode("ascii")),
    ),
    (list, _list),
    (tuple, lambda value, above: _tag("tuple", _list(value, above))),
    (frozenset, lambda value, above: _tag("frozenset", _set(value, above))),
    (set, lambda value, above: _tag("set", _set(value, above))),
    (Mapping, _dict),
    (Unreadable, _unreadable),
)


def _read_repr(tag: Mapping[str, Any]) -> Lost:
    of = tag.get("of")
    what = f"a value of type {of}" if of else "its value"
    return Lost(f"{what} could not be kept: put one in the place of its tag", str(decode(tag["value"])), of)


def _read_datetime(tag: Mapping[str, Any]) -> datetime:
    text = tag["value"]
    moment = _in_zone(datetime.fromisoformat(text), tag.get("zone"))
    finer = _NANOSECONDS.search(text)
    if finer is None:
        return moment
    import pandas

    return pandas.Timestamp(moment) + pandas.Timedelta(int(finer[1]), "ns")


def _in_zone(clock: _Clock, name: str | None) -> _Clock:
    """Give a time its zone back; where that is unknown here, or has another offset then, the offset stays."""
    if name is None:
        return clock
    try:
        zone = ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        return clock
    readings = (clock.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return next((reading for reading in readings if reading.utcoffset() == clock.utcoffset()), clock)


def _read_timedelta(tag: Mapping[str, Any]) -> timedelta:
    nanoseconds = Fraction(tag["value"]) * 10**9
    if nanoseconds.denominator != 1:
        raise ValueError(f"{tag['value']!r} is finer than nanoseconds")
    microseconds, rest = divmod(nanoseconds.numerator, 1_000)
    if not rest:
        return timedelta(microseconds=microseconds)
    import pandas

    return pandas.Timedelta(nanoseconds.numerator, "ns")


def _read_numpy(tag: Mapping[str, Any]) -> Any:
    import numpy as np

    return getattr(np, tag[_TYPE])(tag["value"], tag["unit"])


def _read_pandas(tag: Mapping[str, Any]) -> Any:
    import pandas

    return {"NaT": pandas.NaT, "NA": pandas.NA}[tag["value"]]


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "bytes": lambda tag: b64decode(tag["value"], validate=True),
    "complex": lambda tag: complex(tag["value"]),
    "date": lambda tag: date.fromisoformat(tag["value"]),
    "datetime": _read_datetime,
    "datetime64": _read_numpy,
    "decimal": lambda tag: Decimal(tag["value"]),
    "dict": lambda tag: {decode(key): decode(item) for key, item in tag["value"]},
    "float": lambda tag: float(tag["value"]),
    "frozenset": lambda tag: frozenset(map(decode, tag["value"])),
    "int": lambda tag: int(tag["value"], 16),
    "pandas": _read_pandas,
    "repr": _read_repr,
    "set": lambda tag: set(map(decode, tag["value"])),
    "text": lambda tag: _ESCAPED.sub(lambda found: chr(int(found[1], 16)), tag["value"]),
    "time": lambda tag: _in_zone(time.fromisoformat(tag["value"]), tag.get("zone")),
    "timedelta": _read_timedelta,
    "timedelta64": _read_numpy,
    "tuple": lambda tag: tuple(map(decode, tag["value"])),
    "uuid": lambda tag: UUID(tag["value"]),
}
