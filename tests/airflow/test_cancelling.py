"""Who cancels remote work, and who never does: kills, clears, time-outs, and their races."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import MixpeekGenerationError
from airflow_provider.mixpeek.operators import _store, _work
from airflow_provider.mixpeek.operators._kill import TaskKilledError
from airflow_provider.mixpeek.operators._work import WorkOperator
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.batches import MixpeekBatchSensor
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .airflows import TaskDeferred, give_up, import_string
from .wait_modes import World, clock, make_world, work

__all__ = ["clock", "make_world"]

CANCEL = "/v1/buckets/{bucket_identifier}/batches/{batch_id}/cancel"
SUBMIT = "/v1/buckets/{bucket_identifier}/batches/{batch_id}/submit"
ROWS = [{"note": f"Note {number}"} for number in range(30)]
# A clear sets max_tries to the number of the try plus retries.
FIRST: dict[str, int] = {"try_number": 1, "max_tries": 0}
RETRIED: dict[str, int] = {"try_number": 2, "max_tries": 0}
CLEARED: dict[str, int] = {"try_number": 2, "max_tries": 1}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A server with a bucket "notes", whose tasks take an hour."""
    world = make_world(task_seconds=3_600)
    world.mixpeek.buckets.create("notes", schema={"note": "text"})
    return world


def create(**arguments: Any) -> MixpeekCreateObjectsOperator:
    return MixpeekCreateObjectsOperator(
        task_id="create",
        **{
            "bucket": "notes",
            "rows": ROWS,
            "batch_size": 10,
            "wait_for_completion": True,
            "deferrable": True,
            "cancel_on_kill": True,
        }
        | arguments,
    )


def process(world: World, **arguments: Any) -> MixpeekProcessObjectsOperator:
    bucket_id = world.mixpeek.buckets.find("notes").bucket_id
    if not world.server.state()["objects"]:
        create(process=False, wait_for_completion=False, cancel_on_kill=False).execute(
            world.kept.context(task_id="create before")
        )
    ids = [one.object_id for one in world.mixpeek.objects.list(bucket_id)]
    return MixpeekProcessObjectsOperator(
        task_id="process",
        **{
            "objects": ids,
            "bucket": "notes",
            "batch_size": 10,
            "deferrable": True,
            "cancel_on_kill": True,
        }
        | arguments,
    )


Make = Callable[..., WorkOperator]
each_operator = pytest.mark.parametrize("kind", ["create", "process"])


def maker(world: World, kind: str) -> Make:
    return create if kind == "create" else lambda **arguments: process(world, **arguments)


def deferred(operator: WorkOperator, context: Any) -> Any:
    """Run a try until it is deferred; return its trigger as a triggerer makes it."""
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    classpath, arguments = raised.value.trigger.serialize()
    return import_string(classpath)(**arguments)


def words(world: World) -> dict[str, str]:
    """The status of each batch, the oldest first."""
    bucket_id = world.mixpeek.buckets.find("notes").bucket_id
    found = list(world.mixpeek.batches.list(bucket_id))
    return {batch.batch_id: batch.status for batch in found}


def runs(world: World) -> set[str]:
    return {batch_id for batch_id, word in words(world).items() if word != "CANCELED"}


# -- in the triggerer --------------------------------------------------------------------------------------


@each_operator
def test_given_up_while_deferred_is_cancelled_when_asked(world: World, kind: str) -> None:
    trigger = deferred(maker(world, kind)(), world.kept.context(**FIRST))
    assert len(runs(world)) == 3
    asyncio.run(trigger.on_kill())
    assert runs(world) == set()


@each_operator
def test_given_up_while_deferred_goes_on_unless_asked(world: World, kind: str) -> None:
    trigger = deferred(maker(world, kind)(cancel_on_kill=False), world.kept.context(**FIRST))
    give_up(trigger)
    assert len(runs(world)) == 3
    assert world.asked(CANCEL) == 0


def test_trigger_cancels_what_it_has_not_seen_done(world: World) -> None:
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 5, "times": 1})
    trigger = deferred(create(), world.kept.context(**FIRST))
    done = trigger.waits[0]["batches"]

    async def look_once_and_be_killed() -> None:
        trigger.return_after = 20
        async for _ in trigger.run():
            pass
        await trigger.on_kill()

    asyncio.run(look_once_and_be_killed())
    assert world.asked(CANCEL) == 2
    assert len(done) == 3
    assert sorted(words(world).values()) == ["CANCELED", "CANCELED", "COMPLETED"]


