"""Odd values of Python, in dicts."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from collections import Counter, OrderedDict, UserDict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from .odd_frames import ABSENT, Rejected, odd

BERLIN = ZoneInfo("Europe/Berlin")
Point = namedtuple("Point", "x y")


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Broken(UserDict[str, Any]):
    def items(self) -> Any:
        raise LookupError("the session is closed")


class Nowhere(dt.tzinfo):
    def utcoffset(self, when: object) -> Any:
        raise LookupError("no such zone")


def deep(depth: int) -> Any:
    return [deep(depth - 1)] if depth else 1


def empty(depth: int) -> list[Any]:
    return [empty(depth - 1)] if depth > 1 else []


def loop() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


VALUES = {
    "big integers": odd([2**63, 2**64, -(2**200), 10**306], 2**63, 2**64, -(2**200), 10**306),
    "integers beyond every float": odd([10**309, -(10**5000)], Rejected("too long"), Rejected("too long")),
    "big integers for an integer": odd([2**200, "9" * 400], 2**200, Rejected("is no number"), to="integer"),
    "floats": odd(
        [1.0, -0.0, 0.1, 1e22, 2.0**53, math.nan, math.inf],
        1,
        0,
        0.1,
        1e22,
        2.0**53,
        ABSENT,
        Rejected("infinite"),
    ),
    "Decimals": odd(
        [
            Decimal("1.50"),
            Decimal("1E+3"),
            Decimal("-0.00"),
            Decimal("sNaN"),
            Decimal("-Infinity"),
            Decimal("1E+9999"),
        ],
        "1.5",
        "1000",
        "0",
        ABSENT,
        Rejected("infinite"),
        Rejected("too long"),
    ),
    "Decimals for an integer": odd(
        [Decimal("9007199254740993.0"), Decimal("0.5")], 2**53 + 1, Rejected("no integer"), to="integer"
    ),
    "fractions": odd([Fraction(1, 2)], Rejected("fractions.Fraction")),
    "complex": odd([1j], Rejected("type complex")),
    "booleans": odd([True, False, "TRUE", 1], True, False, True, Rejected("no boolean"), to="boolean"),
    "texts of all kinds": odd(
        ["", " ", "NA", "null", "a\0b", "\u2028", "🎬", "e\u0301", "\r\n"],
        "",
        " ",
        "NA",
        "null",
        "a\0b",
        "\u2028",
        "🎬",
        "e\u0301",
        "\r\n",
    ),
    "texts that look like something else": odd(
        ["http://x", "s3://b/1", "data:image/png;base64,AAAA", "YWJj", "{}", "[1]", "NaN", "007", "true"],
        "http://x",
        "s3://b/1",
        "data:image/png;base64,AAAA",
        "YWJj",
        "{}",
        "[1]",
        "NaN",
        "007",
        "true",
        to="string",
    ),
    "texts that look like files": odd(
        ["http://x", "s3://b/1", "data:image/png;base64,AAAA", "YWJj", "/etc/passwd", ""],
        *(
            {"text": text}
            for text in ("http://x", "s3://b/1", "data:image/png;base64,AAAA", "YWJj", "/etc/passwd", "")
        ),
        to="text",
    ),
    "files": odd(
        [
            "https://x/1.png",
            "S3://b/1",
            "data:image/png;base64,AAAA",
            b"\0",
            bytearray(b"a"),
            memoryview(b"ab")[::-1],
        ],
        "https://x/1.png",
        Rejected("Should be an http", by_server=True),
        "data:image/png;base64,AAAA",
        {"base64": "AA=="},
        {"base64": "YQ=="},
        {"base64": "YmE="},
        to="image",
    ),
    "what is no file": odd(
        [
            "YWJj",
            "file:///x",
            "./x.png",
            "C:\\x.png",
            "",
            "data:,hello",
            b"",
            7,
            True,
            [b"a"],
            {"a": 1},
            {"url": ""},
        ],
        Rejected("is no file"),
        Rejected("path of this machine"),
        Rejected("path of this machine"),
        Rejected("path of this machine"),
        Rejected("is no file"),
        Rejected("is no file"),
        Rejected("0 bytes"),
        Rejected("a number is no file"),
        Rejected("a boolean is no file"),
        Rejected("bytes inside"),
        Rejected("a dict without 'url' and 'base64'"),
        Rejected("a dict without 'url'"),
        to="image",
    ),
    "dicts that say what file they are": odd(
        [{"url": "s3://b/1"}, {"base64": "YWJj", "mime_type": "image/png"}, {"base64": "??"}],
        {"url": "s3://b/1"},
        {"base64": "YWJj", "mime_type": "image/png"},
        Rejected("not valid base64", by_server=True),
        to="image",
    ),
    "dicts that say what text they are": odd(
        [{"text": "a"}, {"text": 5}, {"a": "b"}],
        {"text": "a"},
        Rejected("valid string", by_server=True),
        Rejected("a dict is no text unless"),
        to="text",
    ),
    "half of a surrogate pair": odd(
        ["\ud83c", ["\udfac"], {"\ud800": 1}, "\U0001f3ac"],
        Rejected("surrogate"),
        Rejected("surrogate"),
        Rejected("surrogate"),
        "🎬",
    ),
    "half of a surrogate pair for a text": odd(["a\udcff"], Rejected("at character 1"), to="text"),
    "bytes": odd([b"a", bytearray(), memoryview(b"a")], *[Rejected("bytes have no JSON form")] * 3),
    "bytes for a string": odd([b"a"], Rejected("bytes is no text"), to="string"),
    "UUIDs": odd([uuid.UUID(int=255)], "00000000-0000-0000-0000-0000000000ff"),
    "dates": odd([dt.date.min, dt.date.max], "0001-01-01", "9999-12-31"),
    "datetimes": odd(
        [dt.datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1)]
        + [dt.datetime(5, 1, 1)],  # noqa: DTZ001
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "0005-01-01T00:00:00",
    ),
    "datetimes at the ends": odd(
        [
            dt.datetime.min,  # noqa: DTZ901
            dt.datetime.max,  # noqa: DTZ901
            dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1))),
        ],
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.999999",
        Rejected("years 1 to 9999 in UTC"),
    ),
    "datetimes in a zone that fails": odd(
        [dt.datetime(2026, 1, 1, tzinfo=Nowhere()), 1], Rejected("LookupError: no such zone"), 1
    ),
    "times": odd([dt.time(4, 8), dt.time(4, tzinfo=dt.UTC)], "04:08:00", Rejected("without its date")),
    "timedeltas": odd([dt.timedelta(hours=1), dt.timedelta(microseconds=-1)], 3600, -1e-06),
    "texts for a date": odd(
        [
            "2026-11-23",
            " 2026-11-23 ",
            "2026-11-23T00:00:00Z",
            "2026-02-30",
            "2026-11-23T04:08",
            "23/11/2026",
            20261123,
        ],
        "2026-11-23",
        "2026-11-23",
        "2026-11-23",
        Rejected("no day of the calendar"),
        Rejected("time of day"),
        Rejected("ISO 8601"),
        Rejected("a number is no date"),
        to="date",
    ),
    "texts for a datetime": odd(
        [
            "2026-11-23",
            "2026-11-23 04:08",
            "2026-11-23T04:08:30.250+02:30",
            "2026-11-23T04:08.5",
            "2026-11-23T25:00",
            "",
        ],
        "2026-11-23T00:00:00",
        "2026-11-23T04:08:00",
        "2026-11-23T01:38:30.25Z",
        Rejected("ISO 8601"),
        Rejected("no time of the calendar"),
        Rejected("ISO 8601"),
        to="datetime",
    ),
    "texts for a float": odd(
        ["12.5", " 7 ", "-.5", "1e999", "nan", "", "1_000", "٣"],
        12.5,
        7,
        -0.5,
        *[Rejected("is no number")] * 5,
        to="float",
    ),
    "texts for an integer": odd(
        ["007", "1e2", "9007199254740993.0", "1.5", "0x10"],
        7,
        100,
        2**53 + 1,
        Rejected("no integer"),
        Rejected("is no number"),
        to="integer",
    ),
    "texts for an object": odd(
        ['{"a": 1.0, "b": null}', "[]", "{", '{"a": NaN}', "{}"],
        {"a": 1},
        *[Rejected("a text is no object")] * 3,
        {},
        to="object",
    ),
    "texts for an array": odd(
        ["[1, 2.0, null]", "[" * 90 + "]" * 90, "[" * 300 + "]" * 300, "[1e999]"],
        [1, 2, None],
        empty(90),
        Rejected("100 deep"),
        Rejected("a text is no array"),
        to="array",
    ),
    "numbers for a string": odd(
        [7, 0.5, True, [1]], "7", "0.5", "true", Rejected("a list is no text"), to="string"
    ),
    "lists": odd(
        [[], [None], (1, "a", None), [math.nan, 1.0], Point(1, 2)],
        [],
        [None],
        [1, "a", None],
        [None, 1],
        [1, 2],
    ),
    "lists with what has no form": odd(
        [[math.inf], [{1}], [b"a"], [Colour.RED]],
        Rejected("infinite"),
        Rejected("type set"),
        Rejected("bytes inside"),
        Rejected("enumeration Colour"),
    ),
    "depth": odd([deep(100), deep(101), loop()], deep(100), Rejected("100 deep"), Rejected("100 deep")),
    "dicts": odd(
        [{}, {"a": None}, {"": 0}, OrderedDict(b=1.0), Counter("a"), MappingProxyType({"a": {"b": pd.NA}})],
        {},
        {},
        {"": 0},
        {"b": 1},
        {"a": 1},
        {"a": {}},
    ),
    "dicts with keys that are no texts": odd(
        [{1: 2}, {None: 1}, {("a",): 1}], Rejected("key 1"), Rejected("key None"), Rejected("('a',)")
    ),
    "dicts that fail": odd(
        [Broken(), {"a": Broken()}, 1],
        Rejected("LookupError: the session is closed"),
        Rejected("LookupError"),
        1,
    ),
    "enumerations": odd(
        [Colour.RED, Level.HIGH], Rejected("use its .name or .value"), Rejected("enumeration Level")
    ),
    "sets and other collections": odd(
        [{1}, frozenset(), range(3), deque()],
        Rejected("type set"),
        Rejected("type frozenset"),
        Rejected("type range"),
        Rejected("collections.deque"),
    ),
    "objects": odd(
        [object(), PurePosixPath("a"), ValueError("x"), ..., int],
        Rejected("type object"),
        Rejected("PurePosixPath"),
        Rejected("type ValueError"),
        Rejected("type ellipsis"),
        Rejected("type type"),
    ),
    "numpy scalars": odd(
        [
            np.int64(1),
            np.float64(1),
            np.bool_(False),
            np.datetime64("20000-01-01"),
            np.timedelta64(1, "D"),
            np.datetime64("2026"),
        ],
        1,
        1,
        False,
        Rejected("years 1 to 9999"),
        86400,
        "2026-01-01",
    ),
    "numpy times too fine or too coarse": odd(
        [np.datetime64(1, "ps"), np.timedelta64(1, "Y")],
        Rejected("finer than"),
        Rejected("no exact number of seconds"),
    ),
    "masked arrays": odd([np.ma.array([1, 2], mask=[0, 1]), np.ma.masked], [1, None], ABSENT),
    "Arrow scalars": odd(
        [pa.scalar(1.0), pa.scalar(None, pa.string()), pa.scalar({"a": 1}), pa.array([1])],
        1,
        ABSENT,
        {"a": 1},
        Rejected("pyarrow.Int64Array"),
    ),
    "one row": odd([1], 1),
}

PYTHON = {f"dicts: {name}": frame for name, frame in VALUES.items()}
