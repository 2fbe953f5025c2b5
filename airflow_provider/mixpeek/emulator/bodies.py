"""What the request bodies of both generations are made of."""

from __future__ import annotations

from typing import Any

from .shapes import (
    Location,
    Problem,
    Shape,
    anything,
    array,
    boolean,
    mapping,
    nullable,
    one_of,
    record,
    string,
)

SCALAR_TYPES = ("string", "number", "integer", "float", "boolean", "date", "datetime")
NESTED_TYPES = ("object", "array")
OPERATORS = (
    *("eq", "ne", "gt", "lt", "gte", "lte", "in", "nin", "contains", "starts_with", "ends_with", "regex"),
    *("exists", "is_null", "text"),
)
SORT = record({"field": string(minimum=1), "direction": one_of(("asc", "desc"))}, required=("field",))
_DEEPEST = 64


def _recursive(name: str, schema: dict[str, Any]) -> tuple[Shape, list[Shape]]:
    """A shape that may hold itself: what it stands for is appended to the list afterwards."""
    target: list[Shape] = []

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if len(location) > _DEEPEST:
            problems.append(Problem("recursion_loop", location, f"{name} is nested too deeply"))
            return
        target[0].check(value, location, problems)

    return Shape(schema, check), target


def schema_property(types: tuple[str, ...], **more: Shape) -> Shape:
    """One property of a bucket's schema.

    :param types: The types that it may have.
    :param more: Fields that only this generation has.
    """
    again, target = _recursive("A property", {"type": "object"})
    field = record(
        {
            "type": one_of(types),
            "default": anything(),
            "items": nullable(again),
            "properties": nullable(mapping(again)),
            "description": nullable(string()),
            "enum": nullable(array(anything())),
            **more,
        },
        required=("type",),
        extra=True,
    )
    target.append(field)
    return field


def filters(operators: tuple[str, ...], *, required: tuple[str, ...]) -> Shape:
    """Groups of conditions, nested.

    :param operators: Those that a condition may name.
    :param required: The keys that a condition must have.
    """
    again, target = _recursive("A filter", {"type": "object"})
    # The vendor's SDK takes every condition for a group, and sends a group's case_sensitive with it.
    condition = record(
        {
            "field": string(),
            "operator": one_of(operators),
            "value": anything(),
            "case_sensitive": nullable(boolean()),
        },
        required=required,
    )
    group = record(
        {
            "AND": nullable(array(again)),
            "OR": nullable(array(again)),
            "NOT": nullable(array(again)),
            "case_sensitive": nullable(boolean()),
        },
        extra=True,
    )

    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        shape = condition if isinstance(value, dict) and "field" in value else group
        shape.check(value, location, problems)

    target.append(Shape(group.schema, check))
    return target[0]
