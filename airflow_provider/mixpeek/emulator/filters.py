"""Filters and sorting over answers, as the list and batch calls take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def lookup(row: Mapping[str, Any], path: str) -> tuple[Any, bool]:
    """The value at a dotted path, and whether there is one."""
    if path in row:
        return row[path], True
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return None, False
        value = value[part]
    return value, True


def matches(row: Mapping[str, Any], filters: Mapping[str, Any] | None, *, exact_case: bool = False) -> bool:
    """Whether a row passes a filter.

    :param row: The answer that is judged.
    :param filters: ``{AND|OR|NOT: [...]}``, ``{field, operator, value}`` or ``{field: value}``, nested.
    :param exact_case: Whether letter case counts; ``case_sensitive`` in the filter overrides it.
    :raises Refusal: An operator is not evaluated here, or does not fit its value.
    """
    if not filters:
        return True
    exact = filters.get("case_sensitive")
    exact_case = exact_case if exact is None else exact
    if "field" in filters:
        value, _ = lookup(row, filters["field"])
        return _holds(filters.get("operator") or "eq", value, filters.get("value"), exact_case=exact_case)
    for key, value in filters.items():
        if key == "case_sensitive" or (key in _GROUPS and value is None):
            continue
        if key in _GROUPS:
            passed = _GROUPS[key](matches(row, each, exact_case=exact_case) for each in value)
        else:
            passed = _holds("eq", lookup(row, key)[0], value, exact_case=exact_case)
        if not passed:
            return False
    return True


_GROUPS: dict[str, Callable[[Any], bool]] = {"AND": all, "OR": any, "NOT": lambda each: not any(each)}


def _holds(operator: str, value: Any, wanted: Any, *, exact_case: bool) -> bool:
    there = value is not None
    if operator == "exists":
        return there == bool(wanted)
    if operator == "is_null":
        return there != bool(wanted)
    if not exact_case:
        value, wanted = _fold(value), _fold(wanted)
    if operator == "ne":
        return not _same(value, wanted)
    if operator in ("in", "nin"):
        if not isinstance(wanted, list):
            raise Refusal(422, f"Operator '{operator}' needs a list as its value")
        return any(_same(value, each) for each in wanted) == (operator == "in")
    if not there:
        return False
    if operator == "eq":
        return _same(value, wanted) or (
            isinstance(value, list) and any(_same(each, wanted) for each in value)
        )
    if operator in _ORDERS:
        try:
            return bool(_ORDERS[operator](value, wanted))
        except TypeError:
            return False
    if operator == "contains" and isinstance(value, list):
        return any(_same(each, wanted) for each in value)
    if operator in _TEXTS:
        return isinstance(value, str) and isinstance(wanted, str) and _TEXTS[operator](value, wanted)
    if operator == "regex":
        try:
            return isinstance(value, str) and re.search(wanted, value) is not None
        except (re.error, TypeError) as error:
            raise Refusal(422, f"'{wanted}' is no regular expression") from error
    raise Refusal(400, f"The emulator does not evaluate the operator '{operator}'")


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "lt": lambda value, wanted: value < wanted,
    "lte": lambda value, wanted: value <= wanted,
}
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "text": lambda value, wanted: all(word in value.split() for word in wanted.split()),
}


def _fold(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    return [_fold(each) for each in value] if isinstance(value, list) else value


def _same(value: Any, wanted: Any) -> bool:
    # 1 and true are equal in Python and different in JSON.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def contains_text(row: Mapping[str, Any], search: str) -> bool:
    """Whether any text of a row, nested ones too, contains a text, in any letter case."""
    return _any_text(row, search.lower())


def _any_text(value: Any, wanted: str) -> bool:
    if isinstance(value, str):
        return wanted in value.lower()
    if isinstance(value, dict):
        return any(_any_text(each, wanted) for each in value.values())
    return isinstance(value, list) and any(_any_text(each, wanted) for each in value)


def sort_key(field: str) -> Callable[[Mapping[str, Any]], tuple[int, str, Any]]:
    """A key that sorts rows by a field: rows without it first, then by kind of value, then by value."""

    def key(row: Mapping[str, Any]) -> tuple[int, str, Any]:
        value, _ = lookup(row, field)
        if value is None:
            return (0, "", 0)
        if isinstance(value, int | float):
            return (1, "number", value)
        if isinstance(value, str):
            return (1, "text", value)
        return (2, "other", str(value))

    return key


def select_rows(
    rows: Sequence[dict[str, Any]], body: Mapping[str, Any], *, search_in: str | None = None
) -> list[dict[str, Any]]:
    """Filter, search and sort rows as a list's body says.

    :param rows: Oldest first, which is also the order without ``sort``.
    :param search_in: The field that ``search`` looks into; None: all text.
    """
    filters, search = body.get("filters"), body.get("search")
    exact_case = bool(body.get("case_sensitive"))
    chosen = [row for row in rows if matches(row, filters, exact_case=exact_case)]
    if search:
        chosen = [row for row in chosen if contains_text({"": row[search_in]} if search_in else row, search)]
    sorts = body.get("sorts") or ([body["sort"]] if body.get("sort") else [])
    for sort in reversed(sorts):
        chosen.sort(key=sort_key(sort["field"]), reverse=sort.get("direction") == "desc")
    return chosen
