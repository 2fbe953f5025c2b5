"""The operator that creates objects from rows: what it takes, what it hands on, what a retry does."""

import inspect
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from airflow.sdk import ObjectStoragePath
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekConfigError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import IngestError, ObjectMapping, RowsRejectedError, ingest
from airflow_provider.mixpeek.operators._rows import HeldRows, held, released
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .contexts import Kept
from .things import KEY, as_csv, bucket, mixpeek, server, things, titles

__all__ = ["bucket", "mixpeek", "server"]

OBJECTS = "/v1/buckets/{bucket_identifier}/objects/batch"
COUNTS = ["created", "replayed", "stored", "rejected", "unsent", "in_doubt"]


def create(rows: Any, *, ti: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """Execute the operator as a try of one task instance, or of another one."""
    operator = MixpeekCreateObjectsOperator(
        task_id="create", **{"bucket": "things", "rows": rows} | arguments
    )
    return operator.execute(Kept(store=None).context(**ti or {}))


# -- rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        lambda rows, _: rows,
        lambda rows, _: iter(rows),
        lambda rows, _: pd.DataFrame(rows),
        lambda rows, _: pa.Table.from_pylist(rows),
        lambda rows, folder: as_csv(rows, folder),
        lambda rows, folder: str(as_csv(rows, folder)),
        lambda rows, folder: ObjectStoragePath(as_csv(rows, folder).as_uri()),
    ],
    ids=["list", "iterator", "pandas", "arrow", "path", "path as text", "object storage path"],
)
def test_every_form_of_rows_becomes_objects(
    mixpeek: MixpeekClient, bucket: str, tmp_path: Path, given: Callable[..., Any]
) -> None:
    assert create(given(things("form", 3), tmp_path))["created"] == 3
    assert titles(mixpeek, bucket) == {f"cell-form-{number}": 1 for number in range(3)}


def test_result_is_small_json_with_what_to_wait_for_and_no_row(mixpeek: MixpeekClient, bucket: str) -> None:
    result = create(things("secret", 250), batch_size=100)
    bucket_id = mixpeek.buckets.find(bucket).bucket_id
    files = ["rejected_uri", "receipt_uri"]
    assert list(result) == ["bucket_id", "rows_read", "resumed", *COUNTS, "stale", *files, "waits"]
    assert (result["bucket_id"], result["rows_read"], result["created"]) == (bucket_id, 250, 250)
    assert sum(result[name] for name in COUNTS) == 250
    assert [set(wait) for wait in result["waits"]] == [{"task_id", "batch_id", "bucket"}] * 3
    text = json.dumps(result)
    assert len(text) < 1_000
    assert "cell-" not in text
    assert KEY not in text
    assert MixpeekTaskSensor(task_id="wait", task_ids=result["waits"]).poke({}) is True


NO_ROWS = [
    pd.DataFrame({"title": [], "size": []}),
    [],
]


@pytest.mark.parametrize("rows", NO_ROWS, ids=["frame", "list"])
def test_no_rows_are_an_error(server: Emulator, bucket: str, rows: Any) -> None:
    with pytest.raises(MixpeekConfigError, match="no rows at all"):
        create(rows)


@pytest.mark.parametrize("rows", NO_ROWS, ids=["frame", "list"])
def test_no_rows_are_a_success_where_that_is_said(server: Emulator, bucket: str, rows: Any) -> None:
    empty = create(rows, allow_empty=True)
    assert (empty["rows_read"], empty["waits"]) == (0, [])


def test_task_that_returned_nothing_is_named_as_such(bucket: str) -> None:
    with pytest.raises(MixpeekConfigError, match="Did the task before return nothing"):
        create(None)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("missing.csv", None, "missing.csv"),
        ("empty.csv", b"", "empty.csv"),
        ("cut.parquet", b"PAR1....", "cut.parquet"),
        ("things.xlsx", b"PK", "things.xlsx"),
    ],
)
def test_file_that_is_none_is_named(
    server: Emulator, bucket: str, tmp_path: Path, file: str, content: bytes | None, named: str
) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(MixpeekConfigError, match=named):
        create(str(tmp_path / file))
    assert server.state()["objects"] == 0


# -- arguments ---------------------------------------------------------------------------------------------


