"""Operators that create and delete buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook

if TYPE_CHECKING:
    from airflow.sdk import Context

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


class MixpeekDeleteBucketOperator(BaseOperator):
    """
    Delete a bucket with everything in it.

    The server works on it in a task. Returns ``{"bucket_id", "waits"}``; a ``MixpeekTaskSensor`` takes the
    ``waits`` and waits until the bucket is gone. ``waits`` is empty when there was nothing to delete.

    :param bucket: Name or id of the bucket (templated).
    :param if_missing: ``ignore`` a bucket that is not there, so that a retry succeeds; or ``fail``.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises ValueError: ``if_missing`` is neither word.
    """

    template_fields: Sequence[str] = ("bucket", "mixpeek_conn_id")
    ui_color = "#fde8e8"

    def __init__(
        self,
        *,
        bucket: str,
        if_missing: Literal["ignore", "fail"] = "ignore",
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True} | kwargs)
        if if_missing not in ("ignore", "fail"):
            raise ValueError(f"if_missing is {if_missing!r}, and must be 'ignore' or 'fail'")
        self.bucket = bucket
        self.if_missing = if_missing
        self.mixpeek_conn_id = mixpeek_conn_id

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """
        Delete the bucket.

        :raises MixpeekNotFoundError: there is none, with ``fail``.
        """
        from airflow_provider.mixpeek.client import MixpeekNotFoundError, WaitFor

        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            try:
                bucket_id = mixpeek.buckets.find(self.bucket).bucket_id
                deleted = mixpeek.buckets.delete(bucket_id)
            except MixpeekNotFoundError as missing:
                if self.if_missing == "fail":
                    raise
                self.log.info("Nothing to delete: %s", missing)
                return {"bucket_id": None, "waits": []}
        self.log.info("Bucket %s is being deleted, in task %s.", bucket_id, deleted.task_id)
        waits = [WaitFor(task_id=deleted.task_id).as_dict()] if deleted.task_id else []
        return {"bucket_id": bucket_id, "waits": waits}
