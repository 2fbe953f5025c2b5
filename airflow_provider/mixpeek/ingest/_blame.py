"""A request was refused as a whole: which of its rows is to blame?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from airflow_provider.mixpeek.client import (
    MixpeekError,
    MixpeekFileError,
    MixpeekStatusError,
    MixpeekStorageError,
    MixpeekWorkFailedError,
    ValidationIssue,
)
from airflow_provider.mixpeek.ingest._errors import SourceError

#: Of a storage's 4xx, those that are about who asks, and when.
_NOT_ABOUT_A_FILE = frozenset({401, 403, 408, 429})


@dataclass(frozen=True, slots=True)
class Complaint:
    """
    What is said against a row.

    :param reason: All of it, in one sentence.
    :param location: Where in the row's object the first of it is, such as ``("blobs", 0, "data")``; empty
        where nothing says.
    """

    reason: str
    location: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What to do with the rows of a refused request, by their positions in it.

    :param guilty: Position to what is said against it. These rows are rejected.
    :param again: Groups of positions to send again, each as a request of its own.
    """

    guilty: dict[int, Complaint]
    again: tuple[range | tuple[int, ...], ...]


def is_about_rows(error: MixpeekStatusError) -> bool:
    """Whether a refusal can be the fault of single rows: too large, or not valid."""
    return error.status in (413, 422)


def is_about_a_file(error: MixpeekError) -> bool:
    """
    Whether an upload failed for its file: missing, empty, too large, refused by the server or the storage, or
    not taken over by its confirmation.

    One such file of many is rejected; anything else, such as a storage that is down, is every file's trouble.
    """
    if isinstance(error, MixpeekStorageError):
        return 400 <= error.status < 500 and error.status not in _NOT_ABOUT_A_FILE
    if isinstance(error, MixpeekStatusError):
        return is_about_rows(error)
    return isinstance(error, MixpeekFileError | SourceError | MixpeekWorkFailedError)


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
        found = _position(issue.location)
        if found is not None and found[0] < size:
            blamed.setdefault(found[0], []).append(issue)
    if blamed:
        innocent = tuple(position for position in range(size) if position not in blamed)
        return Verdict(
            {position: _complaint(error, issues) for position, issues in blamed.items()},
            (innocent,) if innocent else (),
        )
    middle = size // 2
    return Verdict({}, (range(middle), range(middle, size)))


def _position(location: Sequence[str | int]) -> tuple[int, int] | None:
    """The position of the object that a location names, and where in the location it stands."""
    for place, (name, position) in enumerate(pairwise(location), 1):
        if name == "objects" and isinstance(position, int) and position >= 0:
            return position, place
    return None


def _complaint(error: MixpeekStatusError, issues: Sequence[ValidationIssue]) -> Complaint:
    inside = [_in_the_row(issue) for issue in issues]
    if not inside:
        return Complaint(error.message)
    return Complaint("; ".join(map(str, inside)), inside[0].location)


def _in_the_row(issue: ValidationIssue) -> ValidationIssue:
    """Without the row's place in a request, which tells its reader nothing."""
    found = _position(issue.location)
    start = found[1] + 1 if found else int(issue.location[:1] == ("body",))
    return replace(issue, location=issue.location[start:])
