"""What a task remembers between its tries: Airflow's task state store, as a checkpoint of ``ingest``."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider.mixpeek._airflow_versions import task_state_store
from airflow_provider.mixpeek._supervisor import undisturbed
from airflow_provider.mixpeek.exceptions import MixpeekTryOverError
from airflow_provider.mixpeek.operators._tries import Noted, Try, rerun_number

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

log = logging.getLogger("airflow_provider.mixpeek.operators")

#: Sets our names apart from those of the user's own code, which shares the store of its task.
_PREFIX = "mixpeek."

#: What each try notes of itself. A checkpoint's names have no dot.
_TRY = f"{_PREFIX}task.try"


class StoreCheckpoint:
    """
    A checkpoint in the task state store, which Airflow keeps for each task of a DAG run.

    It survives retries, kills and clears. How long it is kept is the administrator's choice
    (``[state_store] default_retention_days``, 30 days, and ``clear_on_success``), because nothing in it is
    lost for good: without it, rows are sent again under their keys.

    Airflow shuts the store to a try as soon as there is another one. That is what keeps a worker that
    everybody believes dead from going on beside its successor.
    """

    def __init__(self, store: TaskStateStoreAccessor) -> None:
        self._store = store

    def get(self, key: str) -> Any:
        """
        Return a value; None where nothing was ever set.

        :raises MixpeekTryOverError: there is another try by now.
        """
        return self._got(_PREFIX + key)

    def set(self, key: str, value: Any) -> None:
        """
        Set a value in place of what was there.

        :raises MixpeekTryOverError: there is another try by now; nothing was set.
        """
        self._put(_PREFIX + key, value)

    def begin(self, this: Try) -> int:
        """
        Note that a try has begun, which must come before everything else.

        :return: the rerun number, see :func:`rerun_number`
        :raises MixpeekTryOverError: there is another try by now.
        """
        noted = undisturbed(lambda: self._store.get(_TRY))
        number = rerun_number(this, _as_noted(noted))
        self._put(_TRY, asdict(this) | {"rerun_number": number})
        return number

    def _got(self, name: str) -> Any:
        value = undisturbed(lambda: self._store.get(name))
        # A shut store answers as if it were empty. It is not: this try has noted itself.
        if value is None and undisturbed(lambda: self._store.get(_TRY)) is None:
            raise _over()
        return value

    def _put(self, name: str, value: Any) -> None:
        try:
            undisturbed(lambda: self._store.set(name, value))
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == 404:
                raise _over() from error
            raise


def begin_try(context: Context, *, without_store: str) -> tuple[StoreCheckpoint | None, int]:
    """
    Note that a try has begun, and return its checkpoint and the rerun number (see :func:`rerun_number`).

    :param without_store: Where Airflow has no task state store there is no checkpoint, and the log says what
        that costs: this.
    :raises MixpeekTryOverError: there is another try by now.
    """
    ti = context["ti"]
    this = Try(number=ti.try_number, max_tries=ti.max_tries, retries=ti.task.retries or 0)
    store = task_state_store(context)
    if store is None:
        log.warning("This Airflow has no task state store (it came with 3.3): %s.", without_store)
        return None, rerun_number(this, None)
    checkpoint = StoreCheckpoint(store)
    return checkpoint, checkpoint.begin(this)


def _as_noted(noted: Any) -> Noted | None:
    if noted is None:
        return None
    number = noted.pop("rerun_number")
    return Noted(last=Try(**noted), rerun_number=number)


def _over() -> MixpeekTryOverError:
    return MixpeekTryOverError(
        "Airflow has put an end to this try of the task: the task was cleared, or is being tried again "
        "because nothing was heard of its worker. It goes no further, so that two tries do not write."
    )