def test_cancel_that_fails_is_told_and_the_others_are_cancelled(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = deferred(create(), world.kept.context(**FIRST))
    world.server.fault({"fault": "status", "status": 403, "path": CANCEL, "times": 1})
    with capture_logs() as logs, caplog.at_level("WARNING"):
        asyncio.run(trigger.on_kill())
    assert len(runs(world)) == 1
    said = caplog.text + str(logs)
    assert "may go on, for it could not be cancelled" in said
    assert "403" in said


@pytest.mark.parametrize("end", ["cleanup", "defer timeout", "cancelled coroutine"])
def test_a_triggerer_that_stops_and_a_deferral_that_times_out_cancel_nothing(world: World, end: str) -> None:
    trigger = deferred(create(), world.kept.context(**FIRST))

    async def ended() -> None:
        if end == "cancelled coroutine":
            running = asyncio.ensure_future(anext(trigger.run()))
            await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await trigger.cleanup()

    asyncio.run(ended())
    if end == "defer timeout":
        with pytest.raises(Exception, match="Gave up waiting"):
            create().resume_execution("__fail__", {"error": "Trigger timeout"}, world.context())
    assert world.asked(CANCEL) == 0
    assert len(runs(world)) == 3


@pytest.mark.parametrize("kind", [MixpeekTaskSensor, MixpeekBatchSensor])
def test_sensors_never_cancel(world: World, kind: type) -> None:
    ids = "task_ids" if kind is MixpeekTaskSensor else "batch_ids"
    sensor = kind(task_id="wait", deferrable=True, **{ids: work(world)})
    trigger = deferred(sensor, world.context())
    give_up(trigger)
    sensor.on_kill()
    assert world.asked(CANCEL) == 0


# -- on the worker -----------------------------------------------------------------------------------------


def killed_at(monkeypatch: pytest.MonkeyPatch, operator: WorkOperator, world: World, look: int) -> None:
    """Have a task killed while it waits, as a signal does it: in the middle of whatever it does."""
    sleep, slept = world.clock.sleep, 0

    def interrupted(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == look:
            operator.on_kill()
        sleep(seconds)

    monkeypatch.setattr(world.clock, "sleep", interrupted)


@each_operator
@pytest.mark.parametrize("asked", [True, False])
def test_killed_while_it_waits_on_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, asked: bool
) -> None:
    operator = maker(world, kind)(deferrable=False, cancel_on_kill=asked)
    killed_at(monkeypatch, operator, world, 3)
    with pytest.raises(TaskKilledError):
        operator.execute(world.kept.context(**FIRST))
    assert len(words(world)) == 3
    assert len(runs(world)) == (0 if asked else 3)


def noted(world: World) -> int:
    """How many batches are written down."""
    assert world.kept.store is not None
    chunk = world.kept.store.get("mixpeek.batches-000")
    return len(chunk["items"]) if chunk else 0


@each_operator
@pytest.mark.parametrize("asked", [True, False])
def test_killed_while_it_submits(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, asked: bool
) -> None:
    operator = maker(world, kind)(cancel_on_kill=asked)
    call = _store.undisturbed

    def then_killed(what: Callable[[], Any]) -> Any:
        answer = call(what)
        if noted(world) == 3:
            operator.on_kill()
        return answer

    monkeypatch.setattr(_store, "undisturbed", then_killed)
    with pytest.raises(TaskKilledError):
        operator.execute(world.kept.context(**FIRST))
    submitted = [word for word in words(world).values() if word != "DRAFT"]
    assert submitted
    assert (set(submitted) == {"CANCELED"}) is asked


def test_killed_while_it_submits_and_nothing_could_be_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kept.store = None
    operator = process(world)
    world.server.fault({"fault": "status", "status": 503, "path": SUBMIT, "skip": 1})
    killed_at(monkeypatch, operator, world, 1)
    with capture_logs() as logs, pytest.raises(TaskKilledError):
        operator.execute(world.kept.context(**FIRST))
    assert any("nothing could be noted" in entry["event"] for entry in logs)
    assert world.asked(CANCEL) == 0


def test_killed_when_the_next_try_has_begun_leaves_the_cancelling_to_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = create()
    store = world.kept.store
    assert store is not None
    call = _store.undisturbed

    def then_killed(what: Callable[[], Any]) -> Any:
        answer = call(what)
        if noted(world) == 3:
            # A store that is shut answers as if it were empty.
            store.kept.clear()
            operator.on_kill()
        return answer

    monkeypatch.setattr(_store, "undisturbed", then_killed)
    with capture_logs() as logs, pytest.raises(TaskKilledError):
        operator.execute(world.kept.context(**FIRST))
    assert any("The next try has begun, and cancels" in entry["event"] for entry in logs)
    assert world.asked(CANCEL) == 0


@each_operator
def test_killed_when_it_wakes_from_a_deferral(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    trigger = deferred(maker(world, kind)(), world.kept.context(**FIRST))
    operator = maker(world, kind)()
    # With more to wait for than one trigger holds, a task wakes between two slices.
    event = {"kind": "left", "left": [0, 1, 2], "memo": trigger.memo}
    monkeypatch.setattr(operator, "defer", lambda **_: operator.on_kill())
    with pytest.raises(TaskKilledError):
        operator.execute_complete(world.kept.context(**FIRST), event)
    assert runs(world) == set()


def test_time_out_on_the_worker_cancels_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = create(deferrable=False)

    def over(_: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(world.clock, "sleep", over)
    with pytest.raises(TimeoutError):
        operator.execute(world.kept.context(**FIRST))
    # As Airflow does it after execution_timeout.
    operator.on_kill()
    assert world.asked(CANCEL) == 0


# -- retry and clear ---------------------------------------------------------------------------------------


@each_operator
def test_retry_takes_up_what_runs_and_cancels_nothing(world: World, kind: str) -> None:
    make = maker(world, kind)
    deferred(make(), world.kept.context(**FIRST))
    before = runs(world)
    trigger = deferred(make(), world.kept.context(**RETRIED))
    assert {batch for group in trigger.waits for batch in group["batches"]} == before == {*words(world)}


@each_operator
@pytest.mark.parametrize("order", ["trigger first", "new try first"])
def test_cleared_while_deferred_ends_with_work_of_its_own_in_both_orders(
    world: World, kind: str, order: str
) -> None:
    make = maker(world, kind)
    old = deferred(make(), world.kept.context(**FIRST))
    before = runs(world)
    if order == "trigger first":
        asyncio.run(old.on_kill())
        new = deferred(make(), world.kept.context(**CLEARED))
    else:
        new = deferred(make(), world.kept.context(**CLEARED))
        asyncio.run(old.on_kill())
    now = {batch for group in new.waits for batch in group["batches"]}
    assert not now & before
    assert runs(world) == now
    world.clock.sleep(3_600)
    assert world.server.state()["objects_processed"] == {"1": len(ROWS)}


@each_operator
def test_clear_without_cancelling_takes_up_what_runs(world: World, kind: str) -> None:
    make = maker(world, kind)
    deferred(make(cancel_on_kill=False), world.kept.context(**FIRST))
    before = runs(world)
    trigger = deferred(make(cancel_on_kill=False), world.kept.context(**CLEARED))
    assert {batch for group in trigger.waits for batch in group["batches"]} == before == {*words(world)}


# -- where it cannot be promised ---------------------------------------------------------------------------


def test_legacy_has_nothing_to_cancel(make_world: Callable[..., World]) -> None:
    world = make_world("legacy")
    with pytest.raises(MixpeekGenerationError, match=r"no batches that could be cancelled.*Leave cancel_on"):
        create().execute(world.kept.context(**FIRST))
    assert world.server.state()["requests"] == []


@pytest.mark.parametrize("hears", [True, False])
def test_log_says_when_a_trigger_will_not_hear(
    world: World, monkeypatch: pytest.MonkeyPatch, hears: bool
) -> None:
    monkeypatch.setattr(_work, "triggers_hear_of_a_kill", lambda: hears)
    with capture_logs() as logs:
        deferred(create(), world.kept.context(**FIRST))
    assert any("does not hear that its task is given up" in entry["event"] for entry in logs) is not hears
