"""What differs between the API versions as a whole: routes, words, the form of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import current, legacy
from .errors import Refusal
from .legacy.answers import refusal_answer
from .records import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import APIRouter


@dataclass(frozen=True, slots=True)
class Generation:
    """One API version.

    :param words: Its status words.
    :param routers: Its endpoints.
    :param refusal: The body of a refusal.
    :param open_paths: Those without a key and without a rate limit.
    """

    words: Words
    routers: Sequence[APIRouter]
    refusal: Callable[[Refusal], dict[str, Any]]
    open_paths: frozenset[str]


_HEALTH = frozenset({"/v1/health", "/v1/health/liveness", "/v1/health/deep"})
GENERATIONS = {
    "0.82": Generation(
        Words(
            ((0.1, "PENDING"), (0.25, "QUEUED"), (1.0, "IN_PROGRESS")),
            done="COMPLETED",
            canceled="CANCELED",
            new_object="PENDING",
        ),
        (*current.ROUTERS, *current.ROUTERS_SINCE_82),
        Refusal.envelope,
        _HEALTH,
    ),
    "0.81": Generation(
        Words(
            ((0.25, "PENDING"), (1.0, "IN_PROGRESS")),
            done="COMPLETED",
            canceled="CANCELED",
            new_object="DRAFT",
        ),
        current.ROUTERS,
        Refusal.envelope,
        _HEALTH,
    ),
    "legacy": Generation(
        Words(
            ((0.1, "PENDING"), (0.25, "QUEUED"), (0.5, "DOWNLOADING"), (1.0, "PROCESSING")),
            done="DONE",
            canceled="CANCELLED",
            new_object="PENDING",
        ),
        legacy.ROUTERS,
        refusal_answer,
        frozenset({"/healthcheck"}),
    ),
}
