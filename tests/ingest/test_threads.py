"""The driver: real threads, a machine of its own, and actions that do whatever a test wants."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from airflow_provider.mixpeek.ingest import SourceError
from airflow_provider.mixpeek.ingest import _threads as threads
from airflow_provider.mixpeek.ingest._actions import Action, SendObjects, Tell
from airflow_provider.mixpeek.ingest._checkpoint import MemoryCheckpoint
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._journal import Journal
from airflow_provider.mixpeek.ingest._keeper import Keeper
from airflow_provider.mixpeek.ingest._ledger import Lines
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sinks import Sinks
from airflow_provider.mixpeek.ingest._world import World

LIMITS = Limits(max_objects=10, max_request_bytes=1_000, batch_size=100)
PATIENCE = 30.0


def blocks(number: int, *, of: int = 10) -> Iterator[Prepared]:
    for first in range(0, number * of, of):
        block = DictBlock(first, [{"n": row} for row in range(first, first + of)])
        numbers = range(first, first + of)
        lines = Lines(first, [f"key-{row}" for row in numbers])
        yield Prepared(lines, [Row(row, b"{}", block) for row in numbers], [])


def stores(action: Action) -> Tell:
    assert isinstance(action, SendObjects)
    results = [Stored(f"obj_{row.number}", replayed=False, unprocessed=True) for row in action.rows]
    return lambda run: run.stored(action, results)


class Server:
    """Answers when it is told to; counts how many wait."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.waiting = 0
        self.most = 0
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, action: Action) -> Tell:
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        self.arrived.release()
        assert self.go_on.wait(PATIENCE)
        with self._lock:
            self.waiting -= 1
        return stores(action)

    def wait_for(self, requests: int) -> None:
        for _ in range(requests):
            assert self.arrived.acquire(timeout=PATIENCE)


def keeper() -> Keeper:
    return Keeper(
        Journal(MemoryCheckpoint()),
        World("bkt_1", "rows", None, "", "", keyed=True, process=""),
        sinks=Sinks(),
    )


