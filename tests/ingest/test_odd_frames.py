"""Odd frames, really ingested: each row is stored as the docs say, or rejected with a reason."""

from __future__ import annotations

import math
import pickle
import re
import unicodedata
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider.mixpeek.client import Bucket, MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Report, ingest

from .odd_arrow import ARROW
from .odd_frames import (
    ABSENT,
    BLOBS,
    DATA,
    SCHEMA,
    Odd,
    Rejected,
    column_of,
    identical,
    mapping_of,
    odd,
    rows_of,
)
from .odd_pandas import PANDAS
from .odd_polars import POLARS
from .odd_python import PYTHON
from .odd_shapes import LARGE, LONG, REFUSED, TAKEN
from .shop import BATCH

pytestmark = pytest.mark.system

FRAMES = PANDAS | POLARS | ARROW | PYTHON


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    """One for all: a frame has a bucket of its own."""
    with Emulator(task_seconds=0, idempotency_conflict="refuse") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def shop(server) -> Iterator[MixpeekClient]:
    with MixpeekClient("sk_test", namespace="shop", base_url=server.url) as client:
        yield client


def load(shop: MixpeekClient, bucket: Bucket, rows: Any, mapping: dict[str, Any], **more: Any) -> Report:
    return ingest(
        shop, bucket.bucket_id, rows, mapping=mapping, scope="odd", on_error="collect", process=False, **more
    )


def stored(shop: MixpeekClient, bucket: Bucket, frame: Odd) -> dict[int, Any]:
    """What is stored of the odd column, by row; a row that is there twice fails."""
    found: dict[int, Any] = {}
    for each in shop.objects.list(bucket.bucket_id):
        blobs = {blob.property: blob for blob in each.blobs}
        row = int(blobs["title"].properties["text"])
        assert row not in found
        if frame.to in BLOBS:
            blob = blobs.get(frame.to)
            found[row] = ABSENT if blob is None else blob_of(blob.properties, blob.details)
        else:
            fields = each.model_extra or {}
            where = fields if frame.to in DATA else fields.get("metadata", {})
            found[row] = where.get(column_of(frame), ABSENT)
    return found


def blob_of(properties: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """Of a file's content the server keeps the digest."""
    if details.get("hash") and "text" not in properties:
        return {"hash": details["hash"]}
    return properties


def as_stored(expected: Any, to: str) -> Any:
    if to != "image" or expected is ABSENT:
        return expected
    if isinstance(expected, str) and not expected.startswith("data:"):
        return {"url": expected}
    content = expected.partition(",")[2] if isinstance(expected, str) else expected.get("base64")
    if content is None:
        return expected
    return {"hash": f"sha256:{sha256(b64decode(content)).hexdigest()}"}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_stored_as_the_docs_say(name, server, shop):
    frame = FRAMES[name]
    bucket = shop.buckets.create(name, schema=SCHEMA)
    report = load(shop, bucket, rows_of(frame), mapping_of(frame))

    reasons = {row.row: row for row in report.rejected_rows}
    found = stored(shop, bucket, frame)
    for number, expected in enumerate(frame.expected):
        if isinstance(expected, Rejected):
            assert number not in found
            assert expected.reason in reasons[number].reason
            if not expected.by_server:
                assert reasons[number].column == column_of(frame)
            assert set(reasons[number].values) == {"title", column_of(frame)}
            str(pickle.loads(pickle.dumps(reasons[number])))
        else:
            assert number not in reasons
            assert identical(found[number], as_stored(expected, frame.to)), found[number]
    assert report.rows_read == len(frame.expected) == len(found) + len(reasons)
    assert server.state()["invalid_json"] == 0

    again = load(shop, bucket, rows_of(frame), mapping_of(frame))
    assert (again.created, again.replayed, again.rejected) == (0, report.created, report.rejected)


def test_there_are_two_hundred_frames_and_more():
    assert len(FRAMES) > 200
    assert {frame.to for frame in FRAMES.values()} == {"metadata", *DATA, *BLOBS}


METADATA = {"blobs": {"title": "title"}, "metadata": ["odd"]}


@pytest.mark.parametrize("name", REFUSED)
def test_a_frame_that_is_refused_says_what_to_do_and_sends_nothing(name, server, shop):
    bucket = shop.buckets.create(f"refused {name}", schema=SCHEMA)
    refused = REFUSED[name]
    before = server.state()["requests"]
    with pytest.raises(refused.error) as caught:
        load(shop, bucket, refused.rows(), METADATA)
    assert refused.wrong in str(caught.value)
    assert refused.to_do in str(caught.value)
    assert writes(before) == writes(server.state()["requests"])


def writes(requests: list[dict[str, Any]]) -> int:
    return sum(each["count"] for each in requests if each["path"] == BATCH)


@pytest.mark.parametrize("name", TAKEN)
def test_a_frame_of_an_odd_shape_is_taken(name, server, shop):
    bucket = shop.buckets.create(f"taken {name}", schema=SCHEMA)
    report = load(shop, bucket, TAKEN[name](), METADATA)
    assert (report.rows_read, report.created) == (1, 1)
    assert stored(shop, bucket, odd([1], 1)) == {0: 1}
    assert server.state()["invalid_json"] == 0


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("to", ["metadata", "text"])
def test_a_row_larger_than_a_request_is_rejected_and_sent_where_requests_may_be_larger(name, to, shop):
    bucket = shop.buckets.create(f"large {name} {to}", schema=SCHEMA)
    frame = odd([LONG], LONG, to=to)
    report = load(shop, bucket, LARGE[name](), mapping_of(frame))
    (row,) = report.rejected_rows
    assert re.search(r"its 10,000,\d\d\d bytes are more than a request may have \(8,000,000\)", row.reason)
    report = load(shop, bucket, LARGE[name](), mapping_of(frame), max_request_bytes=11_000_000)
    assert report.created == 1
    assert stored(shop, bucket, frame) == {0: LONG if to == "metadata" else {"text": LONG}}


# -- random frames ------------------------------------------------------------------------------------------

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**300), 2**300), FINITE, st.text(max_size=20)
)
BAD = st.sampled_from([float("inf"), {1}, b"x", 1j, "\ud800", {1: 2}, object(), 10**400])
VALUES = st.recursive(
    st.one_of(SCALARS, st.just(float("nan")), BAD),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


def has_a_form(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and has_a_form(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(has_a_form, value))
    if isinstance(value, float):
        return not math.isinf(value)
    if isinstance(value, str):
        return not any(unicodedata.category(character) == "Cs" for character in value)
    if isinstance(value, int):
        return abs(value) < 10**300
    return value is None


def form_of(value: Any) -> Any:
    """What JSON holds of a value: absent ones only in lists."""
    if isinstance(value, dict):
        return {key: form for key, item in value.items() if (form := form_of(item)) is not None}
    if isinstance(value, list):
        return list(map(form_of, value))
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value % 1 == 0 and abs(value) < 2**53 else value
    return value


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=8))
def test_whatever_is_in_the_rows_each_is_stored_once_or_rejected_with_a_reason(values, server, shop):
    bucket = shop.buckets.create(f"random {uuid4()}", schema=SCHEMA)
    frame = odd(values, *values)
    report = load(shop, bucket, rows_of(frame), mapping_of(frame))
    found = stored(shop, bucket, frame)
    rejected = {row.row for row in report.rejected_rows if row.reason}
    assert rejected == {number for number, value in enumerate(values) if not has_a_form(value)}
    assert rejected | set(found) == set(range(len(values)))
    for number, value in found.items():
        expected = form_of(values[number])
        assert identical(value, ABSENT if expected is None else expected)
    assert report.created == len(found)
    assert server.state()["invalid_json"] == 0


