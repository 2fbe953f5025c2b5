"""
The plain form of every value: the one written-down JSON form that wire bodies and identities start from.

===============================  =====================================================================
value                            plain form
===============================  =====================================================================
None, NaN, NaT, pandas.NA        None (absent)
str                              the same; must be encodable as UTF-8
bool, int                        the same; at most 307 digits
float                            int where it is whole and below 2**53 in size, else the same; not infinite
Decimal                          exact text without exponent and trailing zeros: ``"1.5"``
UUID                             text: ``"6f1c...-..."``
date                             ``"2026-11-23"``; of the years 1 to 9999, like all times
datetime with a zone             in UTC: ``"2026-11-23T04:08:30.25Z"``
datetime without                 ``"2026-11-23T04:08:30.25"``, up to nanoseconds
time                             ``"04:08:30.25"``; not with a zone
timedelta                        seconds, as a number
bytes, bytearray, memoryview     bytes; not inside a list or dict
list, tuple, numpy array         list of plain forms; absent ones stay as null
dict                             dict with text keys; absent values are left out
numpy and Arrow scalars          the form of the Python value
===============================  =====================================================================

Everything else (sets, enums, periods, complex numbers, objects) has no form: the caller rejects the row.

Columns, not cells, are the unit of work: the set of types in a column decides how it is read, and a column
of texts, numbers or booleans costs no function call per cell.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any
from uuid import UUID

#: Above it a float no longer tells neighbouring integers apart.
_EXACT_INTEGERS = 2**53
#: Integers beyond every float are no numbers to most readers of JSON, though its grammar has them.
_MAX_BITS = 1_023
_MAX_DECIMAL_DIGITS = 4_000
_MAX_DEPTH = 100
#: Units of times and durations that a frame's column can have.
TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INFINITY = "an infinite number has no JSON form"
_BEYOND = "lies outside of the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class PlainColumn:
    """
    A column in one form.

    :param values: One a row; None where the value is absent or has a problem.
    :param problems: Index in ``values`` -> why this value cannot be used, to be read after
        ``column 'x': ``.
    """

    values: Sequence[Any]
    problems: dict[int, str] = field(default_factory=dict)


class NoFormError(Exception):
    """A value has no form of the kind asked for; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """
    Stands in a column for a cell whose value its reader cannot give.

    :param reason: Why.
    """

    reason: str


#: Takes a value and how deep it is nested (0: a cell).
_Form = Callable[[Any, int], Any]


def plain_column(cells: Sequence[Any]) -> PlainColumn:
    """
    Bring the cells of a column into their plain form.

    :param cells: Python, numpy or Arrow values in any mixture.
    :return: ``None | str | bool | int | float | list | dict | bytes`` for each cell.
    """
    kinds = set(map(type, cells)) - {NoneType}
    if kinds <= {bool} or (kinds == {str} and _encodable(cells)) or (kinds <= {int, bool} and _short(cells)):
        return PlainColumn(cells)
    if kinds == {float}:
        values = [
            None
            if cell is None or cell != cell
            else int(cell)
            if cell.is_integer() and -_EXACT_INTEGERS < cell < _EXACT_INTEGERS
            else cell
            for cell in cells
        ]
        if math.inf not in values and -math.inf not in values:
            return PlainColumn(values)
    forms = {kind: _form(kind) for kind in kinds} | {NoneType: _absent}
    return convert(cells, lambda cell: _tried(forms[type(cell)], cell))


def convert(values: Sequence[Any], form: Callable[[Any], Any]) -> PlainColumn:
    """
    Apply a form to every value of a column.

    :param form: Returns the value's form or raises :class:`NoFormError`.
    """
    converted: list[Any] = []
    problems: dict[int, str] = {}
    for index, value in enumerate(values):
        try:
            converted.append(form(value))
        except NoFormError as error:
            converted.append(None)
            problems[index] = str(error)
    return PlainColumn(converted, problems)


def nanoseconds_of(duration: timedelta) -> int:
    """Count the nanoseconds of a timedelta or a pandas.Timedelta, which counts them besides."""
    microseconds = (duration.days * 86_400 + duration.seconds) * 10**6 + duration.microseconds
    return microseconds * 1_000 + getattr(duration, "nanoseconds", 0)