def run() -> Run:
    return Run("bkt_1", limits=LIMITS, on_error="collect", process=False)


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """What a signal raises inside a finalizer is lost, whoever's it is; so none runs meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ours() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("mixpeek-") and each.is_alive()]


def test_a_run_goes_to_its_end_and_leaves_no_thread():
    before = set(ours())
    made = run()
    threads.drive(made, blocks(50), stores, keeper(), in_flight=4, stop=threading.Event())
    found = made.report(seconds=0.0)
    assert (found.created, found.rows_read) == (500, 500)
    assert list(found.object_ids) == [f"obj_{number}" for number in range(500)]
    assert not set(ours()) - before


def test_as_many_requests_are_under_way_as_allowed_and_no_more():
    server = Server()
    made = run()

    def let_go() -> None:
        server.wait_for(3)
        server.go_on.set()

    helper = threading.Thread(target=let_go)
    helper.start()
    threads.drive(made, blocks(40), server, keeper(), in_flight=3, stop=threading.Event())
    helper.join()
    assert server.most == 3
    assert made.report(seconds=0.0).created == 400


def test_no_more_threads_than_there_is_work():
    most = 0

    def perform(action: Action) -> Tell:
        nonlocal most
        most = max(most, len(set(ours()) - before))
        return stores(action)

    before = set(ours())
    threads.drive(run(), blocks(20), perform, keeper(), in_flight=1, stop=threading.Event())
    assert most == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), SystemExit(3)])
def test_whatever_a_thread_dies_of_the_run_hears_of_it(error):
    def perform(action: Action) -> Tell:
        raise error

    made = run()
    stop = threading.Event()
    threads.drive(made, blocks(3), perform, keeper(), in_flight=1, stop=stop)
    assert made.failure is error
    assert stop.is_set()
    assert made.report(seconds=0.0).in_doubt == 10


def test_what_is_under_way_when_the_source_breaks_is_answered():
    server = Server()

    def broken() -> Iterator[Prepared]:
        yield from blocks(2)
        server.wait_for(2)
        threading.Timer(0.05, server.go_on.set).start()
        raise SourceError("cut off")

    made = run()
    threads.drive(made, broken(), server, keeper(), in_flight=2, stop=threading.Event())
    found = made.report(seconds=0.0)
    assert str(made.failure) == "cut off."
    assert (found.created, found.in_doubt) == (20, 0)


def test_an_interruption_waits_for_answers_but_not_for_long(monkeypatch):
    monkeypatch.setattr(threads, "GRACE", 0.2)
    server = Server()

    def interrupted() -> Iterator[Prepared]:
        yield from blocks(2)
        server.wait_for(2)
        raise KeyboardInterrupt

    made = run()
    stop = threading.Event()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        threads.drive(made, interrupted(), server, keeper(), in_flight=2, stop=stop)
    assert time.monotonic() - started < 5
    assert stop.is_set()
    found = made.report(seconds=0.0)
    assert (found.created, found.in_doubt, found.unsent) == (0, 20, 0)
    server.go_on.set()  # and the threads end when their requests do
    for each in ours():
        each.join(PATIENCE)
    assert not ours()


def test_answers_that_come_in_time_after_an_interruption_count():
    server = Server()

    def interrupted() -> Iterator[Prepared]:
        yield from blocks(2)
        server.wait_for(2)
        server.go_on.set()
        raise KeyboardInterrupt

    made = run()
    with pytest.raises(KeyboardInterrupt):
        threads.drive(made, interrupted(), server, keeper(), in_flight=2, stop=threading.Event())
    assert made.report(seconds=0.0).created == 20
    assert not ours()


def test_a_signal_ends_the_wait_for_answers(monkeypatch):
    monkeypatch.setattr(threads, "GRACE", 0.1)
    server = Server()
    made = run()

    def interrupt() -> None:
        server.wait_for(2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.drive(made, blocks(100), server, keeper(), in_flight=2, stop=threading.Event())
    finally:
        helper.join()
        server.go_on.set()
    assert time.monotonic() - started < 5
    found = made.report(seconds=0.0)
    assert found.in_doubt == 20
    assert found.in_doubt + found.unsent == found.rows_read


def test_calls_end_when_one_fails_and_what_ended_in_time_counts():
    begun: list[str] = []
    stop = threading.Event()
    both = threading.Barrier(2)

    def fails() -> str:
        begun.append("fails")
        both.wait(PATIENCE)
        raise SourceError("broken")

    def ends() -> str:
        begun.append("ends")
        both.wait(PATIENCE)
        assert stop.wait(PATIENCE)
        return "ended"

    def never() -> str:
        begun.append("never")
        return "never"

    results: dict[int, str] = {}
    with pytest.raises(SourceError, match="broken"):
        threads.gather([fails, ends, never], at_once=2, stop=stop, results=results, grace=PATIENCE)
    assert results == {1: "ended"}
    assert sorted(begun) == ["ends", "fails"]
    for each in ours():
        each.join(PATIENCE)
    assert not ours()


def test_calls_that_hang_are_waited_for_no_longer_than_the_grace_lasts():
    stop, go_on = threading.Event(), threading.Event()
    seconds = count(step=1)
    asked: list[float] = []

    def clock() -> float:
        asked.append(next(seconds))
        return asked[-1]

    def fails() -> None:
        raise SourceError("broken")

    with pytest.raises(SourceError):
        threads.gather([fails, lambda: go_on.wait(PATIENCE)], at_once=2, stop=stop, grace=1.5, clock=clock)
    assert len(asked) <= 3
    go_on.set()
    for each in ours():
        each.join(PATIENCE)


def test_progress_is_told_while_a_server_keeps_everybody_waiting(monkeypatch, caplog):
    monkeypatch.setattr(threads, "LOOK_UP", 0.001)
    server = Server()
    ticks = count(step=threads.PROGRESS / 4)
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        if looks == 40:
            server.go_on.set()
        return next(ticks)

    with caplog.at_level(logging.INFO, "airflow_provider.mixpeek.ingest"):
        threads.drive(run(), blocks(1), server, keeper(), in_flight=1, stop=threading.Event(), clock=clock)
    assert (
        "10 rows read so far: 0 created, 0 replayed, 0 stored, 0 rejected; 0 batches submitted; 1 requests"
        in caplog.text
    )
