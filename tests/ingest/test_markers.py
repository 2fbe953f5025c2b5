"""
Servers without idempotency keys: objects keep the keys of their rows, and rows that may be stored are looked
for before they are sent again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from airflow_provider.mixpeek.client import MixpeekPermissionError, WaitFor
from airflow_provider.mixpeek.ingest import (
    FileCheckpoint,
    IngestError,
    MappingError,
    Report,
    ingest,
    split_source,
)
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _reading as reading
from airflow_provider.mixpeek.ingest import _sending as sending
from airflow_provider.mixpeek.ingest._actions import SendObjects
from airflow_provider.mixpeek.ingest._checkpoint import MemoryCheckpoint
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._journal import Journal, SupersededError
from airflow_provider.mixpeek.ingest._keeper import Keeper
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sinks import Sinks
from airflow_provider.mixpeek.ingest._world import World

from .shop import BATCH, CREATE, MAPPING, SCHEMA, calls, fields, rows, stored

OBJECTS = "/v1/buckets/{bucket_identifier}/objects"


class Server(NamedTuple):
    """A server without keys: its settings, what it speaks, where it takes and lists objects, and how many."""

    settings: dict[str, Any]
    generation: str
    create: str
    list: str
    size: int


SERVERS = {
    "legacy": Server({"generation": "legacy"}, "legacy", CREATE, OBJECTS, 1),
    "0.81": Server({"api_version": "0.81"}, "current", BATCH, f"{OBJECTS}/list", 100),
}


@pytest.fixture(params=SERVERS)
def server(request) -> Server:
    return SERVERS[request.param]


@pytest.fixture
def emulator(server, make_emulator):
    return make_emulator(**server.settings, task_seconds=0)


@pytest.fixture
def mixpeek(server, emulator, connect):
    return connect(emulator, generation=server.generation)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Lost rows are looked for within half a second, and everything is written down when it happens."""
    monkeypatch.setattr(sending, "LOOKS", (0.02, 0.1, 0.4))
    monkeypatch.setattr(keeping, "EVERY", 0.0)
    monkeypatch.setattr(keeping, "AHEAD", 1)


@pytest.fixture
def load(mixpeek, bucket) -> Callable[..., Report]:
    def load(many: Any, **settings: Any) -> Report:
        given = {"mapping": MAPPING, "scope": "load", "batch_size": 100}
        return ingest(mixpeek, "products", many, **(given | settings))

    return load


@pytest.fixture
def kept(load, tmp_path) -> Callable[..., Report]:
    """A load whose tries know of each other."""

    def kept(many: Any, **settings: Any) -> Report:
        given = {"checkpoint": FileCheckpoint(tmp_path / "checkpoint"), "in_flight": 1}
        return load(many, **(given | settings))

    return kept


def once(emulator, mixpeek, bucket, many: list[dict[str, Any]]) -> None:
    """Each row is one object, with its key, and was processed once."""
    there = stored(mixpeek, bucket)
    assert sorted(there) == [row["sku"] for row in many]
    assert len({fields(each)["ingest_key"] for each in there.values()}) == len(many)
    assert emulator.state()["objects_processed"] == {"1": len(many)}


# -- answers that are lost ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        ({"fault": "reset_after"}, True),
        ({"fault": "reset_late", "seconds": 0.05}, True),
        ({"fault": "status", "status": 500, "after": True}, True),
        ({"fault": "status", "status": 504, "after": True}, True),
        ({"fault": "truncated", "bytes": 9}, True),
        ({"fault": "reset_before"}, False),
        ({"fault": "status", "status": 500}, False),
        ({"fault": "status", "status": 504}, False),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_row_whose_answer_is_lost_is_stored_once(fault, arrives, server, emulator, mixpeek, bucket, load):
    emulator.fault({**fault, "path": server.create, "skip": 1, "times": 3})
    many = rows(10 * server.size)
    report = load(many, in_flight=4)
    lost = 3 * server.size
    assert report.replayed == (lost if arrives else 0)
    assert report.created + report.stored == len(many) - report.replayed
    assert calls(emulator, server.create) == (10 if arrives else 13)
    once(emulator, mixpeek, bucket, many)