def test_mapping_may_be_an_object_or_a_dict_of_its_parts(mixpeek: MixpeekClient, bucket: str) -> None:
    rows = [{"name": f"cell-{number}", "size": number, "colour": "red"} for number in range(3)]
    parts = {"blobs": {"title": "name"}, "metadata": ["size", "colour"], "key_prefix": "/things/{colour}"}
    assert create(rows, mapping=ObjectMapping(**parts))["created"] == 3
    assert create(rows, mapping=parts)["replayed"] == 3
    (stored, *_) = mixpeek.objects.list(mixpeek.buckets.find(bucket).bucket_id)
    assert stored.key_prefix == "/things/red"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"mapping": {"blobs": {"title": "name"}}}, "'name'"),
        ({"mapping": {"blobs": {"hero": "title"}}}, "'hero'"),
        ({"mapping": {"blob": {"title": "title"}}}, "'blob'"),
        ({"mapping": "title"}, "ObjectMapping or a dict"),
        ({"keys": "columns"}, "idempotency_key"),
        ({"keys": "position"}, "position"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"process": None}, "process is None"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"max_request_bytes": 0}, "max_request_bytes is 0"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_stored(
    server: Emulator, bucket: str, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(MixpeekConfigError, match=named):
        create(things("wrong", 3), **arguments)
    assert server.state()["objects"] == 0


def test_unknown_bucket_is_named_with_what_comes_close(server: Emulator, bucket: str) -> None:
    with pytest.raises(MixpeekNotFoundError, match=r"'thigns'.*Did you mean 'things'"):
        create(things("x", 1), bucket="thigns")


def test_defaults_are_those_of_ingest() -> None:
    ours = inspect.signature(MixpeekCreateObjectsOperator.__init__).parameters
    theirs = inspect.signature(ingest).parameters
    shared = set(ours) & set(theirs) - {"bucket", "rows", "scope", "rerun"}
    own = {"mixpeek", "bucket", "rows", "scope", "checkpoint", "rerun", "rerun_number", "cancel_earlier"}
    assert shared == set(theirs) - own
    assert {name: ours[name].default for name in shared} == {name: theirs[name].default for name in shared}


# -- wrong rows --------------------------------------------------------------------------------------------

WRONG = [
    {"title": "cell-0", "size": 0},
    {"title": "cell-1", "size": 1},
    {"title": "cell-2", "size": object()},
    {"title": None, "size": 3},
    {"title": "cell-4", "size": 4},
]


def test_first_wrong_row_fails_the_task_with_row_column_reason_and_counts(
    server: Emulator, bucket: str
) -> None:
    with pytest.raises(RowsRejectedError) as caught:
        create(WRONG)
    said = str(caught.value)
    assert "row 2, column 'size'" in said
    assert "object" in said
    assert "5 rows read" in said
    assert "1 rejected" in said or "2 rejected" in said
    assert 'on_error="collect"' in said
    assert KEY not in said


def test_wrong_rows_are_set_aside_and_logged_where_that_is_said(
    mixpeek: MixpeekClient, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "airflow_provider.mixpeek"):
        result = create(WRONG, on_error="collect")
    assert (result["rows_read"], result["created"], result["rejected"]) == (5, 3, 2)
    assert len(result["waits"]) == 1
    assert set(titles(mixpeek, bucket)) == {"cell-0", "cell-1", "cell-4"}
    logged = [record.getMessage() for record in caplog.records]
    assert any("row 2, column 'size'" in line for line in logged)
    assert any("row 3" in line and "no blob" in line for line in logged)


def test_nothing_but_wrong_rows_leaves_nothing_to_wait_for(server: Emulator, bucket: str) -> None:
    result = create(WRONG[2:4], on_error="collect")
    assert (result["rejected"], result["waits"]) == (2, [])


def test_row_that_is_too_large_is_rejected(server: Emulator, bucket: str) -> None:
    rows = [{"title": "x" * 5_000, "size": 0}, *things("small", 2)]
    result = create(rows, max_request_bytes=2_000, on_error="collect")
    assert (result["created"], result["rejected"]) == (2, 1)


def test_server_that_stores_nothing_and_says_200_is_found_out(server: Emulator, bucket: str) -> None:
    # What the list call of the other generation answers to objects.
    server.fault({"path": OBJECTS, "fault": "status", "status": 200, "body": {"results": []}})
    with pytest.raises(IngestError) as caught:
        create(things("x", 3))
    assert "generation" in str(caught.value)


# -- processing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("process", "batches", "processed"),
    [(False, 0, {"0": 3}), ("new", 0, {"1": 3}), ("all", 1, {"2": 3})],
)
def test_objects_that_are_there_are_processed_as_told(
    server: Emulator, bucket: str, process: Any, batches: int, processed: dict[str, int]
) -> None:
    create(things("x", 3), process=False if process is False else "new")
    again = create(things("x", 3), process=process)
    assert again["replayed"] == 3
    assert len(again["waits"]) == batches
    assert server.state()["objects_processed"] == processed


