"""Whether a value has the type that a bucket's schema declares."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from .shapes import Location, Problem

if TYPE_CHECKING:
    from collections.abc import Callable


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_datetime(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) > 10 and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def type_fault(value: Any, kind: str) -> str | None:
    """Why a value is not of a scalar type, of an object or an array; None where it is."""
    test, wanted = _TESTS[kind]
    if test(value):
        return None
    return f"The bucket's schema declares {kind}: should be {wanted}; got {type(value).__name__}"


_TESTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a string"),
    "number": (_is_number, "a number"),
    "float": (_is_number, "a number"),
    "integer": (_is_integer, "a whole number"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "object": (lambda value: isinstance(value, dict), "an object"),
    "array": (lambda value: isinstance(value, list), "a list"),
    "date": (_is_date, "a date like 2026-11-02"),
    "datetime": (_is_datetime, "a time like 2026-11-02T10:00:00Z"),
}


def check_value(value: Any, declared: dict[str, Any], location: Location, problems: list[Problem]) -> None:
    """Hold a value to the definition of a property; null stands for absent and passes.

    :param declared: The definition: ``type``, and for nested ones ``items`` or ``properties``.
    :param location: Of the value.
    :param problems: Takes what is wrong.
    """
    if value is None:
        return
    kind = declared["type"]
    if kind not in _TESTS:
        message = f"A property of type {kind} travels as a blob, not as a key of the object"
        problems.append(Problem("value_error", location, message))
        return
    fault = type_fault(value, kind)
    if fault:
        problems.append(Problem(f"{kind}_type", location, fault))
        return
    allowed = declared.get("enum")
    if allowed and value not in allowed:
        problems.append(Problem("enum", location, f"Should be one of {allowed!r:.120}"))
    if kind == "array" and declared.get("items"):
        for index, item in enumerate(value):
            check_value(item, declared["items"], (*location, index), problems)
    elif kind == "object" and declared.get("properties"):
        for name, nested in declared["properties"].items():
            if name in value:
                check_value(value[name], nested, (*location, name), problems)
            elif nested.get("required"):
                problems.append(Problem("missing", (*location, name), "Field required"))
