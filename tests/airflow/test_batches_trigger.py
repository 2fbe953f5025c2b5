"""The trigger of a watched bucket: what is news, told how often, across restarts, with shared looks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.trigger import Trigger

from airflow_provider.mixpeek.triggers import batches as module
from airflow_provider.mixpeek.triggers._position import Position, SeenBatch
from airflow_provider.mixpeek.triggers.batches import MixpeekFinishedBatchesTrigger

from .airflows import import_string
from .wait_modes import KEY, World, clock, draft, make_world, work

__all__ = ["clock", "make_world"]

LIST = "/v1/buckets/{bucket_identifier}/batches/list"
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


# -- what is news --------------------------------------------------------------------------------------------


def seen(batch_id: str, outcome: str | None = "done", *, minute: float | None = 0.0) -> SeenBatch:
    created = None if minute is None else MIDNIGHT + timedelta(minutes=minute)
    return SeenBatch(batch_id, outcome, created, objects=1, failed=0)


def news(*looks: list[SeenBatch]) -> list[list[str]]:
    """What each look after the first tells, its position written down and read in between."""
    position = Position.first(looks[0])
    told = []
    for look in looks[1:]:
        kept = json.loads(json.dumps(position.model_dump(mode="json", exclude_none=True)))
        new, position = Position.model_validate(kept).after(look)
        told.append([batch.batch_id for batch in new])
    return told


def test_each_batch_is_told_when_it_has_finished_and_not_again() -> None:
    old, running = seen("old"), seen("slow", None, minute=1)
    quick = seen("quick", "failed", minute=2)
    assert news(
        [old, running], [old, running], [old, running, quick], [old, seen("slow", minute=1), quick]
    ) == [
        [],
        ["quick"],
        ["slow"],
    ]


def test_what_ran_for_days_while_others_came_and_went_is_told() -> None:
    looks = [[seen(str(number), minute=60 * number) for number in range(day)] for day in (3, 40, 80)]
    slow = seen("slow", None, minute=-1)
    ended = [*looks[-1], seen("slow", "partial", minute=-1)]
    assert news([], [slow, *looks[0]], [slow, *looks[1]], [slow, *looks[2]], ended, ended)[-2:] == [
        ["slow"],
        [],
    ]


def test_a_position_stays_small() -> None:
    position = Position.first([])
    for count in range(0, 5_000, 50):
        _, position = position.after([seen(str(number), minute=number) for number in range(count)])
    assert len(position.told) <= 11


def test_one_that_shows_late_is_told_and_one_without_a_time_once() -> None:
    known = [seen("newest", minute=100)]
    late, timeless = seen("late", minute=95), seen("timeless", minute=None)
    assert news(known, [*known, late, timeless], [*known, late, timeless]) == [["late", "timeless"], []]


def test_one_that_is_submitted_again_is_told_again() -> None:
    again = seen("twice", None)
    assert news([seen("twice")], [again], [seen("twice")], [seen("twice")]) == [[], ["twice"], []]


def test_what_was_told_stays_told_when_the_bucket_is_gone_for_a_while() -> None:
    assert news([], [seen("one")], [], [seen("one")]) == [["one"], [], []]


# -- watching ------------------------------------------------------------------------------------------------


class Store:
    """The state store of one asset, as the triggerer gives it to a trigger."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.failures: list[Exception] = []
        self.failures_to_write: list[Exception] = []

    async def aget(self, key: str, default: Any = None) -> Any:
        if self.failures:
            raise self.failures.pop()
        return json.loads(self.kept.get(key, "null"))

    async def aset(self, key: str, value: Any) -> None:
        assert None not in value.values()
        if self.failures_to_write:
            raise self.failures_to_write.pop()
        self.kept[key] = json.dumps(value)


@pytest.fixture
def world(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world()
    monkeypatch.setattr(module, "sleep", world.clock.asleep)
    monkeypatch.setattr(module, "monotonic", world.clock.monotonic)
    draft(world)
    return world


def watcher(store: Store | None = None, **arguments: Any) -> MixpeekFinishedBatchesTrigger:
    one = MixpeekFinishedBatchesTrigger(bucket="notes", **arguments)
    one.asset_state_store = store  # type: ignore[assignment]
    return one


class Heard:
    """What was logged: Airflow 3.3 prints it, earlier versions pass it on."""

    def __init__(self, printed: pytest.CaptureFixture[str], passed_on: pytest.LogCaptureFixture) -> None:
        self._printed, self._passed_on = printed, passed_on
        self._text = ""

    def count(self, words: str) -> int:
        self._text += "".join(self._printed.readouterr())
        return (self._text + self._passed_on.text).count(words)


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    with caplog.at_level(logging.DEBUG):
        yield Heard(capsys, caplog)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.001)


