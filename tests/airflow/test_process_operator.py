"""The operator that has stored objects processed: what it takes, what it returns, what a retry does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekGenerationError,
    MixpeekWaitTimeoutError,
    MixpeekWorkFailedError,
    MixpeekWorkPartialError,
    WaitFor,
)
from airflow_provider.mixpeek.exceptions import MixpeekTriggerError
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator

from .contexts import Kept
from .wait_modes import KEY, World, clock, make_world, to_the_end

__all__ = ["clock", "make_world"]

MODES = ["worker", "deferrable"]
in_each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A server with a bucket "notes"."""
    world = make_world()
    world.mixpeek.buckets.create("notes", schema={"note": "text"})
    return world


def stored(many: int, kind: str = "good", **arguments: Any) -> dict[str, Any]:
    """Store objects, and return what the create task does."""
    operator = MixpeekCreateObjectsOperator(
        task_id="create",
        bucket="notes",
        rows=[{"note": f"{kind} {number}", "kind": kind} for number in range(many)],
        mapping={"blobs": {"note": "note"}, "metadata": ["kind"]},
        process=False,
        **arguments,
    )
    return operator.execute(Kept().context(task_id=f"create {kind}"))


def ids(world: World) -> list[str]:
    bucket_id = world.mixpeek.buckets.find("notes").bucket_id
    return [one.object_id for one in world.mixpeek.objects.list(bucket_id)]


def process(world: World, mode: str = "worker", **arguments: Any) -> dict[str, Any]:
    """Be a try of the task, in a process of its own."""

    def make() -> MixpeekProcessObjectsOperator:
        return MixpeekProcessObjectsOperator(
            task_id="process", deferrable=mode == "deferrable", retries=1, **arguments
        )

    result: dict[str, Any] = to_the_end(world, make)
    return result


def processed(world: World) -> dict[str, int]:
    return world.server.state()["objects_processed"]


# -- which objects -----------------------------------------------------------------------------------------


@in_each_mode
def test_ids_are_processed_and_waited_for(world: World, mode: str) -> None:
    stored(250)
    began = world.clock.now
    result = process(world, mode, objects=[ids(world)], bucket="notes", batch_size=100)
    assert world.clock.now - began >= 10
    assert processed(world) == {"1": 250}
    assert list(result) == [
        "bucket_id",
        "objects",
        "missing",
        "batch_ids",
        "waits",
        "failed",
        "failed_objects",
    ]
    assert (result["objects"], result["missing"], result["failed"], result["failed_objects"]) == (
        250,
        0,
        0,
        [],
    )
    assert [wait["batch_id"] for wait in result["waits"]] == result["batch_ids"]
    assert len(result["batch_ids"]) == 3


def test_create_tasks_name_their_objects_by_a_receipt(world: World, tmp_path: Path) -> None:
    first = stored(30, "good", receipt_to=tmp_path / "first")
    second = stored(20, "better", receipt_to=tmp_path / "second", receipt_format="parquet")
    stored(10, "other")
    result = process(world, objects=[[first], second])
    assert result["objects"] == 50
    assert result["bucket_id"] == first["bucket_id"]
    assert processed(world) == {"0": 10, "1": 50}


def test_upload_tasks_name_their_objects_themselves(world: World, tmp_path: Path) -> None:
    world.mixpeek.buckets.create("papers", schema={"paper": "text"}, declare_metadata=False)
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"Paper {number}")
    upload = MixpeekUploadFilesOperator(task_id="upload", bucket="papers", files=f"{tmp_path}/*.txt")
    uploaded = upload.execute(world.context())
    assert process(world, objects=[uploaded])["objects"] == 3
    assert processed(world) == {"1": 3}


def test_create_task_without_a_receipt_is_told_what_to_do(world: World) -> None:
    made = stored(3)
    with pytest.raises(MixpeekConfigError, match=r"stored 3 objects, and not which\. Give it receipt_to="):
        process(world, objects=made)


def test_create_task_that_stored_nothing_needs_no_receipt(world: World) -> None:
    made = stored(0, allow_empty=True)
    assert process(world, objects=made)["waits"] == []


