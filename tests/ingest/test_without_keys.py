"""
Servers without idempotency keys, and objects that keep no keys either: nothing is sent twice, and nobody is
told that it could be.
"""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekConnectionError, MixpeekServerError
from airflow_provider.mixpeek.ingest import IngestError, ingest

from .shop import BATCH, CREATE, MAPPING, SCHEMA, calls, fields, rows

STORED_AGAIN = "running it again stores again what is stored"


@pytest.fixture(params=["legacy", "0.81"])
def server(request):
    """What speaks no keys, and where it takes objects."""
    if request.param == "legacy":
        return {"generation": "legacy"}, "legacy", CREATE
    return {"api_version": "0.81"}, "current", BATCH


@pytest.fixture
def emulator(server, make_emulator):
    return make_emulator(**server[0], task_seconds=0)


@pytest.fixture
def create(server) -> str:
    return server[2]


@pytest.fixture
def mixpeek(server, emulator, connect):
    client = connect(emulator, generation=server[1])
    client.buckets.create("products", schema=SCHEMA)
    return client


def load(mixpeek, many, **settings):
    given = {"mapping": MAPPING, "scope": "load", "markers": False}
    return ingest(mixpeek, "products", many, **(given | settings))


def test_no_object_carries_a_key_and_rows_that_come_again_are_stored_again(emulator, mixpeek, caplog):
    for objects in (3, 6):
        report = load(mixpeek, rows(3))
        assert (report.created + report.stored, report.replayed) == (3, 0)
        assert emulator.state()["objects"] == objects
        # Said once a run, before anything is sent.
        assert caplog.text.count("This server has no idempotency keys") == 1
        caplog.clear()
    bucket = mixpeek.buckets.find("products")
    for thing in mixpeek.objects.list(bucket.bucket_id):
        assert set(fields(thing)) >= {"sku", "price"}
        assert "idempotency_key" not in fields(thing)


def test_whether_the_server_has_keys_is_asked_once_per_client(emulator, mixpeek):
    for _ in range(3):
        load(mixpeek, rows(1))
    assert calls(emulator, "/v1/me") <= 1


def test_business_keys_tell_rows_of_a_run_apart_all_the_same(emulator, mixpeek):
    many = [*rows(3), *rows(1), {**rows(1)[0], "sku": " "}]
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    report = load(mixpeek, many, mapping=mapping, on_error="collect")
    assert [(row.row, row.reason) for row in report.rejected_rows] == [
        (3, "its key came before, in row 0; a key names one row of a run"),
        (4, "column 'sku': it is part of the key, and blank"),
    ]
    assert emulator.state()["objects"] == 3


@pytest.mark.parametrize(
    ("fault", "cause", "arrived"),
    [
        ({"fault": "reset_after"}, MixpeekConnectionError, True),
        ({"fault": "reset_before"}, MixpeekConnectionError, False),
        ({"fault": "status", "status": 500, "after": True}, MixpeekServerError, True),
        ({"fault": "status", "status": 500}, MixpeekServerError, False),
        ({"fault": "status", "status": 504}, MixpeekServerError, False),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_a_lost_answer_leaves_rows_in_doubt_and_they_are_not_sent_again(
    on_error, fault: dict[str, Any], cause, arrived, emulator, mixpeek, create, caplog
):
    emulator.fault({**fault, "path": create, "skip": 1, "times": 1})
    with pytest.raises(IngestError) as raised:
        load(mixpeek, rows(500), on_error=on_error, in_flight=1)
    report, size = raised.value.report, 100 if create == BATCH else 1
    assert isinstance(raised.value.__cause__, cause)
    assert (report.created + report.stored, report.in_doubt, report.unsent) == (size, size, 500 - 2 * size)
    assert calls(emulator, create) == 2
    assert emulator.state()["objects"] == (2 if arrived else 1) * size
    said = str(raised.value)
    assert f"{size} in doubt" in said
    assert STORED_AGAIN in said
    for promise in ("not stored twice", "is safe", "Trying again"):
        assert promise not in said + caplog.text


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_promises_not_to_have_stored_is_sent_again(status, emulator, mixpeek, create):
    emulator.fault(
        {"fault": "status", "status": status, "headers": {"Retry-After": "0"}, "path": create, "times": 3}
    )
    if status == 503 and create == CREATE:
        # Of the legacy generation nobody promises it.
        with pytest.raises(IngestError, match="503") as raised:
            load(mixpeek, rows(5), in_flight=1)
        assert (raised.value.report.in_doubt, calls(emulator, create)) == (1, 1)
        return
    report = load(mixpeek, rows(5), in_flight=1)
    assert report.created + report.stored == 5
    assert calls(emulator, create, status) == 3
    assert emulator.state()["objects"] == 5


def test_an_interruption_says_that_running_again_stores_again(emulator, mixpeek, caplog):
    def source():
        yield from rows(1_500)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        load(mixpeek, source())
    said = caplog.text + raised.value.__notes__[0]
    assert STORED_AGAIN in said
    assert "not stored twice" not in said


def test_an_answer_that_speaks_of_other_rows_promises_nothing(emulator, mixpeek, create):
    emulator.fault(
        {"fault": "status", "status": 200, "after": True, "body": {"succeeded": []}, "path": create}
    )
    with pytest.raises(IngestError) as raised:
        load(mixpeek, rows(5), in_flight=1)
    assert raised.value.report.in_doubt == (5 if create == BATCH else 1)
    assert STORED_AGAIN in str(raised.value)
    assert "is safe" not in str(raised.value)


def test_nothing_is_sent_again_under_a_storm(emulator, mixpeek, create):
    emulator.fault({"fault": "reset_after", "path": create, "probability": 0.2, "seed": 3})
    with pytest.raises(IngestError) as raised:
        load(mixpeek, rows(2_000), in_flight=8)
    report = raised.value.report
    there = emulator.state()["objects"]
    assert report.created + report.stored <= there <= report.created + report.stored + report.in_doubt
    bucket = mixpeek.buckets.find("products")
    skus = [fields(thing)["sku"] for thing in mixpeek.objects.list(bucket.bucket_id)]
    assert len(set(skus)) == len(skus)
