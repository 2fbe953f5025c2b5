"""What Airflow makes of each end, in each mode of the sensors; and what reschedule mode remembers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseSensorOperator
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekGenerationError, WaitFor
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.exceptions import (
    MixpeekLostContactError,
    MixpeekNotSubmittedError,
    MixpeekTaskFailedError,
    MixpeekTriggerError,
)
from airflow_provider.mixpeek.sensors.batches import MixpeekBatchSensor
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor
from airflow_provider.mixpeek.triggers._marks import marked, read_marks

from .airflows import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from .wait_modes import BATCH, KEY, MODES, NOTE, World, clock, draft, make_world, reschedule, work

__all__ = ["clock", "make_world"]

SENSOR_MODES = ["poke", "reschedule", "deferrable"]
in_each_mode = pytest.mark.parametrize("mode", SENSOR_MODES)


# -- soft_fail, never_fail, retries, timeout -----------------------------------------------------------------


@in_each_mode
def test_soft_fail_skips_and_says_what_failed(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world, "FAILED", error="out of memory")
    with pytest.raises(AirflowSkipException, match=r"out of memory.*soft_fail"):
        MODES[mode](world, given, soft_fail=True)


@in_each_mode
def test_soft_fail_skips_at_the_deadline_and_says_so(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world, "QUEUED")
    with pytest.raises(
        AirflowSkipException, match=r"^Gave up waiting.*1 not done, last seen as: batch .*QUEUED"
    ):
        MODES[mode](world, given, soft_fail=True, timeout=120)


@in_each_mode
def test_lost_contact_is_for_a_retry_and_never_skipped(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world)
    world.server.fault({"path": BATCH, "fault": "status", "status": 503})
    with pytest.raises(MixpeekLostContactError) as caught:
        MODES[mode](world, given, soft_fail=True, max_failed_looks=3)
    assert not isinstance(caught.value, AirflowFailException)


@in_each_mode
def test_never_fail_skips_whatever_it_is(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world)
    world.server.fault({"path": BATCH, "fault": "status", "status": 503})
    with pytest.raises(AirflowSkipException):
        MODES[mode](world, given, never_fail=True, max_failed_looks=3)


@in_each_mode
def test_deadline_is_the_same_time_in_each_mode(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world, "QUEUED")
    began = world.clock.now
    with pytest.raises(AirflowSensorTimeout, match="Gave up waiting, which does not mean"):
        MODES[mode](world, given, timeout=300, poke_interval=10)
    # Airflow looks at its clock between two pokes only.
    assert 300 <= world.clock.now - began <= (301 if mode == "deferrable" else 310)


@in_each_mode
def test_partial_work_that_is_taken_is_logged(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    given = work(world, "COMPLETED_WITH_ERRORS", error="unreadable image")
    with capture_logs() as logs:
        MODES[mode](world, given, partial_ok=True)
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert any("unreadable image" in str(warning) for warning in warnings)


@pytest.mark.parametrize("soft_fail", [False, True])
def test_airflows_own_timeout_of_a_deferral_is_giving_up_too(
    make_world: Callable[..., World], soft_fail: bool
) -> None:
    make_world()
    sensor = MixpeekTaskSensor(task_id="wait", task_ids="task_1", soft_fail=soft_fail)
    kind = AirflowSkipException if soft_fail else AirflowSensorTimeout
    with pytest.raises(
        kind, match=r"^Gave up waiting, which does not mean.*Is the triggerer running\?"
    ) as caught:
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    assert isinstance(caught.value, kind)


def test_soft_fail_skips_that_timeout_on_airflow_3_0_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_in_3_0(*_: Any) -> None:
        raise AirflowSensorTimeout("Trigger timeout")

    monkeypatch.setattr(BaseSensorOperator, "resume_execution", as_in_3_0)
    with pytest.raises(AirflowSkipException, match=r"^Gave up waiting.*soft_fail"):
        MixpeekTaskSensor(task_id="wait", task_ids="task_1", soft_fail=True).resume_execution("x", {}, {})


def test_airflows_own_timeout_comes_after_the_deadline(make_world: Callable[..., World]) -> None:
    world = make_world()
    with pytest.raises(TaskDeferred) as deferred:
        MixpeekTaskSensor(task_id="wait", task_ids=work(world), deferrable=True, timeout=300).execute(
            world.context()
        )
    assert deferred.value.timeout == timedelta(seconds=300 + 900)
    assert deferred.value.trigger.deadline == world.clock.now + 300


def test_trigger_that_failed_is_no_failed_work() -> None:
    sensor = MixpeekTaskSensor(task_id="wait", task_ids="task_1")
    with pytest.raises(Exception, match="Trigger failure"):
        sensor.resume_execution("__fail__", {"error": "Trigger failure"}, {})
    with pytest.raises(MixpeekTriggerError, match="where the wait stands"):
        sensor.execute_complete({}, {"kind": "done"})


@pytest.mark.parametrize("default", [True, False])
def test_deferrable_is_what_the_configuration_says(monkeypatch: pytest.MonkeyPatch, default: bool) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(default))
    for kind, ids in ((MixpeekTaskSensor, "task_ids"), (MixpeekBatchSensor, "batch_ids")):
        assert kind(task_id="a", **{ids: "x"}).deferrable is default
        assert kind(task_id="b", **{ids: "x"}, deferrable=not default).deferrable is not default


def test_what_there_is_to_wait_for_changed_during_a_deferral(make_world: Callable[..., World]) -> None:
    world = make_world()
    first, second = work(world), work(world)
    with pytest.raises(TaskDeferred) as deferred:
        MixpeekTaskSensor(task_id="wait", task_ids=[first], deferrable=True).execute(world.context())
    event = {"kind": "done", "memo": deferred.value.trigger.memo}
    with pytest.raises(TaskDeferred) as again, capture_logs() as logs:
        MixpeekTaskSensor(task_id="wait", task_ids=[second]).execute_complete(world.context(), event)
    assert again.value.trigger.waits[0]["batches"] == [second["batch_id"]]
    assert any("looking anew" in str(entry) for entry in logs)


# -- batches -------------------------------------------------------------------------------------------------


@in_each_mode
@pytest.mark.parametrize("form", ["ids", "waits"])
def test_batches_are_waited_for_by_ids_or_waits(
    make_world: Callable[..., World], mode: str, form: str
) -> None:
    world = make_world()
    waits = [work(world), work(world)]
    ids = [wait["batch_id"] for wait in waits]
    given, bucket = (waits, None) if form == "waits" else ([ids], waits[0]["bucket"])
    MODES[mode](world, given, kind=MixpeekBatchSensor, bucket=bucket)
    assert world.asked(BATCH) >= 2
    assert world.asked("/v1/tasks/{task_id}") == 0


@in_each_mode
def test_batch_that_fails_and_one_that_nobody_submits(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    failed, never = work(world, "FAILED"), draft(world)
    with pytest.raises(MixpeekTaskFailedError, match=failed["batch_id"]):
        MODES[mode](world, failed["batch_id"], kind=MixpeekBatchSensor)
    with pytest.raises(MixpeekNotSubmittedError, match=never["batch_id"]):
        MODES[mode](world, never["batch_id"], kind=MixpeekBatchSensor, bucket=never["bucket"])


@in_each_mode
def test_legacy_has_no_batches(make_world: Callable[..., World], mode: str) -> None:
    world = make_world("legacy")
    with pytest.raises(MixpeekGenerationError, match="legacy"):
        MODES[mode](world, "btch_1", kind=MixpeekBatchSensor, bucket="bkt_1")


# -- what reschedule mode remembers --------------------------------------------------------------------------


def test_reschedule_mode_looks_no_more_at_what_is_done(make_world: Callable[..., World]) -> None:
    world = make_world()
    quick, slow = work(world), work(world, "COMPLETED", seconds=3600)
    reschedule(world, [quick, slow], poke_interval=60)
    # Pokes at 0 and 60 s see both, those after that the slow one alone.
    assert world.asked(BATCH) == 61 + 2
    # What changed is written, and nothing else.
    assert world.kept.store.writes == 3


def test_each_try_begins_anew(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    given = work(world)
    world.server.fault({"path": BATCH, "fault": "status", "status": 503, "times": 4})
    with pytest.raises(MixpeekLostContactError):
        reschedule(world, given, max_failed_looks=2)
    context = world.kept.context
    monkeypatch.setattr(world.kept, "context", lambda **ti: context(**ti | {"try_number": 2}))
    reschedule(world, given, max_failed_looks=2)


@pytest.mark.parametrize("call", ["get", "set"])
def test_what_cannot_be_noted_costs_looks_and_nothing_else(
    make_world: Callable[..., World], call: str
) -> None:
    world = make_world()
    quick, slow = work(world), work(world, "COMPLETED", seconds=600)

    def refuse(*_: Any) -> None:
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={"status_code": 500}))

    setattr(world.kept.store, call, refuse)
    reschedule(world, [quick, slow], poke_interval=60)
    assert world.asked(BATCH) == 2 * 11


def test_note_about_other_waits_is_not_believed(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.kept.store.set(
        "mixpeek.wait", {"try": 1, "failed_looks": [[10, marked([WaitFor("x")], {WaitFor("x")})]]}
    )
    reschedule(world, work(world))


def test_marks_are_short_and_belong_to_their_waits() -> None:
    waits = [WaitFor(f"task_{number}") for number in range(10_000)]
    left = set(waits[5_000::3])
    text = marked(waits, left)
    assert len(text) < 2_600
    assert read_marks(waits, text) == [wait for wait in waits if wait in left]
    assert read_marks(waits[:-1], text) is None
    assert read_marks([], marked([], set())) == []


# -- in a DAG ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_deferrable_dag_ends_as_it_should(
    make_emulator: Callable[..., Emulator],
    run_dag: Callable[..., Any],
    point_at: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    generation: str,
) -> None:
    server = make_emulator(generation=generation, task_seconds=1.5, submit_interval=0)
    point_at(server, key=KEY, generation=generation)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url, generation=generation) as mixpeek:
        bucket = mixpeek.buckets.create("notes", schema={"note": "text"})

        def submit(word: str) -> Any:
            server.fault({"fault": "task_outcome", "status": word, "error": "out of memory", "times": 1})
            if generation == "legacy":
                return mixpeek.objects.create(bucket.bucket_id, blobs=[{**NOTE, "data": "A."}]).task_id
            stored = mixpeek.objects.create(bucket.bucket_id, blobs=[NOTE])
            batch = mixpeek.batches.create(bucket.bucket_id, [stored.object_id])
            return mixpeek.batches.submit(bucket.bucket_id, batch.batch_id, force=True).wait_for.as_dict()

        done = "COMPLETED" if generation == "current" else "DONE"
        good, bad, odd = submit(done), submit("FAILED"), submit("PONDERING")

    with DAG(f"deferred_{generation}") as dag:
        settings = {"deferrable": True, "retries": 1, "retry_delay": timedelta(0)}
        MixpeekTaskSensor(task_id="done", task_ids=[good, [good]], **settings)
        MixpeekTaskSensor(task_id="failed", task_ids=[good, bad], **settings)
        MixpeekTaskSensor(task_id="failed_softly", task_ids=bad, soft_fail=True, **settings)
        MixpeekTaskSensor(task_id="gave_up", task_ids=odd, timeout=2, **settings)
        MixpeekTaskSensor(task_id="nothing", task_ids=[], **settings)
        if generation == "current":
            MixpeekBatchSensor(task_id="batches", batch_ids=[good, good["batch_id"]], **settings)
    run = run_dag(dag)

    ends = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    expected = {
        "done": ("success", 1),
        "failed": ("failed", 1),
        "failed_softly": ("skipped", 1),
        "gave_up": ("failed", 1),
        "nothing": ("success", 1),
    }
    assert ends == expected | ({"batches": ("success", 1)} if generation == "current" else {})
    said = capfd.readouterr().out
    assert "Deferring for" in said
    assert "Gave up waiting, which does not mean that anything failed" in said
    assert "out of memory" in said
    assert KEY not in said
