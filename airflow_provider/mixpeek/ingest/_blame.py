"""A request was refused as a whole: which of its rows is to blame?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from airflow_provider.mixpeek.client import MixpeekStatusError, ValidationIssue

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What to do with the rows of a refused request, by their positions in it.

    :param guilty: Position to the complaints about it. These rows are rejected.
    :param again: Groups of positions to send again, each as a request of its own.
    """

    guilty: dict[int, str]
    again: tuple[range | tuple[int, ...], ...]


def is_about_rows(error: MixpeekStatusError) -> bool:
    """Whether a refusal can be the fault of single rows: too large, or not valid."""
    return error.status in (413, 422)


def judge(error: MixpeekStatusError, size: int) -> Verdict:
    """
    Find the rows to blame for a refusal, or the halves to try by themselves.

    :param error: The refusal; its ``validation_errors`` name rows as ``("body", "objects", 3, ...)``.
    :param size: How many rows the request had, at least 1.
    """
    if size == 1:
        return Verdict({0: _complaint(error, error.validation_errors)}, ())
    blamed: dict[int, list[ValidationIssue]] = {}
    for issue in error.validation_errors:
        position = _position(issue.location)
        if position is not None and position < size:
            blamed.setdefault(position, []).append(issue)
    if blamed:
        innocent = tuple(position for position in range(size) if position not in blamed)
        return Verdict(
            {position: _complaint(error, issues) for position, issues in blamed.items()},
            (innocent,) if innocent else (),
        )
    middle = size // 2
    return Verdict({}, (range(middle), range(middle, size)))


def pick(rows: Sequence[R], positions: Sequence[int]) -> tuple[R, ...]:
    """The rows at the positions."""
    return tuple(rows[position] for position in positions)


def _position(location: Sequence[str | int]) -> int | None:
    for name, position in pairwise(location):
        if name == "objects" and isinstance(position, int) and position >= 0:
            return position
    return None


def _complaint(error: MixpeekStatusError, issues: Sequence[ValidationIssue]) -> str:
    return "; ".join(map(str, issues)) or error.message
