"""A server that fails, refuses and loses answers: every row is stored once all the same, or told."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekServerError, MixpeekValidationError
from airflow_provider.mixpeek.ingest import IngestError, RowsRejectedError, ingest

from .shop import BATCH, MAPPING, calls, rows, stored


def envelope(*locations: list[Any], message: str = "Request validation failed") -> dict[str, Any]:
    """The vendor's error envelope of a 422."""
    errors = [{"type": "value_error", "location": location, "message": "no good"} for location in locations]
    error: dict[str, Any] = {"message": message, "type": "ValidationError"}
    return {
        "success": False,
        "status": 422,
        "error": error | ({"details": {"validation_errors": errors}} if errors else {}),
    }


def load(mixpeek, many, **settings):
    return ingest(mixpeek, "products", many, **({"mapping": MAPPING, "scope": "load"} | settings))


# -- answers that are lost, and servers that are busy -------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "reset_before"},
        {"fault": "reset_after"},
        {"fault": "status", "status": 500},
        {"fault": "status", "status": 500, "after": True},
        {"fault": "status", "status": 502, "body": "<html>Bad gateway</html>"},
        {"fault": "status", "status": 503},
        {"fault": "status", "status": 504, "after": True},
        {"fault": "status", "status": 429, "headers": {"Retry-After": "0"}},
    ],
    ids=lambda fault: "-".join(map(str, fault.values()))[:40],
)
@pytest.mark.parametrize("keys", ["content", "columns", "position"])
def test_every_row_is_stored_once_whatever_happens_to_the_requests(
    fault, keys, emulator, mixpeek, bucket, tmp_path
):
    emulator.fault({**fault, "path": BATCH, "probability": 0.4, "seed": 7})
    many: Any = rows(1_500)
    if keys == "position":
        lines = [f"{row['title']},{row['sku']},{row['price']},{row['stars']}\n" for row in many]
        many = tmp_path / "films.csv"
        many.write_text("title,sku,price,stars\n" + "".join(lines))
    mapping = MAPPING | ({"idempotency_key": ["sku"]} if keys == "columns" else {})
    report = load(mixpeek, many, mapping=mapping)
    assert emulator.faults()[0]["fired"] > 0
    assert (report.rows_read, report.created + report.replayed) == (1_500, 1_500)
    assert emulator.state()["objects"] == 1_500
    assert emulator.state()["objects_processed"] == {"1": 1_500}
    assert len(stored(mixpeek, bucket)) == 1_500
    # Rows whose answer was lost come back as replayed; nothing else does.
    lost = fault["fault"] == "reset_after" or fault.get("after")
    assert bool(report.replayed) is bool(lost)


def test_a_rate_limit_is_kept_to_and_everything_arrives(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, rate_limit=40, burst=5)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema={"title": "text"})
    report = load(mixpeek, rows(2_000), process=False)
    assert (report.created, emulator.state()["objects"]) == (2_000, 2_000)
    assert calls(emulator, BATCH, 429) < 40


def test_retry_after_is_waited_for(emulator, mixpeek, bucket):
    emulator.fault(
        {"fault": "status", "status": 429, "headers": {"Retry-After": "1"}, "path": BATCH, "times": 1}
    )
    report = load(mixpeek, rows(10))
    assert report.created == 10
    assert report.seconds >= 1
    assert calls(emulator, BATCH) == 2


@pytest.mark.parametrize(
    ("fault", "in_doubt"),
    [
        ({"fault": "reset_before"}, True),
        ({"fault": "reset_after"}, True),
        ({"fault": "status", "status": 503}, False),
        ({"fault": "status", "status": 500}, True),
    ],
)
def test_a_server_that_never_recovers_leaves_a_report_and_a_second_run_goes_on(
    fault, in_doubt, emulator, connect, bucket
):
    mixpeek = connect(emulator, budget=0.2)
    emulator.fault({**fault, "path": BATCH, "skip": 5})
    with pytest.raises(IngestError, match=r"Run it again: .* not stored twice") as raised:
        load(mixpeek, rows(2_000), in_flight=4)
    first = raised.value.report
    assert first.created == 500
    assert first.created + first.unsent + first.in_doubt == first.rows_read
    assert bool(first.in_doubt) is in_doubt
    there = emulator.state()["objects"]
    assert first.created <= there <= first.created + first.in_doubt
    emulator.clear_faults()
    second = load(mixpeek, rows(2_000))
    assert (second.created, second.replayed) == (2_000 - there, there)
    assert emulator.state()["objects"] == 2_000
    assert emulator.state()["objects_processed"] == {"1": 2_000}


