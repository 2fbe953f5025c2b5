"""The operator that runs a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider.mixpeek.client._wait_for import A_DAY
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators._work import WorkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import Collection, MixpeekClient, WaitFor
    from airflow_provider.mixpeek.operators._store import StoreCheckpoint

__all__ = ["MixpeekTriggerCollectionOperator"]


class MixpeekTriggerCollectionOperator(WorkOperator):
    """
    Run a collection over its sources, and wait until its batches are done.

    The server makes the batches and submits them. What they are is written down (Airflow 3.3): a retry takes
    up a run whose batches run or are done, and also finds one whose answer was lost, by the batches of the
    collection that were not there before (API 0.82; another trigger of the same collection within ten minutes
    is taken for ours, and cancelled as ours with ``cancel_on_kill``, unless ``objects`` tell them apart).
    When a batch has failed, or done a part without ``partial_ok``, and none runs any more, the collection is
    triggered again, which leaves alone what has documents unless ``dedup_strategy`` says otherwise. The
    legacy generation cannot trigger a collection.

    Returns, one XCom key each: ``collection_id``, ``objects`` (how many; None where the server does not say),
    ``batch_ids``, ``waits``, and after waiting ``failed`` and ``failed_objects`` as
    ``MixpeekProcessObjectsOperator`` has them.

    :param collection: Name or id of the collection (templated).
    :param buckets: Ids or names of the source buckets whose objects are taken (templated). None: all.
    :param objects: Object ids (templated): these only. None: all.
    :param filters: Those objects only for which these hold, ``{"AND": [{"field", "operator", "value"}]}``
        (templated).
    :param dedup_strategy: What happens to objects that have documents already: ``skip``, ``replace`` or
        ``force``, which doubles them. None: as the server does it, which is ``skip`` (API 0.82).
    :param wait_for_completion: Wait until the batches are done.
    :param wait_timeout: Seconds to wait at most, with a last look at the end.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says.
    :param partial_ok: Take a batch of which a part failed for done.
    :param max_failed_looks: Looks at a batch in a row that may fail, because the server is down or
        overloaded, before contact counts as lost.
    :param cancel_on_kill: Cancel the batches when the task is killed, marked failed or marked successful; and
        when it is cleared, after which the new try triggers its own. Never at a time-out or when a triggerer
        stops.
    :param mixpeek_conn_id: Id of the connection (templated).
    """

    template_fields: Sequence[str] = ("collection", "buckets", "objects", "filters", "mixpeek_conn_id")
    template_fields_renderers = {"filters": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e6f4ea"
    without_store = "a retry triggers the collection again"

    def __init__(
        self,
        *,
        collection: str,
        buckets: Sequence[str] | None = None,
        objects: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        dedup_strategy: Literal["skip", "replace", "force"] | None = None,
        wait_for_completion: bool = True,
        wait_timeout: float = A_DAY,
        deferrable: bool | None = None,
        partial_ok: bool = False,
        max_failed_looks: int = 10,
        cancel_on_kill: bool = False,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wait_for_completion=wait_for_completion,
            wait_timeout=wait_timeout,
            deferrable=deferrable,
            partial_ok=partial_ok,
            max_failed_looks=max_failed_looks,
            cancel_on_kill=cancel_on_kill,
            mixpeek_conn_id=mixpeek_conn_id,
            **kwargs,
        )
        self.collection = collection
        self.buckets = buckets
        self.objects = objects
        self.filters = filters
        self.dedup_strategy = dedup_strategy

    def start(
        self,
        mixpeek: MixpeekClient,
        context: Context,  # noqa: ARG002 - as the base has it
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
    ) -> dict[str, Any]:
        """
        Trigger the collection, or take up what an earlier try has triggered.

        :raises MixpeekNotFoundError: there is no such collection.
        :raises MixpeekError: it could not be triggered; a retry finds out whether it was.
        :raises MixpeekTryOverError: Airflow has started another try of the task beside this one.
        """
        from airflow_provider.mixpeek.client import MixpeekError
        from airflow_provider.mixpeek.client._collection_flows import waits_of
        from airflow_provider.mixpeek.operators._collection_runs import Runs

        collection = mixpeek.collections.get(self.collection)
        runs = Runs(mixpeek, collection, self.objects, checkpoint, rerun_number, partial_ok=self.partial_ok)
        if self.cancel_on_kill:
            runs.cancel_earlier()
        found = runs.taken_up()
        if found is not None:
            self.log.info("Taking up the run of %s that an earlier try has triggered.", self.collection)
            return _result(collection, None, found)
        runs.begin()
        try:
            triggered = mixpeek.collections.trigger(
                collection.collection_id,
                buckets=self.buckets,
                object_ids=self.objects,
                filters=self.filters,
                dedup_strategy=self.dedup_strategy,
            )
        except MixpeekError as error:
            if not error.may_be_stored:
                runs.refused()
            raise
        self.log.info("Triggered %s: %s", self.collection, triggered.message or triggered.task_id)
        waits = mixpeek.run(waits_of(mixpeek.session, triggered))
        runs.began(waits)
        return _result(collection, triggered.object_count, waits)

    def noted_waits(self, mixpeek: MixpeekClient, checkpoint: StoreCheckpoint) -> list[WaitFor]:
        """What was triggered when the task was killed, though its answer may not have come."""
        from airflow_provider.mixpeek.operators._collection_runs import noted_waits

        return noted_waits(mixpeek, checkpoint, self.objects)


def _result(collection: Collection, objects: int | None, waits: Sequence[WaitFor]) -> dict[str, Any]:
    return {
        "collection_id": collection.collection_id,
        "objects": objects,
        "batch_ids": [wait.batch_id for wait in waits if wait.batch_id],
        "waits": [wait.as_dict() for wait in waits],
    }
