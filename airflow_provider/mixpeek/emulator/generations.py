"""What differs between the API versions as a whole: routes, words, the form of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import endpoints_current, endpoints_legacy, processing_current
from .answers_legacy import refusal_answer
from .errors import Refusal
from .records import Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter


@dataclass(frozen=True, slots=True)
class Generation:
    """One API version.

    :param version: What its OpenAPI document calls it.
    :param words: Its status words.
    :param routers: Its endpoints.
    :param refusal: The body of a refusal.
    :param open_paths: Those without a key and without a rate limit.
    """

    version: str
    words: Words
    routers: tuple[APIRouter, ...]
    refusal: Callable[[Refusal], dict[str, Any]]
    open_paths: frozenset[str]


_CURRENT = Generation(
    "0.82",
    Words(
        ((0.1, "PENDING"), (0.25, "QUEUED"), (1.0, "IN_PROGRESS")),
        done="COMPLETED",
        canceled="CANCELED",
        new_object="PENDING",
    ),
    (endpoints_current.router, processing_current.router),
    Refusal.envelope,
    frozenset({"/v1/health", "/v1/health/liveness", "/v1/health/deep"}),
)
_LEGACY = Generation(
    "legacy",
    Words(
        ((0.1, "PENDING"), (0.25, "QUEUED"), (0.5, "DOWNLOADING"), (1.0, "PROCESSING")),
        done="DONE",
        canceled="CANCELLED",
        new_object="PENDING",
    ),
    (endpoints_legacy.router,),
    refusal_answer,
    frozenset({"/healthcheck"}),
)
GENERATIONS = {"current": _CURRENT, "legacy": _LEGACY}
