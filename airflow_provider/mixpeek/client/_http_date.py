"""Dates of HTTP headers."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def unix_time(date: str) -> float | None:
    """Unix seconds of an HTTP date; None where it is none. A date without a zone is in UTC, as HTTP says."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
