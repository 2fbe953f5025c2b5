"""The count, and the errors that carry it."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pandas as pd
import pytest

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest import (
    IngestError,
    RejectedRow,
    Report,
    RowsRejectedError,
    SubmittedBatch,
    ingest,
)

from .shop import MAPPING, rows

REPORT = Report(
    bucket_id="bkt_1",
    rows_read=12_345,
    created=12_000,
    replayed=300,
    rejected=1,
    unsent=40,
    in_doubt=4,
    kept_ids=("obj_1", "obj_2"),
    rejected_rows=(RejectedRow(7, "no form", column="price", values={"price": 1}),),
    batches=(SubmittedBatch("btch_1", "task_1", 1_000), SubmittedBatch("btch_2", "task_2", 3)),
    requests=130,
    seconds=1.25,
)


@pytest.mark.parametrize("count", ["created", "replayed", "stored", "rejected", "unsent", "in_doubt"])
def test_a_count_that_does_not_hold_is_told(count):
    assert Report(bucket_id="bkt_1", rows_read=1, **{count: 1}).counts()[count] == 1
    with pytest.raises(AssertionError, match="the count does not hold"):
        Report(bucket_id="bkt_1", rows_read=1, **{count: 2})


def test_a_report_reads_as_one_line():
    assert str(REPORT) == (
        "12,345 rows read: 12,000 created, 300 replayed, 1 rejected, 40 unsent, 4 in doubt; "
        "2 batches submitted (1.2 s)"
    )
    assert str(Report(bucket_id="bkt_1")) == "0 rows read: nothing to do (0.0 s)"


def test_what_there_is_to_wait_for():
    assert REPORT.waits == [
        {"task_id": "task_1", "batch_id": "btch_1", "bucket": "bkt_1"},
        {"task_id": "task_2", "batch_id": "btch_2", "bucket": "bkt_1"},
    ]


def test_a_rejected_row_says_where_and_why_and_not_what_is_in_it():
    assert str(RejectedRow(7, "no form", column="price")) == "row 7, column 'price': no form"
    assert str(RejectedRow(7, "no", error_type="ValidationError")) == "row 7: ValidationError: no"
    assert "secret" not in repr(RejectedRow(7, "no", values={"a": "secret"}))


def test_reports_and_their_errors_pickle():
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT
    for kind in (IngestError, RowsRejectedError):
        error = kind("stopped", hint="Again.", report=REPORT)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.report) == (kind, "stopped. Again.", REPORT)
        assert isinstance(copy, MixpeekError)


def test_a_report_of_rows_that_do_not_pickle_pickles(mixpeek, bucket):
    bad = rows(1)[0] | {"title": threading.Lock(), "when": pd.Timestamp(0), "n": np.int64(1)}
    report = ingest(mixpeek, "products", [bad], mapping=MAPPING, scope="load", on_error="collect")
    assert report.rejected_rows[0].values == bad
    (row,) = pickle.loads(pickle.dumps(report)).rejected_rows
    assert row.values == bad | {"title": repr(bad["title"])}
    assert (row.row, row.column, row.reason) == (0, "title", report.rejected_rows[0].reason)
