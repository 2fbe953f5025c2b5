"""Operators that create and delete buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider.mixpeek.client._wait_for import A_DAY
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators._work import WorkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import MixpeekClient
    from airflow_provider.mixpeek.operators._store import StoreCheckpoint

__all__ = ["MixpeekCreateBucketOperator", "MixpeekDeleteBucketOperator"]


class MixpeekCreateBucketOperator(BaseOperator):
    """
    Create a bucket, or take the one that is there.

    Returns ``{"bucket_id", "bucket_name"}``, one XCom key each: ``create.output["bucket_id"]``.

    :param bucket: Name of the bucket (templated).
    :param schema: What its objects look like (templated): short, ``{"hero": "image", "price": "float"}``, or
        whole, ``{"properties": {...}}``. A property ``metadata`` of type object is declared besides, for
        columns that the schema does not name.
    :param if_exists: ``reuse`` a bucket of this name whose schema fits, so that retries and later runs
        succeed; or ``fail``.
    :param description: What the bucket is for (templated).
    :param unique_key: Names of scalar properties that identify an object in the bucket.
    :param declare_metadata: Declare ``metadata``.
    :param mixpeek_conn_id: Id of the connection (templated).
    """

    template_fields: Sequence[str] = ("bucket", "schema", "description", "mixpeek_conn_id")
    template_fields_renderers = {"schema": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        bucket: str,
        schema: Mapping[str, Any],
        if_exists: Literal["reuse", "fail"] = "reuse",
        description: str | None = None,
        unique_key: Sequence[str] | None = None,
        declare_metadata: bool = True,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True} | kwargs)
        self.bucket = bucket
        self.schema = schema
        self.if_exists = if_exists
        self.description = description
        self.unique_key = unique_key
        self.declare_metadata = declare_metadata
        self.mixpeek_conn_id = mixpeek_conn_id

    def execute(self, context: Context) -> dict[str, str]:  # noqa: ARG002 - Airflow's signature
        """
        Create the bucket.

        :raises MixpeekConfigError: the schema or the connection is wrong; nothing was sent.
        :raises MixpeekConflictError: the bucket exists, with ``fail`` or with a schema that does not fit.
        """
        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            bucket = mixpeek.buckets.create(
                self.bucket,
                schema=self.schema,
                if_exists=self.if_exists,
                description=self.description,
                unique_key=self.unique_key,
                declare_metadata=self.declare_metadata,
            )
        self.log.info("Bucket %s is %s.", bucket.bucket_name, bucket.bucket_id)
        return {"bucket_id": bucket.bucket_id, "bucket_name": bucket.bucket_name}


class MixpeekDeleteBucketOperator(WorkOperator):
    """
    Delete a bucket with everything in it.

    The server works on it in a task, and a retry waits for the task that an earlier try has started (Airflow
    3.3); it deletes the bucket that the first try has found, and none that has taken its name since. Returns
    ``{"bucket_id", "waits"}``, one XCom key each; a ``MixpeekTaskSensor`` takes the ``waits`` and waits until
    the bucket is gone. ``waits`` is empty when there was nothing to delete.

    :param bucket: Name or id of the bucket (templated).
    :param if_missing: ``ignore`` a bucket that is not there, so that a retry succeeds; or ``fail``.
    :param wait_for_completion: Wait until the bucket is gone.
    :param wait_timeout: Seconds to wait at most, with a last look at the end.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says.
    :param max_failed_looks: Looks in a row that may fail, because the server is down or overloaded, before
        contact counts as lost.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises ValueError: ``if_missing`` is neither word, or a number is none that it can be.
    """

    template_fields: Sequence[str] = ("bucket", "mixpeek_conn_id")
    ui_color = "#fde8e8"
    without_store = "a retry asks for the deletion again"

    def __init__(
        self,
        *,
        bucket: str,
        if_missing: Literal["ignore", "fail"] = "ignore",
        wait_for_completion: bool = False,
        wait_timeout: float = A_DAY,
        deferrable: bool | None = None,
        max_failed_looks: int = 10,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wait_for_completion=wait_for_completion,
            wait_timeout=wait_timeout,
            deferrable=deferrable,
            max_failed_looks=max_failed_looks,
            mixpeek_conn_id=mixpeek_conn_id,
            **kwargs,
        )
        if if_missing not in ("ignore", "fail"):
            raise ValueError(f"if_missing is {if_missing!r}, and must be 'ignore' or 'fail'")
        self.bucket = bucket
        self.if_missing = if_missing

    def start(
        self,
        mixpeek: MixpeekClient,
        context: Context,  # noqa: ARG002 - as the base has it
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
    ) -> dict[str, Any]:
        """
        Delete the bucket.

        :raises MixpeekNotFoundError: there is none, with ``fail``, and no earlier try has deleted it.
        :raises MixpeekTryOverError: Airflow has started another try of the task beside this one.
        """
        from airflow_provider.mixpeek.client import MixpeekNotFoundError

        noted = checkpoint.get("deletion") if checkpoint else None
        if noted is None or noted["rerun_number"] != rerun_number:
            try:
                bucket_id = mixpeek.buckets.find(self.bucket).bucket_id
            except MixpeekNotFoundError as missing:
                if self.if_missing == "fail":
                    raise
                self.log.info("Nothing to delete: %s", missing)
                return _being_deleted(None, None)
            noted = {"bucket_id": bucket_id, "task_id": None, "rerun_number": rerun_number}
            if checkpoint:
                # Before the deletion: whatever has the name later is another bucket, and not to be deleted.
                checkpoint.set("deletion", noted)
        elif noted["task_id"] and self._goes_on(mixpeek, noted["task_id"]):
            self.log.info("An earlier try has begun to delete %s.", noted["bucket_id"])
            return _being_deleted(noted["bucket_id"], noted["task_id"])
        bucket_id = noted["bucket_id"]
        try:
            task_id = mixpeek.buckets.delete(bucket_id).task_id
        except MixpeekNotFoundError:
            self.log.info("Bucket %s is gone.", bucket_id)
            return _being_deleted(bucket_id, None)
        if checkpoint and task_id:
            checkpoint.set("deletion", noted | {"task_id": task_id})
        self.log.info("Bucket %s is being deleted, in task %s.", bucket_id, task_id)
        return _being_deleted(bucket_id, task_id)

    def hint_after_failure(self, mixpeek: MixpeekClient) -> str:  # noqa: ARG002 - as the base has it
        """What a retry does after the deletion has failed."""
        return "A retry deletes what is left."

    @staticmethod
    def _goes_on(mixpeek: MixpeekClient, task_id: str) -> bool:
        """Whether it makes sense to wait for a task."""
        from airflow_provider.mixpeek.client import WaitFor
        from airflow_provider.mixpeek.client._looks import look
        from airflow_provider.mixpeek.waiting import Gone, Outcome, Seen

        seen = mixpeek.run(look(mixpeek.session, WaitFor(task_id)))
        failed = isinstance(seen, Seen) and seen.outcome in (Outcome.FAILED, Outcome.PARTIAL)
        return not (failed or isinstance(seen, Gone))


def _being_deleted(bucket_id: str | None, task_id: str | None) -> dict[str, Any]:
    from airflow_provider.mixpeek.client import WaitFor

    return {"bucket_id": bucket_id, "waits": [WaitFor(task_id).as_dict()] if task_id else []}
