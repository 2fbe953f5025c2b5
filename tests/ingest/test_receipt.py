"""The receipt: what became of every row, written and read back."""

import json
import sys
from io import BytesIO

import pandas as pd
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest import Receipt, read_receipt
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._part_files import open_folder
from airflow_provider.mixpeek.ingest._receipt import ReceiptWriter

from .folders import content

ROWS = [
    Receipt(0, "created", "file:///a.csv", "17", "mxp1-aa", "obj_1"),
    Receipt(1, "replayed", "file:///a.csv", "40", "mxp1-bb", "obj_2"),
    Receipt(2, "rejected", "file:///b.parquet", "0:0"),
    Receipt(3, "stored", task_id="task_1"),
    Receipt(2**40, "created", key="k", object_id="o"),
]


def write(directory, form, rows=ROWS, parts=(2**41,), first_row=0):
    writer = ReceiptWriter(directory, prefix="abc", format=form)
    writer.start(first_row)
    for row in rows:
        writer.add(row)
    for upto in parts:
        writer.close_part(upto)


forms = pytest.mark.parametrize("form", ["parquet", "jsonl"])


@forms
@pytest.mark.parametrize("parts", [(2**41,), (1, 3, 4, 2**41), (1, 1, 2**40, 2**40, 2**41)], ids=str)
def test_a_receipt_is_read_as_it_was_written(directory, form, parts):
    write(directory, form, reversed(ROWS), parts)
    assert list(read_receipt(directory)) == ROWS
    assert {name.partition(".")[2] for name in open_folder(directory).names()} == {f"receipt.{form}"}


@forms
def test_one_part_is_read_alone(directory, form):
    write(directory, form, parts=(2, 3, 2**41))
    assert list(read_receipt(f"{directory}/abc-000000000002.receipt.{form}")) == [ROWS[2]]


def test_the_format_may_change_between_tries(directory):
    write(directory, "jsonl", parts=(1, 3, 2**41))
    write(directory, "parquet", ROWS[1:], first_row=1)
    assert open_folder(directory).names() == [
        "abc-000000000000.receipt.jsonl",
        "abc-000000000001.receipt.parquet",
    ]
    assert list(read_receipt(directory)) == ROWS


def test_a_line_names_its_members(directory):
    write(directory, "jsonl", ROWS[:1])
    assert json.loads(content(directory, "abc-000000000000.receipt.jsonl")) == {
        "row": 0,
        "outcome": "created",
        "uri": "file:///a.csv",
        "position": "17",
        "key": "mxp1-aa",
        "object_id": "obj_1",
        "task_id": None,
    }


def test_parts_have_one_schema_whatever_they_hold(directory):
    """Readers of many files, such as Spark, refuse columns that change their type."""
    write(directory, "parquet", parts=(1, 3, 4, 2**41))
    names = open_folder(directory).names()
    schemas = [pq.read_schema(BytesIO(content(directory, name))) for name in names]
    assert len(names) == 4
    assert set(map(str, schemas)) == {str(schemas[0])}
    assert {str(field.type) for field in schemas[0]} == {"int64", "string"}


def test_it_is_a_data_set_for_others(tmp_path):
    write(str(tmp_path), "parquet", parts=(1, 3, 2**41))
    frame = pd.read_parquet(tmp_path)
    assert list(frame.columns) == list(Receipt._fields)
    assert list(frame["row"]) == [row.row for row in ROWS]


@forms
def test_the_credentials_of_a_source_are_not_written(directory, form):
    write(directory, form, [Receipt(0, "created", "ftp://me:sesame@host/a.csv?sig=sesame")])
    assert [row.uri for row in read_receipt(directory)] == ["ftp://host/a.csv"]


@forms
def test_many_rows_are_read_in_order(directory, form):
    rows = [Receipt(row, "created", object_id=f"obj_{row}") for row in range(25_000)]
    write(directory, form, rows, parts=(12_345, 25_000))
    assert list(read_receipt(directory)) == rows


# ---- what fails ----------------------------------------------------------------------------------------


def test_another_format_is_refused():
    with pytest.raises(MixpeekConfigError, match="'csv', and must be one of 'parquet', 'jsonl'"):
        ReceiptWriter("/tmp/x", prefix="abc", format="csv")


def test_parquet_without_pyarrow_is_refused_at_once_and_jsonl_needs_none(directory, monkeypatch):
    write(directory, "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MixpeekConfigError, match=r"needs pyarrow.*\[parquet\].*'jsonl'"):
        ReceiptWriter(directory, prefix="abc", format="parquet")
    with pytest.raises(MixpeekConfigError, match="needs pyarrow"):
        read_receipt(directory)
    write(directory, "jsonl")
    assert list(read_receipt(directory)) == ROWS


def test_where_there_is_no_receipt_that_is_said_at_once(directory):
    with pytest.raises(SourceError, match=r"no files \*\.receipt\.\*"):
        read_receipt(directory)


@pytest.mark.parametrize("line", ["{", "[]", '{"row": 1}', '{"row": 1, "outcome": "created", "more": 1}'])
def test_a_damaged_line_is_named(directory, line):
    write(directory, "jsonl", ROWS[:1])
    name = "abc-000000000000.receipt.jsonl"
    open_folder(directory).write(name, content(directory, name) + line.encode())
    with pytest.raises(SourceError, match=r"abc-000000000000\.receipt\.jsonl: line 2 is no receipt"):
        list(read_receipt(directory))


def test_a_damaged_file_is_named(directory):
    write(directory, "parquet")
    name = "abc-000000000000.receipt.parquet"
    open_folder(directory).write(name, content(directory, name)[:-20])
    with pytest.raises(SourceError, match=r"abc-000000000000\.receipt\.parquet cannot be read"):
        list(read_receipt(directory))
