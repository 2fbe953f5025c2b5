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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from airflow_provider.mixpeek.client import MixpeekError, MixpeekStoppedError
from airflow_provider.mixpeek.ingest._actions import Action, SendObjects, Tell
from airflow_provider.mixpeek.ingest._keeper import Keeper
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Run

T = TypeVar("T")

log = logging.getLogger("airflow_provider.mixpeek.ingest")

#: Seconds that requests under way get to be answered after an interruption. Airflow ends a task for good five
#: seconds after it asked it to end, and how far the run is must be written down before.
GRACE = 3.0

#: Seconds between two lines of progress in the log.
PROGRESS = 15.0

#: Seconds that this thread waits at most before it looks up: a signal that comes in the instant before a wait
#: does not end it.
LOOK_UP = 1.0

_NOT_WRITTEN = "How far the run is could not be written down (%s): the next try sends more again."

#: Does one action against the server, in a thread of the pool, and returns how to tell the run of it.
Perform = Callable[[Action], Tell]


def drive(
    run: Run,
    blocks: Iterator[Prepared],
    perform: Perform,
    keeper: Keeper,
    *,
    in_flight: int,
    stop: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """
    Bring a run to its end. Whether that is a good one, ``run.failure`` tells.

    When this thread is interrupted (Ctrl-C, a time-out, SIGTERM as Airflow raises it), nothing more is sent,
    what is under way gets a few seconds, and the rest is in doubt.

    :param blocks: The rows, made ready.
    :param perform: Sends one action; called in the pool's threads.
    :param keeper: Writes down how far the run is; called in this thread.
    :param in_flight: Requests under way at once.
    :param stop: Set when the run is stopped, so that waits between tries end.
    :param clock: Monotonic seconds.
    :raises BaseException: whatever interrupted this thread. The run knows it too.
    """
    pool = _Pool(perform, in_flight)
    tell_at = clock() + PROGRESS
    try:
        with _stopping(run):
            keeper.begin(run)
        while not run.finished:
            while pool.has_room and (action := run.next_action()) is not None:
                with _stopping(run, action):
                    keeper.permit(run, action)
                    pool.give(action)
            if run.wants_rows and not pool.has_answers:
                _read(run, blocks)
            else:
                pool.hear(run, timeout=LOOK_UP)
            with _stopping(run):
                keeper.keep(run)
            if run.failure is not None:
                stop.set()
            if clock() >= tell_at:
                tell_at = clock() + PROGRESS
                log.info("%s", run.progress())
        with _stopping(run):
            keeper.keep(run, at_once=True)
    except BaseException as interruption:
        run.stop(interruption)
        stop.set()
        for action in run.under_way - pool.given:
            run.failed(action, MixpeekStoppedError("stopped before it was sent"))
        until = clock() + GRACE
        while not run.finished and (left := until - clock()) > 0:
            pool.hear(run, timeout=min(left, LOOK_UP))
        _keep_what_was_done(run, keeper)
        raise
    finally:
        run.abandon()
        pool.dismiss()


@contextmanager
def _stopping(run: Run, action: Action | None = None) -> Iterator[None]:
    """Stop a run whose progress cannot be kept. Nobody is in a hurry: what is under way will be answered."""
    try:
        yield
    except MixpeekError as error:
        if action is not None:
            run.failed(action, error)
        elif run.failure is not None:
            log.warning(_NOT_WRITTEN, error)
        run.stop(error)


def _keep_what_was_done(run: Run, keeper: Keeper) -> None:
    try:
        keeper.keep(run, at_once=True)
    except Exception as error:  # noqa: BLE001 - what interrupted the run is what its caller must hear of
        log.warning(_NOT_WRITTEN, error)


def _read(run: Run, blocks: Iterator[Prepared]) -> None:
    try:
        block = next(blocks, None)
    except MixpeekError as error:
        # The source is damaged further on. Nobody is in a hurry: what is under way will be answered.
        run.stop(error)
        return
    if block is None:
        run.end_of_source()
    else:
        run.read(block)


def gather(
    calls: Sequence[Callable[[], T]],
    *,
    at_once: int,
    stop: threading.Event,
    results: dict[int, T] | None = None,
    grace: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[T]:
    """
    Make calls, several at once, and wait for all of them.

    When one fails, or this thread is interrupted, none is begun any more.

    :param stop: Set then, so that waits between tries end.
    :param results: Takes what each has returned, by its number, however this ends.
    :param grace: Seconds that calls under way get then.
    :param clock: Monotonic seconds.
    :return: What each returned, in their order.
    """
    results = {} if results is None else results
    failed: dict[int, BaseException] = {}
    todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while (number := todo.get()) is not None:
            try:
                if stop.is_set():
                    raise MixpeekStoppedError("stopped before it was begun")  # noqa: TRY301 - told as any other
                done.put((number, calls[number](), None))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                done.put((number, None, error))
                # Behind it: what the others end with for that is not what is raised.
                stop.set()

    def hear(timeout: float) -> None:
        try:
            number, result, error = done.get(timeout=timeout)
        except queue.Empty:
            return
        if error is not None:
            failed[number] = error
        else:
            results[number] = result  # type: ignore[assignment]  # without an error there is one

    threads = [
        threading.Thread(target=work, name=f"mixpeek-call-{number}", daemon=True)
        for number in range(min(at_once, len(calls)))
    ]
    for number in (*range(len(calls)), *(None for _ in threads)):
        todo.put(number)
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(calls):
            hear(LOOK_UP)
            for error in failed.values():
                raise error  # noqa: TRY301 - as an interruption of this thread would
    except BaseException:
        stop.set()
        until = clock() + grace
        while len(results) + len(failed) < len(calls) and (left := until - clock()) > 0:
            hear(min(left, LOOK_UP))
        raise
    return [results[number] for number in range(len(calls))]


class _Pool:
    """
    Threads that perform actions.

    They are daemons of their own rather than an executor's, whose exit would wait for a request that hangs.
    """

    def __init__(self, perform: Perform, size: int) -> None:
        self._perform = perform
        self._size = size
        #: Actions that are being performed, or whose end was not told yet.
        self.given: set[Action] = set()
        self._todo: queue.SimpleQueue[Action | None] = queue.SimpleQueue()
        self._done: deque[tuple[Action, Tell]] = deque()
        self._is_done = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    @property
    def has_room(self) -> bool:
        return len(self.given) < self._size

    @property
    def has_answers(self) -> bool:
        return bool(self._done)

    def give(self, action: Action) -> None:
        """Have an action performed; there must be room."""
        self.given.add(action)
        if len(self.given) > len(self._threads):
            thread = threading.Thread(target=self._work, name=f"mixpeek-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._todo.put(action)

    def hear(self, run: Run, *, timeout: float) -> None:
        """Wait for an action's end, at most so many seconds, and tell the run of it."""
        # A signal may come anywhere in here, and must not make an answer disappear: it goes when it is told.
        if not self._done:
            self._is_done.acquire(timeout=timeout)
        if self._done:
            action, tell = self._done[0]
            if action in run.under_way:
                tell(run)
            self.given.discard(action)
            self._done.popleft()

    def dismiss(self) -> None:
        """Let the threads end, and wait for them unless a request hangs."""
        for _ in self._threads:
            self._todo.put(None)
        if not self.given:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while (action := self._todo.get()) is not None:
            self._done.append((action, self._tell_of(action)))
            self._is_done.release()

    def _tell_of(self, action: Action) -> Tell:
        try:
            return self._perform(action)
        except BaseException as error:  # noqa: BLE001 - a thread that dies in silence would be waited for
            failure = error
        return lambda run: _failed(run, action, failure)


def _failed(run: Run, action: Action, error: BaseException) -> None:
    run.failed(action, error)
    at_first = not (isinstance(action, SendObjects) and action.isolating)
    if run.failure is None and at_first:
        log.warning("%s; going on in smaller steps, after %s", error, action)
