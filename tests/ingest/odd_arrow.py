"""Odd columns of Arrow."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from .odd_frames import ABSENT, Rejected, odd

NS = "1970-01-01T00:00:00.000000001"


def of(kind: pa.DataType, *cells: object) -> pa.Array:
    return pa.array(cells, kind)


def texts(*cells: bytes) -> pa.Array:
    """Texts whose bytes nobody has looked at."""
    return pa.array(cells, pa.binary()).view(pa.string())


def extension(kind: pa.DataType, *cells: object) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(cells, kind.storage_type))


def union(kind: str) -> pa.Array:
    places = pa.array([0, 1], pa.int8())
    if kind == "sparse":
        return pa.UnionArray.from_sparse(places, [pa.array([1, 2]), pa.array(["a", "b"])])
    return pa.UnionArray.from_dense(places, pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["b"])])


TYPES = {
    "null": odd(pa.nulls(2), ABSENT, ABSENT),
    "bool": odd(of(pa.bool_(), True, None), True, ABSENT),
    "bool8": odd(extension(pa.bool8(), 1, 0), True, False),
    "int8": odd(of(pa.int8(), -128, None), -128, ABSENT),
    "int16": odd(of(pa.int16(), 2**15 - 1), 2**15 - 1),
    "int32": odd(of(pa.int32(), 2**31 - 1), 2**31 - 1),
    "int64": odd(of(pa.int64(), 2**53 + 1), 2**53 + 1),
    "uint64": odd(of(pa.uint64(), 2**64 - 1), 2**64 - 1),
    "half float": odd(of(pa.float16(), 0.5, None, float("inf")), 0.5, ABSENT, Rejected("infinite")),
    "float": odd(of(pa.float32(), 0.5, float("nan")), 0.5, ABSENT),
    "double": odd(of(pa.float64(), 1.0, -0.0, float("-inf")), 1, 0, Rejected("infinite")),
    "string": odd(of(pa.string(), "a", None), "a", ABSENT, to="string"),
    "large string": odd(of(pa.large_string(), "a", None), "a", ABSENT),
    "string view": odd(of(pa.string_view(), "a", None), "a", ABSENT),
    "string that is not UTF-8": odd(texts(b"a", b"\xff", b"b"), "a", Rejected("0xff"), "b"),
    "string that is not UTF-8 for a text": odd(
        texts(b"\xc3\x28"), Rejected("it cannot be read as String"), to="text"
    ),
    "binary": odd(of(pa.binary(), b"a", None), Rejected("bytes have no JSON form"), ABSENT),
    "large binary": odd(of(pa.large_binary(), b"a"), {"base64": "YQ=="}, to="image"),
    "binary view": odd(of(pa.binary_view(), b"a"), {"base64": "YQ=="}, to="image"),
    "fixed size binary": odd(of(pa.binary(2), b"ab"), {"base64": "YWI="}, to="image"),
    "decimal32": odd(of(pa.decimal32(9, 2), Decimal("1.50")), "1.5"),
    "decimal64": odd(of(pa.decimal64(18, 2), Decimal("-1.50")), "-1.5"),
    "decimal128": odd(of(pa.decimal128(38, 0), Decimal(10) ** 37, None), "1" + "0" * 37, ABSENT),
    "decimal128 of negative scale": odd(of(pa.decimal128(5, -2), Decimal(1200)), "1200"),
    "decimal256": odd(of(pa.decimal256(76, 38), Decimal("0." + "0" * 37 + "1")), "0." + "0" * 37 + "1"),
    "date32": odd(of(pa.date32(), dt.date(2026, 11, 23), None), "2026-11-23", ABSENT),
    "date64": odd(of(pa.date64(), dt.date(2026, 11, 23)), "2026-11-23", to="date"),
    "date32 of no calendar": odd(
        of(pa.int32(), 0, 10**8).cast(pa.date32()),
        "1970-01-01",
        Rejected("it cannot be read as Date"),
        to="date",
    ),
    "time32 of seconds": odd(of(pa.time32("s"), 14_910, None), "04:08:30", ABSENT),
    "time32 of milliseconds": odd(of(pa.time32("ms"), 250), "00:00:00.25"),
    "time64 of microseconds": odd(of(pa.time64("us"), 1), "00:00:00.000001"),
    "time64 of nanoseconds": odd(of(pa.time64("ns"), 1, None), "00:00:00.000000001", ABSENT),
    "time64 of no day": odd(
        of(pa.time64("ns"), 10**15, -1, 0), Rejected("no time of day"), Rejected("no time of day"), "00:00:00"
    ),
    "timestamp of seconds": odd(of(pa.timestamp("s"), 0, None), "1970-01-01T00:00:00", ABSENT),
    "timestamp of milliseconds": odd(of(pa.timestamp("ms"), -1), "1969-12-31T23:59:59.999"),
    "timestamp of nanoseconds": odd(of(pa.timestamp("ns"), 1), NS, to="datetime"),
    "timestamp of the first nanosecond": odd(
        of(pa.timestamp("ns"), -(2**63) + 1), "1677-09-21T00:12:43.145224193"
    ),
    "timestamp in a zone": odd(of(pa.timestamp("ns", "Asia/Tokyo"), 1, None), f"{NS}Z", ABSENT),
    "timestamp at an offset": odd(of(pa.timestamp("us", "+02:30"), 0), "1970-01-01T00:00:00Z"),
    "timestamp of no calendar": odd(
        of(pa.timestamp("s"), 10**15, 0), Rejected("years 1 to 9999"), "1970-01-01T00:00:00"
    ),
    "timestamp of no calendar in a zone": odd(
        of(pa.timestamp("s", "UTC"), -(10**12)), Rejected("years 1 to 9999")
    ),
    "duration of seconds": odd(of(pa.duration("s"), 90, None), 90, ABSENT),
    "duration of nanoseconds": odd(of(pa.duration("ns"), -1), -1e-09),
    "duration of ages": odd(of(pa.duration("s"), 2**62), 2**62),
    "interval of months, days and nanoseconds": odd(
        of(pa.month_day_nano_interval(), (1, 2, 3), None), Rejected("MonthDayNano"), ABSENT
    ),
    "list": odd(of(pa.list_(pa.int8()), [1, None], [], None), [1, None], [], ABSENT, to="array"),
    "large list": odd(of(pa.large_list(pa.string()), ["a"]), ["a"]),
    "fixed size list": odd(of(pa.list_(pa.float32(), 2), [0.5, 1.0], None), [0.5, 1], ABSENT),
    "list view": odd(of(pa.list_view(pa.int8()), [1]), [1]),
    "large list view": odd(of(pa.large_list_view(pa.int8()), [1]), [1]),
    "list of nanoseconds": odd(of(pa.list_(pa.timestamp("ns")), [1, None]), [NS, None]),
    "list of durations": odd(of(pa.list_(pa.duration("ns")), [1]), [1e-09]),
    "list of decimals": odd(of(pa.list_(pa.decimal128(5, 2)), [Decimal("1.50")]), ["1.5"]),
    "list of binary": odd(of(pa.list_(pa.binary()), [b"x"], []), Rejected("bytes inside"), []),
    "struct": odd(
        of(pa.struct({"a": pa.int8(), "b": pa.string()}), {"a": 1}, None), {"a": 1}, ABSENT, to="object"
    ),
    "struct of structs": odd(
        of(pa.struct({"a": pa.struct({"b": pa.date32()})}), {"a": {"b": dt.date(2026, 1, 1)}}),
        {"a": {"b": "2026-01-01"}},
    ),
    "struct for a text": odd(
        of(pa.struct({"a": pa.int8()}), {"a": 1}), Rejected("a dict is no text"), to="text"
    ),
    "struct of a URL": odd(
        of(pa.struct({"url": pa.string()}), {"url": "s3://b/1"}), {"url": "s3://b/1"}, to="image"
    ),
    "struct with a name twice": odd(
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        Rejected("duplicate field names"),
    ),
    "map": odd(of(pa.map_(pa.string(), pa.int8()), [("k", 1), ("k", 2)], None), [["k", 1], ["k", 2]], ABSENT),
    "dictionary of strings": odd(pa.array(["a", None, "a"]).dictionary_encode(), "a", ABSENT, "a"),
    "dictionary of integers": odd(pa.array([1, None]).dictionary_encode(), 1, ABSENT),
    "dictionary of times": odd(of(pa.timestamp("ns"), 1, None).dictionary_encode(), NS, ABSENT),
    "run-end encoded": odd(pc.run_end_encode(pa.array(["a", "a", None])), "a", "a", ABSENT),
    "sparse union": odd(union("sparse"), 1, "b"),
    "dense union": odd(union("dense"), 1, "b"),
    "several chunks": odd(pa.chunked_array([[1], [], [None, 3]]), 1, ABSENT, 3),
    "UUID": odd(
        extension(pa.uuid(), uuid.UUID(int=1).bytes, None), "00000000-0000-0000-0000-000000000001", ABSENT
    ),
    "JSON": odd(extension(pa.json_(), '{"a": 1.0, "b": null}', None), {"a": 1}, ABSENT, to="object"),
    "opaque": odd(extension(pa.opaque(pa.string(), "kind", "vendor"), "x"), "x"),
    "tensor": odd(extension(pa.fixed_shape_tensor(pa.int8(), [2]), [1, 2]), [1, 2]),
}

ARROW = {f"arrow: {name}": frame for name, frame in TYPES.items()}
