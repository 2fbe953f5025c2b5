"""The table that is loaded: 100,000 rows of 6 columns, with the holes that real ones have."""

from __future__ import annotations

from typing import Any

import pandas as pd

SCHEMA = {"picture": "image", "title": "text", "price": "float", "stars": "integer", "made": "datetime"}
MAPPING: dict[str, Any] = {
    "blobs": {"picture": "url", "title": "title"},
    "metadata": ["sku", "price", "stars", "made"],
}


def frame(rows: int) -> pd.DataFrame:
    """Strings with gaps, floats with NaN, ints, times, a URL."""
    numbers = range(rows)
    return pd.DataFrame(
        {
            "sku": [f"S{number:09}" for number in numbers],
            "title": [None if number % 10 == 0 else f"Film {number} about the sea" for number in numbers],
            "price": [float("nan") if number % 7 == 0 else number / 4 for number in numbers],
            "stars": [number % 5 for number in numbers],
            "made": pd.to_datetime(pd.Series([1_700_000_000_000 + number * 1_000 for number in numbers]), unit="ms", utc=True),
            "url": [f"https://example.com/pictures/{number}.jpg" for number in numbers],
        }
    )
