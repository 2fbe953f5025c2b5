"""What differs between the versions of Airflow that this package runs on. No other module knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )
except ImportError:  # 3.1 has them in Airflow's core
    from airflow.exceptions import (  # type: ignore[no-redef]
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )

try:
    from airflow.sdk.configuration import conf
except ImportError:  # so has 3.1 this
    from airflow.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

__all__ = [
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferralTimeout",
    "default_deferrable",
    "task_state_store",
    "triggers_hear_of_a_kill",
]


def task_state_store(context: Context) -> TaskStateStoreAccessor | None:
    """Return what a task can remember things in between its tries; None before 3.3."""
    return context.get("task_state_store")


def default_deferrable() -> bool:
    """Return whether tasks that can be deferred are, where a DAG does not say (``[operators]``)."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def triggers_hear_of_a_kill() -> bool:
    """Return whether Airflow tells a trigger that its task was given up; not before 3.3."""
    # Costs much to import, and is there already where something is deferred.
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "on_kill")