def test_filters_choose_objects(world: World) -> None:
    stored(30, "good")
    stored(20, "better")
    chosen = {"AND": [{"field": "metadata.kind", "operator": "eq", "value": "better"}]}
    result = process(world, filters=chosen, bucket="notes")
    assert result["objects"] == 20
    assert processed(world) == {"0": 30, "1": 20}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"objects": ["obj_1"]}, "which bucket they are in"),
        ({"objects": "{'a': 1}", "bucket": "notes"}, "is no object id.*pass create.output"),
        ({"objects": [""], "bucket": "notes"}, "is no object id"),
        ({"objects": [7], "bucket": "notes"}, "a int names no objects"),
        ({"objects": {"task_id": "x"}, "bucket": "notes"}, "a mapping with 'task_id' names no objects"),
        ({"objects": [{"bucket_id": "a", "receipt_uri": ""}, {"bucket_id": "b", "receipt_uri": ""}]}, "a, b"),
        ({"objects": [{"bucket_id": "bkt_x", "receipt_uri": ""}], "bucket": "notes"}, "stored into bkt_x"),
    ],
)
def test_what_names_no_objects_is_told_before_anything_is_submitted(
    world: World, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(MixpeekConfigError, match=said):
        process(world, **given)
    assert world.server.state()["batches_submitted"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"objects": ["obj_1"], "filters": {"AND": []}},
        {"filters": {"AND": []}},
        {"objects": ["obj_1"], "wait_timeout": -1},
        {"objects": ["obj_1"], "wait_timeout": float("inf")},
        {"objects": ["obj_1"], "max_failed_looks": -1},
    ],
    ids=str,
)
def test_wrong_arguments_break_the_dag_and_not_the_task(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"objects or filters|bucket|wait_timeout|max_failed_looks"):
        MixpeekProcessObjectsOperator(task_id="process", **wrong)


def test_legacy_has_no_batches(make_world: Callable[..., World]) -> None:
    world = make_world("legacy")
    with pytest.raises(MixpeekGenerationError, match="legacy"):
        process(world, objects=["obj_1"], bucket="notes")
    assert world.server.state()["requests"] == []


# -- how it ends -------------------------------------------------------------------------------------------


@in_each_mode
def test_failed_work_is_an_error_that_airflow_retries_and_a_retry_does_it_again(
    world: World, mode: str
) -> None:
    stored(250)
    given = {"objects": ids(world), "bucket": "notes", "batch_size": 100}
    world.server.fault({"fault": "task_outcome", "status": "FAILED", "error": "GPU on fire", "times": 1})
    with pytest.raises(MixpeekWorkFailedError, match=r"GPU on fire.*A retry takes up what runs") as failed:
        process(world, mode, **given)
    # Airflow does not retry what is one of these.
    assert "AirflowFailException" not in {kind.__name__ for kind in type(failed.value).mro()}
    kept = world.kept.context()["ti"].xcom_pull(key="return_value")
    assert (kept["objects"], len(kept["batch_ids"])) == (250, 3)
    assert world.kept.context()["ti"].xcom_pull(key="batch_ids") == kept["batch_ids"]
    result = process(world, mode, **given)
    assert len({*result["batch_ids"]} & {*kept["batch_ids"]}) == 2
    assert processed(world) == {"1": 250}
    assert world.server.state()["batches_submitted"] == 4


@in_each_mode
@pytest.mark.parametrize("taken", [True, False])
def test_partial_work_hands_on_what_failed(world: World, mode: str, taken: bool) -> None:
    stored(250)
    given = {"objects": ids(world), "bucket": "notes", "batch_size": 100, "partial_ok": taken}
    outcome = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 3, "error": "blurred"}
    world.server.fault({"fault": "task_outcome", "times": 2, **outcome})
    if not taken:
        with pytest.raises(MixpeekWorkPartialError, match="blurred"):
            process(world, mode, **given)
        return
    with capture_logs() as logs:
        result = process(world, mode, **given)
    assert result["failed"] == 6
    assert {one["reason"] for one in result["failed_objects"]} == {"blurred"}
    assert {one["batch_id"] for one in result["failed_objects"]} == {*result["batch_ids"][:2]}
    assert {one["object_id"] for one in result["failed_objects"]} < {*given["objects"]}
    assert any("6 objects failed; the result names 6" in entry["event"] for entry in logs)


def test_what_failed_before_a_second_deferral_is_handed_on_too(world: World) -> None:
    stored(20)
    outcome = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 3, "times": 1}
    # A trigger hands back after four hours what is not done by then.
    slow = {"status": "COMPLETED", "seconds": 5 * 3_600, "times": 1}
    world.server.fault({"fault": "task_outcome", **outcome}, {"fault": "task_outcome", **slow})
    given = {"objects": ids(world), "bucket": "notes", "batch_size": 10, "partial_ok": True}
    result = process(world, "deferrable", **given)
    assert result["failed"] == 3
    assert {one["batch_id"] for one in result["failed_objects"]} == {result["batch_ids"][0]}


def test_result_names_a_hundred_of_those_that_failed_and_counts_all(world: World) -> None:
    stored(250)
    outcome = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 60}
    world.server.fault({"fault": "task_outcome", "times": 3, **outcome})
    result = process(world, objects=ids(world), bucket="notes", batch_size=80, partial_ok=True)
    assert result["failed"] == 180
    assert len(result["failed_objects"]) == 100