@pytest.mark.system
def test_under_a_storm_every_row_is_stored_once(server, emulator, mixpeek, bucket, load):
    chance = 0.02 if server.size == 1 else 0.25
    for seed, fault in enumerate(
        [
            {"fault": "reset_after"},
            {"fault": "reset_before"},
            {"fault": "reset_late", "seconds": 0.1},
            {"fault": "status", "status": 500, "after": True},
            {"fault": "status", "status": 504},
            {"fault": "status", "status": 429, "headers": {"Retry-After": "0"}},
        ]
    ):
        emulator.fault({**fault, "path": server.create, "probability": chance / 2, "seed": seed})
        emulator.fault({"fault": "reset_before", "path": server.list, "probability": 0.1, "seed": seed})
    many = rows(2_000 if server.size == 1 else 6_000)
    report = load(many)
    fired = [rule["fired"] for rule in emulator.faults()]
    assert all(fired)
    assert report.created + report.stored + report.replayed == report.rows_read == len(many)
    assert report.replayed > 0
    once(emulator, mixpeek, bucket, many)


def test_what_is_found_has_its_task_to_wait_for(make_emulator, connect):
    emulator = make_emulator(generation="legacy", task_seconds=0)
    mixpeek = connect(emulator, generation="legacy")
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    emulator.fault({"fault": "reset_after", "path": CREATE, "probability": 0.2, "seed": 1})
    report = ingest(mixpeek, "products", rows(60), mapping=MAPPING, scope="load")
    assert report.replayed > 0
    of_row = {sku: thing.model_extra["task_id"] for sku, thing in stored(mixpeek, bucket).items()}
    assert list(report.task_ids) == [of_row[row["sku"]] for row in rows(60)]
    assert {mixpeek.look(WaitFor.of(wait)).word for wait in report.waits} == {"DONE"}


def test_a_write_that_arrives_after_the_last_look_is_stored_twice(server, make_emulator, connect):
    # What is promised ends here, and the docs and the log say so.
    now = [1_800_000_000.0]
    emulator = make_emulator(**server.settings, task_seconds=0, clock=lambda: now[0])
    mixpeek = connect(emulator, generation=server.generation)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    emulator.fault({"fault": "reset_late", "seconds": 60, "path": server.create, "times": 1})
    many = rows(2 * server.size)
    report = ingest(mixpeek, "products", many, mapping=MAPPING, scope="load", in_flight=1)
    assert (report.replayed, emulator.state()["objects"]) == (0, len(many))
    now[0] += 61
    there = Counter(fields(each)["sku"] for each in mixpeek.objects.list(bucket.bucket_id))
    assert sorted(there.values()) == [1] * server.size + [2] * server.size


@pytest.mark.parametrize("status", [403, 422])
def test_when_looking_fails_the_rows_are_in_doubt_and_none_is_rejected(status, server, emulator, load):
    emulator.fault({"fault": "reset_after", "path": server.create, "skip": 1, "times": 1})
    emulator.fault({"fault": "status", "status": status, "path": server.list})
    with pytest.raises(IngestError) as raised:
        load(rows(5 * server.size), on_error="collect", in_flight=1)
    report = raised.value.report
    assert (report.in_doubt, report.rejected) == (server.size, 0)
    assert calls(emulator, server.create) == 2


def test_a_row_is_given_up_when_its_answer_is_lost_again_and_again(server, emulator, load):
    emulator.fault({"fault": "reset_before", "path": server.create})
    with pytest.raises(IngestError) as raised:
        load(rows(server.size), in_flight=1)
    assert raised.value.report.in_doubt == server.size
    assert calls(emulator, server.create) == 5


# -- stopped, and run again ---------------------------------------------------------------------------------


def stop(emulator, server, kept, many, *, after: int, **settings: Any) -> Report:
    """A load that the server stops after so many requests."""
    emulator.fault({"fault": "status", "status": 403, "path": server.create, "skip": after})
    with pytest.raises(IngestError) as raised:
        kept(many, **settings)
    assert isinstance(raised.value.__cause__, MixpeekPermissionError)
    emulator.clear_faults()
    return raised.value.report


