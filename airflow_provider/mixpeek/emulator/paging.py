"""One page of a list: what was asked for, in query or body, and what goes back."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import invalid
from .shapes import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = TypeVar("Row")
DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted.

    :param limit: Most rows.
    :param offset: How many come before.
    :param include_total: Whether the totals are wanted, which cost a count at the vendor's.
    """

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    include_total: bool = False


def wanted_page(asked: Mapping[str, Any], *, default_limit: int = DEFAULT_LIMIT) -> Page:
    """Read the paging keys of a request.

    A cursor wins over an offset, an offset over a page number. Unknown and null keys count as absent.

    :param asked: The query, overridden by the body.
    :raises Refusal: The cursor is none of ours.
    """
    limit = _first(asked, "limit", "page_size") or default_limit
    cursor = _first(asked, "cursor", "next_cursor", "after")
    offset = asked.get("offset")
    if cursor is not None:
        offset = _read_cursor(cursor)
    elif offset is None:
        offset = ((asked.get("page") or 1) - 1) * limit
    return Page(limit, offset, bool(asked.get("include_total")))


def _first(asked: Mapping[str, Any], *names: str) -> Any:
    return next((asked[name] for name in names if asked.get(name) is not None), None)


def cut(rows: Sequence[Row], page: Page) -> tuple[Sequence[Row], dict[str, Any]]:
    """Cut a page out of all rows.

    :returns: The page's rows, and the vendor's ``pagination``: totals are null unless they were asked for.
    """
    end = page.offset + page.limit
    number = page.offset // page.limit + 1
    more = end < len(rows)
    total = len(rows) if page.include_total else None
    return rows[page.offset : end], {
        "total": total,
        "page": number,
        "page_size": page.limit,
        "total_pages": None if total is None else -(-total // page.limit),
        "next_page": str(number + 1) if more else None,
        "previous_page": str(number - 1) if number > 1 else None,
        "next_cursor": _write_cursor(end) if more else None,
    }


def _write_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"after:{offset}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> int:
    try:
        word, _, offset = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        if word == "after" and offset.isdecimal():
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise invalid(
        [Problem("value_error", ("query", "cursor"), "The cursor is not one that this server gave out")]
    )
