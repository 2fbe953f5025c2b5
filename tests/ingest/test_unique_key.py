"""Buckets with a unique key: one object a request, no idempotency keys, and the last row of each key wins."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.client._flow import Answer, Request
from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, MappingError, Report, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest._batching import Batching
from airflow_provider.mixpeek.ingest._inherit import Inherited

from .shop import BATCH, MAPPING, SCHEMA, calls, fields, rows, stored, writes

CREATE = "/v1/buckets/{bucket_identifier}/objects"
LIST = f"{CREATE}/list"


@pytest.fixture
def bucket(mixpeek):
    return mixpeek.buckets.create("products", schema=SCHEMA, unique_key="sku")


@pytest.fixture
def load(mixpeek, bucket) -> Callable[..., Report]:
    def load(many: Any, **settings: Any) -> Report:
        return ingest(mixpeek, "products", many, **({"mapping": MAPPING, "policy": "upsert"} | settings))

    return load


class Wire:
    """Takes down what a client sends to store and to batch, and how much of it is under way at once."""

    def __init__(self, client: MixpeekClient) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.most = 0
        self.same_at_once = 0
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._deliver = client._transport.send
        client._transport.send = self._send  # type: ignore[method-assign]

    def _send(self, request: Request) -> Answer:
        end = request.path.rpartition("/")[2]
        if end not in ("objects", "batches"):
            return self._deliver(request)
        body = json.loads(request.body or b"{}")
        key = str(body.get("sku", request.path))
        with self._lock:
            self.sent.append((end, body | dict(request.query)))
            self._under_way[key] += end == "objects"
            self.most = max(self.most, self._under_way.total())
            self.same_at_once = max(self.same_at_once, *self._under_way.values())
        try:
            return self._deliver(request)
        finally:
            with self._lock:
                self._under_way[key] -= end == "objects"


def changed(many: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"price": -1.0} for row in many]


def prices(mixpeek, bucket) -> list[float]:
    return [fields(each)["price"] for _, each in sorted(stored(mixpeek, bucket).items())]


# -- what becomes of the rows ------------------------------------------------------------------------------


@pytest.mark.parametrize("by_default", [False, True])
@pytest.mark.parametrize("policy", ["insert", "update", "upsert"])
def test_each_policy(policy, by_default, emulator, mixpeek):
    unique = {"fields": ["sku"]} | ({"default_policy": policy} if by_default else {})
    bucket = mixpeek.buckets.create("products", schema=SCHEMA, unique_key=unique)
    there = rows(20)
    ingest(mixpeek, "products", there, mapping=MAPPING, policy="insert")
    wire = Wire(mixpeek)
    report = ingest(
        mixpeek,
        "products",
        [*changed(there[:5]), *rows(5, start=20)],
        mapping=MAPPING,
        policy=None if by_default else policy,
        on_error="collect",
    )
    assert {body["policy"] for end, body in wire.sent if end == "objects"} == {policy}
    assert not any("idempotency_key" in body for _, body in wire.sent)
    assert calls(emulator, BATCH) == 0
    rejected = [(row.row, row.error_type) for row in report.rejected_rows]
    if policy == "insert":
        assert (report.created, report.stored, report.rejected) == (5, 0, 5)
        assert rejected == [(row, "AlreadyExistsError") for row in range(5)]
        assert "the bucket holds its unique key already, with other values" in report.rejected_rows[0].reason
        assert report.rejected_rows[0].values == changed(there)[0]
    elif policy == "update":
        assert (report.created, report.stored, report.rejected) == (0, 5, 5)
        assert rejected == [(row, "NotFoundError") for row in range(5, 10)]
        assert "holds no object of its unique key that could be updated" in report.rejected_rows[0].reason
    else:
        assert (report.created, report.stored, report.rejected) == (0, 10, 0)
    assert len(stored(mixpeek, bucket)) == (20 if policy == "update" else 25)
    assert prices(mixpeek, bucket).count(-1.0) == (0 if policy == "insert" else 5)


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
@pytest.mark.parametrize("policy", ["insert", "upsert"])
def test_lost_answers_reject_no_row(policy, fault, emulator, mixpeek, bucket, load):
    emulator.fault({"fault": fault, "path": CREATE, "probability": 0.2, "seed": 5})
    report = load(rows(300), policy=policy)
    fired = emulator.faults()[0]["fired"]
    assert fired > 0
    assert report.rejected == 0
    if policy == "insert":
        assert (report.stored > 0) is (fault == "reset_after")
        assert report.created + report.stored == 300
    else:
        assert report.stored == 300
    assert len(stored(mixpeek, bucket)) == 300
    assert emulator.state()["objects_processed"] == {"1": 300}


@pytest.mark.parametrize("declare_metadata", [True, False])
def test_a_row_that_is_there_is_told_from_another_of_its_key(declare_metadata, emulator, mixpeek):
    # By the hash of its values where objects can keep one, else by the object's fields.
    mixpeek.buckets.create("products", schema=SCHEMA, unique_key="sku", declare_metadata=declare_metadata)
    load = {"mapping": MAPPING, "policy": "insert", "on_error": "collect"}
    ingest(mixpeek, "products", rows(10), **load)
    report = ingest(mixpeek, "products", [*rows(5), *changed(rows(10)[5:])], **load)
    assert (report.stored, report.rejected, report.created) == (5, 5, 0)
    title = ingest(mixpeek, "products", [row | {"title": "Another"} for row in rows(1)], **load)
    assert (title.rejected, title.stored) == ((1, 0) if declare_metadata else (0, 1))


def test_a_bucket_that_is_being_deleted_rejects_no_row(make_emulator, connect):
    emulator = make_emulator(task_seconds=3600)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA, unique_key="sku")
    mixpeek.buckets.delete(bucket.bucket_id)
    with pytest.raises(IngestError) as raised:
        ingest(mixpeek, "products", rows(5), mapping=MAPPING, policy="insert", on_error="collect")
    assert isinstance(raised.value.__cause__, MixpeekConflictError)
    assert (raised.value.report.rejected, raised.value.report.unsent) == (0, 5)


def test_a_bucket_that_is_gone_rejects_no_row(emulator, load):
    for path in (CREATE, LIST):
        emulator.fault({"fault": "status", "status": 404, "path": path, "skip": 2 if path == CREATE else 0})
    load(rows(2))
    with pytest.raises(IngestError) as raised:
        load(rows(5), policy="update", on_error="collect", in_flight=1)
    assert isinstance(raised.value.__cause__, MixpeekNotFoundError)
    assert (raised.value.report.rejected, raised.value.report.in_doubt) == (0, 0)


@pytest.mark.parametrize("lost", [True, False])
def test_when_looking_fails_no_row_is_rejected(lost, emulator, load):
    load(rows(1), policy="insert")
    emulator.fault({"fault": "status", "status": 422, "path": LIST})
    if lost:
        emulator.fault({"fault": "reset_before", "path": CREATE, "times": 1})
    with pytest.raises(IngestError) as raised:
        load(rows(1), policy="insert", on_error="collect")
    report = raised.value.report
    assert (report.rejected, report.in_doubt, report.unsent) == (0, int(lost), int(not lost))


# -- the order of rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["string", "number"])
def test_the_last_row_of_each_key_wins_and_keys_do_not_wait_for_each_other(
    kind, make_emulator, connect, tmp_path
):
    emulator = make_emulator(task_seconds=0, latency=0.005)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA | {"sku": kind}, unique_key="sku")
    # An early row of each key takes long; a later one would overtake it.
    emulator.fault({"fault": "latency", "seconds": 0.1, "path": CREATE, "probability": 0.1, "seed": 2})
    emulator.fault({"fault": "reset_after", "path": CREATE, "probability": 0.1, "seed": 3})
    many = []
    for number, row in enumerate(rows(300)):
        # 7 and 7.0 are the same number to the server.
        written = str(number % 10 + 1) + (".0" if kind == "number" and number % 3 else "")
        many.append(row | {"sku": written, "price": number})
    wire = Wire(mixpeek)
    ingest(mixpeek, "products", many, mapping=MAPPING, policy="upsert", in_flight=8)
    assert wire.most == 8
    found = [fields(each) for each in mixpeek.objects.list(bucket.bucket_id)]
    assert len(found) == 10
    assert {float(each["sku"]): each["price"] for each in found} == {
        key + 1.0: 290 + key for key in range(10)
    }
    assert len({str(body["sku"]) for end, body in wire.sent if end == "objects"}) == (
        10 if kind == "string" else 20
    )
    if kind == "string":
        assert wire.same_at_once == 1


def test_a_row_behind_one_that_is_rejected_has_its_turn(emulator, mixpeek, bucket, load):
    emulator.fault({"fault": "status", "status": 422, "path": CREATE, "times": 1})
    many = [rows(1)[0] | {"price": float(number)} for number in range(3)]
    report = load(many, on_error="collect")
    assert ([row.row for row in report.rejected_rows], report.stored) == ([0], 2)
    assert prices(mixpeek, bucket) == [2.0]


def test_so_has_one_behind_a_row_whose_key_is_there(mixpeek, bucket, load):
    load(rows(1), policy="insert")
    many = [*changed(rows(1)), *rows(1), *changed(rows(1))]
    report = load(many, policy="insert", on_error="collect")
    assert ([row.row for row in report.rejected_rows], report.stored) == ([0, 2], 1)


@pytest.mark.parametrize("fields_", [("sku",), ("sku", "stars")])
def test_keys_that_cannot_be_are_rejected_before_anything_is_sent(fields_, emulator, mixpeek):
    mixpeek.buckets.create("products", schema=SCHEMA, unique_key=fields_)
    many = rows(6)
    many[1]["sku"], many[2]["sku"], many[3]["sku"] = None, " ", "x" * 256
    many[4]["sku"] = "x" * 255
    report = ingest(mixpeek, "products", many, mapping=MAPPING, policy="upsert", on_error="collect")
    assert [(row.row, row.column, row.error_type) for row in report.rejected_rows] == [
        (number, "sku", "") for number in (1, 2, 3)
    ]
    blank, _, long = (row.reason for row in report.rejected_rows)
    assert blank == "it is part of the bucket's unique key, and blank"
    assert "its 256 characters are more than the 255" in long
    assert (report.stored, calls(emulator, CREATE)) == (3, 3)


# -- processing ---------------------------------------------------------------------------------------------


def test_what_may_have_been_there_is_batched_to_be_replaced(emulator, mixpeek, bucket, load):
    load(rows(250), policy="insert", batch_size=100)
    wire = Wire(mixpeek)
    report = load([*changed(rows(250)), *rows(10, start=250)], batch_size=100)
    batches = [body for end, body in wire.sent if end == "batches"]
    assert [body["dedup_strategy"] for body in batches] == ["replace"] * 3
    assert sum(batch.objects for batch in report.batches) == 260
    assert emulator.state()["objects_processed"] == {"1": 10, "2": 250}


@pytest.mark.parametrize("batch_size", [1, 2, 1_000])
def test_an_object_that_two_rows_write_is_processed_after_the_second(
    batch_size, emulator, mixpeek, bucket, load
):
    many = [*rows(3), *changed(rows(1)), *rows(2, start=3)]
    wire = Wire(mixpeek)
    load(many, batch_size=batch_size)
    object_id = stored(mixpeek, bucket)["S000000"].object_id
    order = [
        "written" if end == "objects" else "batched"
        for end, body in wire.sent
        if body.get("sku") == "S000000" or object_id in body.get("object_ids", ())
    ]
    assert order.count("written") == 2
    assert order[-1] == "batched"
    assert emulator.state()["objects_processed"].get("0") is None
    assert prices(mixpeek, bucket)[0] == -1.0


def test_a_row_that_is_there_and_in_a_batch_that_runs_is_not_batched_again(make_emulator, connect):
    emulator = make_emulator(task_seconds=3_600)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA, unique_key="sku")
    first = ingest(mixpeek, "products", rows(10), mapping=MAPPING, policy="insert")
    again = ingest(mixpeek, "products", rows(12), mapping=MAPPING, policy="insert")
    assert (again.stored, again.created) == (10, 2)
    assert sorted(batch.objects for batch in again.batches) == [2, 10]
    assert first.batches[0].batch_id in {batch.batch_id for batch in again.batches}


def test_batches_know_which_of_them_hold_what_was_rewritten():
    taken = {"obj_9": "btch_1"}
    batching = Batching(size=2, replaces=False, once=False, inherited=Inherited(taken))
    for number in range(4):
        batching.add(f"obj_{number}", number, rewritten=number == 3)
    batching.add("obj_9", 4)
    batching.add("obj_9", 5, rewritten=True)
    batching.cut(rest=True)
    made = []
    while action := batching.next_action():
        made.append((action.object_ids, action.dedup_strategy))
    assert made == [
        (("obj_0", "obj_1"), "skip"),
        (("obj_2", "obj_3"), "replace"),
        (("obj_9",), "replace"),
    ]


# -- stopped, and run again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["insert", "upsert"])
def test_a_load_that_was_stopped_goes_on(policy, emulator, mixpeek, bucket, load, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "EVERY", 0.0)
    given = {"checkpoint": FileCheckpoint(tmp_path / "checkpoint"), "policy": policy, "batch_size": 10}
    many = rows(60)
    if policy == "upsert":
        # Each key three times; the last one wins.
        many = [
            row | {"sku": many[number % 20]["sku"], "price": float(number)} for number, row in enumerate(many)
        ]
    emulator.fault({"fault": "status", "status": 403, "path": CREATE, "skip": 33})
    with pytest.raises(IngestError):
        load(many, **given)
    emulator.clear_faults()
    before = calls(emulator, CREATE)
    report = load(many, **given)
    assert report.created + report.stored == 60
    assert calls(emulator, CREATE) - before < 60
    there = stored(mixpeek, bucket)
    if policy == "insert":
        assert sorted(there) == [row["sku"] for row in many]
        assert emulator.state()["objects_processed"] == {"1": 60}
    else:
        assert [fields(there[sku])["price"] for sku in sorted(there)] == [float(row) for row in range(40, 60)]


def test_an_object_that_is_written_after_its_batch_of_an_earlier_try_is_processed_again(
    emulator, mixpeek, bucket, load, tmp_path, monkeypatch
):
    monkeypatch.setattr(keeping, "EVERY", 0.0)
    given = {"checkpoint": FileCheckpoint(tmp_path / "checkpoint"), "in_flight": 1, "batch_size": 2}
    many = [*rows(4), *changed(rows(2))]
    emulator.fault({"fault": "status", "status": 403, "path": CREATE, "skip": 4})
    with pytest.raises(IngestError):
        load(many, **given)
    emulator.clear_faults()
    assert emulator.state()["objects_processed"] == {"1": 4}
    assert load(many, **given).resumed == 4
    assert emulator.state()["objects_processed"] == {"1": 2, "2": 2}
    assert prices(mixpeek, bucket) == [-1.0, -1.0, 0.5, 0.75]


# -- what is refused before anything is sent ----------------------------------------------------------------


def test_what_does_not_go_with_the_bucket_is_refused(emulator, mixpeek, bucket):
    mixpeek.buckets.create("plain", schema=SCHEMA)
    before = writes(emulator)

    def refused(name: str, error: type[MixpeekError], match: str, **settings: Any) -> None:
        with pytest.raises(error, match=match):
            ingest(mixpeek, name, rows(2), **({"mapping": MAPPING, "scope": "load"} | settings))

    refused(
        "plain", MixpeekConfigError, "policy='upsert': the bucket 'plain' has no unique key", policy="upsert"
    )
    refused("products", MixpeekConfigError, r"unique key \(sku\) and no default policy")
    refused("products", MixpeekConfigError, "policy is 'replace'", policy="replace")
    keyed = MAPPING | {"idempotency_key": ["sku"]}
    refused("products", MixpeekConfigError, "an idempotency_key would", policy="upsert", mapping=keyed)
    refused("products", MixpeekConfigError, "skip_duplicates would", policy="upsert", skip_duplicates=True)
    unmapped = MAPPING | {"metadata": ["price"]}
    refused(
        "products",
        MappingError,
        "'sku' is part of the bucket's unique key",
        policy="upsert",
        mapping=unmapped,
    )
    assert writes(emulator) == before


def test_the_legacy_generation_has_none(make_emulator, connect):
    mixpeek = connect(make_emulator(generation="legacy", task_seconds=0), generation="legacy")
    with pytest.raises(MixpeekGenerationError, match="unique key"):
        mixpeek.buckets.create("products", schema=SCHEMA, unique_key="sku")
    mixpeek.buckets.create("products", schema=SCHEMA)
    with pytest.raises(MixpeekConfigError, match="has no unique key"):
        ingest(mixpeek, "products", rows(2), mapping=MAPPING, scope="load", policy="upsert")


def test_no_scope_is_needed(load):
    assert load(rows(2)).stored == 2