def test_only_rows_that_may_have_been_sent_are_looked_for(server, emulator, mixpeek, bucket, kept):
    many = rows(20 * server.size)
    first = stop(emulator, server, kept, many, after=12)
    assert (first.created + first.stored, first.unsent > 0) == (12 * server.size, True)
    before = calls(emulator, server.list)
    report = kept(many)
    # Those of the request that was refused, at once and when what was on its way has had its time; and of the
    # next one, since a note speaks of the rows of a request more.
    assert calls(emulator, server.list) - before == (2 if server.size == 1 else 3)
    assert (report.resumed, report.replayed) == (12 * server.size, 0)
    assert calls(emulator, server.create, 200) == 20
    once(emulator, mixpeek, bucket, many)


def test_a_row_that_was_under_way_when_the_load_was_stopped_is_found(server, emulator, mixpeek, bucket, kept):
    many = rows(20 * server.size)
    emulator.fault({"fault": "reset_after", "path": server.create, "skip": 12, "times": 1})
    emulator.fault({"fault": "status", "status": 403, "path": server.list})
    with pytest.raises(IngestError, match=r"what may be there is looked for first") as raised:
        kept(many)
    assert raised.value.report.in_doubt == server.size
    emulator.clear_faults()
    report = kept(many)
    assert (report.resumed, report.replayed) == (12 * server.size, server.size)
    assert calls(emulator, server.create) == 20
    once(emulator, mixpeek, bucket, many)


def test_a_write_that_was_on_its_way_when_the_load_was_stopped_is_waited_for(
    server, emulator, mixpeek, bucket, kept
):
    many = rows(5 * server.size)
    emulator.fault({"fault": "reset_late", "seconds": 0.3, "path": server.create, "skip": 2, "times": 1})
    emulator.fault({"fault": "status", "status": 403, "path": server.list})
    with pytest.raises(IngestError):
        kept(many)
    emulator.clear_faults()
    # It has not arrived yet.
    assert emulator.state()["objects"] == 2 * server.size
    assert kept(many).replayed == server.size
    once(emulator, mixpeek, bucket, many)


def test_tasks_of_earlier_tries_are_waited_for_once(make_emulator, connect, tmp_path):
    server = SERVERS["legacy"]
    emulator = make_emulator(generation="legacy", task_seconds=0)
    mixpeek = connect(emulator, generation="legacy")
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)

    def kept(many: Any, **settings: Any) -> Report:
        checkpoint = FileCheckpoint(tmp_path / "checkpoint")
        return ingest(mixpeek, "products", many, mapping=MAPPING, scope="load", checkpoint=checkpoint)

    stop(emulator, server, kept, rows(60), after=30)
    for many in (rows(60), rows(60), iter(rows(60))):
        report = kept(many)
        of_row = {sku: thing.model_extra["task_id"] for sku, thing in stored(mixpeek, bucket).items()}
        assert list(report.task_ids) == [of_row[row["sku"]] for row in rows(60)]


def test_a_file_is_looked_for_by_its_places_before_there_is_a_watermark(tmp_path, make_emulator, connect):
    server = SERVERS["0.81"]
    emulator = make_emulator(**server.settings, task_seconds=0)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    file = tmp_path / "films.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(2_000)))

    def kept(many: Any) -> Report:
        checkpoint = FileCheckpoint(tmp_path / "checkpoint")
        return ingest(
            mixpeek, "products", many, mapping=MAPPING, checkpoint=checkpoint, in_flight=1, batch_size=2_000
        )

    stop(emulator, server, kept, file, after=3)
    report = kept(file)
    assert (report.resumed, report.replayed, report.created) == (0, 300, 1_700)
    assert calls(emulator, server.list) < 10
    once(emulator, mixpeek, bucket, rows(2_000))


@pytest.mark.parametrize("again", [lambda many: iter(many), lambda many: many[::-1]], ids=["iter", "order"])
def test_rows_whose_numbers_tell_nothing_are_all_looked_for(
    again, server, emulator, mixpeek, bucket, kept, monkeypatch
):
    monkeypatch.setattr(reading, "BLOCK_ROWS", 5 * server.size)
    many = rows(10 * server.size)

    def interrupted():
        yield from many
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        kept(interrupted())
    assert "rows read" in raised.value.__notes__[0]
    there = emulator.state()["objects"]
    assert there > 0
    before = calls(emulator, server.list)
    report = kept(again(many))
    assert (report.resumed, report.replayed) == (0, there)
    assert calls(emulator, server.list) - before >= 10
    once(emulator, mixpeek, bucket, many)


