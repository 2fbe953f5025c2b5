"""The sensor that waits for batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.sensors._waiting import WaitSensor

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import WaitFor

__all__ = ["MixpeekBatchSensor"]


class MixpeekBatchSensor(WaitSensor):
    """
    Wait until batches are done.

    It ends as :class:`~airflow_provider.mixpeek.sensors.tasks.MixpeekTaskSensor` ends, in each mode, and with
    the same errors. Nothing to wait for is a success. The legacy generation has no batches.

    :param batch_ids: Batch ids, or the ``waits`` of another task (templated): one or many, nested as mapped
        tasks nest them.
    :param bucket: Id or name of the bucket of those that are given by their ids (templated). None looks them
        up without it.
    :param partial_ok: Take work of which a part failed for done, and log what failed.
    :param max_failed_looks: Looks in a row that may fail, because the server is down or overloaded, before
        contact counts as lost. In reschedule mode before Airflow 3.3, where no count can be kept, all are
        borne until ``timeout``.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says. ``mode`` and ``poke_interval`` then mean nothing: looks are 1 to 30 seconds apart.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises MixpeekGenerationError: the server speaks the legacy generation.
    """

    template_fields: Sequence[str] = ("batch_ids", "bucket", "mixpeek_conn_id")

    def __init__(
        self,
        *,
        batch_ids: Any,
        bucket: str | None = None,
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
        self.batch_ids = batch_ids
        self.bucket = bucket

    def waits(self) -> list[WaitFor]:
        """The batches, each once, in order."""
        from airflow_provider.mixpeek.client._wait_for import WaitFor, flattened

        return flattened(self.batch_ids, of_id=lambda batch_id: WaitFor(None, batch_id, self.bucket))
