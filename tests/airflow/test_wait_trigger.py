"""The trigger: what it looks at, what it tells, what it shares, and that it never stands in others' way."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import BaseHook
from cryptography.fernet import Fernet

from airflow_provider.mixpeek.client import (
    MixpeekAuthenticationError,
    MixpeekClient,
    MixpeekError,
    WaitFor,
)
from airflow_provider.mixpeek.client._errors import as_json, from_json
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.exceptions import MixpeekTriggerError
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.triggers import _shared
from airflow_provider.mixpeek.triggers._deferral import trigger_for
from airflow_provider.mixpeek.triggers._event import WaitEvent
from airflow_provider.mixpeek.triggers._packing import MOST, first_slice, packed, unpacked
from airflow_provider.mixpeek.triggers.waits import MixpeekWaitTrigger, MixpeekWorkTrigger
from airflow_provider.mixpeek.waiting import End

from .airflows import import_string
from .wait_modes import BATCH, KEY, TASK, Clock, World, clock, deferrable, first_event, make_world, work

__all__ = ["clock", "make_world"]

#: Bytes of a text column of MySQL, which Airflow keeps a trigger's arguments in.
COLUMN = 65_535


def trigger(waits: list[WaitFor], clock: Clock, **arguments: Any) -> MixpeekWaitTrigger:
    times = {"since": clock.now, "deadline": clock.now + 3600}
    return MixpeekWaitTrigger(waits=packed(waits), **times | arguments)


def told(one: MixpeekWaitTrigger) -> WaitEvent:
    return WaitEvent.of(first_event(*one.serialize()))


# -- its row -------------------------------------------------------------------------------------------------


def batches(count: int, *, buckets: int = 1) -> list[WaitFor]:
    """Waits as loads make them, with ids as long as the longest of the vendor."""
    return [
        WaitFor(f"task_{uuid.uuid4()}", f"btch_{uuid.uuid4()}", f"bkt_{number % buckets:036}")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("waits", "at_least"),
    [
        (batches(MOST), MOST),
        ([WaitFor(f"{uuid.uuid4()}") for _ in range(MOST)], MOST),
        (batches(MOST, buckets=7), 230),
        ([WaitFor(None, "b" * 500, "a" * 500) for _ in range(MOST)], 30),
    ],
    ids=["batches", "tasks", "buckets that alternate", "long ids"],
)
@pytest.mark.parametrize("kind", [MixpeekWaitTrigger, MixpeekWorkTrigger])
def test_row_fits_into_its_column_encrypted(
    monkeypatch: pytest.MonkeyPatch, waits: list[WaitFor], at_least: int, kind: type[MixpeekWaitTrigger]
) -> None:
    # Airflow encrypts only where it has a key, which it remembers.
    fernet = Fernet(Fernet.generate_key())
    monkeypatch.setattr("airflow.models.crypto.get_fernet", lambda: fernet)
    one, _, size = trigger_for(
        waits * 10,
        waits,
        kind=kind,
        partial=waits[::2],
        since=1.5,
        deadline=2.5,
        now=1.5,
        partial_ok=True,
        mixpeek_conn_id="mixpeek_default",
    )
    assert at_least <= size <= MOST
    row = Trigger.from_object(one)
    assert row.encrypted_kwargs.startswith("gAAAA")
    assert len(row.encrypted_kwargs) < COLUMN
    assert import_string(row.classpath)(**row.kwargs).serialize() == one.serialize()


def test_waits_come_back_in_order_without_what_is_not_judged() -> None:
    waits = [
        WaitFor("t1"),
        WaitFor("t2", "b2", "x"),
        WaitFor(None, "b3", "x"),
        WaitFor(None, "b4"),
        WaitFor("t5"),
    ]
    assert packed(waits) == [
        {"tasks": ["t1"]},
        {"bucket": "x", "batches": ["b2", "b3"]},
        {"bucket": None, "batches": ["b4"]},
        {"tasks": ["t5"]},
    ]
    without = [WaitFor(None, wait.batch_id, wait.bucket) if wait.batch_id else wait for wait in waits]
    assert unpacked(json.loads(json.dumps(packed(waits)))) == without
    assert first_slice([]) == 0


def test_no_secret_is_anywhere(
    make_world: Callable[..., World], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    given = work(world, "FAILED")
    world.server.fault({"path": BATCH, "fault": "status", "status": 401, "skip": 3, "body": {"detail": KEY}})
    rows: list[Any] = []
    with caplog.at_level(logging.DEBUG), pytest.raises(MixpeekError) as caught:
        deferrable(world, [given, "task_unknown"], rows=rows, timeout=7200)
    shown = [
        rows,
        repr(trigger([WaitFor("t")], world.clock)),
        str(caught.value),
        repr(caught.value),
    ]
    assert len(rows) == 2
    assert KEY not in json.dumps(rows) + str(shown) + caplog.text + "".join(capsys.readouterr())


# -- what it looks at ----------------------------------------------------------------------------------------


def test_what_is_done_is_looked_at_no_more_and_what_is_left_is_handed_back(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    quick, slow = work(world), work(world, "COMPLETED", seconds=9 * 3600)
    rows: list[Any] = []
    deferrable(world, [quick, slow], rows=rows)
    triggers, events = rows[::2], rows[1::2]
    assert [event["kind"] for event in events] == ["left"] * 2 + ["done"]
    assert [row["waits"][0]["batches"] for _, row in triggers] == [
        [quick["batch_id"], slow["batch_id"]],
        *[[slow["batch_id"]]] * 2,
    ]
    assert {row["since"] for _, row in triggers} == {triggers[0][1]["since"]}
    assert {row["deadline"] for _, row in triggers} == {triggers[0][1]["deadline"]}
    looks = world.asked(BATCH)
    # Nine hours of a look each 22 to 30 seconds; of the quick one a few.
    assert 9 * 120 < looks < 9 * 170


def test_slices_follow_each_other_and_nothing_is_looked_at_twice_that_is_done(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    ids = [f"task_{number}" for number in range(2_100)]
    body = {"task_id": "task_1", "status": "PENDING"}
    rule = {"path": TASK, "fault": "status", "status": 200}
    # All run at the first look; then the trigger's thousand are done, and of the others one is not.
    world.server.fault(
        {**rule, "body": body, "times": len(ids)},
        {**rule, "path": "*/task_2050", "body": body, "times": 1},
        {**rule, "body": body | {"status": "COMPLETED"}},
    )
    rows: list[Any] = []
    deferrable(world, ids, rows=rows)
    assert [sum(len(group["tasks"]) for group in row["waits"]) for _, row in rows[::2]] == [1_000, 1]
    assert [event["kind"] for event in rows[1::2]] == ["done", "done"]
    assert world.asked(TASK) == len(ids) + 1_000 + 1_100 + 1
    assert len(json.dumps(rows[-1])) < 1_000


def test_restart_goes_on_from_its_row_and_keeps_the_deadline(make_world: Callable[..., World]) -> None:
    world = make_world()
    one = trigger([WaitFor.of(work(world, "QUEUED"))], world.clock, deadline=world.clock.now + 100)
    world.clock.now += 90
    event = told(one)
    assert event.bad.report().worst is End.GAVE_UP
    # A last look, after the deadline.
    assert world.clock.now == pytest.approx(one.deadline, abs=0.01)


def test_long_after_the_deadline_there_is_one_last_look(make_world: Callable[..., World]) -> None:
    world = make_world()
    one = trigger([WaitFor.of(work(world))], world.clock, deadline=world.clock.now + 5)
    world.clock.now += 86_400
    assert told(one).kind == "done"


# -- what it tells -------------------------------------------------------------------------------------------


def test_wrong_key_is_the_same_error_in_the_task(make_world: Callable[..., World]) -> None:
    world = make_world()
    given = work(world)
    world.server.fault({"path": BATCH, "fault": "status", "status": 401, "skip": 1})
    rows: list[Any] = []
    with pytest.raises(MixpeekAuthenticationError, match="Check the API key") as caught:
        deferrable(world, given, rows=rows)
    assert caught.value.status == 401
    assert rows[-1]["kind"] == "error"


def test_what_is_no_error_of_the_server_is_told_without_its_text(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    given = work(world)

    async def missing(self: MixpeekHook) -> None:
        raise LookupError(f"the key is {KEY}")

    monkeypatch.setattr(MixpeekHook, "aget_settings", missing)
    rows: list[Any] = []
    with pytest.raises(MixpeekTriggerError, match=r"LookupError.*its log says why") as caught:
        deferrable(world, given, rows=rows)
    assert KEY not in str(caught.value) + json.dumps(rows)


def test_errors_travel_as_plain_values() -> None:
    error = MixpeekAuthenticationError(
        "no", hint="Check.", status=401, type="T", request_id="r", details={"a": 1}
    )
    arrived = from_json(json.loads(json.dumps(as_json(error))))
    assert type(arrived) is MixpeekAuthenticationError
    assert (str(arrived), arrived.status, arrived.retryable) == (str(error), 401, False)
    for odd in (
        {},
        {"kind": "MixpeekNewError", "fields": {}},
        {"kind": "dataclass", "fields": {}},
        {"kind": "Any"},
    ):
        assert from_json(odd) is None


BAD = {"counts": {"failed": 1}, "named": ["task t failed"], "running": 0}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "done",
        {},
        {"kind": "finished"},
        {"kind": "done", "version": 2},
        {"kind": "done", "more": 1},
        {"kind": "done", "left": [1]},
        {"kind": "left", "left": []},
        {"kind": "left", "left": [-1]},
        {"kind": "bad"},
        {"kind": "bad", "bad": BAD | {"counts": {}}},
        {"kind": "bad", "bad": BAD | {"counts": {"exploded": 1}}},
        {"kind": "bad", "bad": BAD | {"named": ["x"] * 11}},
        {"kind": "error"},
        {"kind": "done", "bad": BAD},
    ],
)
def test_event_is_held_to_its_form_before_it_is_believed(payload: Any) -> None:
    with pytest.raises(MixpeekTriggerError, match="same version of this package"):
        WaitEvent.of(payload)


def test_events_of_the_right_form_are_taken() -> None:
    assert WaitEvent.of({"kind": "bad", "bad": BAD}).bad.report().counts == {End.FAILED: 1}
    assert WaitEvent.of(WaitEvent(kind="left", left=(3,), memo={"a": 1}).payload()).left == (3,)


# -- what it shares ------------------------------------------------------------------------------------------


class Opened:
    """Clients that were opened, and how many of them are closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = self.closed = 0
        real = _shared.open_client

        def open_client(settings: Any) -> Any:
            client = real(settings)
            close = client.close

            async def closing() -> None:
                self.closed += 1
                await close()

            self.count += 1
            client.close = closing
            return client

        monkeypatch.setattr(_shared, "open_client", open_client)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


