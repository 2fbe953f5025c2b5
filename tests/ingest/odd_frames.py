"""
A written list of odd frames, and what docs/ingestion.md says becomes of them.

A frame is a column of odd cells beside a column of titles, in the library that the cells are of; the lists
are in ``odd_pandas``, ``odd_polars``, ``odd_arrow`` and ``odd_python``. What is expected is written by hand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa

#: The property of each type is named like it; everything else goes into ``metadata``.
DATA = ("string", "number", "integer", "float", "boolean", "object", "array", "date", "datetime")
BLOBS = ("text", "image")
SCHEMA = {name: name for name in (*DATA, *BLOBS)} | {"title": "text"}


class Absent:
    """The value is not sent."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Rejected(NamedTuple):
    """The row is rejected: part of the reason, and who rejects it."""

    reason: str
    by_server: bool = False


class Odd(NamedTuple):
    """
    A frame of one odd column.

    :param cells: A pandas, polars or Arrow column, or a list: then the rows are dicts.
    :param expected: For each cell what is stored, ``ABSENT``, or ``Rejected``.
    :param to: The property that the column fills, or ``metadata``.
    """

    cells: Any
    expected: tuple[Any, ...]
    to: str


def odd(cells: Any, *expected: Any, to: str = "metadata") -> Odd:
    assert len(cells) == len(expected)
    return Odd(cells, expected, to)


def column_of(frame: Odd) -> str:
    return frame.to if frame.to in DATA else "odd"


def rows_of(frame: Odd) -> Any:
    """The frame, each row with a title: its number."""
    cells, name = frame.cells, column_of(frame)
    titles = [str(number) for number in range(len(cells))]
    if isinstance(cells, list):
        return [{"title": title, name: cell} for title, cell in zip(titles, cells, strict=True)]
    if isinstance(cells, pl.Series):
        return pl.DataFrame({"title": titles, name: cells})
    if isinstance(cells, pa.Array | pa.ChunkedArray):
        return pa.table({"title": titles, name: cells})
    return pd.DataFrame({"title": titles, name: cells})


def mapping_of(frame: Odd) -> dict[str, Any]:
    blobs = {"title": "title"}
    if frame.to in BLOBS:
        return {"blobs": blobs | {frame.to: "odd"}}
    return {"blobs": blobs, "metadata": [column_of(frame)]}


def identical(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and True are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(identical(left[key], right[key]) for key in left)
    return bool(left == right)
