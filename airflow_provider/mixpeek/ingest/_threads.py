"""
The driver of a run: a bounded pool of threads that send, while the caller's thread reads and decides.

Threads and not asyncio, because ingestion is called from tasks and from notebooks whose event loop runs
already; the client releases the GIL while it waits for the server.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Action, Run

T = TypeVar("T")

log = logging.getLogger("airflow_provider.mixpeek.ingest")

#: Seconds that requests under way get to be answered after a stop.
GRACE = 5.0

#: Seconds between two lines of progress in the log.
PROGRESS = 15.0


class Perform(Protocol):
    """Does one action against the server and returns how to tell the run of it."""

    def __call__(self, action: Action) -> Callable[[Run], None]: ...


def drive(
    run: Run,
    blocks: Iterator[Prepared],
    perform: Perform,
    *,
    in_flight: int,
    stop: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """
    Bring a run to its end.

    When reading fails or this thread is interrupted (Ctrl-C, a time-out, SIGTERM as Airflow raises it),
    nothing more is sent, what is under way gets a few seconds, and the rest is in doubt.

    :param blocks: The rows, made ready.
    :param perform: Sends one action; called in the pool's threads.
    :param in_flight: Requests under way at once.
    :param stop: Set when the run is stopped, so that waits between tries end.
    :param clock: Monotonic seconds.
    :raises BaseException: whatever interrupted this thread. The run knows it too.
    """
    pool = _Pool(perform, in_flight)
    told = clock()
    try:
        while not run.finished:
            while pool.has_room and (action := run.next_action()) is not None:
                pool.give(action)
            if run.wants_rows and not pool.has_answers:
                _read(run, blocks)
            else:
                pool.take()(run)
            if run.failure is not None:
                stop.set()
            if clock() - told >= PROGRESS:
                told = clock()
                log.info("%s", run.progress())
    except BaseException as interruption:
        run.stop(interruption)
        stop.set()
        _let_land(run, pool, clock() + GRACE, clock)
        raise
    finally:
        run.abandon()
        pool.dismiss()


def _read(run: Run, blocks: Iterator[Prepared]) -> None:
    block = next(blocks, None)
    if block is None:
        run.end_of_source()
    else:
        run.read(block.count, block.rows, block.rejected)


def _let_land(run: Run, pool: _Pool, until: float, clock: Callable[[], float]) -> None:
    while not run.finished and (left := until - clock()) > 0:
        try:
            pool.take(timeout=left)(run)
        except queue.Empty:
            return


class _Pool:
    """
    Threads that perform actions.

    They are daemons of their own rather than an executor's, whose exit would wait for a request that hangs.
    """

    def __init__(self, perform: Perform, size: int) -> None:
        self._perform = perform
        self._size = size
        self._busy = 0
        self._todo: queue.SimpleQueue[Action | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Callable[[Run], None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def has_room(self) -> bool:
        return self._busy < self._size

    @property
    def has_answers(self) -> bool:
        return not self._done.empty()

    def give(self, action: Action) -> None:
        self._busy += 1
        if self._busy > len(self._threads):
            thread = threading.Thread(target=self._work, name=f"mixpeek-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._todo.put(action)

    def take(self, timeout: float | None = None) -> Callable[[Run], None]:
        tell = self._done.get(timeout=timeout)
        self._busy -= 1
        return tell

    def dismiss(self) -> None:
        for _ in self._threads:
            self._todo.put(None)

    def _work(self) -> None:
        while (action := self._todo.get()) is not None:
            self._done.put(self._tell_of(action))

    def _tell_of(self, action: Action) -> Callable[[Run], None]:
        try:
            return self._perform(action)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must hear of it
            failure = error
        return lambda run: run.failed(action, failure)