async def told_after(
    world: World, one: MixpeekFinishedBatchesTrigger, *meanwhile: Callable[[], object]
) -> list[Any]:
    """The events of one trigger, an event for each thing that happens once it has looked."""
    events = one.run()
    payloads = []
    try:
        for happens in meanwhile:
            coming = asyncio.ensure_future(anext(events))
            looks = world.asked(LIST)
            await until(lambda looks=looks: world.asked(LIST) > looks + 1)  # type: ignore[misc]
            happens()
            payloads.append((await asyncio.wait_for(coming, 20)).payload)
    finally:
        await events.aclose()  # type: ignore[attr-defined]
    return payloads


def ids(payloads: list[Any]) -> list[list[str]]:
    return [[batch["batch_id"] for batch in payload["batches"]] for payload in payloads]


def test_batches_are_told_with_how_they_ended_and_earlier_ones_are_not(world: World) -> None:
    work(world)
    world.clock.now += 60
    made: list[Any] = []

    def two() -> None:
        made.extend([work(world, "FAILED"), work(world)])

    (payload,) = asyncio.run(told_after(world, watcher(), two))
    assert payload == {
        "bucket": "notes",
        "batches": [
            {"batch_id": made[0]["batch_id"], "outcome": "failed", "objects": 1, "failed": 1},
            {"batch_id": made[1]["batch_id"], "outcome": "done", "objects": 1, "failed": 0},
        ],
    }
    assert KEY not in json.dumps(payload)


def test_only_the_outcomes_that_are_asked_for_are_told(world: World) -> None:
    made: list[Any] = []

    def two() -> None:
        made.extend([work(world, "FAILED"), work(world)])

    payloads = asyncio.run(told_after(world, watcher(outcomes=["done"]), two))
    assert ids(payloads) == [[made[1]["batch_id"]]]


def test_what_finishes_while_no_triggerer_runs_is_told_by_the_next(world: World) -> None:
    store = Store()
    made: list[Any] = []

    def one() -> None:
        made.append(work(world))

    asyncio.run(told_after(world, watcher(store), one))
    # That triggerer died before its next look: at least once means twice here.
    one()
    world.clock.now += 60

    async def restarted() -> list[Any]:
        return [(await anext(watcher(store).run())).payload]

    (both,) = ids(asyncio.run(restarted()))
    assert both == [one["batch_id"] for one in made]


def test_what_was_told_is_noted_with_the_next_look(world: World) -> None:
    store = Store()
    made: list[Any] = []

    def one() -> None:
        made.append(work(world))

    first, second = ids(asyncio.run(told_after(world, watcher(store), one, one)))
    assert [first, second] == [[one["batch_id"]] for one in made]
    noted = Position.model_validate(json.loads(next(iter(store.kept.values()))))
    assert first[0] in noted.told
    assert second[0] not in noted.told


def test_a_store_that_fails_loses_nothing(world: World, heard: Heard) -> None:
    store = Store()
    store.failures = [RuntimeError("the API server is away")] * 2
    store.failures_to_write = [*store.failures]
    made: list[Any] = []
    assert ids(asyncio.run(told_after(world, watcher(store), lambda: made.append(work(world))))) == [
        [made[0]["batch_id"]]
    ]
    assert store.failures == store.failures_to_write == []
    assert heard.count("cannot be noted; trying again") == 2
    assert heard.count("cannot be read; trying again") == 2


def test_a_trigger_of_several_assets_watches_without_a_position(world: World, heard: Heard) -> None:
    store = Store()
    store.failures = [ValueError("Task has 2 concrete inlets and outlets")]
    payloads = asyncio.run(told_after(world, watcher(store), lambda: work(world)))
    assert len(payloads) == 1
    assert store.kept == {}
    assert heard.count("Several assets have this very trigger") == 1


def test_a_look_that_fails_is_logged_and_the_next_one_tells(world: World, heard: Heard) -> None:
    def breaks() -> None:
        world.server.fault(
            {"path": LIST, "fault": "status", "status": 401, "times": 2, "body": {"detail": KEY}}
        )
        work(world)

    assert len(asyncio.run(told_after(world, watcher(), breaks))) == 1
    assert heard.count("Could not look at the batches of bucket notes") == 1
    assert heard.count(KEY) == 0


