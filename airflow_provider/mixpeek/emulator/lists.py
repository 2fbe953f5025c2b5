"""What the list calls have in common: paging keys in query and body, and a namespace that may be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Response

from .context import Space, answer
from .filters import contains_text, matches, sort_key
from .paging import DEFAULT_LIMIT, Page, cut, wanted_page
from .requests_current import OFFSET_MAX, PAGE_MAX


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
