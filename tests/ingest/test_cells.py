"""Columns of frames: nanoseconds that the libraries' own reading loses, and cells that cannot be read."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_provider.mixpeek.ingest._cells import as_it_came, cells, datetime_column, duration_column
from airflow_provider.mixpeek.ingest._values import Unreadable, plain_column

from .odd_frames import identical


def series(native):
    if isinstance(native, pa.Array):
        native = pa.chunked_array([native])
    return nw.from_native(native, series_only=True)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_a_whole_column_read_like_single_ones(unit):
    # Up to the last one they are all whole seconds, with it they are not.
    for count in (3, 4):
        texts = ["2026-11-23T04:08:30", "NaT", "1969-12-31T23:59:59", "2026-01-01T00:00:00.5"][:count]
        times = np.array(texts, dtype=f"M8[{unit}]")
        single = plain_column(list(times)).values
        assert datetime_column(times, in_utc=False) == single
        assert datetime_column(times, in_utc=True) == [text and f"{text}Z" for text in single]
        durations = times.astype(f"m8[{unit}]")
        assert identical(duration_column(durations), list(plain_column(list(durations)).values))


def test_times_of_no_calendar_stay_what_they_are_and_have_no_form():
    times = np.array(["20000-01-01", "NaT", "0001-01-01", "9999-12-31T23:59:59", "0000-12-31"], dtype="M8[s]")
    for in_utc in (False, True):
        column = plain_column(datetime_column(times, in_utc=in_utc))
        zone = "Z" if in_utc else ""
        expected = [None, None, f"0001-01-01T00:00:00{zone}", f"9999-12-31T23:59:59{zone}", None]
        assert list(column.values) == expected
        assert list(column.problems) == [0, 4]
        assert "20000-01-01T00:00:00 lies outside of the years 1 to 9999" in column.problems[0]


TIMES_OF_DAY = {
    "arrow seconds": (pa.array([14_910, None], pa.time32("s")), "04:08:30"),
    "arrow milliseconds": (pa.array([250, None], pa.time32("ms")), "00:00:00.25"),
    "arrow microseconds": (pa.array([1, None], pa.time64("us")), "00:00:00.000001"),
    "arrow nanoseconds": (pa.array([86_399_999_999_999, None], pa.time64("ns")), "23:59:59.999999999"),
    "pandas seconds": (pd.Series([14_910, None], dtype=pd.ArrowDtype(pa.time32("s"))), "04:08:30"),
    "pandas nanoseconds": (pd.Series([1, None], dtype=pd.ArrowDtype(pa.time64("ns"))), "00:00:00.000000001"),
    "polars": (pl.Series([1, None]).cast(pl.Time), "00:00:00.000000001"),
    "polars at midnight": (pl.Series([0, None]).cast(pl.Time), "00:00:00"),
}


@pytest.mark.parametrize("name", TIMES_OF_DAY)
def test_times_of_day_keep_their_nanoseconds(name):
    native, text = TIMES_OF_DAY[name]
    assert list(cells(series(native))) == [text, None]


@pytest.mark.parametrize("ticks", [-1, 86_400 * 10**9])
def test_a_time_of_no_day_is_unreadable(ticks):
    (cell,) = cells(series(pa.array([ticks], pa.time64("ns"))))
    assert cell == Unreadable(f"{ticks} nanoseconds are no time of day")


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (pl.List(pl.Datetime("ns")), [1]),
        (pl.Array(pl.Duration("ns"), 1), [1]),
        (pl.Struct({"a": pl.List(pl.Datetime("ns", "Asia/Tokyo"))}), {"a": [1]}),
    ],
    ids=str,
)
def test_polars_keeps_its_nanoseconds_inside_of_lists_and_structs(kind, cell):
    form = str(plain_column(cells(series(pl.Series([cell, None]).cast(kind)))).values[0])
    assert "00.000000001" in form or "1e-09" in form


DAMAGED = {
    "arrow date": (pa.array([0, 10**8, None], pa.int32()).cast(pa.date32()), "as Date: date value"),
    "polars date": (pl.Series([0, 10**8, None], dtype=pl.Int32).cast(pl.Date), "as Date: out-of-range date"),
    "arrow text": (
        pa.array([b"a", b"\xff", None], pa.binary()).view(pa.string()),
        "as String: 'utf-8' codec",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_cell_that_cannot_be_read_spoils_no_other(name):
    native, reason = DAMAGED[name]
    column = series(native)
    first, damaged, last = cells(column)
    assert isinstance(damaged, Unreadable)
    assert f"it cannot be read {reason}" in damaged.reason
    assert (first, last) == (column[:1].to_list()[0], None)
    assert as_it_came(column[1:2]) == damaged


def test_a_type_that_narwhals_does_not_know_is_read_all_the_same():
    column = series(pa.array([1200, None], pa.decimal128(5, -2)))
    assert list(plain_column(cells(column)).values) == ["1200", None]


def test_ctrl_c_while_a_column_is_read_is_no_damage(monkeypatch):
    def interrupted(_self):
        raise KeyboardInterrupt

    monkeypatch.setattr(nw.Series, "to_list", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cells(series(pl.Series([1])))