def test_a_load_that_is_replayed_stores_what_is_gone(server, emulator, mixpeek, bucket, kept):
    many = rows(3 * server.size)
    kept(many)
    gone = stored(mixpeek, bucket)["S000001"]
    mixpeek.objects.delete(bucket.bucket_id, gone.object_id)
    report = kept(many, rerun="replay")
    assert (report.resumed, report.replayed) == (0, len(many) - 1)
    assert len(stored(mixpeek, bucket)) == len(many)
    # And nothing is sent when it is run once more.
    before = calls(emulator, server.create)
    assert kept(many).resumed == len(many)
    assert calls(emulator, server.create) == before


def test_when_the_first_look_fails_nothing_is_sent_and_none_is_rejected(server, emulator, kept):
    many = rows(20 * server.size)
    stop(emulator, server, kept, many, after=12)
    before = calls(emulator, server.create)
    emulator.fault({"fault": "status", "status": 422, "path": server.list})
    with pytest.raises(IngestError) as raised:
        kept(many, on_error="collect")
    report = raised.value.report
    assert (report.rejected, report.in_doubt) == (0, 0)
    assert calls(emulator, server.create) == before


def test_a_row_to_blame_is_found_beside_rows_that_are_stored(make_emulator, connect, tmp_path):
    server = SERVERS["0.81"]
    emulator = make_emulator(**server.settings, task_seconds=0)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA)
    size = max(len(json.dumps(row)) for row in rows(100)) * 120

    def kept(many: Any, **settings: Any) -> Report:
        checkpoint = FileCheckpoint(tmp_path / "checkpoint")
        given = {"mapping": MAPPING, "scope": "load", "checkpoint": checkpoint, "in_flight": 1}
        return ingest(mixpeek, "products", many, on_error="collect", **(given | settings))

    stop(emulator, server, kept, rows(100), after=1, max_request_bytes=size)
    there = emulator.state()["objects"]
    assert 0 < there < 100
    errors = [{"type": "value_error", "location": ["body", "objects", 3, "price"], "message": "no good"}]
    error = {"message": "no", "type": "ValidationError", "details": {"validation_errors": errors}}
    body = {"success": False, "status": 422, "error": error}
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": BATCH, "times": 2})
    report = kept(iter(rows(100)))
    assert [(row.row, row.column) for row in report.rejected_rows] == [(there + 3, "price")]
    assert (report.replayed, report.created) == (there, 99 - there)
    assert len(stored(mixpeek, bucket)) == 99


def test_without_a_checkpoint_rows_that_come_again_are_stored_again(server, emulator, load, caplog):
    for objects in (3, 6):
        report = load(rows(3))
        assert (report.created + report.stored, report.replayed) == (3, 0)
        assert emulator.state()["objects"] == objects
        assert caplog.text.count("running it again stores again what is stored") == 1
        caplog.clear()
    assert calls(emulator, server.list) == 0


def test_with_one_the_log_says_what_is_promised(kept, caplog):
    kept(rows(3))
    assert caplog.text.count("Run it again: what may be there is looked for first") == 1
    assert "stores again" not in caplog.text


def test_a_file_that_is_cut_otherwise_is_looked_for(emulator, mixpeek, bucket, kept, tmp_path):
    many = rows(40)
    path = tmp_path / "films.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in many))
    kept(split_source(path, parts=2)[0])
    report = kept(split_source(path, parts=1)[0])
    assert (report.replayed, report.created + report.stored) == (20, 20)
    assert len(stored(mixpeek, bucket)) == 40


def test_in_another_bucket_nothing_is_looked_for(server, emulator, mixpeek, bucket, kept, tmp_path):
    kept(rows(3))
    mixpeek.buckets.create("others", schema=SCHEMA)
    given = {"mapping": MAPPING, "scope": "load", "checkpoint": FileCheckpoint(tmp_path / "checkpoint")}
    assert ingest(mixpeek, "others", rows(3), **given).rows_read == 3
    assert calls(emulator, server.list) == 0


