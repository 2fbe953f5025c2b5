"""Faults on demand: rules that say which call is struck, by what, and how often."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import invalid
from .records import Outcome
from .shapes import (
    Location,
    Problem,
    Shape,
    anything,
    array,
    boolean,
    integer,
    mapping,
    nullable,
    one_of,
    record,
    string,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS_OF_KIND: dict[str, frozenset[str]] = {
    "latency": frozenset({"seconds"}),
    "status": frozenset({"status", "body", "headers", "after"}),
    "reset_before": frozenset(),
    "reset_midway": frozenset({"bytes"}),
    "reset_after": frozenset(),
    "reset_late": frozenset({"seconds"}),
    "truncated": frozenset({"bytes"}),
    "wrong_length": frozenset({"extra"}),
    "task_outcome": frozenset({"status", "error", "failed_objects", "error_type", "meanwhile", "seconds"}),
    "task_forgotten": frozenset(),
    "url_expired": frozenset(),
}
_NEEDED = {
    "latency": ("seconds",),
    "status": ("status",),
    "reset_midway": ("bytes",),
    "reset_late": ("seconds",),
    "truncated": ("bytes",),
    "wrong_length": ("extra",),
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def _number(minimum: float, maximum: float) -> Shape:
    def check(value: Any, location: Location, problems: list[Problem]) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            problems.append(
                Problem("number", location, f"Should be a number from {minimum:g} to {maximum:g}")
            )

    return Shape({"type": "number", "minimum": minimum, "maximum": maximum}, check)


_KEYS = {
    "method": nullable(one_of(_METHODS)),
    "path": nullable(string(minimum=1)),
    "fault": one_of(tuple(KEYS_OF_KIND)),
    "times": nullable(integer(minimum=1)),
    "probability": nullable(_number(0, 1)),
    "seed": nullable(integer(minimum=0)),
    "skip": integer(minimum=0),
    "seconds": _number(0, 86_400),
    "status": anything(),
    "body": anything(),
    "headers": mapping(string()),
    "after": boolean(),
    "error": nullable(string()),
    "failed_objects": nullable(integer(minimum=0)),
    "error_type": one_of(("transient", "permanent", "resource")),
    "meanwhile": nullable(string(minimum=1)),
    "bytes": integer(minimum=0),
    "extra": integer(minimum=-1_000_000_000),
}
_RULES = array(record(_KEYS, required=("fault",)))
KEYS_OF_ALL = frozenset(_KEYS).difference(*KEYS_OF_KIND.values())
"""The keys that every rule may have."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as rules see it.

    :param path: As it came.
    :param template: With ``{names}`` for ids; the path itself where no endpoint has it.
    """

    method: str
    path: str
    template: str


@dataclass(slots=True)
class _Armed:
    """A rule, and how often it was looked at and fired."""

    rule: dict[str, Any]
    chance: random.Random = field(init=False)
    matched: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.rule.get("seed"))  # noqa: S311  a fault needs no secrecy

    @property
    def kind(self) -> str:
        return str(self.rule["fault"])

    def fires(self, call: Call) -> bool:
        """Whether the rule strikes this call; counts it either way."""
        method, path = self.rule.get("method"), self.rule.get("path")
        if method is not None and method != call.method:
            return False
        if path is not None and path != call.template and not fnmatch.fnmatchcase(call.path, path):
            return False
        self.matched += 1
        if self.matched <= self.rule.get("skip", 0):
            return False
        times, probability = self.rule.get("times"), self.rule.get("probability")
        if times is not None and self.fired >= times:
            return False
        if probability is not None and self.chance.random() >= probability:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one call.

    :param seconds: How long it waits first.
    :param rule: The rule of another kind that fired; None: it is answered as usual.
    """

    seconds: float
    rule: Mapping[str, Any] | None


class Faults:
    """The rules in force, in the order in which they were given."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, given: Any) -> None:
        """Take one rule or a list of them; all or none.

        :param given: JSON as posted to ``/_emulator/faults``.
        :raises Refusal: 422, with every reason.
        """
        rules = given if isinstance(given, list) else [given]
        problems: list[Problem] = []
        _RULES.check(rules, ("body",), problems)
        if not problems:
            for index, rule in enumerate(rules):
                _check_kind(rule, ("body", index), problems)
        if problems:
            raise invalid(problems)
        self._armed += [_Armed(dict(rule)) for rule in rules]

    def clear(self) -> None:
        self._armed = []

    def as_json(self) -> list[dict[str, Any]]:
        """The rules, each with how many calls it matched and struck."""
        return [{**armed.rule, "matched": armed.matched, "fired": armed.fired} for armed in self._armed]

    def strike(self, call: Call) -> Strike:
        """What happens to a call: all latencies that fire, and the first other rule that does."""
        seconds = 0.0
        for armed in self._armed:
            if armed.kind == "task_outcome" or not armed.fires(call):
                continue
            if armed.kind != "latency":
                return Strike(seconds, armed.rule)
            seconds += armed.rule["seconds"]
        return Strike(seconds, None)

    def outcome(self, call: Call) -> Outcome:
        """How the batch that this call submits is to end."""
        for armed in self._armed:
            if armed.kind == "task_outcome" and armed.fires(call):
                rule = armed.rule
                return Outcome(**{name: rule[name] for name in KEYS_OF_KIND["task_outcome"] if name in rule})
        return Outcome()


def _check_kind(rule: dict[str, Any], location: Location, problems: list[Problem]) -> None:
    """Hold a rule to what its kind of fault needs and takes."""
    kind = rule["fault"]
    foreign = frozenset().union(*KEYS_OF_KIND.values()) - KEYS_OF_KIND[kind]
    problems += [
        Problem("extra_forbidden", (*location, name), f"A {kind} rule has no '{name}'")
        for name in rule
        if name in foreign
    ]
    problems += [
        Problem("missing", (*location, name), f"A {kind} rule needs '{name}'")
        for name in _NEEDED.get(kind, ())
        if name not in rule
    ]
    if kind == "task_outcome" and not rule.keys() & KEYS_OF_KIND[kind]:
        message = f"A {kind} rule needs one of {', '.join(sorted(KEYS_OF_KIND[kind]))}"
        problems.append(Problem("missing", location, message))
    status = rule.get("status")
    if kind == "status" and "status" in rule and not (type(status) is int and 200 <= status <= 599):
        problems.append(
            Problem("int_type", (*location, "status"), "Should be an HTTP status from 200 to 599")
        )
    if kind == "wrong_length" and rule.get("extra") == 0:
        problems.append(Problem("value_error", (*location, "extra"), "With 0 the length is right"))
    if kind == "task_outcome" and "status" in rule and not (isinstance(status, str) and status):
        problems.append(
            Problem("string_type", (*location, "status"), "Should be the word that the task ends with")
        )
    if rule.get("times") is not None and rule.get("probability") is not None:
        problems.append(Problem("value_error", (*location, "times"), "Give times or probability, not both"))
    if rule.get("seed") is not None and rule.get("probability") is None:
        problems.append(
            Problem("value_error", (*location, "seed"), "A seed is of use with a probability only")
        )