def test_log_says_how_much_there_is_to_wait_for(server: Emulator, bucket: str) -> None:
    with capture_logs() as logs:
        create(things("x", 5), batch_size=2)
        create(things("x", 5), batch_size=2)
    assert [entry["event"] for entry in logs if "to wait for" in entry["event"]] == [
        "There are 3 tasks to wait for.",
        "Nothing is being processed, so there is nothing to wait for.",
    ]


def test_objects_that_were_only_stored_are_processed_by_the_next_try(server: Emulator, bucket: str) -> None:
    assert create(things("x", 3), process=False)["waits"] == []
    assert len(create(things("x", 3))["waits"]) == 1
    assert server.state()["objects_processed"] == {"1": 3}


# -- who is the same row -----------------------------------------------------------------------------------

BY_SIZE = {"mapping": {"blobs": {"title": "title"}, "idempotency_key": ["size"]}}


@pytest.mark.parametrize(
    ("arguments", "other", "new"),
    [
        pytest.param({}, {}, 0, id="a retry"),
        pytest.param({}, {"run_id": "tuesday"}, 3, id="another run"),
        pytest.param({}, {"task_id": "create_more"}, 3, id="another task"),
        pytest.param({}, {"dag_id": "stall"}, 3, id="another DAG"),
        pytest.param({}, {"map_index": 1}, 3, id="another part may hold equal rows"),
        pytest.param({"scope": "load-7"}, {"run_id": "tuesday"}, 0, id="a scope of one's own"),
        pytest.param({"scope": "load-7"}, {"map_index": 1}, 3, id="parts under a scope of one's own"),
        pytest.param(
            BY_SIZE, {"dag_id": "stall", "run_id": "tuesday", "map_index": 1}, 0, id="a business key"
        ),
        pytest.param(BY_SIZE | {"scope": "load-7"}, {"run_id": "tuesday"}, 0, id="a business key, scoped"),
    ],
)
def test_rows_are_new_or_replayed(
    server: Emulator, bucket: str, arguments: dict[str, Any], other: dict[str, Any], new: int
) -> None:
    assert create(things("x", 3), **arguments)["created"] == 3
    again = create(things("x", 3), ti=other, **arguments)
    assert (again["created"], again["replayed"]) == (new, 3 - new)


def test_another_scope_makes_another_business_key(server: Emulator, bucket: str) -> None:
    assert create(things("x", 3), **BY_SIZE)["created"] == 3
    assert create(things("x", 3), **BY_SIZE, scope="load-7")["created"] == 3


@pytest.mark.parametrize(
    ("other", "new"), [({"map_index": 1}, 0), ({"run_id": "tuesday"}, 3)], ids=["another part", "another run"]
)
def test_rows_of_a_file_are_the_same_in_every_part_of_a_run(
    server: Emulator, bucket: str, tmp_path: Path, other: dict[str, Any], new: int
) -> None:
    path = as_csv(things("x", 3), tmp_path)
    create(path)
    assert create(path, ti=other)["created"] == new


def test_source_name_stands_for_a_file_wherever_it_lies(
    server: Emulator, bucket: str, tmp_path: Path
) -> None:
    for folder, created in (("first", 3), ("second", 0)):
        (tmp_path / folder).mkdir()
        assert create(as_csv(things("x", 3), tmp_path / folder), source_name="things")["created"] == created


# -- held rows ---------------------------------------------------------------------------------------------


def test_held_rows_show_how_many_they_are_and_nothing_else() -> None:
    assert repr(held(things("x", 250))) == str(held(things("x", 250))) == "<250 rows>"
    assert repr(held(pd.DataFrame(things("x", 250)))) == "<250 rows>"
    assert repr(held(iter(things("x", 250)))) == "<rows>"


def test_frame_is_held_however_its_columns_are_called() -> None:
    frame = pd.DataFrame({"resolve": [1], "iter_references": [2], "template_fields": [3]})
    assert isinstance(held(frame), HeldRows)
    assert released(held(held(frame))) is frame


def test_paths_and_nothing_are_not_held(tmp_path: Path) -> None:
    assert held(tmp_path / "{{ ds }}.csv") == f"{tmp_path}/{{{{ ds }}}}.csv"
    assert held("{{ ds }}.csv") == "{{ ds }}.csv"
    assert held(None) is None
