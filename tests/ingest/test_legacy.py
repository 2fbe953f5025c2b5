"""The legacy generation: one object a request, processed as it is created, values in metadata, no keys."""

from __future__ import annotations

import pytest

from airflow_provider.mixpeek.client import MixpeekError, MixpeekGenerationError, WaitFor
from airflow_provider.mixpeek.ingest import ObjectMapping, RowsRejectedError, ingest

from .shop import CREATE, MAPPING, SCHEMA, calls, fields, rows, stored, writes


@pytest.fixture
def emulator(make_emulator):
    return make_emulator(generation="legacy", task_seconds=0)


@pytest.fixture
def mixpeek(emulator, connect):
    return connect(emulator, generation="legacy")


def load(mixpeek, many, **settings):
    return ingest(mixpeek, "products", many, **({"mapping": MAPPING, "scope": "load"} | settings))


# -- what is sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ["new", "all"])
def test_each_row_is_one_request_and_one_task_to_wait_for(process, emulator, mixpeek, bucket):
    report = load(mixpeek, rows(300), process=process)
    assert report.counts() == {
        "created": 0, "replayed": 0, "stored": 300, "rejected": 0, "unsent": 0, "in_doubt": 0,
    }  # fmt: skip
    assert report.requests == calls(emulator, CREATE) == 300
    assert (report.object_ids, report.batches, len(set(report.task_ids))) == ((), (), 300)
    assert report.waits == [
        {"task_id": task_id, "batch_id": None, "bucket": bucket.bucket_id} for task_id in report.task_ids
    ]
    # In the order of the rows, whatever the order of the answers.
    of_object = {thing.model_extra["task_id"]: sku for sku, thing in stored(mixpeek, bucket).items()}
    assert [of_object[task_id] for task_id in report.task_ids] == [row["sku"] for row in rows(300)]
    assert {mixpeek.look(WaitFor.of(wait)).word for wait in report.waits} == {"DONE"}
    assert emulator.state()["objects_processed"] == {"1": 300}
    assert "300 rows read: 300 stored; 300 tasks to wait for (" in str(report)


def test_several_requests_are_under_way_at_once(make_emulator, connect):
    emulator = make_emulator(generation="legacy", task_seconds=0, latency=0.05)
    mixpeek = connect(emulator, generation="legacy")
    mixpeek.buckets.create("products", schema=SCHEMA)
    one, eight = (load(mixpeek, rows(40), in_flight=count) for count in (1, 8))
    assert (one.stored, eight.stored) == (40, 40)
    # Waiting makes up nearly all of it: forty requests one after another against eight at once.
    assert one.seconds >= 40 * 0.05
    assert eight.seconds < one.seconds / 2


KINDS = {
    "hero": "image", "note": "text", "facts": "json", "paper": "document", "table": "spreadsheet",
    "deck": "presentation", "dense": "dense_vector", "sparse": "sparse_vector", "small": "int8_vector",
    "price": "float",
}  # fmt: skip


def test_blobs_of_its_own_types_arrive_as_they_are(mixpeek):
    bucket = mixpeek.buckets.create("products", schema=KINDS)
    row = {
        "hero": "https://cdn.example.com/1.jpg",
        "note": "http://is not a file",
        "facts": {"made": {"in": "Rome"}, "by": ["Ada", None]},
        "paper": {"url": "s3://bucket/paper.docx", "mime_type": "application/msword"},
        "table": "s3://bucket/table.xlsx",
        "deck": "https://cdn.example.com/deck.pptx",
        "dense": [0.5, 1, -2.25],
        "sparse": {"indices": [1, 7], "values": [0.5, 0.25]},
        "small": [1, -2, 127],
        "price": 2.5,
        "sku": "a",
        "shop": {"city": "Roma", "open": True},
    }
    mapping = ObjectMapping(
        blobs={name: name for name in KINDS if name != "price"},
        metadata=["price", "sku", "shop"],
        key_prefix="/shop/{sku}",
    )
    assert load(mixpeek, [row], mapping=mapping, markers=False).stored == 1
    thing = stored(mixpeek, bucket)["a"]
    blobs = {blob.property: (blob.type, blob.model_extra["data"]) for blob in thing.blobs}
    assert blobs == {name: (kind, row[name]) for name, kind in KINDS.items() if name != "price"}
    # Declared or not, all values travel in the metadata; key_prefix is answered as key.
    assert thing.model_extra["metadata"] == {"price": 2.5, "sku": "a", "shop": row["shop"]}
    assert thing.model_extra["key"] == "/shop/a"
    assert "price" not in thing.model_extra


