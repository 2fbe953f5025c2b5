"""Cutting rows into requests."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek.ingest._chunks import ENVELOPE, Cutter, Row
from airflow_provider.mixpeek.ingest._dicts import DictBlock

BLOCK = DictBlock(100, [{"a": 1}, {"a": 2}])


def row(number: int, size: int) -> Row:
    return Row(number, b"x" * size, BLOCK)


@given(sizes=st.lists(st.integers(1, 40)), most=st.integers(1, 6), data=st.data())
def test_every_row_is_cut_once_in_order_and_within_the_limits(sizes, most, data):
    limit = ENVELOPE + data.draw(st.integers(40, 200))
    cutter = Cutter(max_objects=most, max_bytes=limit)
    waiting = [row(number, size) for number, size in enumerate(sizes)]
    requests: list[tuple[Row, ...]] = []
    while waiting:
        count = data.draw(st.integers(1, len(waiting)))
        cutter.add(waiting[:count])
        del waiting[:count]
        while request := cutter.cut(rest=False):
            requests.append(request)
    assert cutter.bytes == sum(sizes) - sum(len(each.body) for request in requests for each in request)
    while request := cutter.cut(rest=True):
        requests.append(request)
    assert [each.number for request in requests for each in request] == list(range(len(sizes)))
    for request in requests:
        body = b'{"objects":[' + b",".join(each.body for each in request) + b"]}"
        assert len(body) <= limit
        assert 1 <= len(request) <= most
    # As few as greedy cutting allows: two neighbours never fit into one.
    for one, other in pairwise(requests):
        both = sum(len(each.body) + 1 for each in (*one, other[0]))
        assert len(one) == most or ENVELOPE + both > limit
    assert (len(cutter), cutter.bytes) == (0, 0)


def test_a_row_that_just_fits_is_cut():
    cutter = Cutter(max_objects=100, max_bytes=1_000)
    cutter.add([row(number, 1_000 - ENVELOPE) for number in range(3)])
    assert [[each.number for each in cutter.cut(rest=rest)] for rest in (False, False, True)] == [
        [0],
        [1],
        [2],
    ]


def test_a_row_tells_how_it_came():
    assert row(101, 1).values() == {"a": 2}


@pytest.mark.parametrize(
    ("location", "column"),
    [
        (("blobs", 1, "data"), "image_url"),
        (("blobs", 0), "name"),
        (("price",), "price"),
        (("metadata", "maker"), "maker"),
        (("metadata", "maker", "city"), "maker"),
        (("blobs", 2, "data"), None),
        (("blobs",), None),
        (("metadata",), None),
        (("key_prefix",), None),
        (("unknown",), None),
        ((), None),
    ],
)
def test_a_place_in_an_object_is_that_of_a_column(location, column):
    block = DictBlock(7, [{"name": "a", "image_url": "s3://a/b", "price": 1, "maker": {"city": "Roma"}}])
    body = json.dumps({"blobs": [{"property": "title"}, {"property": "hero"}]}).encode()
    made = Row(7, body, block, {"hero": "image_url", "title": "name"})
    assert made.column_at(location) == column
