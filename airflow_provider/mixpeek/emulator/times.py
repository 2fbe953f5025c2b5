"""What the answers of both generations have in common."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
