"""Odd columns of polars."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import polars as pl

from .odd_frames import ABSENT, Rejected, odd

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)


def of(kind: Any, *cells: object) -> pl.Series:
    return pl.Series(cells, dtype=kind, strict=False)


def ticks(kind: Any, *cells: object) -> pl.Series:
    """Cells given by the integers that stand for them."""
    return pl.Series(cells).cast(kind)


TYPES = {
    "Int8": odd(of(pl.Int8, -128, None), -128, ABSENT),
    "Int64": odd(of(pl.Int64, 2**53 + 1), 2**53 + 1, to="integer"),
    "Int128": odd(of(pl.Int128, 2**100, None), 2**100, ABSENT),
    "UInt8": odd(of(pl.UInt8, 255), 255),
    "UInt64": odd(of(pl.UInt64, 2**64 - 1), 2**64 - 1),
    "Float32": odd(of(pl.Float32, 0.1, 1.0), 0.10000000149011612, 1),
    "Float64": odd(
        of(pl.Float64, 1.5, float("nan"), None, float("inf"), -0.0),
        1.5,
        ABSENT,
        ABSENT,
        Rejected("infinite"),
        0,
    ),
    "Boolean": odd(of(pl.Boolean, True, None), True, ABSENT, to="boolean"),
    "String": odd(of(pl.String, "a", None, "", "a\0b", "🎬"), "a", ABSENT, "", "a\0b", "🎬"),
    "Categorical": odd(of(pl.Categorical, "a", None, "a"), "a", ABSENT, "a"),
    "Enum": odd(of(pl.Enum(["a", "b"]), "b", None), "b", ABSENT),
    "Null": odd(of(pl.Null, None), ABSENT),
    "Binary": odd(of(pl.Binary, b"\xff", None), Rejected("bytes have no JSON form"), ABSENT),
    "Binary for an image": odd(
        of(pl.Binary, b"\xff", b""), {"base64": "/w=="}, Rejected("empty"), to="image"
    ),
    "Binary for a text": odd(of(pl.Binary, b"a"), Rejected("bytes are no text"), to="text"),
    "Date": odd(of(pl.Date, dt.date(1, 1, 1), None), "0001-01-01", ABSENT, to="date"),
    "Date of no calendar": odd(ticks(pl.Date, 10**8, 0), Rejected("it cannot be read as Date"), "1970-01-01"),
    "Time": odd(of(pl.Time, dt.time(4, 8, 30, 250_000), None), "04:08:30.25", ABSENT),
    "Time of nanoseconds": odd(
        ticks(pl.Time, 1, 86_399_999_999_999), "00:00:00.000000001", "23:59:59.999999999"
    ),
    "Datetime of milliseconds": odd(ticks(pl.Datetime("ms"), 1_500, None), "1970-01-01T00:00:01.5", ABSENT),
    "Datetime of nanoseconds": odd(ticks(pl.Datetime("ns"), 1), "1970-01-01T00:00:00.000000001"),
    "Datetime in a zone": odd(
        ticks(pl.Datetime("us", "Asia/Tokyo"), -1, None), "1969-12-31T23:59:59.999999Z", ABSENT, to="datetime"
    ),
    "Datetime of no calendar": odd(
        ticks(pl.Datetime("ms"), 2**62, 0), Rejected("years 1 to 9999"), "1970-01-01T00:00:00"
    ),
    "Datetime of no calendar in a zone": odd(
        ticks(pl.Datetime("ms", "Asia/Tokyo"), 2**62, 0), Rejected("years 1 to 9999"), "1970-01-01T00:00:00Z"
    ),
    "Duration": odd(ticks(pl.Duration("ns"), 1_500_000_000, None, -1), 1.5, ABSENT, -1e-09),
    "Duration of microseconds": odd(ticks(pl.Duration("us"), 2_000_000), 2),
    "Decimal": odd(of(pl.Decimal(10, 2), Decimal("1.50"), None), "1.5", ABSENT),
    "Decimal of 38 digits": odd(
        of(pl.Decimal(38, 10), Decimal("1234567890123456789012345678.0123456789")),
        "1234567890123456789012345678.0123456789",
    ),
    "Decimal for a number": odd(of(pl.Decimal(10, 2), Decimal("12.50"), Decimal(3)), 12.5, 3, to="number"),
    "Decimal for an integer": odd(
        of(pl.Decimal(10, 2), Decimal("3.00"), Decimal("3.5")), 3, Rejected("no integer"), to="integer"
    ),
    "List": odd(of(pl.List(pl.Int8), [1, None], [], None), [1, None], [], ABSENT, to="array"),
    "List of Binary": odd(of(pl.List(pl.Binary), [b"x"], [], [None]), Rejected("bytes inside"), [], [None]),
    "List of Float64": odd(
        of(pl.List(pl.Float64), [1.0, float("nan")], [float("inf")]), [1, None], Rejected("infinite")
    ),
    "List of nanoseconds": odd(
        ticks(pl.List(pl.Datetime("ns", "Asia/Tokyo")), [1, None]), ["1970-01-01T00:00:00.000000001Z", None]
    ),
    "List of durations": odd(ticks(pl.List(pl.Duration("ns")), [1]), [1e-09]),
    "List of lists": odd(of(pl.List(pl.List(pl.String)), [["a"], None]), [["a"], None]),
    "Array": odd(of(pl.Array(pl.Int8, 2), [1, 2], None), [1, 2], ABSENT, to="array"),
    "Array of nanoseconds": odd(
        ticks(pl.Array(pl.Datetime("ns"), 1), [1]), ["1970-01-01T00:00:00.000000001"]
    ),
    "Struct": odd(of(pl.Struct({"a": pl.Int8, "b": pl.String}), {"a": 1, "b": None}), {"a": 1}, to="object"),
    "Struct of all and nothing": odd(
        of(
            pl.Struct({"d": pl.Decimal(5, 2), "t": pl.Datetime("ns"), "l": pl.List(pl.Date)}),
            {"d": Decimal("1.50"), "t": NOON.replace(tzinfo=None), "l": [dt.date(2026, 1, 1)]},
            None,
        ),
        {"d": "1.5", "t": "2026-07-01T12:00:00", "l": ["2026-01-01"]},
        ABSENT,
    ),
    "Struct of nanoseconds": odd(
        ticks(pl.Struct({"a": pl.Datetime("ns")}), {"a": 1}), {"a": "1970-01-01T00:00:00.000000001"}
    ),
    "Object of UUIDs": odd(
        pl.Series([uuid.UUID(int=1), None], dtype=pl.Object), "00000000-0000-0000-0000-000000000001", ABSENT
    ),
    "Object of sets": odd(pl.Series([{1}, 1], dtype=pl.Object), Rejected("type set"), 1),
    "String for a date": odd(
        of(pl.String, "2026-11-23", "23.11.2026"), "2026-11-23", Rejected("ISO 8601"), to="date"
    ),
    "String for a float": odd(of(pl.String, "1e3", "1,5"), 1000.0, Rejected("is no number"), to="float"),
    "String for an image": odd(
        of(pl.String, "s3://b/1.png", "/tmp/1.png"),
        "s3://b/1.png",
        Rejected("path of this machine"),
        to="image",
    ),
}

POLARS = {f"polars: {name}": frame for name, frame in TYPES.items()}
