"""Calls to Airflow's supervisor, which answers them one after another over one connection."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

#: Seconds that a wait lasts at most: a signal that comes in the instant before it does not end it.
_LOOK_UP = 1.0

_T = TypeVar("_T")


def undisturbed(call: Callable[[], _T]) -> _T:
    """
    Have a call to Airflow's supervisor answered, whatever interrupts this thread meanwhile.

    A time-out and a kill raise in the main thread, wherever it is. In the middle of such a call they would
    leave its answer unread, and from then on each call would be given the answer to the one before.
    """
    answer: Future[_T] = Future()
    # Airflow's traces hang on context variables.
    run = contextvars.copy_context().run

    def make() -> None:
        try:
            answer.set_result(run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=make, name="mixpeek-state-store", daemon=True).start()
    while not wait([answer], timeout=_LOOK_UP).done:
        pass
    return answer.result()
