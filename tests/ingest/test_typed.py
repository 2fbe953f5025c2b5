"""Plain values as the types of a schema, and as the data of blobs."""

from base64 import b64encode

import pytest

from airflow_provider.mixpeek.client._schema import DATA_TYPES
from airflow_provider.mixpeek.ingest._typed import blob_column, typed_column

TYPED = [
    ("string", "9", "9"),
    ("string", 9, "9"),
    ("string", 12.5, "12.5"),
    ("string", True, "true"),
    ("string", "", ""),
    ("number", 9, 9),
    ("number", 0.5, 0.5),
    ("number", " 12.50 ", 12.5),
    ("number", "-.5e3", -500.0),
    ("number", "9007199254740993", 9007199254740993),
    ("float", "12.5", 12.5),
    ("float", 3, 3),
    ("integer", "007", 7),
    ("integer", "-7.0", -7),
    ("integer", 7, 7),
    ("integer", 1e20, 10**20),
    ("integer", "9007199254740993.0", 9007199254740993),
    ("integer", " 1.2e1 ", 12),
    ("boolean", True, True),
    ("boolean", "TRUE", True),
    ("boolean", " false ", False),
    ("object", {"a": 1}, {"a": 1}),
    ("object", '{"a": [1]}', {"a": [1]}),
    ("object", f'{{"a": {2**64}}}', {"a": 2**64}),
    ("object", '{"a": 1.0, "b": null}', {"a": 1}),
    ("array", [1], [1]),
    ("array", "[1, null]", [1, None]),
    ("date", "2026-11-23", "2026-11-23"),
    ("date", "2026-11-23T00:00:00", "2026-11-23"),
    ("date", "2026-11-23 00:00:00Z", "2026-11-23"),
    ("datetime", "2026-11-23", "2026-11-23T00:00:00"),
    ("datetime", "2026-11-23 04:08", "2026-11-23T04:08:00"),
    ("datetime", "2026-11-23T04:08:30.123456700Z", "2026-11-23T04:08:30.1234567Z"),
    ("datetime", "2026-11-23T00:08:30.5+02:00", "2026-11-22T22:08:30.5Z"),
    ("datetime", "2026-11-23T23:30:00-0130", "2026-11-24T01:00:00Z"),
]


@pytest.mark.parametrize(("kind", "value", "typed"), TYPED)
def test_values_become_what_the_schema_says(kind, value, typed):
    column = typed_column([None, value], kind)
    assert column.problems == {}
    assert column.values[0] is None
    assert (type(column.values[1]), column.values[1]) == (type(typed), typed)
    # Data types may be declared for blobs too; the value is the same.
    assert blob_column([None, value], kind) == column


REFUSED = [
    ("string", ["a"], "a list is no text"),
    ("string", b"x", "bytes is no text"),
    ("number", "NaN", "is no number"),
    ("number", "inf", "is no number"),
    ("integer", "9007199254740993.5", "is no integer"),
    ("integer", "1e-9999", "is no integer"),
    ("integer", "9" * 400, "is no number"),
    ("array", "[" * 200 + "]" * 200, "100 deep"),
    ("datetime", "2026-11-23T04:08.5", "is no datetime of ISO 8601"),
    ("number", "1e999", "is no number"),
    ("number", "1,5", "is no number"),
    ("number", "1_000", "is no number"),
    ("number", "٣", "is no number"),
    ("number", "", "'' is no number"),
    ("number", True, "a boolean is no number"),
    ("float", {"a": 1}, "a dict is no number"),
    ("float", b"1", "bytes is no number"),
    ("integer", 7.5, "7.5 is no integer"),
    ("integer", "7.5", "'7.5' is no integer"),
    ("integer", True, "a boolean is no number"),
    ("boolean", "yes", "booleans are true and false"),
    ("boolean", 1, "1 is no boolean"),
    ("object", "[1]", "a text is no object"),
    ("object", "{oops", "a text is no object"),
    ("object", [1], "a list is no object"),
    ("array", '{"a": 1}', "a text is no array"),
    ("array", 1, "a number is no array"),
    ("array", "[NaN, 1234567890123456789]", "a text is no array"),
    ("date", "2026-11-23T04:08:30", "has a time of day"),
    ("date", "2026-11-23T00:00:00.5", "has a time of day"),
    ("date", "2026-02-30", "no day of the calendar"),
    ("date", "23.11.2026", "is no date of ISO 8601"),
    ("date", 20261123, "a number is no date"),
    ("datetime", 1_795_000_000, "a number is no datetime"),
    ("datetime", "2026-11-23T25:00:00", "no time of the calendar"),
    ("datetime", "0001-01-01T00:00:00+01:00", "no time of the calendar"),
    ("datetime", "2026-11-23T04:08:30+99:00", "no time of the calendar"),
    ("datetime", "tomorrow", "is no datetime of ISO 8601"),
    ("datetime", b"2026", "bytes is no datetime"),
]


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED)
def test_what_cannot_become_that_is_a_problem_of_its_row_alone(kind, value, reason):
    column = typed_column([None, value, None], kind)
    assert list(column.values) == [None, None, None]
    assert list(column.problems) == [1]
    assert reason in column.problems[1]


