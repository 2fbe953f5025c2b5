"""
The ways to wait, each as a function that waits to the end and says which end it was.

Time is a number that sleeping adds to: nothing here takes time. Where Airflow would put a task away and take
it up again, in another process, everything passes through the form in which Airflow keeps it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from airflow.sdk.bases import sensor as airflows_sensor

from airflow_provider.mixpeek.client import (
    AsyncMixpeekClient,
    MixpeekClient,
    MixpeekWaitContactError,
    MixpeekWaitTimeoutError,
    MixpeekWorkFailedError,
    MixpeekWorkLostError,
    MixpeekWorkNotSubmittedError,
    MixpeekWorkPartialError,
    WaitFor,
)
from airflow_provider.mixpeek.client._wait_for import flattened
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.exceptions import (
    MixpeekLostContactError,
    MixpeekNotSubmittedError,
    MixpeekTaskFailedError,
    MixpeekTaskLostError,
    MixpeekTaskPartialError,
)
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators import _work
from airflow_provider.mixpeek.operators._work import WorkOperator
from airflow_provider.mixpeek.sensors import _waiting
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor
from airflow_provider.mixpeek.triggers import _shared

from .airflows import AirflowRescheduleException, TaskDeferred, import_string
from .contexts import Kept

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, BaseSensorOperator

KEY = "sk_wait_modes_71c5"

ENDS = {
    MixpeekTaskFailedError: "failed",
    MixpeekTaskPartialError: "partial",
    MixpeekNotSubmittedError: "not-submitted",
    MixpeekTaskLostError: "lost",
    MixpeekLostContactError: "lost-contact",
    _waiting.GaveUpError: "gave-up",
    MixpeekWorkFailedError: "failed",
    MixpeekWorkPartialError: "partial",
    MixpeekWorkNotSubmittedError: "not-submitted",
    MixpeekWorkLostError: "lost",
    MixpeekWaitContactError: "lost-contact",
    MixpeekWaitTimeoutError: "gave-up",
}


class Clock:
    """Time that passes by sleeping, for the server and for whoever waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC).timestamp()

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

    def utcnow(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


Client = TypeVar("Client", MixpeekClient, AsyncMixpeekClient)


def in_time(client: Client, clock: Clock) -> Client:
    """The same client, living by the clock."""
    sleep: Any = clock.asleep if isinstance(client, AsyncMixpeekClient) else clock.sleep
    client._face(replace(client.session, wall=clock.time, clock=clock.time), client._transport, sleep)
    return client


@dataclass
class World:
    """A server, its time, and what Airflow keeps."""

    server: Emulator
    clock: Clock
    generation: str = "current"
    kept: Kept = field(default_factory=Kept)

    @property
    def settings(self) -> dict[str, Any]:
        return {"namespace": "shop", "base_url": self.server.url, "generation": self.generation}

    @cached_property
    def mixpeek(self) -> MixpeekClient:
        """A client for those who make what there is to wait for."""
        return in_time(MixpeekClient(KEY, **self.settings), self.clock)

    def context(self, first_reschedule: datetime | None = None) -> Any:
        return self.kept.context(get_first_reschedule_date=lambda _: first_reschedule)

    def asked(self, path: str) -> int:
        counted = self.server.state()["requests"]
        return sum(one["count"] for one in counted if one["path"] == path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock by which sensors, operators, triggers and hooks live."""
    clock = Clock()
    monkeypatch.setattr(_work, "time", clock)
    monkeypatch.setattr(_waiting, "time", clock)
    monkeypatch.setattr(airflows_sensor, "time", clock)
    monkeypatch.setattr(airflows_sensor, "timezone", clock)
    opened = _shared.open_client
    monkeypatch.setattr(_shared, "open_client", lambda settings: in_time(opened(settings), clock))
    get_client = MixpeekHook.get_client
    monkeypatch.setattr(MixpeekHook, "get_client", lambda hook: in_time(get_client(hook), clock))
    return clock


@pytest.fixture
def make_world(
    make_emulator: Callable[..., Emulator], clock: Clock, point_at: Callable[..., None]
) -> Iterator[Callable[..., World]]:
    """Starts a server, to which the default connection then points. Its tasks take ten seconds."""
    worlds: list[World] = []

    def make(generation: str = "current", **settings: Any) -> World:
        server = make_emulator(
            generation=generation, clock=clock.time, **{"task_seconds": 10, "submit_interval": 0} | settings
        )
        point_at(server, key=KEY, generation=generation)
        worlds.append(World(server, clock, generation))
        return worlds[-1]

    yield make
    for world in worlds:
        world.mixpeek.close()


# -- what there is to wait for -------------------------------------------------------------------------------

TASK = "/v1/tasks/{task_id}"
BATCH = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
NOTE = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}


def draft(world: World) -> dict[str, Any]:
    """A batch that nobody submits."""
    bucket = world.mixpeek.buckets.create("notes", schema={"note": "text"}, if_exists="reuse")
    stored = world.mixpeek.objects.create(bucket.bucket_id, blobs=[NOTE])
    batch = world.mixpeek.batches.create(bucket.bucket_id, [stored.object_id])
    return WaitFor(None, batch.batch_id, bucket.bucket_id).as_dict()


def work(world: World, word: str = "", error: str | None = None, **outcome: Any) -> dict[str, Any]:
    """Something to wait for, that ends with a word, in the way of its generation."""
    if word:
        world.server.fault({"fault": "task_outcome", "status": word, "error": error, "times": 1, **outcome})
    if world.generation == "current":
        batch = draft(world)
        task = world.mixpeek.batches.submit(batch["bucket"], batch["batch_id"], force=True)
        return batch | {"task_id": task.task_id}
    bucket = world.mixpeek.buckets.create("notes", schema={"note": "text"}, if_exists="reuse")
    stored = world.mixpeek.objects.create(bucket.bucket_id, blobs=[{**NOTE, "data": "A red shoe."}])
    return WaitFor(stored.task_id).as_dict()


# -- the modes -----------------------------------------------------------------------------------------------


def waiting_sensor(kind: type[BaseSensorOperator], given: Any, **arguments: Any) -> BaseSensorOperator:
    ids = {"task_ids": given} if kind is MixpeekTaskSensor else {"batch_ids": given}
    return kind(task_id="wait", **ids, **arguments)


def poke(world: World, given: Any, kind: type = MixpeekTaskSensor, **arguments: Any) -> None:
    waiting_sensor(kind, given, mode="poke", **arguments).execute(world.context())


def reschedule(world: World, given: Any, kind: type = MixpeekTaskSensor, **arguments: Any) -> None:
    first = None
    while True:
        try:
            waiting_sensor(kind, given, mode="reschedule", **arguments).execute(world.context(first))
        except AirflowRescheduleException as again:
            first = first or world.clock.utcnow()
            world.clock.now = again.reschedule_date.timestamp()
        else:
            return


def reschedule_without_store(world: World, given: Any, **arguments: Any) -> None:
    world.kept.store = None
    reschedule(world, given, **arguments)


def first_event(classpath: str, arguments: dict[str, Any]) -> Any:
    """What a trigger tells, made from its row as a triggerer makes it."""

    async def told() -> list[Any]:
        return [event.payload async for event in import_string(classpath)(**arguments).run()]

    (event,) = asyncio.run(told())
    return json.loads(json.dumps(event))


def to_the_end(world: World, make: Callable[[], BaseOperator], rows: list[Any] | None = None) -> Any:
    """
    As the worker, the triggerer and the worker again, as often as it is deferred.

    :param make: Makes the operator, anew in each process.
    :param rows: Is filled with what the database keeps: triggers, and events.
    :return: What the task returns.
    """
    rows = [] if rows is None else rows
    step, so_far = "execute", None
    while True:
        try:
            if step == "execute":
                return make().execute(world.context())
            return make().resume_execution(step, {"event": so_far}, world.context())
        except TaskDeferred as deferred:
            classpath, kept = deferred.trigger.serialize()
            rows.append((classpath, json.loads(json.dumps(kept))))
            so_far, step = first_event(*rows[-1]), deferred.method_name
            rows.append(so_far)


def deferrable(
    world: World, given: Any, kind: type = MixpeekTaskSensor, rows: list[Any] | None = None, **arguments: Any
) -> None:
    to_the_end(world, lambda: waiting_sensor(kind, given, deferrable=True, **arguments), rows)


class WaitsForGiven(WorkOperator):
    """An operator whose work is there already."""

    def __init__(self, *, given: Any, timeout: float = 86_400, **arguments: Any) -> None:
        super().__init__(
            task_id="wait",
            wait_for_completion=True,
            wait_timeout=timeout,
            **{"mixpeek_conn_id": "mixpeek_default"} | arguments,
        )
        self.given = given

    def start(self, *_: Any) -> dict[str, Any]:
        return {"waits": [wait.as_dict() for wait in flattened(self.given)]}


def operator_on_the_worker(world: World, given: Any, **arguments: Any) -> None:
    WaitsForGiven(given=given, deferrable=False, **arguments).execute(world.context())


def deferrable_operator(world: World, given: Any, **arguments: Any) -> None:
    to_the_end(world, lambda: WaitsForGiven(given=given, deferrable=True, **arguments))


def client_wait(world: World, given: Any, **arguments: Any) -> None:
    world.mixpeek.tasks.wait(given, **arguments)


def async_client_wait(world: World, given: Any, **arguments: Any) -> None:
    async def wait() -> None:
        async with in_time(AsyncMixpeekClient(KEY, **world.settings), world.clock) as mixpeek:
            await mixpeek.tasks.wait(given, **arguments)

    asyncio.run(wait())


#: A mode more is an entry more, and perhaps some entries in the tables' ``differs``.
MODES: dict[str, Callable[..., None]] = {
    "poke": poke,
    "reschedule": reschedule,
    "reschedule before 3.3": reschedule_without_store,
    "deferrable": deferrable,
    "operator": operator_on_the_worker,
    "deferrable operator": deferrable_operator,
    "client": client_wait,
    "async client": async_client_wait,
}


def end_of(mode: str, world: World, given: Any, **arguments: Any) -> tuple[str, str]:
    """Wait to the end; say which it was, and what was said of it."""
    try:
        MODES[mode](world, given, **arguments)
    except tuple(ENDS) as error:
        return ENDS[type(error)], str(error)
    return "done", ""
