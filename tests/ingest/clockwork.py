"""
Threads, queues and time that a seed decides: the real ingestion runs in it, hours of it in milliseconds.

Every thread is a greenlet, and one runs at a time, until it waits for something. Then the clock jumps to what
happens next.
"""

from __future__ import annotations

import heapq
import queue
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

from greenlet import getcurrent, greenlet


class KilledError(BaseException):
    """What a thread of a killed process meets when everything is over, and its stack is to go."""


class Process:
    """What is killed as a whole: its threads never run again, whatever they wait for."""

    def __init__(self) -> None:
        self.alive = True
        self.threads: list[greenlet] = []


class Clockwork:
    """The scheduler. ``chance`` decides between things that happen at the same time."""

    def __init__(self, chance: Random) -> None:
        self.now = 0.0
        self.chance = chance
        self._events: list[tuple[float, float, int, Callable[[], None]]] = []
        self._number = count()
        self._hub = getcurrent()
        self._process: dict[greenlet, Process] = {}
        self.threading = SimpleNamespace(
            Thread=self._thread, Event=lambda: Event(self), Semaphore=lambda free: Semaphore(self, free)
        )
        self.queue = SimpleNamespace(SimpleQueue=lambda: Queue(self), Empty=queue.Empty)

    def time(self) -> float:
        return self.now

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._events, (when, self.chance.random(), next(self._number), what))

    def start(self, process: Process, what: Callable[[], Any]) -> greenlet:
        """Start a thread of a process."""
        thread = greenlet(what, parent=self._hub)
        process.threads.append(thread)
        self._process[thread] = process
        self.at(self.now, lambda: self._switch(thread))
        return thread

    def park(self, seconds: float | None = None) -> None:
        """Let the current thread wait: so many seconds, or until it is woken."""
        thread = getcurrent()
        if not self._process[thread].alive:
            raise KilledError
        if seconds is not None:
            self.wake(thread, seconds)
        self._hub.switch()

    def wake(self, thread: greenlet, seconds: float = 0.0) -> None:
        """Wake a thread after so many seconds; one that is woken twice looks twice."""
        self.at(self.now + seconds, lambda: self._switch(thread))

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.park(until - self.now)

    def run(self, until: Callable[[], bool]) -> None:
        """Let things happen until that is so, or nothing will ever happen again."""
        while not until() and self._events:
            when, _, _, what = heapq.heappop(self._events)
            self.now = max(self.now, when)
            what()

    def end(self) -> None:
        """Unwind what is left of all threads: a suspended stack is never collected by itself."""
        for process in self._process.values():
            process.alive = False
        for thread in self._process:
            if thread:
                with suppress(KilledError):
                    thread.throw(KilledError)
        self._process.clear()

    def current_process(self) -> Process:
        return self._process[getcurrent()]

    def _switch(self, thread: greenlet) -> None:
        if not thread.dead and self._process[thread].alive:
            thread.switch()

    def _thread(self, target: Callable[[], None], **_: Any) -> Any:
        started: list[greenlet] = []
        process = self.current_process()

        def join() -> None:
            while not started[0].dead:
                self.park(0.01)

        return SimpleNamespace(start=lambda: started.append(self.start(process, target)), join=join)


class Queue:
    """``queue.SimpleQueue``."""

    def __init__(self, clockwork: Clockwork) -> None:
        self._clockwork = clockwork
        self._items: deque[Any] = deque()
        self._waiting: deque[greenlet] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiting:
            self._clockwork.wake(self._waiting.popleft())

    def get(self, timeout: float | None = None) -> Any:
        until = None if timeout is None else self._clockwork.now + timeout
        while not self._items:
            if until is not None and self._clockwork.now >= until:
                raise queue.Empty
            self._waiting.append(getcurrent())
            self._clockwork.park(None if until is None else until - self._clockwork.now)
            if getcurrent() in self._waiting:
                self._waiting.remove(getcurrent())
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items


class Event:
    """``threading.Event``."""

    def __init__(self, clockwork: Clockwork) -> None:
        self._clockwork = clockwork
        self._set = False
        self._waiting: list[greenlet] = []

    def set(self) -> None:
        self._set = True
        for thread in self._waiting:
            self._clockwork.wake(thread)
        self._waiting.clear()

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float) -> bool:
        until = self._clockwork.now + timeout
        while not self._set and self._clockwork.now < until:
            self._waiting.append(getcurrent())
            self._clockwork.park(until - self._clockwork.now)
        return self._set


class Semaphore:
    """``threading.Semaphore``."""

    def __init__(self, clockwork: Clockwork, free: int) -> None:
        self._queue = Queue(clockwork)
        for _ in range(free):
            self.release()

    def release(self) -> None:
        self._queue.put(None)

    def acquire(self, timeout: float) -> bool:
        try:
            self._queue.get(timeout)
        except queue.Empty:
            return False
        return True
