"""Small checks that compose into the shape of a request body.

A shape is written down once and serves twice: it refuses bodies, with the place and the kind of every fault,
and it is the JSON Schema of the OpenAPI document. Plain functions instead of models, because bodies hold a
hundred objects and the emulator is meant to be fed hundreds of thousands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request: its kind, its place, and a sentence."""

    type: str
    location: Location
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, "location": list(self.location), "message": self.message}


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON Schema and the check that holds a value to it; the check appends what it finds."""

    schema: dict[str, Any]
    check: Callable[[Any, Location, list[Problem]], None]


def string(*, minimum: int = 0, maximum: int | None = None, pattern: str | None = None) -> Shape:
    """Text of a length, counted in characters, and of a form."""
    form = re.compile(pattern) if pattern else None
    schema: dict[str, Any] = {"type": "string"}
    if minimum:
        schema["minLength"] = minimum
    if maximum is not None:
        schema["maxLength"] = maximum
    if pattern:
        schema["pattern"] = pattern

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if not isinstance(value, str):
            problems.append(Problem("string_type", location, "Input should be a valid string"))
        elif len(value) < minimum:
            problems.append(
                Problem("string_too_short", location, f"String should have at least {minimum} character")
            )
        elif maximum is not None and len(value) > maximum:
            message = f"String should have at most {maximum} characters, has {len(value)}"
            problems.append(Problem("string_too_long", location, message))
        elif form and not form.search(value):
            problems.append(
                Problem("string_pattern_mismatch", location, f"String should match pattern '{pattern}'")
            )

    return Shape(schema, check)


def integer(*, minimum: int, maximum: int | None = None) -> Shape:
    """A whole number between two bounds, both included; a boolean is none."""
    schema: dict[str, Any] = {"type": "integer", "minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if type(value) is not int:
            problems.append(Problem("int_type", location, "Input should be a valid integer"))
        elif value < minimum:
            problems.append(
                Problem("greater_than_equal", location, f"Input should be greater than or equal to {minimum}")
            )
        elif maximum is not None and value > maximum:
            problems.append(
                Problem("less_than_equal", location, f"Input should be less than or equal to {maximum}")
            )

    return Shape(schema, check)


def boolean() -> Shape:
    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if type(value) is not bool:
            problems.append(Problem("bool_type", location, "Input should be a valid boolean"))

    return Shape({"type": "boolean"}, check)


def one_of(words: tuple[str, ...]) -> Shape:
    """One of some words, letter case included."""
    allowed = frozenset(words)
    listed = ", ".join(f"'{word}'" for word in words)

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if not isinstance(value, str) or value not in allowed:
            problems.append(Problem("enum", location, f"Input should be one of {listed}; got {value!r:.60}"))

    return Shape({"type": "string", "enum": list(words)}, check)


def anything() -> Shape:
    return Shape({}, lambda _value, _location, _problems: None)


def mapping(values: Shape | None = None) -> Shape:
    """A JSON object with any keys, whose values have one shape."""
    schema = {"type": "object", "additionalProperties": values.schema if values else True}

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if not isinstance(value, dict):
            problems.append(Problem("dict_type", location, "Input should be a valid object"))
        elif values:
            for key, item in value.items():
                values.check(item, (*location, key), problems)

    return Shape(schema, check)


def array(items: Shape, *, minimum: int = 0, maximum: int | None = None) -> Shape:
    """A list of one shape and of a length."""
    schema: dict[str, Any] = {"type": "array", "items": items.schema}
    if minimum:
        schema["minItems"] = minimum
    if maximum is not None:
        schema["maxItems"] = maximum

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if not isinstance(value, list):
            problems.append(Problem("list_type", location, "Input should be a valid list"))
            return
        if len(value) < minimum:
            message = f"List should have at least {minimum} item, not {len(value)}"
            problems.append(Problem("too_short", location, message))
        if maximum is not None and len(value) > maximum:
            message = f"List should have at most {maximum} items, not {len(value)}"
            problems.append(Problem("too_long", location, message))
            return
        for index, item in enumerate(value):
            items.check(item, (*location, index), problems)

    return Shape(schema, check)


def nullable(inner: Shape) -> Shape:
    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if value is not None:
            inner.check(value, location, problems)

    return Shape({"anyOf": [inner.schema, {"type": "null"}]}, check)


def record(fields: Mapping[str, Shape], *, required: tuple[str, ...] = (), extra: bool = False) -> Shape:
    """A JSON object with known fields.

    :param fields: The shape of each.
    :param required: Those that must be there.
    :param extra: Whether other keys pass; else each is ``extra_forbidden``.
    """
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: shape.schema for name, shape in fields.items()},
        "additionalProperties": extra,
    }
    if required:
        schema["required"] = list(required)
    checks = {name: shape.check for name, shape in fields.items()}

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if not isinstance(value, dict):
            problems.append(Problem("model_attributes_type", location, "Input should be a valid object"))
            return
        for key, item in value.items():
            known = checks.get(key)
            if known is not None:
                known(item, (*location, key), problems)
            elif not extra:
                problems.append(extra_forbidden((*location, key), checks))
        problems += [
            Problem("missing", (*location, name), "Field required") for name in required if name not in value
        ]

    return Shape(schema, check)


def extra_forbidden(location: Location, accepted: Mapping[str, object]) -> Problem:
    """The refusal of a key that nothing declares, naming those that are."""
    names = ", ".join(sorted(accepted)) or "none"
    return Problem("extra_forbidden", location, f"Extra inputs are not permitted; accepted keys: {names}")