def test_every_data_type_has_a_form():
    for kind in DATA_TYPES:
        assert typed_column([None], kind).problems == {}


URL = "https://example.com/a.jpg?x=1"
BLOBS = [
    ("text", "http://looks.like/a-url", {"text": "http://looks.like/a-url"}),
    ("text", "", {"text": ""}),
    ("text", 9, {"text": "9"}),
    ("text", 8.5, {"text": "8.5"}),
    ("text", False, {"text": "false"}),
    ("text", {"text": "t", "lang": "de"}, {"text": "t", "lang": "de"}),
    ("text", {"url": URL}, {"url": URL}),
    ("image", URL, URL),
    ("image", "S3://bucket/key with-no-blank.png".replace(" ", "-"), "S3://bucket/key-with-no-blank.png"),
    ("video", "data:video/mp4;base64,AAAA", "data:video/mp4;base64,AAAA"),
    ("pdf", b"%PDF", {"base64": b64encode(b"%PDF").decode()}),
    ("audio", {"base64": "AAAA", "mime_type": "audio/wav"}, {"base64": "AAAA", "mime_type": "audio/wav"}),
    ("excel", {"url": URL}, {"url": URL}),
]


@pytest.mark.parametrize(("kind", "value", "data"), BLOBS)
@pytest.mark.parametrize("beside", [None, 7])
def test_values_become_the_data_of_blobs(kind, value, data, beside):
    column = blob_column([beside, value], kind)
    assert 1 not in column.problems
    assert column.values[1] == data
    assert (column.values[0] is None) == (beside is None or kind != "text")


REFUSED_BLOBS = [
    ("text", b"bytes", "decode them first"),
    ("text", ["a"], "a list is no text"),
    ("text", {"words": "t"}, "a dict is no text unless"),
    ("image", "a.jpg", "a file is an http, https or s3 URL"),
    ("image", "", "a file is an http, https or s3 URL"),
    ("image", "gs://bucket/a.jpg", "a file is an http, https or s3 URL"),
    ("image", "https://", "a file is an http, https or s3 URL"),
    ("image", "https://example.com/a b.jpg", "a file is an http, https or s3 URL"),
    ("image", "data:image/png,raw", "a file is an http, https or s3 URL"),
    ("image", "/data/a.jpg", "a path of this machine"),
    ("image", "./a.jpg", "a path of this machine"),
    ("image", "file:///data/a.jpg", "a path of this machine"),
    ("image", "C:\\a.jpg", "a path of this machine"),
    ("image", b"", "0 bytes"),
    ("image", 9, "a number is no file"),
    ("image", ["a"], "a list is no file"),
    ("image", {"text": "t"}, "a dict without 'url' and 'base64'"),
    ("image", {"url": ""}, "a dict without 'url' and 'base64'"),
    ("float", "cheap", "is no number"),
]


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED_BLOBS)
def test_what_is_no_blob_is_a_problem_that_says_what_would_be(kind, value, reason):
    column = blob_column([None, value], kind)
    assert list(column.values) == [None, None]
    assert list(column.problems) == [1]
    assert reason in column.problems[1]


def test_a_long_value_is_cut_in_the_reason():
    assert len(typed_column(["9" * 10_000 + "x"], "number").problems[0]) < 100