def test_a_failure_that_goes_on_is_told_every_hour_and_so_is_its_end(world: World, heard: Heard) -> None:
    world.server.fault({"path": LIST, "fault": "status", "status": 401, "times": 6})

    async def watched() -> None:
        coming = asyncio.ensure_future(anext(watcher(interval=1800).run()))
        await until(lambda: world.asked(LIST) > 8)
        coming.cancel()

    asyncio.run(watched())
    assert heard.count("Could not look at the batches of bucket notes") == 3
    assert heard.count("Could not look at the batches of bucket notes: ") == 1
    assert heard.count("(3 looks in a row have failed)") == heard.count("(5 looks in a row have failed)") == 1
    assert heard.count("Looks at the batches of bucket notes work again, after 6 that failed.") == 1


def test_a_failure_that_comes_again_is_told_again(world: World, heard: Heard) -> None:
    down = {"path": LIST, "fault": "status", "status": 401, "times": 1}
    world.server.fault(down, down | {"skip": 1})

    async def watched() -> None:
        coming = asyncio.ensure_future(anext(watcher().run()))
        await until(lambda: world.asked(LIST) > 5)
        coming.cancel()

    asyncio.run(watched())
    assert heard.count("Could not look at the batches of bucket notes: ") == 2
    assert heard.count("work again, after 1 that failed.") == 2


def test_a_bucket_that_comes_later_is_watched_from_its_first_batch(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    world = make_world()
    monkeypatch.setattr(module, "sleep", world.clock.asleep)
    store = Store()

    async def watched() -> list[Any]:
        events = watcher(store).run()
        coming = asyncio.ensure_future(anext(events))
        await until(lambda: bool(store.kept))
        work(world)
        first = (await asyncio.wait_for(coming, 20)).payload
        await events.aclose()  # type: ignore[attr-defined]
        return [first]

    assert len(asyncio.run(watched())) == 1
    assert heard.count("Could not look at the batches of bucket notes") == 1


def test_a_missing_connection_is_logged_and_looked_for_again(world: World, heard: Heard) -> None:
    async def looked() -> None:
        one = watcher(mixpeek_conn_id="nowhere")
        coming = asyncio.ensure_future(anext(one.run()))
        await until(lambda: heard.count("Looking at bucket notes failed") > 1)
        coming.cancel()

    asyncio.run(looked())


def test_watchers_of_a_bucket_share_its_looks(world: World) -> None:
    from airflow.triggers.shared_stream import SharedStreamManager

    all_ends, failures = watcher(), watcher(outcomes=["failed"])
    other = MixpeekFinishedBatchesTrigger(bucket="others")
    key = all_ends.shared_stream_key()
    assert key == failures.shared_stream_key() != other.shared_stream_key()
    made: list[Any] = []

    async def first_of(stream: AsyncIterator[Any]) -> Any:
        return (await anext(stream)).payload

    async def watched() -> tuple[list[Any], int]:
        manager = SharedStreamManager(log=logging.getLogger("streams"))
        looks = world.asked(LIST)
        coming: list[Awaitable[Any]] = [
            asyncio.ensure_future(
                first_of(one.filter_shared_stream(manager.subscribe(trigger_id=number, trigger=one, key=key)))
            )
            for number, one in enumerate((all_ends, failures))
        ]
        await until(lambda: world.asked(LIST) > looks + 1)
        made.extend([work(world), work(world, "FAILED")])
        told = list(await asyncio.wait_for(asyncio.gather(*coming), 60))
        # A look a minute of the server's time, for both of them.
        looks = world.asked(LIST) - looks
        await manager.stop_all()
        return told, looks

    began = world.clock.now
    told, looks = asyncio.run(watched())
    assert ids(told) == [[one["batch_id"] for one in made], [made[1]["batch_id"]]]
    assert looks <= (world.clock.now - began) / 60 + 2


# -- its row -------------------------------------------------------------------------------------------------


def test_it_comes_back_from_its_row_and_what_cannot_be_is_refused() -> None:
    one = watcher(outcomes=("done", "partial"), interval=5, mixpeek_conn_id="other")
    row = Trigger.from_object(one)
    assert import_string(row.classpath)(**row.kwargs).serialize() == one.serialize()
    with pytest.raises(ValueError, match="must be some of done, partial, failed"):
        watcher(outcomes=["DONE"])
    with pytest.raises(ValueError, match="at least 1"):
        watcher(interval=0)


def test_legacy_is_told_in_the_log(make_world: Callable[..., World], heard: Heard) -> None:
    make_world("legacy").mixpeek.buckets.create("notes", schema={"note": "text"})

    async def looked() -> None:
        assert await watcher()._look() is None

    asyncio.run(looked())
    assert heard.count("legacy generation") == 1
