"""Frames whose shape is odd, not their cells: names, sizes, readers; and what is said of the refused ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from airflow_provider.mixpeek.ingest import MappingError, SourceError

LEVELS = pd.MultiIndex.from_tuples([("title", "a"), ("title", "b")])
LONG = "x" * 10_000_000


class Refused(NamedTuple):
    """Rows that are refused before anything is sent: the error, and what it says is wrong and to be done."""

    rows: Callable[[], Any]
    error: type[Exception]
    wrong: str
    to_do: str


REFUSED = {
    "integer column names": Refused(
        lambda: pd.DataFrame(np.zeros((1, 2))), SourceError,
        "the column names 0, 1 are of type int", "frame.columns = frame.columns.map(str)",
    ),
    "an integer among column names": Refused(
        lambda: pd.DataFrame([[1, 2]], columns=["title", 1]), SourceError,
        "the column names 1 are of type int", "frame.columns = frame.columns.map(str)",
    ),
    "times as column names": Refused(
        lambda: pd.DataFrame([[1]], columns=pd.to_datetime(["2026"])), SourceError,
        "of type Timestamp", "frame.columns = frame.columns.map(str)",
    ),
    "None as a column name": Refused(
        lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["title", None], dtype=object)), SourceError,
        "the column names None are of type NoneType", "frame.columns = frame.columns.map(str)",
    ),
    "column names of several levels": Refused(
        lambda: pd.DataFrame([[1, 2]], columns=LEVELS), SourceError,
        "several levels (a MultiIndex), such as ('title', 'a')", "Flatten them",
    ),
    "column names of several levels, twice": Refused(
        lambda: pd.DataFrame([[1, 2]], columns=LEVELS[[0, 0]]), SourceError,
        "come more than once", "Rename them",
    ),
    "a column name twice in pandas": Refused(
        lambda: pd.DataFrame([[1, 2]], columns=["title", "title"]), SourceError,
        "columns come more than once: 'title'", "Rename them",
    ),
    "a column name twice in Arrow": Refused(
        lambda: pa.table([[1], [2]], names=["title", "title"]), SourceError,
        "columns come more than once: 'title'", "Rename them",
    ),
    "a column name twice in a reader of Arrow": Refused(
        lambda: pa.table([[1], [2]], names=["title", "title"]).to_reader(), SourceError,
        "columns come more than once: 'title'", "Rename them",
    ),
    "an index that holds the column": Refused(
        lambda: pd.DataFrame({"title": ["a"], "odd": [1]}).set_index(["odd"]), MappingError,
        "the rows have no column 'odd'", "there are 'title'",
    ),
    "an index and no column": Refused(
        lambda: pd.DataFrame(index=pd.MultiIndex.from_tuples([("a", 1)], names=["title", "odd"])),
        SourceError, "the rows have no columns", "call .reset_index()",
    ),
    "dicts with integer keys": Refused(
        lambda: [{"title": "a"}, {1: "b"}], SourceError, "the row 1 has the key 1", "str(key)"
    ),
    "dicts with keys of several levels": Refused(
        lambda: [{("title", "a"): 1}], SourceError, "the key ('title', 'a')", "str(key)"
    ),
    "empty dicts": Refused(lambda: [{}, {}], SourceError, "every dict is empty", ""),
    "tuples": Refused(lambda: [("a", 1)], SourceError, "of type tuple, not dicts", "dict(zip(names, row))"),
    "no rows in pandas": Refused(
        lambda: pd.DataFrame({"title": [], "odd": []}), SourceError, "no rows at all", "allow_empty=True"
    ),
    "no rows in polars": Refused(
        lambda: pl.DataFrame({"title": [], "odd": []}), SourceError, "no rows at all", "allow_empty=True"
    ),
    "no rows in Arrow": Refused(
        lambda: pa.table({"title": [], "odd": []}), SourceError, "no rows at all", "allow_empty=True"
    ),
    "no rows in a list": Refused(list, SourceError, "no rows at all", "allow_empty=True"),
    "a lazy frame": Refused(
        lambda: pl.LazyFrame({"title": ["a"]}), SourceError, "the frame is lazy", "Call .collect() on it"
    ),
    "a single column": Refused(
        lambda: pd.Series(["a"], name="title"), SourceError, "a single column is no table", "Call .to_frame()"
    ),
    "an array of records": Refused(
        lambda: np.zeros(1, dtype=[("title", "i4")]), SourceError, "is no source of rows", "Rows are a pandas"
    ),
}  # fmt: skip

#: Frames that are taken: one row of the title "0" and the odd value 1 each.
TAKEN: dict[str, Callable[[], Any]] = {
    "one row of a list": lambda: [{"title": "0", "odd": 1}],
    "an index of several levels": lambda: pd.DataFrame(
        {"title": ["0"], "odd": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)])
    ),
    "column names that are categories": lambda: pd.DataFrame(
        [["0", 1]], columns=pd.CategoricalIndex(["title", "odd"])
    ),
    "column names of numpy": lambda: pd.DataFrame([["0", 1]], columns=np.array(["title", "odd"])),
    "a column name that is empty": lambda: pd.DataFrame([["0", 1, 2]], columns=["title", "odd", ""]),
    "column names in other writing": lambda: pl.DataFrame({"title": ["0"], "odd": [1], "🎬 \0": [2]}),
    "a column that cannot be read and is not mapped": lambda: pa.table(
        {"title": ["0"], "odd": [1], "day": pa.array([10**8], pa.int32()).cast(pa.date32())}
    ),
    "a record batch": lambda: pa.record_batch({"title": ["0"], "odd": [1]}),
    "a reader with empty batches": lambda: pa.RecordBatchReader.from_batches(
        schema := pa.schema({"title": pa.string(), "odd": pa.int64()}),
        [pa.record_batch({"title": titles, "odd": [1] * len(titles)}, schema) for titles in ([], ["0"], [])],
    ),
    "a slice of a frame": lambda: pa.table({"title": ["9", "0", "9"], "odd": [9, 1, 9]}).slice(1, 1),
    "two thousand columns": lambda: pd.DataFrame(
        {"title": ["0"], "odd": [1]} | {f"column {number}": [number] for number in range(2_000)}
    ),
    "dicts with keys of their own": lambda: iter([{"odd": 1.0, "title": "0", "more": object()}]),
}

#: A row of ten million letters, in each library.
LARGE: dict[str, Callable[[], Any]] = {
    "dicts": lambda: [{"title": "0", "odd": LONG}],
    "pandas": lambda: pd.DataFrame({"title": ["0"], "odd": [LONG]}),
    "polars": lambda: pl.DataFrame({"title": ["0"], "odd": [LONG]}),
    "Arrow": lambda: pa.table({"title": ["0"], "odd": [LONG]}),
}
