"""The plain form of every type of value."""

import datetime as dt
import enum
import math
import uuid
from collections import UserDict
from decimal import Decimal, localcontext
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_provider.mixpeek.ingest._values import Unreadable, plain_column

BERLIN = ZoneInfo("Europe/Berlin")
NIL = uuid.UUID(int=0)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not what it holds"


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Thing:
    pass


class Broken(UserDict):
    def items(self):
        raise LookupError("the session is closed")


FORMS = [
    (None, None),
    (math.nan, None),
    (np.nan, None),
    (np.float32("nan"), None),
    (pd.NA, None),
    (pd.NaT, None),
    (np.datetime64("NaT"), None),
    (np.timedelta64("NaT"), None),
    (Decimal("NaN"), None),
    ("", ""),
    ("NA", "NA"),
    ("007", "007"),
    ("8½ 🎬", "8½ 🎬"),
    (Text("held"), "held"),
    (np.str_("text"), "text"),
    (True, True),
    (np.True_, True),
    (0, 0),
    (2**64, 2**64),
    (-(2**200), -(2**200)),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (1.0, 1),
    (-0.0, 0),
    (2.0**53 - 1, 2**53 - 1),
    (2.0**53, 2.0**53),
    (-(2.0**53), -(2.0**53)),
    (0.1, 0.1),
    (5e-324, 5e-324),
    (np.float32(0.5), 0.5),
    (np.float16(2), 2),
    (np.longdouble(1.5), 1.5),
    (Decimal("1.50"), "1.5"),
    (Decimal("1.5"), "1.5"),
    (Decimal("100"), "100"),
    (Decimal("1E+3"), "1000"),
    (Decimal("1E-7"), "0.0000001"),
    (Decimal("-0.00"), "0"),
    (Decimal("123456789012345678901234567890.123456789"), "123456789012345678901234567890.123456789"),
    (NIL, "00000000-0000-0000-0000-000000000000"),
    (dt.date(2026, 11, 23), "2026-11-23"),
    (np.datetime64("2026-11-23"), "2026-11-23"),
    (np.datetime64("2026-11"), "2026-11-01"),
    (dt.datetime(2026, 11, 23), "2026-11-23T00:00:00"),  # noqa: DTZ001
    (dt.datetime(2026, 11, 23, 4, 8, 30, 250_000), "2026-11-23T04:08:30.25"),  # noqa: DTZ001
    (dt.datetime(2026, 11, 23, 4, 8, tzinfo=dt.UTC), "2026-11-23T04:08:00Z"),
    (dt.datetime(2026, 7, 1, 12, tzinfo=BERLIN), "2026-07-01T10:00:00Z"),
    (dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), "2026-10-25T01:30:00Z"),
    (
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
        "2026-01-01T05:30:00Z",
    ),
    (dt.datetime(33, 1, 1), "0033-01-01T00:00:00"),  # noqa: DTZ001
    (pd.Timestamp("2026-11-23 04:08:30.123456789"), "2026-11-23T04:08:30.123456789"),
    (pd.Timestamp("2026-11-23 04:08:30.1", tz="Europe/Berlin"), "2026-11-23T03:08:30.1Z"),
    (np.datetime64("2026-11-23T04:08:30.000000100"), "2026-11-23T04:08:30.0000001"),
    (np.datetime64("2026-11-23T04"), "2026-11-23T04:00:00"),
    (dt.time(4, 8), "04:08:00"),
    (dt.time(4, 8, 30, 120_000), "04:08:30.12"),
    (dt.timedelta(days=1, seconds=1), 86_401),
    (dt.timedelta(microseconds=-1), -0.000001),
    (pd.Timedelta(1_500_000_001, "ns"), 1.500000001),
    (np.timedelta64(1_500, "ms"), 1.5),
    (np.timedelta64(2, "h"), 7_200),
    (np.timedelta64(2, "25s"), 50),
    (b"", b""),
    (b"\xff\x00", b"\xff\x00"),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"abcdef")[::2], b"ace"),
    (np.bytes_(b"ab"), b"ab"),
    ([], []),
    ([1.0, None, math.nan, "x"], [1, None, None, "x"]),
    ((1, (2,)), [1, [2]]),
    (np.array([1.0, math.nan]), [1, None]),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array(["2026-11-23T00:00:00.5"], dtype="M8[ns]"), ["2026-11-23T00:00:00.5"]),
    ({}, {}),
    ({"b": {"c": pd.NA, "d": Decimal("2.0")}, "a": None}, {"b": {"d": "2"}}),
    (MappingProxyType({np.str_("k"): [dt.date(2026, 1, 1)]}), {"k": ["2026-01-01"]}),
    (pa.scalar(1.0), 1),
    (pa.scalar(None, pa.string()), None),
    (pa.scalar({"a": 1, "b": None}), {"a": 1}),
]