def test_reasons_of_any_length_stay_small_in_the_result(world: World) -> None:
    stored(3)
    traceback = "Traceback (most recent call last): " + "worker.py, " * 9_000
    outcome = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 3, "error": traceback}
    world.server.fault({"fault": "task_outcome", **outcome})
    result = process(world, objects=ids(world), bucket="notes", partial_ok=True)
    assert {one["reason"] for one in result["failed_objects"]} == {f"{traceback[:500]}..."}


def test_batch_that_is_gone_after_it_was_done_in_part_fails_nothing(world: World) -> None:
    operator = MixpeekProcessObjectsOperator(task_id="process", objects=["obj_1"], bucket="notes")
    gone = WaitFor(None, "btch_gone", world.mixpeek.buckets.find("notes").bucket_id)
    with capture_logs() as logs:
        result = operator._finished(world.mixpeek, {"bucket_id": gone.bucket}, [gone])
    assert (result["failed"], result["failed_objects"]) == (0, [])
    assert [entry["log_level"] for entry in logs if "not there any more" in entry["event"]] == ["warning"]


@in_each_mode
def test_waiting_ends_at_its_time_and_a_retry_goes_on(world: World, mode: str) -> None:
    stored(50)
    given = {"objects": ids(world), "bucket": "notes"}
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 1_000, "times": 1})
    with pytest.raises(MixpeekWaitTimeoutError, match="Gave up waiting, which does not mean"):
        process(world, mode, wait_timeout=600, **given)
    process(world, mode, wait_timeout=600, **given)
    assert world.server.state()["batches_submitted"] == 1
    assert processed(world) == {"1": 50}


def test_without_waiting_it_returns_what_there_is_to_wait_for(world: World) -> None:
    stored(50)
    with capture_logs() as logs:
        result = process(world, objects=ids(world), bucket="notes", wait_for_completion=False)
    assert len(result["waits"]) == 1
    assert "failed" not in result
    assert "There are 1 tasks to wait for." in [entry["event"] for entry in logs]
    world.mixpeek.batches.wait(result["bucket_id"], result["waits"])


@in_each_mode
def test_without_a_store_a_retry_finds_what_runs(world: World, mode: str) -> None:
    stored(50)
    given = {"objects": ids(world), "bucket": "notes"}
    world.kept.store = None
    with pytest.raises(MixpeekWaitTimeoutError):
        process(world, mode, wait_timeout=1, **given)
    process(world, mode, **given)
    assert world.server.state()["batches_submitted"] == 1
    assert processed(world) == {"1": 50}


def test_deferred_task_whose_xcom_is_gone_says_so(world: World) -> None:
    operator = MixpeekProcessObjectsOperator(task_id="process", objects=["obj_1"], bucket="notes")
    with pytest.raises(MixpeekTriggerError, match=r"'return_value' is gone.*a retry takes it up"):
        operator.execute_complete(world.context(), {})


def test_result_survives_a_deferral_where_airflow_is_not_to_keep_it(world: World) -> None:
    stored(50)
    process(world, "deferrable", objects=ids(world), bucket="notes", do_xcom_push=False)
    assert list(world.kept.xcoms) == [(-1, "mixpeek_result")]


def test_airflows_own_timeout_of_a_deferral_is_giving_up_too(world: World) -> None:
    operator = MixpeekProcessObjectsOperator(task_id="process", objects=["obj_1"], bucket="notes")
    with pytest.raises(MixpeekWaitTimeoutError, match=r"^Gave up waiting.*Is the triggerer running\?"):
        operator.resume_execution("__fail__", {"error": "Trigger timeout"}, world.context())
    with pytest.raises(Exception, match="Trigger failure"):
        operator.resume_execution("__fail__", {"error": "Trigger failure"}, world.context())


@in_each_mode
def test_key_that_a_server_tells_back_in_its_reasons_goes_no_further(
    world: World, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored(20)
    told = {"error": f"the key {KEY} is used up", "times": 1}
    partial = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 2}
    world.server.fault(
        {"fault": "task_outcome", **partial, **told}, {"fault": "task_outcome", "status": "FAILED", **told}
    )
    given = {"objects": ids(world), "bucket": "notes", "batch_size": 10, "partial_ok": True}
    with pytest.raises(MixpeekWorkFailedError, match=r"the key \*\*\* is used up") as failed:
        process(world, mode, **given)
    result = process(world, mode, **given)
    assert {one["reason"] for one in result["failed_objects"]} == {"the key *** is used up"}
    assert KEY not in str(failed.value) + str(world.kept.xcoms) + caplog.text
