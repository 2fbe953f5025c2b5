"""A rejected row of several files is told with its file and its number there: log, errors, reports."""

from __future__ import annotations

import logging
import pickle

import pytest

from airflow_provider.mixpeek.ingest import (
    FileCheckpoint,
    IngestError,
    RowsRejectedError,
    SourceError,
    ingest,
    split_source,
)
from airflow_provider.mixpeek.ingest import _keeper as keeping

from .shop import BATCH, MAPPING

HEADER = "title,sku,price\n"


def lines(count, *, bad=(), start=0):
    """A CSV file's content, in which some rows have a price that is none."""
    found = [
        f"Film {number},S{start + number},{'12;50' if number in bad else number}" for number in range(count)
    ]
    return HEADER + "\n".join(found) + "\n"


@pytest.fixture
def folder(tmp_path):
    """Two files of two rows, of which the first of the second is wrong."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(lines(2))
    (tmp_path / "in" / "b.csv").write_text(lines(2, bad=[0], start=2))
    return tmp_path / "in"


@pytest.fixture
def load(mixpeek, bucket):
    def load(source, **settings):
        given = {"mapping": MAPPING | {"metadata": ["sku", "price"]}, "scope": "load", "on_error": "collect"}
        return ingest(mixpeek, "products", source, **(given | settings))

    return load


def places(report):
    return [(row.row, row.file.rpartition("/")[2], row.file_row) for row in report.rejected_rows]


def test_the_error_names_the_file_and_the_row_in_it(load, folder):
    with pytest.raises(RowsRejectedError) as raised:
        load(folder, on_error="fail")
    assert str(raised.value).startswith(f"row 2 ({folder.as_uri()}/b.csv, row 0), column 'price': ")


def test_the_log_and_the_report_name_them_too(load, folder, caplog):
    with caplog.at_level(logging.WARNING):
        report = load(f"{folder}/*.csv")
    assert f"Rejected row 2 ({folder.as_uri()}/b.csv, row 0), column 'price': " in caplog.text
    (row,) = report.rejected_rows
    assert (row.file, row.file_row) == (f"{folder.as_uri()}/b.csv", 0)
    assert pickle.loads(pickle.dumps(report)) == report


def test_a_row_that_the_server_rejects_is_told_likewise(load, folder, emulator):
    (folder / "b.csv").write_text(lines(2, start=2))
    issue = {"location": ["body", "objects", 3, "price"], "message": "no"}
    error = {"type": "ValidationError", "message": "no", "details": {"validation_errors": [issue]}}
    body = {"success": False, "status": 422, "error": error}
    emulator.fault({"fault": "status", "status": 422, "path": BATCH, "body": body, "times": 1})
    assert places(load(folder)) == [(3, "b.csv", 1)]


def test_one_file_needs_no_name(load, folder):
    with pytest.raises(RowsRejectedError, match=r"^row 0, column 'price': "):
        load(folder / "b.csv", on_error="fail")


@pytest.mark.parametrize("name", ["https://user:pass@host/films", "s3://shop/films?sig=pass"])
def test_a_name_with_credentials_is_refused(load, folder, caplog, name):
    for refused in (load, split_source):
        with pytest.raises(SourceError, match="the source_name is a URL with a user and password") as raised:
            refused(folder, source_name=name)
        assert "pass@" not in str(raised.value) + caplog.text
        assert "sig=" not in str(raised.value) + caplog.text


@pytest.mark.parametrize("keyed", [{}, {"idempotency_key": ["sku"]}], ids=["position", "columns"])
@pytest.mark.parametrize("first", [150, 100], ids=["in the middle of a file", "at its end"])
def test_behind_a_watermark_the_row_in_the_file_is_told_where_it_is_known(
    first, keyed, load, folder, emulator, tmp_path, monkeypatch
):
    monkeypatch.setattr(keeping, "EVERY", 0.0)
    (folder / "a.csv").write_text(lines(first, bad=[120]))
    (folder / "b.csv").write_text(lines(100, bad=[20], start=first))
    (folder / "c.csv").write_text(lines(100, bad=[7], start=first + 100))
    mapping = MAPPING | {"metadata": ["sku", "price"]} | keyed
    given = {"mapping": mapping, "in_flight": 1, "process": False}
    given["checkpoint"] = FileCheckpoint(tmp_path / "checkpoint")
    emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 1})
    with pytest.raises(IngestError):
        load(folder, **given)
    emulator.clear_faults()

    report = load(folder, **given)

    assert report.resumed == 100
    in_the_middle = [(120, "a.csv", None)] if first == 150 else []
    assert places(report) == [*in_the_middle, (first + 20, "b.csv", 20), (first + 107, "c.csv", 7)]


def test_rows_of_a_part_have_the_numbers_of_their_file(load, folder):
    (folder / "b.csv").write_text(lines(100, bad=[90], start=2))
    report = load(split_source(folder / "b.csv", parts=2)[1])
    assert places(report) == [(90, "b.csv", None)]
    together = load(split_source(folder, rows_per_part=10_000)[0])
    assert places(together) == [(92, "b.csv", 90)]