def use(conn_id: str = "mixpeek_default") -> Any:
    return _shared.shared_client(MixpeekHook(conn_id))


def test_same_settings_share_one_client_until_the_last_is_gone(
    emulator: Emulator, point_at: Callable[..., None], opened: Opened
) -> None:
    point_at(emulator, key=KEY)
    point_at(emulator, key=KEY, conn_id="the_same")
    point_at(emulator, key="sk_other", conn_id="other")

    async def run() -> None:
        async with use() as first, use("the_same") as second, use("other") as other:
            assert first is second
            assert first is not other
            assert (opened.count, opened.closed) == (2, 0)
        assert opened.closed == 2
        async with use() as third:
            assert third is not first
        assert opened.count == opened.closed == 3

    asyncio.run(run())
    assert _shared._clients == {}


def test_each_event_loop_has_its_own(
    emulator: Emulator, point_at: Callable[..., None], opened: Opened
) -> None:
    point_at(emulator, key=KEY)

    async def run() -> None:
        async with use():
            # Another loop, in another thread, at the same time.
            await asyncio.to_thread(asyncio.run, once())

    async def once() -> None:
        async with use() as mixpeek:
            await mixpeek.whoami()

    asyncio.run(run())
    assert (opened.count, opened.closed) == (2, 2)


