"""Odd columns of pandas: numpy's types, the nullable ones, Arrow-backed ones, and objects of any kind."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from .odd_frames import ABSENT, Odd, Rejected, odd

NS = "2026-11-23T04:08:30.123456789"
TIMES = pd.DatetimeIndex([NS, None]).as_unit("ns")


def objects(*cells: object) -> pd.Series:
    """A column of objects; pandas must not guess at a better type."""
    return pd.Series(list(cells), dtype=object)


def arrow(kind: pa.DataType, *cells: object) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(cells, kind)])))


NUMPY: dict[str, Odd] = {
    "int8": odd(pd.Series([-128, 127], dtype="int8"), -128, 127),
    "int16": odd(pd.Series([-(2**15)], dtype="int16"), -(2**15)),
    "int32": odd(pd.Series([-(2**31)], dtype="int32"), -(2**31)),
    "int64": odd(pd.Series([-(2**63), 2**63 - 1]), -(2**63), 2**63 - 1),
    "uint8": odd(pd.Series([255], dtype="uint8"), 255),
    "uint16": odd(pd.Series([65535], dtype="uint16"), 65535),
    "uint32": odd(pd.Series([2**32 - 1], dtype="uint32"), 2**32 - 1),
    "uint64": odd(pd.Series([2**64 - 1], dtype="uint64"), 2**64 - 1),
    "uint64 for an integer": odd(pd.Series([2**64 - 1], dtype="uint64"), 2**64 - 1, to="integer"),
    "float16": odd(pd.Series([0.5, np.inf, np.nan], dtype="float16"), 0.5, Rejected("infinite"), ABSENT),
    "float32": odd(pd.Series([0.1, 16777216], dtype="float32"), 0.10000000149011612, 16777216),
    "float64": odd(
        pd.Series([0.1, -0.0, 1e300, np.nan, -np.inf]), 0.1, 0, 1e300, ABSENT, Rejected("infinite")
    ),
    "float64 at the edge of exactness": odd(
        pd.Series([2.0**53 - 1, 2.0**53, -(2.0**53)]), 2**53 - 1, 2.0**53, -(2.0**53)
    ),
    "smallest float": odd(pd.Series([5e-324]), 5e-324),
    "float64 for a float": odd(pd.Series([1.0, np.nan, np.inf]), 1, ABSENT, Rejected("infinite"), to="float"),
    "float64 with gaps for an integer": odd(pd.Series([1994.0, np.nan]), 1994, ABSENT, to="integer"),
    "float64 for an integer": odd(pd.Series([1.5]), Rejected("no integer"), to="integer"),
    "float64 for a string": odd(pd.Series([1.5, 2.0]), "1.5", "2", to="string"),
    "float64 for a text": odd(pd.Series([1.5, np.nan]), {"text": "1.5"}, ABSENT, to="text"),
    "longdouble": odd(pd.Series(np.array([0.5, np.nan], dtype="longdouble")), 0.5, ABSENT),
    "complex128": odd(pd.Series([1j, 1 + 0j]), Rejected("type complex"), Rejected("type complex")),
    "bool": odd(pd.Series([True, False]), True, False),
    "bool for a boolean": odd(pd.Series([True, False]), True, False, to="boolean"),
    "bool for an integer": odd(pd.Series([True]), Rejected("a boolean is no number"), to="integer"),
    "bool for a string": odd(pd.Series([True]), "true", to="string"),
    "fixed bytes": odd(pd.Series(np.array([b"ab"], dtype="S2")), Rejected("bytes have no JSON form")),
    "fixed bytes for an image": odd(
        pd.Series(np.array([b"abc"], dtype="S3")), {"base64": "YWJj"}, to="image"
    ),
    "fixed text": odd(pd.Series(np.array(["ab"], dtype="U2")), "ab"),
    "void": odd(pd.Series(np.array([b"ab"], dtype="V2")), Rejected("bytes have no JSON form")),
    "times of seconds": odd(
        pd.Series(np.array(["2026-11-23", "NaT"], dtype="M8[s]")), "2026-11-23T00:00:00", ABSENT
    ),
    "times of milliseconds": odd(
        pd.Series(np.array(["2026-11-23T00:00:00.250"], dtype="M8[ms]")), "2026-11-23T00:00:00.25"
    ),
    "times of microseconds": odd(
        pd.Series(np.array(["1969-12-31T23:59:59.999999"], dtype="M8[us]")), "1969-12-31T23:59:59.999999"
    ),
    "times of nanoseconds": odd(pd.Series(TIMES), NS, ABSENT),
    "times of no calendar": odd(
        pd.Series(np.array(["20000-01-01", "0000-12-31", "9999-12-31", "0001-01-01"], dtype="M8[s]")),
        Rejected("20000-01-01T00:00:00 lies outside of the years 1 to 9999"),
        Rejected("years 1 to 9999"),
        "9999-12-31T00:00:00",
        "0001-01-01T00:00:00",
    ),
    "times for a date": odd(pd.Series(TIMES).dt.normalize(), "2026-11-23", ABSENT, to="date"),
    "times of day for a date": odd(pd.Series(TIMES), Rejected("has a time of day"), ABSENT, to="date"),
    "times for a datetime": odd(pd.Series(TIMES), NS, ABSENT, to="datetime"),
    "times for a string": odd(pd.Series(TIMES), NS, ABSENT, to="string"),
    "times for an integer": odd(pd.Series(TIMES), Rejected("is no number"), ABSENT, to="integer"),
    "times in UTC": odd(pd.Series(TIMES.tz_localize("UTC")), f"{NS}Z", ABSENT),
    "times in a zone": odd(
        pd.Series(TIMES.tz_localize("Asia/Tokyo")), "2026-11-22T19:08:30.123456789Z", ABSENT
    ),
    "times at an offset": odd(
        pd.Series(TIMES.tz_localize(dt.timezone(dt.timedelta(hours=-2, minutes=-30)))),
        "2026-11-23T06:38:30.123456789Z",
        ABSENT,
    ),
    "an hour that comes twice": odd(
        pd.Series(
            pd.to_datetime(["2026-10-25T00:30", "2026-10-25T01:30"])
            .tz_localize("UTC")
            .tz_convert("Europe/Berlin")
        ),
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
    ),
    "durations of seconds": odd(pd.Series(np.array([90, "NaT"], dtype="m8[s]")), 90, ABSENT),
    "durations of nanoseconds": odd(pd.Series(np.array([1_500_000_001], dtype="m8[ns]")), 1.500000001),
    "durations for a float": odd(pd.Series(np.array([-1_500], dtype="m8[ms]")), -1.5, to="float"),
}

EXTENSIONS: dict[str, Odd] = {
    "Int8": odd(pd.Series([1, None], dtype="Int8"), 1, ABSENT),
    "Int64": odd(pd.Series([2**63 - 1, None], dtype="Int64"), 2**63 - 1, ABSENT),
    "UInt64": odd(pd.Series([2**64 - 1, None], dtype="UInt64"), 2**64 - 1, ABSENT),
    "Int64 for a string": odd(pd.Series([7, None], dtype="Int64"), "7", ABSENT, to="string"),
    "Float32": odd(pd.Series([0.5, None], dtype="Float32"), 0.5, ABSENT),
    "Float64": odd(pd.Series([1.0, None, np.inf], dtype="Float64"), 1, ABSENT, Rejected("infinite")),
    "boolean": odd(pd.Series([True, None], dtype="boolean"), True, ABSENT, to="boolean"),
    "string of Python": odd(pd.Series(["8½", None, ""], dtype="string[python]"), "8½", ABSENT, ""),
    "string of Arrow": odd(pd.Series(["8½", None, ""], dtype="string[pyarrow]"), "8½", ABSENT, ""),
    "str": odd(pd.Series(["007", None, "NA"], dtype="str"), "007", ABSENT, "NA"),
    "category": odd(pd.Series(["a", None, "a"], dtype="category"), "a", ABSENT, "a"),
    "category that never comes": odd(pd.Series(pd.Categorical(["b"], categories=["a", "b"])), "b"),
    "category in order": odd(pd.Series(pd.Categorical(["lo"], categories=["lo", "hi"], ordered=True)), "lo"),
    "category of integers": odd(pd.Series(pd.Categorical([1, None, 2])), 1, ABSENT, 2),
    "category of floats": odd(pd.Series(pd.Categorical([1.5, 2.0])), 1.5, 2),
    "category of booleans": odd(pd.Series(pd.Categorical([True, False])), True, False),
    "category of times": odd(pd.Series(pd.Categorical(TIMES)), NS, ABSENT),
    "category of times in a zone": odd(pd.Series(pd.Categorical(TIMES.tz_localize("UTC"))), f"{NS}Z", ABSENT),
    "category for a text": odd(
        pd.Series(["http://x", None], dtype="category"), {"text": "http://x"}, ABSENT, to="text"
    ),
    "category of periods": odd(
        pd.Series(pd.Categorical(pd.period_range("2026", periods=1))), Rejected("pandas.Period")
    ),
    "period": odd(pd.Series(pd.PeriodIndex(["2026-11", None], freq="M")), Rejected("pandas.Period"), ABSENT),
    "interval": odd(pd.Series(pd.interval_range(0, 1)), Rejected("pandas.Interval")),
    "sparse integers": odd(pd.Series(pd.arrays.SparseArray([0, 5])), 0, 5),
    "sparse floats": odd(pd.Series(pd.arrays.SparseArray([np.nan, 1.5])), ABSENT, 1.5),
    "sparse booleans": odd(pd.Series(pd.arrays.SparseArray([True, False])), True, False),
}

ARROW_BACKED: dict[str, Odd] = {
    "int64 of Arrow": odd(arrow(pa.int64(), 2**53 + 1, None), 2**53 + 1, ABSENT),
    "float64 of Arrow": odd(arrow(pa.float64(), 1.0, float("nan"), None), 1, ABSENT, ABSENT),
    "bool of Arrow": odd(arrow(pa.bool_(), True, None), True, ABSENT),
    "null of Arrow": odd(arrow(pa.null(), None), ABSENT),
    "binary of Arrow": odd(arrow(pa.binary(), b"x", None), {"base64": "eA=="}, ABSENT, to="image"),
    "date32 of Arrow": odd(arrow(pa.date32(), dt.date(2026, 11, 23), None), "2026-11-23", ABSENT),
    "date64 of Arrow": odd(arrow(pa.date64(), dt.date(2026, 11, 23), None), "2026-11-23", ABSENT),
    "time32 of Arrow": odd(arrow(pa.time32("ms"), dt.time(4, 8, 30, 250_000), None), "04:08:30.25", ABSENT),
    "time64 of Arrow": odd(arrow(pa.time64("ns"), 14_910_000_000_001, None), "04:08:30.000000001", ABSENT),
    "timestamp of Arrow": odd(arrow(pa.timestamp("ns"), 1, None), "1970-01-01T00:00:00.000000001", ABSENT),
    "timestamp of Arrow in a zone": odd(
        arrow(pa.timestamp("ns", "Asia/Tokyo"), 1, None), "1970-01-01T00:00:00.000000001Z", ABSENT
    ),
    "duration of Arrow": odd(arrow(pa.duration("ns"), 1_500_000_001, None), 1.500000001, ABSENT),
    "decimal of Arrow": odd(arrow(pa.decimal128(9, 2), Decimal("1.50"), None), "1.5", ABSENT),
    "decimal of Arrow for a float": odd(arrow(pa.decimal128(9, 2), Decimal("1.50")), 1.5, to="float"),
    "list of Arrow": odd(arrow(pa.list_(pa.int8()), [1, None], None), [1, None], ABSENT, to="array"),
    "list of times of Arrow": odd(
        arrow(pa.list_(pa.timestamp("ns")), [1]), ["1970-01-01T00:00:00.000000001"]
    ),
    "struct of Arrow": odd(
        arrow(pa.struct({"a": pa.int8()}), {"a": 1}, {"a": None}, None), {"a": 1}, {}, ABSENT, to="object"
    ),
    "map of Arrow": odd(arrow(pa.map_(pa.string(), pa.int8()), [("k", 1)], None), [["k", 1]], ABSENT),
    "dictionary of Arrow": odd(arrow(pa.dictionary(pa.int8(), pa.string()), "a", None), "a", ABSENT),
    "date of Arrow of no calendar": odd(
        pd.Series(
            pd.arrays.ArrowExtensionArray(
                pa.chunked_array([pa.array([10**8, 0], pa.int32()).cast(pa.date32())])
            )
        ),
        Rejected("it cannot be read as Date"),
        "1970-01-01",
    ),
}

OBJECTS: dict[str, Odd] = {
    "absent values of all kinds": odd(
        objects(None, np.nan, pd.NaT, pd.NA, Decimal("NaN"), np.datetime64("NaT"), np.timedelta64("NaT")),
        *[ABSENT] * 7,
    ),
    "only None": odd(objects(None, None), ABSENT, ABSENT),
    "only NaN": odd(pd.Series([np.nan, np.nan]), ABSENT, ABSENT),
    "all types at once": odd(
        objects(1, 1.0, True, "1", Decimal("1.0"), b"1", [1.0], {"a": 1.0}),
        1,
        1,
        True,
        "1",
        "1",
        Rejected("bytes have no JSON form"),
        [1],
        {"a": 1},
    ),
    "numpy scalars": odd(
        objects(np.int8(1), np.float32(0.5), np.bool_(True), np.str_("a"), np.datetime64("2026-11-23")),
        1,
        0.5,
        True,
        "a",
        "2026-11-23",
    ),
    "times of several zones": odd(
        objects(pd.Timestamp(NS, tz="UTC"), pd.Timestamp(NS, tz="Asia/Tokyo"), pd.Timestamp(NS)),
        f"{NS}Z",
        "2026-11-22T19:08:30.123456789Z",
        NS,
    ),
    "timestamps of no calendar": odd(
        objects(pd.Timestamp(np.datetime64("20000-01-01", "s"))), Rejected("years 1 to 9999")
    ),
    "dates": odd(objects(dt.date(1, 1, 1), dt.date(9999, 12, 31)), "0001-01-01", "9999-12-31", to="date"),
    "timedeltas": odd(objects(pd.Timedelta("1.5s"), dt.timedelta(days=-1)), 1.5, -86400),
    "UUIDs": odd(objects(uuid.UUID(int=1)), "00000000-0000-0000-0000-000000000001", to="string"),
    "numpy arrays": odd(objects(np.array([1.0, np.nan]), np.array([])), [1, None], [], to="array"),
    "numpy arrays of nanoseconds": odd(objects(np.array([NS], dtype="M8[ns]")), [NS]),
    "numpy arrays of two dimensions": odd(objects(np.array([[1, 2], [3, 4]])), [[1, 2], [3, 4]]),
    "numpy records": odd(objects(np.zeros(1, dtype=[("a", "i4")])[0]), Rejected("numpy.void")),
    "columns inside of cells": odd(
        objects(pd.Series([1]), pd.DataFrame()), Rejected("pandas.Series"), Rejected("pandas.DataFrame")
    ),
    "half of a surrogate pair": odd(objects("a\ud800", "b"), Rejected("at character 1"), "b"),
    "integers beyond 64 bits": odd(objects(2**64, -(10**300)), 2**64, -(10**300)),
}

PANDAS = {
    f"pandas: {name}": frame
    for kind in (NUMPY, EXTENSIONS, ARROW_BACKED, OBJECTS)
    for name, frame in kind.items()
}
