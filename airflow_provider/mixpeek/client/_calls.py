"""What endpoints of both generations are written down with: paths, bodies, pages, answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, Field

from airflow_provider.mixpeek.client._answers import model
from airflow_provider.mixpeek.client._errors import MixpeekAnswerError, MixpeekConfigError
from airflow_provider.mixpeek.client._flow import Answer, Call, Request
from airflow_provider.mixpeek.client._gate import Category
from airflow_provider.mixpeek.client._models import Answered

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

#: Items of one page at most (``Limit`` parameter, API 0.82).
PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """
    What a list is to hold.

    :param filters: The vendor's ``{"AND" | "OR" | "NOT": [{"field", "operator", "value"}, ...]}``.
    :param sort: ``{"field", "direction"}``.
    :param search: The vendor's text search.
    :param offset: Items to skip.
    """

    filters: Mapping[str, Any] | None = None
    sort: Mapping[str, Any] | None = None
    search: str | None = None
    offset: int = 0

    def body(self) -> dict[str, Any]:
        """The part of it that travels in a body."""
        return present({"filters": self.filters, "sort": self.sort, "search": self.search})


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    One page of a list.

    :param results: Its items in the server's order.
    :param next_cursor: Where the next page begins, in the words of the generation; None after the last.
    """

    results: list[T]
    next_cursor: str | None


class Reading:
    """
    A list that is being read, page by page.

    :param limit: Items to read in all; None: every one.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.cursor: str | None = None
        self.ended = limit == 0
        self._left = limit
        self._seen: set[str] = set()

    @property
    def size(self) -> int:
        """How many items the next page should have."""
        return PAGE_SIZE if self._left is None else min(self._left, PAGE_SIZE)

    def turn(self, page: Page[T]) -> list[T]:
        """
        Take what is wanted of a page, and go to the next.

        :raises MixpeekAnswerError: the server gives out a cursor again, which would never end.
        """
        items = page.results if self._left is None else page.results[: self._left]
        if self._left is not None:
            self._left -= len(items)
        self.cursor = page.next_cursor
        self.ended = self.cursor is None or self._left == 0
        if self.cursor is not None and self.cursor in self._seen:
            raise MixpeekAnswerError(
                "the list never ends: the server gave out one of its cursors a second time",
                hint="Tell the vendor; what was read so far is not the whole list.",
            )
        self._seen.add(self.cursor or "")
        return items


class Pagination(Answered):
    """Where a page stands; the current generation has a cursor, the legacy one counts."""

    next_cursor: str | None = None
    total: int | None = None


class Listed(Answered):
    """A page as both generations answer it."""

    pagination: Pagination = Field(default_factory=Pagination)


def listed(item: type[M]) -> type[Listed]:
    """The model of a page of items."""
    return type(f"ListOf{item.__name__}", (Listed,), {"__annotations__": {"results": list[item]}})  # type: ignore[valid-type]


def path(*segments: str) -> str:
    """
    A path below ``/v1``, each segment quoted.

    :raises MixpeekConfigError: a segment would lead elsewhere.
    """
    for segment in segments:
        if not isinstance(segment, str) or segment in ("", ".", ".."):
            raise MixpeekConfigError(f"{segment!r} is not an id", hint="Pass the id that the server gave.")
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def present(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body without what was not given."""
    return {name: value for name, value in body.items() if value is not None}


def encode(body: Any) -> bytes:
    """
    JSON as bytes.

    :raises MixpeekConfigError: a value has no JSON form; NaN and infinity have none.
    """
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MixpeekConfigError(f"the request cannot be written as JSON: {error}") from None


def flags(**given: Any) -> tuple[tuple[str, str], ...]:
    """Query parameters that were given; booleans as the API spells them."""
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in given.items()
        if value is not None
    )


def read(category: Category, request: Request, kind: type[M]) -> Call[M]:
    """A call that changes nothing."""
    return write(category, request, kind, repeatable=True)


def write(category: Category, request: Request, kind: type[M], *, repeatable: bool) -> Call[M]:
    """A call whose answer is one thing."""
    return Call(request, category, lambda answer: model(answer, kind, request), repeatable)


def page(
    category: Category,
    request: Request,
    kind: type[Listed],
    next_cursor: Callable[[Any], str | None],
) -> Call[Page[Any]]:
    """A call whose answer is a page; ``next_cursor`` finds where the next one begins."""

    def parse(answer: Answer) -> Page[Any]:
        found: Any = model(answer, kind, request)
        return Page(found.results, next_cursor(found))

    return Call(request, category, parse, repeatable=True)