KINDS = st.deferred(lambda: PLAIN_KINDS | NESTED_KINDS)
PLAIN_KINDS = st.sampled_from(
    [
        *(pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string()),
        *(pa.large_string(), pa.binary(), pa.decimal128(20, 5), pa.date32(), pa.time64("us")),
        *(pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")),
        *(pa.duration(unit) for unit in ("ms", "us", "ns")),
    ]
)
NESTED_KINDS = st.one_of(
    st.builds(pa.list_, KINDS),
    st.builds(lambda kind: pa.struct({"a": kind, "b": pa.int8()}), KINDS),
)


def cells_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    return st.none() | values_of(kind)


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_list(kind):
        return st.lists(cells_of(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({name: cells_of(kind.field(name).type) for name in ("a", "b")})
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        signed = pa.types.is_signed_integer(kind)
        return st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1)
    if pa.types.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return st.integers(-(2**53), 2**53)
    if pa.types.is_decimal(kind):
        return st.decimals(-(10**14), 10**14, places=5)
    return {
        "bool": st.booleans(),
        "binary": st.binary(max_size=5),
        "date32[day]": st.dates(),
        "time64[us]": st.times(),
    }.get(str(kind), st.text(max_size=10))


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 6))
    kinds = draw(st.lists(KINDS, min_size=1, max_size=3))
    columns = {
        f"odd {number}": pa.array(draw(st.lists(cells_of(kind), min_size=rows, max_size=rows)), kind)
        for number, kind in enumerate(kinds)
    }
    return pa.table({"title": [str(row) for row in range(rows)]} | columns)


def same_rows(table: pa.Table) -> dict[str, Any]:
    """The same values in every library that has them all."""
    frames = {
        "arrow": table,
        "polars": pl.from_arrow(table),
        "pandas over Arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
    }
    with suppress(OverflowError):  # of times that Python cannot hold there are no dicts
        frames["dicts"] = table.to_pylist()
    plain = not any(pa.types.is_nested(kind) for kind in table.schema.types)
    if plain and not any(column.null_count for column in table.columns):
        frames["pandas"] = table.to_pandas()
    return frames


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_the_same_values_have_the_same_keys_and_bodies_in_every_library(table, server, shop):
    bucket = shop.buckets.create(f"same {uuid4()}", schema=SCHEMA)
    mapping = {"blobs": {"title": "title"}, "metadata": table.column_names[1:]}
    frames = same_rows(table)
    # Another body under a key that was used is refused by this server, and an equal one is replayed.
    first = load(shop, bucket, frames.pop("arrow"), mapping)
    assert first.created + first.rejected == len(table)
    for name, frame in frames.items():
        report = load(shop, bucket, frame, mapping)
        assert (report.created, report.replayed) == (0, first.created), name
        rejected = [(row.row, row.column) for row in report.rejected_rows]
        assert rejected == [(row.row, row.column) for row in first.rejected_rows], name
    assert server.state()["invalid_json"] == 0