@pytest.mark.parametrize("cancelled", [(0,), (1,), (0, 1, 2), (2,)])
def test_whoever_is_cancelled_takes_the_client_from_nobody(
    make_emulator: Callable[..., Emulator],
    point_at: Callable[..., None],
    opened: Opened,
    cancelled: tuple[int, ...],
) -> None:
    server = make_emulator(task_seconds=0.2, latency=0.05)
    point_at(server, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        bucket = mixpeek.buckets.create("notes", schema={"note": "text"})
        task_id = mixpeek.buckets.delete(bucket.bucket_id).task_id
    arguments = {"since": time.time(), "deadline": time.time() + 60}

    async def one() -> Any:
        (event,) = [e async for e in MixpeekWaitTrigger(waits=[{"tasks": [task_id]}], **arguments).run()]
        return event.payload["kind"]

    async def run(steps: int) -> list[Any]:
        tasks = [asyncio.create_task(one()) for _ in range(3)]
        # So that each stage of opening and looking is met.
        for _ in range(steps):
            await asyncio.sleep(0.01)
        for number in cancelled:
            tasks[number].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    for steps in (0, 1, 3, 8):
        before = opened.count
        ends = asyncio.run(run(steps))
        for number, end in enumerate(ends):
            if number in cancelled:
                assert isinstance(end, asyncio.CancelledError) or end == "done"
            else:
                assert end == "done"
        assert opened.count - before <= 1
        assert opened.count == opened.closed


# -- that it stands in nobody's way --------------------------------------------------------------------------

#: Seconds that the server takes for each answer. A call that blocked would stop the loop for as long.
SLOW = 3.0


def test_fifty_triggers_at_a_slow_server_never_block_the_loop(
    make_emulator: Callable[..., Emulator],
    point_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    opened: Opened,
) -> None:
    server = make_emulator(task_seconds=0, latency=SLOW)
    point_at(server, key=KEY)
    server.fault(
        {"path": TASK, "fault": "status", "status": 200, "body": {"task_id": "t", "status": "COMPLETED"}}
    )

    def blocking(*_: Any) -> None:
        raise AssertionError("a connection was looked up in a way that blocks")

    monkeypatch.setattr(BaseHook, "get_connection", blocking)
    now = time.time()
    triggers = [
        MixpeekWaitTrigger(waits=[{"tasks": [f"task_{number}"]}], since=now, deadline=now + 60)
        for number in range(50)
    ]
    gaps: list[float] = []

    async def beat() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    async def one(each: MixpeekWaitTrigger) -> str:
        (event,) = [event async for event in each.run()]
        return str(event.payload["kind"])

    async def run() -> list[str]:
        heart = asyncio.create_task(beat())
        try:
            return await asyncio.gather(*map(one, triggers))
        finally:
            heart.cancel()

    assert asyncio.run(run()) == ["done"] * 50
    assert len(gaps) > 10
    assert max(gaps) < SLOW / 2
    assert (opened.count, opened.closed) == (1, 1)
    assert server.state()["requests"][0]["count"] == 50