def test_texts_of_a_csv_become_json_and_vectors(mixpeek, tmp_path):
    bucket = mixpeek.buckets.create("products", schema=KINDS)
    path = tmp_path / "things.csv"
    path.write_text('sku,note,facts,dense\na,8½,"{""made"": 1999}","[1, 2.5]"\nb,9,plain,\n')
    mapping = ObjectMapping(blobs={"note": "note", "facts": "facts", "dense": "dense"}, metadata=["sku"])
    assert load(mixpeek, path, mapping=mapping).stored == 2
    found = {
        sku: {blob.property: blob.model_extra["data"] for blob in thing.blobs}
        for sku, thing in stored(mixpeek, bucket).items()
    }
    assert found == {
        "a": {"note": "8½", "facts": {"made": 1999}, "dense": [1, 2.5]},
        "b": {"note": "9", "facts": "plain"},
    }


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("hero", b"\x89PNG", "takes files by their URL, not by value"),
        ("hero", {"base64": "iVBORw=="}, "takes files by their URL, not by value"),
        ("paper", b"%PDF", "takes files by their URL, not by value"),
        ("note", b"text", "bytes is no text"),
        ("facts", b"{}", "bytes are no JSON"),
        ("dense", "0.5", "no vector"),
        ("dense", b"\0", "no vector"),
    ],
)
def test_what_it_does_not_take_is_a_rejected_row_with_the_reason(column, value, reason, emulator, mixpeek):
    mixpeek.buckets.create("products", schema=KINDS)
    mapping = ObjectMapping(blobs={"note": "note"} | {column: column})
    report = load(mixpeek, [{"note": "x"} | {column: value}], mapping=mapping, on_error="collect")
    (row,) = report.rejected_rows
    assert (row.row, row.column) == (0, column)
    assert reason in row.reason
    assert emulator.state()["objects"] == 0


def test_a_column_named_like_one_of_the_apis_own_names_is_a_value_like_any_other(mixpeek):
    bucket = mixpeek.buckets.create("products", schema={"title": "text", "status": "string"})
    values = {"status": "sold", "sku": "a", "object_id": 7}
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=list(values))
    assert load(mixpeek, [{"title": "x"} | values], mapping=mapping, markers=False).stored == 1
    assert stored(mixpeek, bucket)["a"].model_extra["metadata"] == values


def test_without_a_mapping_columns_named_like_properties_are_taken(mixpeek, bucket):
    assert load(mixpeek, [row | {"other": 1} for row in rows(3)], mapping=None).stored == 3
    thing = stored(mixpeek, bucket)["S000002"]
    assert fields(thing)["stars"] == 2
    assert "other" not in fields(thing)


# -- what is refused ----------------------------------------------------------------------------------------


def test_storing_without_processing_is_refused_before_anything_is_sent(emulator, mixpeek, bucket):
    before = writes(emulator)
    with pytest.raises(MixpeekGenerationError) as raised:
        load(mixpeek, rows(3), process=False)
    assert "process=False: the legacy generation" in str(raised.value)
    assert "The current one stores and processes in two steps" in str(raised.value)
    assert writes(emulator) == before


def test_equal_rows_are_objects_of_their_own(emulator, mixpeek, bucket):
    assert load(mixpeek, [*rows(2), *rows(2)]).stored == 4
    assert emulator.state()["objects"] == 4


def test_a_row_that_the_server_refuses_is_set_aside(emulator, mixpeek, bucket):
    body = {"detail": [{"loc": ["body", "blobs", 0, "data"], "msg": "no good", "type": "value_error"}]}
    emulator.fault({"fault": "status", "status": 422, "body": body, "path": CREATE, "skip": 2, "times": 1})
    report = load(mixpeek, rows(5), on_error="collect", in_flight=1)
    assert (report.stored, report.rejected, emulator.state()["objects"]) == (4, 1, 4)
    (row,) = report.rejected_rows
    assert (row.row, row.values) == (2, rows(3)[2])
    assert (row.column, row.reason) == ("title", "blobs.0.data: no good")


def test_the_first_row_that_the_server_refuses_stops_the_run(emulator, mixpeek, bucket):
    emulator.fault({"fault": "status", "status": 422, "path": CREATE, "skip": 2, "times": 1})
    with pytest.raises(RowsRejectedError, match=r"row 2: .*running it again stores again") as raised:
        load(mixpeek, rows(5), in_flight=1)
    report = raised.value.report
    assert (report.stored, report.rejected, report.unsent) == (2, 1, 2)
    assert len(report.waits) == 2
    assert "not stored twice" not in str(raised.value)


def test_a_server_of_the_other_generation_gets_no_row(make_emulator, connect):
    for speaks, says in (("current", "legacy"), ("legacy", "current")):
        emulator = make_emulator(generation=speaks, task_seconds=0)
        connect(emulator, generation=speaks).buckets.create("products", schema=SCHEMA)
        with pytest.raises(MixpeekError, match="generation"):
            load(connect(emulator, generation=says, budget=0), rows(3))
        assert emulator.state()["objects"] == 0