def _encodable(cells: Sequence[str | None]) -> bool:
    try:
        "".join(filter(None, cells)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(cells: Sequence[int | None]) -> bool:
    largest = max((cell for cell in cells if cell is not None), key=abs)
    return largest.bit_length() <= _MAX_BITS


def _find_form(kind: type) -> _Form:
    """Find how values of a type are brought into their plain form."""
    np, pandas, arrow = (sys.modules.get(name) for name in ("numpy", "pandas", "pyarrow"))
    if pandas and kind in {type(pandas.NaT), type(pandas.NA)}:
        return _absent
    if np and issubclass(kind, np.generic | np.ndarray):
        return _numpy_form(kind, np)
    if arrow and issubclass(kind, arrow.MonthDayNano):
        return _refused
    if arrow and issubclass(kind, arrow.Scalar):
        return lambda cell, depth: _plain(cell.as_py(), depth)
    return next((form for base, form in _FORMS if issubclass(kind, base)), _refused)


#: Types come by the million, and are few.
_form: Callable[[type], _Form] = lru_cache(maxsize=256)(_find_form)


def _numpy_form(kind: type, np: Any) -> _Form:
    if issubclass(kind, np.ndarray):
        return _array
    if issubclass(kind, np.datetime64):
        return _datetime64
    if issubclass(kind, np.timedelta64):
        return _timedelta64
    if issubclass(kind, np.longdouble) and kind is not np.float64:
        return lambda cell, depth: _float(float(cell), depth)
    if issubclass(kind, np.bool_ | np.integer | np.floating | np.str_ | np.bytes_):
        return lambda cell, depth: _plain(cell.item(), depth)
    return _refused


def _tried(form: _Form, cell: Any) -> Any:
    try:
        return form(cell, 0)
    except NoFormError:
        raise
    except Exception as error:
        # Cells of foreign classes raise what they like when they are looked into.
        raise NoFormError(f"it cannot be read: {type(error).__name__}: {error}") from error


def _plain(value: Any, depth: int) -> Any:
    return _form(type(value))(value, depth)


def _absent(_cell: Any, _depth: int) -> None:
    return None


def _refused(cell: Any, _depth: int) -> Any:
    kind = type(cell)
    package = kind.__module__.partition(".")[0]
    name = kind.__qualname__ if package == "builtins" else f"{package}.{kind.__qualname__}"
    raise NoFormError(f"a value of type {name} has no JSON form; turn it into text, a number or a list first")


def _unreadable(cell: Unreadable, _depth: int) -> Any:
    raise NoFormError(cell.reason)


def _enum(cell: Any, _depth: int) -> Any:
    raise NoFormError(
        f"a value of the enumeration {type(cell).__qualname__} has no JSON form; use its .name or .value"
    )


def _str(cell: str, _depth: int) -> str:
    text = str.__str__(cell)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoFormError(
            f"half of a surrogate pair at character {error.start} cannot be written as UTF-8"
        ) from None
    return text


def _int(cell: int, _depth: int) -> int:
    if cell.bit_length() > _MAX_BITS:
        raise NoFormError(f"an integer of {cell.bit_length()} bits is too long")
    return int.__int__(cell)


def _float(cell: float, _depth: int) -> int | float | None:
    number = float.__float__(cell)
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise NoFormError(_INFINITY)
    return int(number) if number.is_integer() and abs(number) < _EXACT_INTEGERS else number


def _decimal(cell: Decimal, _depth: int) -> str | None:
    if cell.is_nan():
        return None
    if cell.is_infinite():
        raise NoFormError(_INFINITY)
    if cell and abs(cell.adjusted()) > _MAX_DECIMAL_DIGITS:
        raise NoFormError("a decimal number with such an exponent is too long")
    # Not normalize(): it would round to the precision of the thread's decimal context.
    return trimmed(format(cell, "f")) if cell else "0"


def _uuid(cell: UUID, _depth: int) -> str:
    return str(cell)


def trimmed(text: str) -> str:
    """Take the zeros away from the end of a fraction, and a point that nothing follows."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _datetime(cell: datetime, _depth: int) -> str:
    if cell.utcoffset() is None:
        return _of_our_years(trimmed(cell.replace(tzinfo=None).isoformat()))
    try:
        instant = cell.astimezone(UTC)
    except (OverflowError, ValueError):
        raise NoFormError(f"{cell.isoformat()} {_BEYOND} in UTC") from None
    return _of_our_years(trimmed(instant.replace(tzinfo=None).isoformat()) + "Z")


def _of_our_years(text: str) -> str:
    # numpy and pandas have times that Python lacks, and nobody else reads: "20000-01-01", "-0044-03-15".
    if text[4] != "-" or text.startswith(("-", "0000")):
        raise NoFormError(f"{text} {_BEYOND}")
    return text


def _date(cell: date, _depth: int) -> str:
    return cell.isoformat()


def _time(cell: time, _depth: int) -> str:
    if cell.tzinfo is not None:
        raise NoFormError("a time of day with a zone means nothing without its date")
    return trimmed(cell.isoformat())


def _timedelta(cell: timedelta, _depth: int) -> int | float:
    return seconds_of(nanoseconds_of(cell), 10**9)


def seconds_of(ticks: int, per_second: int) -> int | float:
    """The plain form of a duration: an integer where it is whole seconds."""
    whole, rest = divmod(ticks, per_second)
    return ticks / per_second if rest else whole


def _bytes(cell: bytes | bytearray | memoryview, depth: int) -> bytes:
    if depth:
        raise NoFormError("bytes inside a list or dict have no JSON form; give them a column of their own")
    return bytes(cell)


def _list(cell: Sequence[Any], depth: int) -> list[Any]:
    below = _deeper(depth)
    return [_plain(item, below) for item in cell]


def _dict(cell: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    below = _deeper(depth)
    members = {}
    for key, item in cell.items():
        if not isinstance(key, str):
            raise NoFormError(f"a dict with the key {key!r} has no JSON form; keys are texts")
        value = _plain(item, below)
        if value is not None:
            members[_str(key, below)] = value
    return members


def _deeper(depth: int) -> int:
    if depth >= _MAX_DEPTH:
        raise NoFormError(f"lists and dicts are nested more than {_MAX_DEPTH} deep")
    return depth + 1


def _array(cell: Any, depth: int) -> Any:
    # tolist() would turn nanoseconds into bare integers.
    items = (list(cell) if cell.ndim else cell[()]) if cell.dtype.kind in "mM" else cell.tolist()
    return _plain(items, depth)


def _datetime64(cell: Any, _depth: int) -> str | None:
    import numpy as np

    if np.isnat(cell):
        return None
    unit = np.datetime_data(cell.dtype)[0]
    if unit in {"Y", "M", "W", "D"}:
        return _of_our_years(str(cell.astype("datetime64[D]")))
    if unit in {"ps", "fs", "as"}:
        raise NoFormError(f"a time in units of {unit} is finer than nanoseconds")
    return _of_our_years(trimmed(str(cell.astype("datetime64[s]") if unit in {"h", "m"} else cell)))


def _timedelta64(cell: Any, _depth: int) -> int | float | None:
    import numpy as np

    if np.isnat(cell):
        return None
    unit, count = np.datetime_data(cell.dtype)
    ticks = int(cell.astype("int64")) * count
    if unit in {"W", "D", "h", "m"}:
        return ticks * {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60}[unit]
    if unit in TICKS_PER_SECOND:
        return seconds_of(ticks, TICKS_PER_SECOND[unit])
    raise NoFormError(f"a duration in units of {unit} is no exact number of seconds")


#: In this order: an IntEnum is an int, a bool is an int, a datetime is a date, and none is to be read so.
_FORMS: tuple[tuple[type | tuple[type, ...], _Form], ...] = (
    (NoneType, _absent),
    (Enum, _enum),
    (str, _str),
    (bool, lambda cell, _depth: cell),
    (int, _int),
    (float, _float),
    (Decimal, _decimal),
    (UUID, _uuid),
    (datetime, _datetime),
    (date, _date),
    (time, _time),
    (timedelta, _timedelta),
    ((bytes, bytearray, memoryview), _bytes),
    ((list, tuple), _list),
    (Mapping, _dict),
    (Unreadable, _unreadable),
)
