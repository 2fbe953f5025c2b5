"""Signals that come when something holds, as Airflow and Ctrl-C send them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable


class TaskTimeout(BaseException):
    """What Airflow raises at ``execution_timeout``: no Exception, so that nobody swallows it."""


def ours() -> list[str]:
    return [
        each.name
        for each in threading.enumerate()
        if each.name.startswith("mixpeek-") and "emulator" not in each.name
    ]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def signalled_when(condition: Callable[[], bool], number: int) -> threading.Thread:
    """Send this process a signal as soon as something holds."""

    def send() -> None:
        until(condition)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread
