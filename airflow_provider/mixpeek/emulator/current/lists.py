"""What the list calls have in common: paging keys in query and body, and a namespace that may be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Response

from airflow_provider.mixpeek.emulator.context import Listing, Space, answer
from airflow_provider.mixpeek.emulator.paging import DEFAULT_LIMIT, Page, cut, wanted_page

from .requests import OFFSET_MAX, PAGE_MAX

__all__ = ["Asked", "Listing", "Space", "list_answer", "page_of", "unresolved"]


async def _query(
    limit: Annotated[int | None, Query(ge=1, le=PAGE_MAX)] = None,
    page_size: Annotated[int | None, Query(ge=1, le=PAGE_MAX)] = None,
    offset: Annotated[int | None, Query(ge=0, le=OFFSET_MAX)] = None,
    page: Annotated[int | None, Query(ge=1)] = None,
    cursor: str | None = None,
    next_cursor: str | None = None,
    after: str | None = None,
    include_total: bool | None = None,  # noqa: FBT001  the framework fills it in by name
) -> dict[str, Any]:
    return {name: value for name, value in locals().items() if value is not None}


Asked = Annotated[dict[str, Any], Depends(_query)]
"""The paging keys of a query."""


def page_of(asked: Mapping[str, Any], body: Mapping[str, Any], *, default_limit: int = DEFAULT_LIMIT) -> Page:
    """The page that query and body ask for together; the body wins."""
    said = {name: value for name, value in body.items() if value is not None}
    return wanted_page({**asked, **said}, default_limit=default_limit)


def unresolved(space: Space) -> Response:
    """The answer to a list call in a namespace that does not exist: empty, and saying so."""
    pagination = cut([], Page())[1]
    warning = {
        "resource": "namespace",
        "id": space.asked,
        "reason": "unresolved",
        "next_step": f"Correct X-Namespace: this key has no namespace '{space.asked}'",
    }
    return answer(
        {"results": [], "total_count": 0, "pagination": pagination, "stats": None, "warnings": [warning]},
        # The name came in as a header, so it fits into one.
        headers={"X-Namespace-Unresolved": space.asked},
    )


def list_answer(
    rows: Sequence[dict[str, Any]], page: Page, *, stats: Mapping[str, Any] | None = None
) -> Response:
    """A page of rows in the vendor's envelope for lists."""
    results, pagination = cut(rows, page)
    return answer(
        {
            "results": results,
            "total_count": len(rows),
            "pagination": pagination,
            "stats": stats,
            "warnings": [],
        }
    )
