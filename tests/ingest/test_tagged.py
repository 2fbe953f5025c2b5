"""The tagged form: what goes in comes out, through JSON and back."""

import datetime as dt
import enum
import json
import math
import pickle
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek.ingest._json_text import dumps, loads
from airflow_provider.mixpeek.ingest._tagged import decode, encode
from airflow_provider.mixpeek.ingest._values import Unreadable, plain_column

BERLIN = ZoneInfo("Europe/Berlin")
NIL = uuid.UUID(int=0)
Point = namedtuple("Point", "x y")


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Thing:
    def __repr__(self):
        return "<a thing \ud800>"


class Shy:
    def __repr__(self):
        raise RuntimeError("no")


class NoZone(dt.tzinfo):
    def utcoffset(self, moment):
        raise NotImplementedError


def back(value):
    """Through JSON and back."""
    return decode(loads(dumps(encode(value))))


def same(left, right):
    """Equal, of the same types all the way down, a NaN like another, and -0.0 unlike 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(map(same, left.items(), right.items()))
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (left == right and str(left) == str(right))
    if isinstance(left, complex | np.datetime64 | np.timedelta64) or left is pd.NaT or left is pd.NA:
        return str(left) == str(right) and getattr(left, "dtype", None) == getattr(right, "dtype", None)
    if isinstance(left, Decimal):
        return left.as_tuple() == right.as_tuple()
    if isinstance(left, dt.datetime | dt.time):
        return (
            left == right and str(left.tzinfo) == str(right.tzinfo) and left.isoformat() == right.isoformat()
        )
    return left == right


SAME = [
    None,
    True,
    0,
    2**63,
    -(2**200),
    10**5_000,
    1.0,
    -0.0,
    0.1,
    5e-324,
    1.7976931348623157e308,
    math.nan,
    math.inf,
    -math.inf,
    1j,
    complex(-0.0, math.nan),
    "",
    "NUL \0 and é 🎬 and \u2028",
    "half \ud83d",
    "\ud83d\ude00",  # two halves, not one emoji
    "a backslash \\ud800 and \udfff",
    b"",
    b"\xff\x00",
    Decimal("1.50"),
    Decimal("-0E+3"),
    Decimal("sNaN12"),
    Decimal("-Infinity"),
    NIL,
    dt.date(1, 1, 1),
    dt.datetime(2026, 11, 23, 4, 8, 30, 250_000),  # noqa: DTZ001
    dt.datetime(33, 1, 1),  # noqa: DTZ001
    dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 23, tzinfo=ZoneInfo("UTC")),
    dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, seconds=-30, microseconds=7))),
    dt.datetime(2026, 7, 1, 12, tzinfo=BERLIN),
    dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0),
    dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),  # the hour that there was not
    dt.time(4, 8, 30, 120_000),
    dt.time(4, tzinfo=dt.UTC),
    dt.time(4, tzinfo=BERLIN),
    dt.timedelta(0),
    dt.timedelta(microseconds=-1),
    dt.timedelta.max,
    dt.timedelta.min,
    pd.NaT,
    pd.NA,
    pd.Timestamp("2026-11-23 04:08:30.123456789"),
    pd.Timestamp("2026-11-23 04:08:30.000000100", tz="Europe/Berlin"),
    pd.Timestamp("2026-10-25 00:30:00.000000001", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timestamp("2026-10-25 01:30:00.000000001", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timestamp("1970-01-01 00:00:00.000000001", tz="Europe/Berlin"),
    pd.Timedelta(1_500_000_001, "ns"),
    pd.Timedelta(-1, "ns"),
    np.datetime64("2026-11-23T04:08:30.000000100"),
    np.datetime64("2026-11-23"),
    np.datetime64("2026-11"),
    np.datetime64("-0044-03-15"),
    np.datetime64(5, "25s"),
    np.datetime64(1, "as"),
    np.datetime64("NaT", "ns"),
    np.timedelta64(3, "25s"),
    np.timedelta64(-7, "Y"),
    np.timedelta64("NaT", "D"),
    [],
    [1, [None, "x", [b"y"]]],
    (),
    (1, (2.0, math.nan), [3]),
    {1, 2.5, "x", b"y", (1, 2), None},
    frozenset({frozenset({1}), 2}),
    {},
    {"b": 1, "a": {"c": [Decimal(1)]}},
    {"$type": "bytes", "value": "eA=="},
    {"$type": 1},
    {"$type": {"$type": "int"}, "": None},
    {"\ud800": 1, "a": 2},
    {1: "x", None: b"y", (1, 2): NIL, "1": 0},
]


def test_an_offset_that_is_no_whole_minute_is_the_same_moment():
    # The zones of pandas 2 round such offsets, and others do not.
    value = pd.Timestamp("1800-01-01 00:00:00.000000001", tz="Europe/Berlin")
    assert back(value) == value


@pytest.mark.parametrize("value", SAME, ids=lambda value: type(value).__name__)
def test_what_goes_in_comes_out(value):
    assert same(back(value), value)


TURNED = [
    (np.True_, True),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.float32(0.5), 0.5),
    (np.float64("nan"), math.nan),
    (np.longdouble(1.5), 1.5),
    (np.complex64(1j), 1j),
    (np.clongdouble(1j), 1j),
    (np.str_("text"), "text"),
    (np.bytes_(b"ab"), b"ab"),
    (np.void(b"ab"), b"ab"),
    (np.array([1.0, math.nan]), [1.0, math.nan]),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array(5), 5),
    (np.array(["2026"], dtype="M8[ns]"), [np.datetime64("2026", "ns")]),
    (np.array([(1, 2.0)], dtype="i4,f4"), [(1, 2.0)]),
    (pa.scalar(1.0), 1.0),
    (pa.scalar(None, pa.string()), None),
    (pa.scalar(b"x"), b"x"),
    (pa.scalar({"a": 1, "b": None}), {"a": 1, "b": None}),
    (pd.Timestamp("2026-11-23 04:08"), dt.datetime(2026, 11, 23, 4, 8)),  # noqa: DTZ001
    (pd.Timestamp(np.datetime64("20000-01-01", "s")), np.datetime64("20000-01-01", "s")),
    (pd.Timedelta(1, "s"), dt.timedelta(seconds=1)),
    (pd.Timedelta(np.timedelta64(10**15, "s")), np.timedelta64(10**15, "s")),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"abcdef")[::2], b"ace"),
    (Point(1, 2), (1, 2)),
    (OrderedDict(a=1), {"a": 1}),
    (MappingProxyType({np.str_("k"): 1}), {"k": 1}),
]


@pytest.mark.parametrize(("value", "read"), TURNED, ids=lambda value: type(value).__name__)
def test_what_has_a_python_form_comes_out_in_it(value, read):
    assert same(back(value), read)


LOST = [
    (Colour.RED, "<Colour.RED: 'red'>"),
    (Level.HIGH, "<Level.HIGH: 3>"),
    (Thing(), "<a thing \ud800>"),
    (Shy(), "<Shy>"),
    (pd.Period("2026-11"), "Period('2026-11', 'M')"),
    (dt.datetime(2026, 11, 23, tzinfo=NoZone()), None),  # fails half way
]


@pytest.mark.parametrize(("value", "looks"), LOST, ids=lambda value: type(value).__name__)
def test_what_cannot_be_kept_is_refused_until_somebody_puts_a_value_in_its_place(value, looks):
    lost = back(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    assert (lost.looks, lost.of) == (looks or repr(value), kind)
    reason = f"a value of type {kind} could not be kept: put one in the place of its tag"
    assert plain_column([lost, "ours", [1, lost], {"a": lost}]).problems == dict.fromkeys((0, 2, 3), reason)
    # And is set aside as it was.
    assert encode(lost) == encode(value)
    assert pickle.loads(pickle.dumps(lost)) == lost


def test_a_cell_that_its_reader_could_not_give_is_refused_as_well():
    lost = back(Unreadable("it is damaged"))
    assert (lost.looks, lost.of) == ("<it is damaged>", None)
    assert plain_column([lost]).problems == {
        0: "its value could not be kept: put one in the place of its tag"
    }
    assert encode(lost) == encode(Unreadable("it is damaged"))


FORMS = [
    ("text", "text"),
    (1.5, 1.5),
    (b"ab", {"$type": "bytes", "value": "YWI="}),
    (Decimal("1.50"), {"$type": "decimal", "value": "1.50"}),
    (math.nan, {"$type": "float", "value": "nan"}),
    (dt.timedelta(days=1, seconds=1, microseconds=500), {"$type": "timedelta", "value": "86401.0005"}),
    (
        dt.datetime(2026, 11, 23, 4, 8, tzinfo=BERLIN),
        {"$type": "datetime", "value": "2026-11-23T04:08:00+01:00", "zone": "Europe/Berlin"},
    ),
    (np.datetime64("2026-11"), {"$type": "datetime64", "value": "2026-11", "unit": "M"}),
    ({"$type": 1}, {"$type": "dict", "value": [["$type", 1]]}),
    ("a\ud800", {"$type": "text", "value": "a\\ud800"}),
    (set("hgfedcba"), {"$type": "set", "value": list("abcdefgh")}),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=lambda value: type(value).__name__)
def test_files_that_are_out_there_stay_readable(value, form):
    assert encode(value) == form


WRONG = [
    ({"$type": "nonsense", "value": 1}, "nonsense"),
    ({"$type": 7}, "7"),
    ({"$type": ["bytes"]}, "bytes"),
    ({"$type": "bytes"}, "'value'"),
    ({"$type": "bytes", "value": "???"}, "'bytes'"),
    ({"$type": "bytes", "value": 1}, "'bytes'"),
    ({"$type": "date", "value": "2026-02-30"}, "'date'"),
    ({"$type": "decimal", "value": "x"}, "'decimal'"),
    ({"$type": "timedelta", "value": "1/0"}, "'timedelta'"),
    ({"$type": "timedelta", "value": "0.0000000001"}, "finer than nanoseconds"),
    ({"$type": "timedelta", "value": "1e30"}, "'timedelta'"),
    ({"$type": "datetime", "value": "2026-11-23", "zone": 5}, "'datetime'"),
    ({"$type": "datetime64", "value": "2026", "unit": "parsec"}, "'datetime64'"),
    ({"$type": "pandas", "value": "DataFrame"}, "'pandas'"),
    ({"$type": "set", "value": [[]]}, "'set'"),
    ({"$type": "dict", "value": [1]}, "'dict'"),
    ([{"a": {"$type": "uuid", "value": "0"}}], "'uuid'"),
]


@pytest.mark.parametrize(("value", "named"), WRONG, ids=str)
def test_a_tag_that_was_broken_by_hand_says_which(value, named):
    with pytest.raises(ValueError, match=r"\$type") as caught:
        decode(value)
    assert named in str(caught.value)


@pytest.mark.parametrize("zone", ["Nowhere/At-All", "../etc", "Europe", "America/New_York"])
def test_a_zone_that_is_unknown_or_does_not_fit_leaves_the_offset(zone):
    tag = {"$type": "datetime", "value": "2026-11-23T04:08:00+01:00", "zone": zone}
    offset = dt.timezone(dt.timedelta(hours=1))
    assert same(decode(tag), dt.datetime(2026, 11, 23, 4, 8, tzinfo=offset))


def test_depth_is_limited_and_loops_end():
    def nested(depth):
        return [nested(depth - 1)] if depth else 1

    loop = []
    loop += [loop, loop]
    assert back(nested(100)) == nested(100)
    assert json.dumps(encode(nested(150))).count("repr") == 1
    assert [item["$type"] for item in encode(loop)] == ["repr", "repr"]
    twice = [1]
    assert back([twice, twice]) == [[1], [1]]


def is_nan(value):
    return value.is_nan() if isinstance(value, Decimal) else value != value


texts = st.text(st.characters(exclude_categories=[]), max_size=8)
zones = st.none() | st.timezones() | st.just(dt.timezone(dt.timedelta(hours=5, minutes=45)))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["$type", "value", "bytes"])
    | st.binary(max_size=8)
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.complex_numbers()
)
keys = scalars.filter(lambda key: not is_nan(key)) | st.tuples(texts, st.integers())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(texts | st.just("$type"), inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_anything_comes_out_as_it_went_in(value):
    assert same(back(value), value)


@given(
    st.integers(-(2**63) + 10**14, 2**63 - 10**14),
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
)
def test_pandas_times_come_out_as_they_went_in(ticks, unit, zone):
    ticks //= {"s": 10**10, "ms": 10**7, "us": 10**4, "ns": 1}[unit]
    duration = pd.Timedelta(np.timedelta64(ticks, unit))
    moment = pd.Timestamp(np.datetime64(ticks, unit)).tz_localize("UTC").tz_convert(zone)
    assert back(duration) == duration
    assert back(moment) == moment
    # Outside these years zones of pandas 2 have other offsets, and a moment keeps the one that it has.
    if 1901 < moment.year < 2038:
        assert str(back(moment).tzinfo) == str(moment.tzinfo)


@given(values)
def test_the_text_is_json_for_every_reader_and_the_same_every_time(value):
    text = dumps(encode(value))
    assert b"\n" not in text
    assert dumps(json.loads(text)) == text
    orjson.loads(text)


def test_neither_numpy_nor_pandas_nor_arrow_is_loaded_for_plain_values():
    code = """
import sys
from airflow_provider.mixpeek.ingest._tagged import decode, encode
from airflow_provider.mixpeek.ingest._values import Unreadable, plain_column
import datetime
value = [b"x", datetime.datetime.now(datetime.UTC), datetime.timedelta(1), {1}, object]
decode(encode(value))
assert not {"numpy", "pandas", "pyarrow"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
