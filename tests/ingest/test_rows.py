"""From a block to bodies: what is sent, and which rows are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider.mixpeek.client import BucketSchema
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.ingest import ObjectMapping
from airflow_provider.mixpeek.ingest._chunks import ENVELOPE
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._identity import row_keyer
from airflow_provider.mixpeek.ingest._mapping import plan
from airflow_provider.mixpeek.ingest._rows import Form, Prepared, prepare

SCHEMA = {
    "title": {"type": "text"},
    "hero": {"type": "image"},
    "price": {"type": "float"},
    "sku": {"type": "string"},
    "metadata": {"type": "object"},
}


def prepared(
    rows: list[dict[str, Any]],
    mapping: ObjectMapping,
    *,
    required: tuple[str, ...] = (),
    max_bytes: int = 8_000_000,
    **block: Any,
) -> Prepared:
    mode = "columns" if mapping.idempotency_key else "content"
    schema = {name: kind | {"required": name in required} for name, kind in SCHEMA.items()}
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return prepare(
        DictBlock(100, rows, **block),
        plan(mapping, schema=BucketSchema.model_validate({"properties": schema}), columns=columns),
        row_keyer(mode, bucket_id="bkt_1", scope="load", columns=mapping.idempotency_key or ()),
        Form(wire=CurrentApi(), keyed=True, max_bytes=max_bytes),
    )


def complaints(made: Prepared) -> list[tuple[int, str | None, str]]:
    return [(row.row, row.column, row.reason) for row in made.rejected]


def test_a_row_becomes_one_object():
    made = prepared(
        [{"t": "http://x", "u": "s3://b/1", "price": 2, "note": {"a": [1]}, "kind": "x"}],
        ObjectMapping(blobs={"title": "t", "hero": "u"}, metadata=["price", "note"], key_prefix="/{kind}"),
    )
    assert [row.number for row in made.rows] == [100]
    body = json.loads(made.rows[0].body)
    assert body.pop("idempotency_key").startswith("mxp1-")
    assert body == {
        "blobs": [
            {"property": "title", "type": "text", "data": {"text": "http://x"}},
            {"property": "hero", "type": "image", "data": "s3://b/1"},
        ],
        "price": 2,
        "metadata": {"note": {"a": [1]}},
        "key_prefix": "/x",
    }


@pytest.mark.parametrize("blank", [None, float("nan")])
def test_what_is_blank_is_left_out_and_never_nan(blank):
    made = prepared(
        [{"title": "a", "price": blank, "note": blank}],
        ObjectMapping(blobs={"title": "title"}, metadata=["price", "note"]),
    )
    assert set(json.loads(made.rows[0].body)) == {"blobs", "idempotency_key"}


def test_integers_beyond_64_bits_keep_every_digit():
    made = prepared([{"title": "ü", "n": 2**70 + 1}], ObjectMapping(blobs={"title": "title"}, metadata=["n"]))
    assert json.loads(made.rows[0].body)["metadata"] == {"n": 2**70 + 1}


def test_what_is_required_must_not_be_blank():
    rows = [{"title": "a", "sku": None}, {"title": None, "sku": "x"}, {"title": "b", "sku": "y"}]
    made = prepared(
        rows, ObjectMapping(blobs={"title": "title"}, metadata=["sku"]), required=("title", "sku")
    )
    assert complaints(made) == [
        (100, "sku", "it is blank, and the bucket requires it"),
        (101, "title", "it is blank, and the bucket requires it"),
    ]
    assert [row.number for row in made.rows] == [102]


def test_metadata_that_is_required_needs_one_value():
    rows = [{"title": "a", "x": None, "y": 1}, {"title": "b", "x": None, "y": None}]
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=["x", "y"])
    assert complaints(prepared(rows, mapping, required=("metadata",))) == [
        (101, None, "the bucket requires 'metadata', and it is blank in all of 'x', 'y'")
    ]
    assert not prepared(rows, mapping).rejected


def test_a_row_without_any_blob_is_rejected():
    rows = [{"t": None, "u": None}, {"t": "a", "u": None}]
    made = prepared(rows, ObjectMapping(blobs={"title": "t", "hero": "u"}))
    assert complaints(made) == [(100, None, "it has no blob: blank in 't', 'u'")]
    assert made.rejected[0].values == {"t": None, "u": None}


def test_only_the_first_complaint_about_a_row_is_told():
    rows = [{"title": object(), "price": "cheap", "u": "no file"}]
    made = prepared(rows, ObjectMapping(blobs={"title": "title", "hero": "u"}, metadata=["price"]))
    assert [(row, column) for row, column, _ in complaints(made)] == [(100, "title")]


def test_bytes_are_no_metadata():
    made = prepared([{"title": "a", "x": b"1"}], ObjectMapping(blobs={"title": "title"}, metadata=["x"]))
    assert complaints(made) == [(100, "x", "bytes have no JSON form: map the column to a file property")]


def test_a_row_that_no_request_can_hold_is_rejected_and_one_that_just_fits_is_not():
    mapping = ObjectMapping(blobs={"title": "title"})
    body = len(prepared([{"title": "x" * 100}], mapping).rows[0].body)
    rows = [{"title": "x" * 100}, {"title": "y" * 101}]
    made = prepared(rows, mapping, max_bytes=body + ENVELOPE)
    assert [row.number for row in made.rows] == [100]
    assert complaints(made) == [
        (101, None, f"its {body + 1:,} bytes are more than a request may have ({body + ENVELOPE:,})")
    ]


def test_a_row_that_could_not_be_read_is_told_as_it_stood():
    made = prepared(
        [{}, {"title": "a"}],
        ObjectMapping(blobs={"title": "title"}),
        problems={0: "the line is not JSON"},
        raw={0: "{oops"},
    )
    assert complaints(made) == [(100, None, "the line is not JSON")]
    assert made.rejected[0].values == {"row": "{oops"}


def test_rows_that_are_not_sent_do_not_count_for_the_keys_of_equal_ones():
    mapping = ObjectMapping(blobs={"title": "title"})
    alone = prepared([{"title": "a"}], mapping)
    behind = prepared([{"title": object()}, {"title": "a"}], mapping)
    assert json.loads(alone.rows[0].body) == json.loads(behind.rows[0].body)


def test_a_wrong_row_does_not_take_the_key_of_a_right_one():
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=["sku"], idempotency_key=["sku"])
    made = prepared([{"title": object(), "sku": "a"}, {"title": "b", "sku": "a"}], mapping)
    assert [row.number for row in made.rows] == [101]


def test_a_blank_blob_beside_another_is_left_out():
    made = prepared([{"t": "a", "u": None}], ObjectMapping(blobs={"title": "t", "hero": "u"}))
    assert [blob["property"] for blob in json.loads(made.rows[0].body)["blobs"]] == ["title"]