def test_a_failure_says_what_and_where_and_what_to_do(emulator, connect, bucket, caplog):
    emulator.fault({"fault": "status", "status": 500, "path": BATCH, "headers": {"x-request-id": "req_7"}})
    with pytest.raises(IngestError) as raised:
        load(connect(emulator, budget=0.05), rows(3))
    assert isinstance(raised.value.__cause__, MixpeekServerError)
    said = str(raised.value)
    for part in ("POST /v1/buckets/", "/objects/batch", "500", "req_7", "3 rows read: 3 in doubt", "again"):
        assert part in said
    assert "Trying again in" in caplog.text


# -- requests that are refused as a whole -------------------------------------------------------------------


def test_a_row_that_a_refusal_names_is_rejected_and_the_others_are_stored(emulator, mixpeek, bucket):
    body = envelope(["body", "objects", 3, "title"], ["body", "objects", 41, "blobs", 0, "data"])
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "times": 1})
    many = rows(100)
    report = load(mixpeek, many, on_error="collect")
    assert [(row.row, row.column, row.reason, row.error_type) for row in report.rejected_rows] == [
        (3, "title", "title: no good", "ValidationError"),
        (41, "title", "blobs.0.data: no good", "ValidationError"),
    ]
    assert [row.values for row in report.rejected_rows] == [many[3], many[41]]
    assert (report.created, emulator.state()["objects"], calls(emulator, BATCH)) == (98, 98, 2)


def test_with_fail_such_a_row_stops_the_run(emulator, mixpeek, bucket):
    body = envelope(["body", "objects", 3, "title"])
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "times": 1})
    with pytest.raises(
        RowsRejectedError, match="row 3, column 'title': ValidationError: title: no good"
    ) as raised:
        load(mixpeek, rows(100), on_error="fail")
    assert (raised.value.report.rejected, raised.value.report.unsent) == (1, 99)


@pytest.mark.parametrize(
    ("status", "body"), [(422, envelope(message="Something is odd")), (413, "Payload Too Large")]
)
def test_without_a_name_halves_are_tried(status, body, emulator, mixpeek, bucket, caplog):
    # The first request, its first half, and so on down to one row: seven refusals.
    emulator.fault({"fault": "status", "status": status, "body": body, "path": BATCH, "times": 7})
    report = load(mixpeek, rows(300), on_error="collect", in_flight=1)
    assert [row.row for row in report.rejected_rows] == [0]
    assert report.rejected_rows[0].values == rows(1)[0]
    assert (report.created, emulator.state()["objects"]) == (299, 299)
    assert "going on in smaller steps, after storing the rows 0 to 99 (100)" in caplog.text


def test_a_server_that_refuses_every_request_is_given_up(emulator, mixpeek, bucket):
    body = envelope(message="No more of this")
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH})
    with pytest.raises(IngestError, match=r"hardly the rows that are wrong.*No more of this") as raised:
        load(mixpeek, rows(20_000), on_error="collect")
    report = raised.value.report
    assert calls(emulator, BATCH) < 250
    assert report.rejected + report.unsent == report.rows_read
    assert isinstance(raised.value.__cause__.__cause__, MixpeekValidationError)


# -- rows that the server refuses one by one ----------------------------------------------------------------


def test_rows_that_the_server_refuses_are_collected(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, idempotency_conflict="refuse")
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema={"title": "text", "sku": "string", "price": "float"})
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku", "price"], "idempotency_key": ["sku"]}
    load(mixpeek, rows(1_000), mapping=mapping)
    changed = rows(1_100)
    for row in changed[::10]:
        row["price"] = -1
    report = load(mixpeek, changed, mapping=mapping, on_error="collect")
    assert (report.created, report.replayed, report.rejected) == (90 + 10, 900, 100)
    assert [row.row for row in report.rejected_rows] == list(range(0, 1_000, 10))
    first = report.rejected_rows[0]
    assert "was used for object" in first.reason
    assert first.values == changed[0]
    assert len(stored(mixpeek, bucket)) == 1_100


def test_a_request_all_of_whose_rows_are_refused_is_answered_row_by_row(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, idempotency_conflict="refuse")
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema={"title": "text", "sku": "string", "price": "float"})
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku", "price"], "idempotency_key": ["sku"]}
    load(mixpeek, rows(300), mapping=mapping)
    changed = [row | {"price": -1} for row in rows(300)]
    report = load(mixpeek, changed, mapping=mapping, on_error="collect")
    assert (report.rejected, calls(emulator, BATCH, 422), report.batches) == (300, 3, ())
    with pytest.raises(RowsRejectedError, match=r"row 0: .*was used for object"):
        load(mixpeek, changed, mapping=mapping, on_error="fail", in_flight=1)
