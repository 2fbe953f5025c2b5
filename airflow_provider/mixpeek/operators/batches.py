"""The operator that has objects processed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider.mixpeek.client._wait_for import A_DAY
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators._lineage import Lineage, SaysLineage
from airflow_provider.mixpeek.operators._work import WorkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import MixpeekClient
    from airflow_provider.mixpeek.operators._store import StoreCheckpoint

__all__ = ["MixpeekProcessObjectsOperator"]


class MixpeekProcessObjectsOperator(SaysLineage, WorkOperator):
    """
    Have objects that are stored already processed, and wait until they are.

    They are cut into batches, each written down before it is submitted (Airflow 3.3): a retry takes up
    batches that run or are done, and puts what failed into new ones. The legacy generation has no batches.

    Returns, one XCom key each: ``bucket_id``, ``objects`` (how many), ``missing`` (how many are not in the
    bucket), ``batch_ids``, ``waits``, and after waiting ``failed`` (how many objects failed in batches that
    are done in part) and ``failed_objects`` (the first hundred: ``object_id``, ``batch_id``, ``reason``). The
    others are there while it waits, and when the work fails.

    :param objects: Object ids, or the outputs of upload tasks, or of create tasks that have ``receipt_to``
        (templated), one or many, nested as mapped tasks nest them. All that the receipt's
        directory tells of is processed.
    :param filters: In place of ``objects``: all objects of the bucket for which these hold when the try
        begins, ``{"AND": [{"field", "operator", "value"}]}`` (templated).
    :param bucket: Name or id of the bucket (templated). None: as those tasks say.
    :param process: ``new``: leave objects that have documents as they are; ``all``: replace their documents.
    :param batch_size: Objects of one batch.
    :param rerun: What to do when the task has succeeded and is cleared (templated): ``replay`` submits again
        only what failed, ``again`` everything.
    :param wait_for_completion: Wait until the batches are done.
    :param wait_timeout: Seconds to wait at most, with a last look at the end.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says.
    :param partial_ok: Take a batch of which a part failed for done.
    :param max_failed_looks: Looks at a batch in a row that may fail, because the server is down or
        overloaded, before contact counts as lost.
    :param cancel_on_kill: Cancel the batches when the task is killed, marked failed or marked successful; and
        when it is cleared, after which the new try submits its own. Never at a time-out or when a triggerer
        stops.
    :param emit_asset: Tell Airflow, once the task has succeeded, that the asset
        ``mixpeek://{namespace}/{bucket}`` has changed, as the connection and ``bucket`` name the two.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises ValueError: not exactly one of ``objects`` and ``filters`` is given, or ``filters`` without
        ``bucket``.
    """

    template_fields: Sequence[str] = ("objects", "filters", "bucket", "rerun", "mixpeek_conn_id")
    template_fields_renderers = {"filters": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e6f4ea"
    without_store = "a retry finds batches that run, and submits the rest again"

    def __init__(
        self,
        *,
        objects: Any = None,
        filters: Mapping[str, Any] | None = None,
        bucket: str | None = None,
        process: Literal["new", "all"] = "new",
        batch_size: int = 1_000,
        rerun: Literal["replay", "again"] = "replay",
        wait_for_completion: bool = True,
        wait_timeout: float = A_DAY,
        deferrable: bool | None = None,
        partial_ok: bool = False,
        max_failed_looks: int = 10,
        cancel_on_kill: bool = False,
        emit_asset: bool = False,
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
            emit_asset=emit_asset,
            mixpeek_conn_id=mixpeek_conn_id,
            **kwargs,
        )
        if (objects is None) == (filters is None):
            raise ValueError("pass either objects or filters")
        if filters is not None and bucket is None:
            raise ValueError("filters need the bucket whose objects they choose")
        self.objects = objects
        self.filters = filters
        self.bucket = bucket
        self.process = process
        self.batch_size = batch_size
        self.rerun = rerun

    def start(
        self,
        mixpeek: MixpeekClient,
        context: Context,  # noqa: ARG002 - as the base has it
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
    ) -> dict[str, Any]:
        """
        Submit the batches.

        :raises MixpeekConfigError: the objects or the bucket are not what they should be; nothing was sent.
        :raises MixpeekError: a batch could not be created or submitted; a retry goes on where this one was.
        :raises MixpeekTryOverError: Airflow has started another try of the task beside this one.
        """
        from airflow_provider.mixpeek.ingest import process_objects
        from airflow_provider.mixpeek.ingest._processing import check_has_batches

        check_has_batches(mixpeek)
        bucket, ids = self._chosen(mixpeek)
        done = process_objects(
            mixpeek,
            bucket,
            ids,
            process=self.process,
            batch_size=self.batch_size,
            checkpoint=checkpoint,
            rerun=self.rerun,
            rerun_number=rerun_number,
            cancel_earlier=self.cancel_on_kill,
        )
        return {
            "bucket_id": done.bucket_id,
            "objects": done.objects,
            "missing": done.missing,
            "batch_ids": [batch.batch_id for batch in done.batches],
            "waits": done.waits,
        }

    def lineage(self, result: Mapping[str, Any]) -> Lineage:
        """Objects are read from the bucket. Where their documents go, the collections of the server say."""
        return Lineage(rows_read=result["objects"], counts=("objects", "missing", "failed"))

    def _chosen(self, mixpeek: MixpeekClient) -> tuple[str, Iterable[str]]:
        from airflow_provider.mixpeek.client import MixpeekConfigError
        from airflow_provider.mixpeek.operators._given_objects import given_objects

        if self.filters is not None:
            assert self.bucket is not None, "checked when the operator was made"  # noqa: S101
            bucket_id = mixpeek.buckets.find(self.bucket).bucket_id
            # All of them first: pages shift when objects change, and processing changes them.
            found = [one.object_id for one in mixpeek.objects.list(bucket_id, filters=self.filters)]
            self.log.info("The filters choose %d objects.", len(found))
            return bucket_id, found
        given = given_objects(self.objects)
        if self.bucket is None:
            if given.bucket_id is None:
                raise MixpeekConfigError(
                    "object ids alone do not say which bucket they are in",
                    hint="Pass bucket=, its name or id.",
                )
            return given.bucket_id, given.ids
        bucket_id = mixpeek.buckets.find(self.bucket).bucket_id
        if given.bucket_id not in (None, bucket_id):
            raise MixpeekConfigError(
                f"the create task stored into {given.bucket_id}, and bucket {self.bucket!r} is {bucket_id}",
                hint="Leave bucket= out: the output of the create task names it.",
            )
        return bucket_id, given.ids
