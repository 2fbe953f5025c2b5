"""What a sensor in reschedule mode remembers from one look to the next, where Airflow can (3.3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider.mixpeek._airflow_versions import task_state_store
from airflow_provider.mixpeek._supervisor import undisturbed
from airflow_provider.mixpeek.triggers._marks import marked, read_marks

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

    from airflow_provider.mixpeek.client import WaitFor
    from airflow_provider.mixpeek.waiting import Progress

log = logging.getLogger("airflow_provider.mixpeek.sensors")

#: Set apart from the names of the user's own code, which shares the store of its task.
_NAME = "mixpeek.wait"


class Memory:
    """
    What this try has not seen done yet, and how often it looked in vain.

    Each try begins anew. What cannot be written or read is not remembered, and only costs looks.

    :param waits: All there is to wait for.
    """

    def __init__(self, context: Context, store: TaskStateStoreAccessor, waits: Sequence[WaitFor]) -> None:
        self._store = store
        self._try: int = context["ti"].try_number
        self._waits = waits
        self._noted: Any = None

    def recall(self) -> dict[WaitFor, int]:
        """What is still waited for, each with its failed looks in a row."""
        everything = dict.fromkeys(self._waits, 0)
        try:
            noted: Any = undisturbed(lambda: self._store.get(_NAME))
        except AirflowRuntimeError as error:
            log.warning("What was seen before cannot be read, so all of it is looked at again: %s", error)
            return everything
        self._noted = noted
        if not isinstance(noted, dict) or noted.get("try") != self._try:
            return everything
        recalled: dict[WaitFor, int] = {}
        for looks, marks in noted["failed_looks"]:
            some = read_marks(self._waits, marks)
            if some is None:
                return everything
            recalled |= dict.fromkeys(some, looks)
        return {wait: recalled[wait] for wait in self._waits if wait in recalled}

    def note(self, waiting: Mapping[WaitFor, Progress]) -> None:
        """Write it down, where it has changed."""
        by_looks: dict[int, set[WaitFor]] = {}
        for wait, progress in waiting.items():
            by_looks.setdefault(progress.failed_looks, set()).add(wait)
        failed_looks = [[looks, marked(self._waits, some)] for looks, some in sorted(by_looks.items())]
        note: dict[str, Any] = {"try": self._try, "failed_looks": failed_looks}
        if note == self._noted:
            return
        try:
            undisturbed(lambda: self._store.set(_NAME, note))
        except AirflowRuntimeError as error:
            log.warning("What was seen could not be noted, so all of it is looked at again: %s", error)


def memory(context: Context, waits: Sequence[WaitFor]) -> Memory | None:
    """The memory of this task; None before Airflow 3.3."""
    store = task_state_store(context)
    return None if store is None else Memory(context, store, waits)
