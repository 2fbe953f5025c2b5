"""The sensor that waits for tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.sensors._waiting import WaitSensor

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import WaitFor

__all__ = ["MixpeekTaskSensor"]


class MixpeekTaskSensor(WaitSensor):
    """
    Wait until tasks are done.

    Where the batch of a task is known, the batch is judged: it has several tasks, and is remembered longer.
    Nothing to wait for is a success.

    :param task_ids: Task ids, or the ``waits`` of another task (templated): one or many, nested as mapped
        tasks nest them.
    :param partial_ok: Take work of which a part failed for done, and log what failed.
    :param max_failed_looks: Looks in a row that may fail, because the server is down or overloaded, before
        contact counts as lost. In reschedule mode before Airflow 3.3, where no count can be kept, all are
        borne until ``timeout``.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says. ``mode`` and ``poke_interval`` then mean nothing: looks are 1 to 30 seconds apart.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises MixpeekTaskFailedError: a task failed or was cancelled, with the vendor's reason; not retried by
        Airflow, skipped with ``soft_fail``.
    :raises MixpeekTaskPartialError: a part of one failed, without ``partial_ok``.
    :raises MixpeekNotSubmittedError: a batch was never submitted.
    :raises MixpeekTaskLostError: the server knows a task no longer.
    :raises MixpeekLostContactError: too many looks in a row failed; Airflow may retry it.
    :raises AirflowSensorTimeout: the sensor gave up waiting, which says nothing about the work.
    """

    template_fields: Sequence[str] = ("task_ids", "mixpeek_conn_id")

    def __init__(
        self,
        *,
        task_ids: Any,
        partial_ok: bool = False,
        max_failed_looks: int = 10,
        deferrable: bool | None = None,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            partial_ok=partial_ok,
            max_failed_looks=max_failed_looks,
            deferrable=deferrable,
            mixpeek_conn_id=mixpeek_conn_id,
            **kwargs,
        )
        self.task_ids = task_ids

    def waits(self) -> list[WaitFor]:
        """The tasks, each once, in order."""
        from airflow_provider.mixpeek.client._wait_for import flattened

        return flattened(self.task_ids)