def test_a_try_that_another_has_taken_over_from_notes_nothing_any_more():
    checkpoint = MemoryCheckpoint()
    world = World("bkt_1", "", None, "mapping", "keys", keyed=False, process="")
    run = Run(
        "bkt_1",
        limits=Limits(max_objects=1, max_request_bytes=100, batch_size=1),
        on_error="fail",
        process=False,
    )
    old, new = Journal(checkpoint), Journal(checkpoint)
    old.open()
    keeper = Keeper(old, world, sinks=Sinks(), unrepeatable=1)
    keeper.begin(run)
    action = SendObjects((Row(7, b"{}", DictBlock(7, [{}])),))
    keeper.permit(run, action)
    assert old.progress().sent == 8
    new.open()
    new.write(world, run.mark, sent=500)
    action = SendObjects((Row(8, b"{}", DictBlock(8, [{}])),))
    with pytest.raises(SupersededError):
        keeper.permit(run, action)
    assert new.progress().sent == 500


# -- what objects keep --------------------------------------------------------------------------------------


def test_a_bucket_that_declares_no_metadata_gets_no_markers(make_emulator, connect):
    emulator = make_emulator(api_version="0.81", task_seconds=0)
    mixpeek = connect(emulator)
    bucket = mixpeek.buckets.create("products", schema=SCHEMA, declare_metadata=False)
    emulator.fault({"fault": "reset_after", "path": BATCH, "skip": 1, "times": 1})
    with pytest.raises(IngestError, match="running it again stores again") as raised:
        ingest(mixpeek, "products", rows(300), mapping=MAPPING, scope="load", in_flight=1)
    assert raised.value.report.in_doubt == 100
    assert not any("metadata" in fields(each) for each in mixpeek.objects.list(bucket.bucket_id))


def test_without_markers_objects_keep_nothing(mixpeek, bucket, load):
    load(rows(3), markers=False)
    assert not any("ingest_key" in fields(each) for each in stored(mixpeek, bucket).values())


def test_a_column_named_like_a_marker_is_refused(server, emulator, mixpeek, load):
    mapping = MAPPING | {"metadata": ["sku", "ingest_key"]}
    many = [row | {"ingest_key": "mine"} for row in rows(3)]
    with pytest.raises(MappingError, match=r"'ingest_key' is a field that ingestion adds.*markers=False"):
        load(many, mapping=mapping)
    assert calls(emulator, server.create) == 0
    report = load(many, mapping=mapping, markers=False)
    assert report.created + report.stored == 3


def test_so_is_a_declared_one_where_it_travels_beside_the_marker(server, mixpeek):
    # Declared columns are at the object's root on the current generation, and in metadata on legacy.
    bucket = mixpeek.buckets.create("others", schema={**SCHEMA, "ingest_key": "string"})
    mapping = MAPPING | {"metadata": ["sku", "ingest_key"]}
    many = [row | {"ingest_key": "mine"} for row in rows(3)]
    if server.generation == "legacy":
        with pytest.raises(MappingError, match="'ingest_key' is a field that ingestion adds"):
            ingest(mixpeek, "others", many, mapping=mapping, scope="load")
        return
    ingest(mixpeek, "others", many, mapping=mapping, scope="load")
    for thing in mixpeek.objects.list(bucket.bucket_id):
        assert thing.model_extra["ingest_key"] == "mine"
        assert thing.model_extra["metadata"]["ingest_key"].startswith("mxp1-")


def test_a_column_that_fills_metadata_keeps_its_values(mixpeek):
    bucket = mixpeek.buckets.create("others", schema={**SCHEMA, "metadata": "object"})
    mapping = MAPPING | {"metadata": ["sku", "metadata"]}
    ingest(mixpeek, "others", [rows(1)[0] | {"metadata": {"a": 1}}], mapping=mapping, scope="load")
    (thing,) = mixpeek.objects.list(bucket.bucket_id)
    found = fields(thing)
    assert "ingest_key" in found
    assert 1 in (found.get("a"), (found.get("metadata") or {}).get("a"))