def identical(left, right):
    """Equal, and of the same types all the way down: 1, 1.0 and True are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(identical(left[key], right[key]) for key in left)
    return left == right


@pytest.mark.parametrize(("cell", "form"), FORMS, ids=lambda value: type(value).__name__)
# Beside values of its own type the fast paths are taken, beside others the general one.
@pytest.mark.parametrize("beside", [(), (None,), ("text",), (1,), (0.5,), (None, b"x")], ids=repr)
def test_every_value_has_one_form_whatever_stands_beside_it(cell, form, beside):
    column = plain_column([cell, *beside])
    assert column.problems == {}
    assert identical(column.values[0], form)
    assert identical(list(column.values[1:]), list(beside))


REFUSED = [
    (math.inf, "infinite"),
    (-math.inf, "infinite"),
    (np.float64("inf"), "infinite"),
    (Decimal("Infinity"), "infinite"),
    (Decimal("1E+1000000"), "too long"),
    (10**2000, "too long"),
    (10**308, "too long"),
    ("a\ud800b", "surrogate"),
    (["\udfff"], "surrogate"),
    ({"\ud800": 1}, "surrogate"),
    ({1, 2}, "type set"),
    (frozenset(), "type frozenset"),
    (Colour.RED, "enumeration Colour"),
    (Level.HIGH, "enumeration Level"),
    (1j, "type complex"),
    (np.complex64(1j), "type numpy.complex64"),
    (pd.Period("2026-11"), "type pandas.Period"),
    (pd.Interval(0, 1), "type pandas.Interval"),
    (Thing(), ".Thing"),
    (Thing, "type type"),
    ([b"x"], "bytes inside"),
    ({"a": bytearray(b"x")}, "bytes inside"),
    ({1: "x"}, "key 1"),
    ({None: "x"}, "key None"),
    ([[1, math.inf]], "infinite"),
    (dt.time(4, tzinfo=dt.UTC), "without its date"),
    (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "years 1 to 9999"),
    (np.datetime64("20000-01-01"), "20000-01-01 lies outside of the years 1 to 9999"),
    (np.datetime64("0000-12-31T23:59:59"), "years 1 to 9999"),
    (np.datetime64("-0044-03-15"), "years 1 to 9999"),
    (pd.Timestamp(np.datetime64("20000-01-01", "s")), "years 1 to 9999"),
    (pd.Timestamp(np.datetime64("20000-01-01", "s")).tz_localize("UTC"), "years 1 to 9999"),
    (pa.MonthDayNano([1, 2, 3]), "MonthDayNano"),
    (Broken(), "it cannot be read: LookupError: the session is closed"),
    (Unreadable("it is damaged"), "it is damaged"),
    (np.datetime64(1, "ps"), "finer than nanoseconds"),
    (np.timedelta64(1, "Y"), "no exact number of seconds"),
]


@pytest.mark.parametrize(("cell", "reason"), REFUSED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("beside", ["text", 1, 0.5, None])
def test_a_value_without_a_form_is_a_problem_of_its_row_alone(cell, reason, beside):
    column = plain_column([beside, cell, beside])
    assert list(column.problems) == [1]
    assert reason in column.problems[1]
    assert list(column.values) == [beside, None, beside]


def test_depth_is_limited_and_loops_end():
    def nested(depth):
        return [nested(depth - 1)] if depth else 1

    loop = []
    loop.append(loop)
    column = plain_column([nested(100), nested(101), loop])
    assert column.values[0] == nested(100)
    assert [*column.problems] == [1, 2]
    assert "100 deep" in column.problems[2]


def test_decimals_do_not_depend_on_the_threads_context():
    with localcontext() as context:
        context.prec = 3
        assert list(plain_column([Decimal("1.23456")]).values) == ["1.23456"]


def test_an_empty_column_is_empty():
    assert list(plain_column([]).values) == []


def test_categories_are_their_values():
    assert list(plain_column(pd.Series(["a", None, "a"], dtype="category").to_list()).values) == [
        "a",
        None,
        "a",
    ]
