"""What ``on_kill`` does to an ``execute`` that is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class TaskKilledError(BaseException):
    """Airflow wants the task to end. No Exception, so that no handler on the way takes it for a failure."""


class Kill:
    """
    Ends ``execute`` when Airflow kills the task.

    On SIGTERM Airflow calls ``on_kill`` and does nothing else: without this the task would go on for the five
    seconds until SIGKILL. ``on_kill`` then runs in the main thread, in the middle of whatever that does, so
    it must not talk to the supervisor: it would wait for ever for a call that it has itself interrupted. What
    it raises unwinds ``execute``, and what is to be written is written there.

    After ``execution_timeout`` Airflow calls ``on_kill`` too, when ``execute`` is unwound already.
    """

    def __init__(self) -> None:
        self._asked = False
        self._under_way = False
        self._is_over = False

    def ask(self) -> None:
        """
        Be what ``on_kill`` does.

        :raises TaskKilledError: ``execute`` is under way, and is asked for the first time: a second signal
            must not cut short how it ends.
        """
        first, self._asked = not self._asked, not self._is_over
        if first and self._under_way:
            raise TaskKilledError("Airflow asked this task to end (SIGTERM).")

    @contextmanager
    def ends(self) -> Iterator[None]:
        """
        Surround what a kill is to end.

        :raises TaskKilledError: the task is killed, or was before it came here.
        """
        self._under_way, self._is_over = True, False
        try:
            if self._asked:
                raise TaskKilledError("Airflow asked this task to end (SIGTERM) before it began.")
            yield
        finally:
            # In dag.test() the next try has the same operator.
            self._asked, self._under_way, self._is_over = False, False, True
