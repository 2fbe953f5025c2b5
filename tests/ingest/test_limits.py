"""Too large, and used up: what a server takes and how much, over a running emulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekQuotaError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import IngestError, ingest

from .shop import BATCH, MAPPING, SCHEMA, calls, rows, stored

LEGACY_CREATE = "/v1/buckets/{bucket_identifier}/objects/create"


# -- too large ---------------------------------------------------------------------------------------------


def test_rows_that_are_too_large_are_named_and_the_others_stored_once(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, max_body_bytes=40_000)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    many = rows(1_000)
    too_large = [3, 4, 99, 100, 250, 512, 513, 514, 640, 999]
    for number in too_large:
        many[number]["title"] = "x" * 50_000
    report = ingest(mixpeek, "products", many, mapping=MAPPING, scope="load", on_error="collect")
    assert [row.row for row in report.rejected_rows] == too_large
    assert [row.values for row in report.rejected_rows] == [many[number] for number in too_large]
    for row in report.rejected_rows:
        assert "at most 40000 are taken" in row.reason
        assert row.error_type == "PayloadTooLargeError"
    assert (report.created, emulator.state()["objects_processed"]) == (990, {"1": 990})
    innocent = {row["sku"] for number, row in enumerate(many) if number not in too_large}
    assert set(stored(mixpeek, bucket)) == innocent


def test_a_server_that_takes_smaller_requests_than_ours_gets_smaller_ones(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, max_body_bytes=5_000)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(1_000), mapping=MAPPING, scope="load")
    assert (report.created, report.rejected) == (1_000, 0)
    assert calls(emulator, BATCH, 413) > 0


def test_on_legacy_the_row_of_the_request_is_the_one_to_blame(make_emulator, connect):
    emulator = make_emulator(generation="legacy", task_seconds=0, max_body_bytes=2_000)
    mixpeek = connect(emulator, generation="legacy")
    mixpeek.buckets.create("products", schema={"title": "text"}, declare_metadata=False)
    many = rows(20)
    many[7]["title"] = "x" * 3_000
    report = ingest(mixpeek, "products", many, mapping=MAPPING, scope="load", on_error="collect")
    assert [row.row for row in report.rejected_rows] == [7]
    assert (report.stored, emulator.state()["objects"]) == (19, 19)
    assert calls(emulator, LEGACY_CREATE) == 20


# -- used up -----------------------------------------------------------------------------------------------


Shop = tuple[Emulator, MixpeekClient]


@pytest.fixture
def shop(make_emulator: Callable[..., Emulator], connect: Callable[..., MixpeekClient]) -> Shop:
    """A plan of 700 objects."""
    emulator = make_emulator(task_seconds=0, quota=700, latency=0.02)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    return emulator, mixpeek


@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_a_plan_that_is_used_up_stops_the_run_at_once(shop, on_error):
    emulator, mixpeek = shop
    with pytest.raises(IngestError, match="Run it again: what is stored is not stored twice") as raised:
        ingest(
            mixpeek, "products", rows(5_000), mapping=MAPPING, scope="load", on_error=on_error, in_flight=4
        )
    cause = raised.value.__cause__
    assert isinstance(cause, MixpeekQuotaError)
    assert cause.details == {"resource": "objects", "current": 700, "limit": 700, "tier": "free"}
    report = raised.value.report
    assert (report.created, report.rejected, report.in_doubt) == (700, 0, 0)
    assert report.unsent == report.rows_read - 700
    # Those under way beside the first one that was refused, and no more.
    assert 1 <= calls(emulator, BATCH, 403) <= 4
    assert calls(emulator, BATCH) <= 7 + 4


def test_when_the_plan_is_larger_running_again_finishes_the_job(shop):
    emulator, mixpeek = shop
    for _ in range(2):
        with pytest.raises(IngestError):
            ingest(mixpeek, "products", rows(2_000), mapping=MAPPING, scope="load")
        assert emulator.state()["objects"] == 700
    emulator.set_quota(2_000)
    report = ingest(mixpeek, "products", rows(2_000), mapping=MAPPING, scope="load")
    assert (report.created, report.replayed) == (1_300, 700)
    assert emulator.state()["objects_processed"] == {"1": 2_000}


@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_a_request_that_crosses_the_quota_rejects_no_row(on_error, make_emulator, connect):
    """The emulator stores what still fits; the rest are failed rows of a 200, of type QuotaExceededError."""
    emulator = make_emulator(task_seconds=0, quota=730)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    with pytest.raises(IngestError) as raised:
        ingest(mixpeek, "products", rows(2_000), mapping=MAPPING, scope="load", on_error=on_error)
    report = raised.value.report
    # A plan that is used up is not the row's fault: it was not stored, and is sent again by the next run.
    assert isinstance(raised.value.__cause__, MixpeekQuotaError)
    assert (report.created, report.rejected, report.in_doubt) == (730, 0, 0)
    assert report.unsent == report.rows_read - 730
    # All of a request, and with the others of it under way: no more than these are sent after the first.
    assert calls(emulator, BATCH) <= 8 + 8
    emulator.set_quota(None)
    again = ingest(mixpeek, "products", rows(2_000), mapping=MAPPING, scope="load", on_error=on_error)
    assert (again.created, again.replayed, again.rejected) == (1_270, 730, 0)
    assert emulator.state()["objects_processed"] == {"1": 2_000}
