"""The operator that creates objects from rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider.mixpeek.client._wait_for import A_DAY
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators._lineage import Lineage, SaysLineage
from airflow_provider.mixpeek.operators._rows import held, released
from airflow_provider.mixpeek.operators._work import WorkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import MixpeekClient
    from airflow_provider.mixpeek.ingest import ObjectMapping, Report
    from airflow_provider.mixpeek.operators._store import StoreCheckpoint

__all__ = ["MixpeekCreateObjectsOperator"]

#: What of the result lineage tells, where it is there.
_COUNTS = (
    "rows_read", "resumed", "created", "replayed", "stored", "rejected", "unsent", "in_doubt", "stale",
    "failed",
)  # fmt: skip


class MixpeekCreateObjectsOperator(SaysLineage, WorkOperator):
    """
    Create an object in a bucket from every row, and have the objects processed.

    Each row is created under a key of its own, and how far the task is stands in Airflow's task state
    store (3.3 and later): a retry goes on where the try before was, whatever ended it, and stores nothing
    twice.
    What each of retry, clear and next run does: ``docs/resuming.md``. Servers of the legacy generation and of
    API 0.81 have no keys; there rows that may have been sent are looked for, and the log says what that
    promises.

    Returns counts and what there is to wait for, one XCom key each: ``bucket_id``, ``rows_read``, ``resumed``
    (rows that earlier tries had settled), ``created``, ``replayed``, ``stored``, ``rejected``, ``unsent``,
    ``in_doubt``, ``stale``, ``rejected_uri``, ``receipt_uri``, and ``waits``, which a ``MixpeekTaskSensor``
    takes: ``create.output["waits"]``. With ``wait_for_completion`` also ``failed`` (objects that failed in
    batches that are done in part) and ``failed_objects`` (the first hundred: ``object_id``, ``batch_id``,
    ``reason``); the others are there while it waits, and when the work fails.

    :param bucket: Name or id of the bucket (templated).
    :param rows: The path or URL of Parquet, CSV or JSON Lines (a file, a folder or a glob; templated; with
        ``conn_id@`` after the scheme the URL is that of an ``ObjectStoragePath``), a part of one that
        ``split_source`` made, a directory of rejected rows, the output of another task, or a data frame or
        list of dicts. Prefer a path: rows that go through XCom are copied into Airflow's database. Jinja in
        a row is left alone, and the rendered templates show how many rows there are.
    :param mapping: What the columns become: an ``ObjectMapping`` (taken as it is), or a dict of its parts
        (templated). None: columns named like properties of the bucket's schema.
    :param keys: What identifies a row: ``content`` (default for frames and lists), ``position`` (files), or
        ``columns`` (when the mapping names an ``idempotency_key``).
    :param scope: Part of every row's key (templated). By default the DAG run and this task (DAG, run, task,
        and for ``content`` the map index), so that another run creates objects of its own; with ``columns``
        nothing, so that a row of the same business key is the same object in every run.
    :param on_error: ``fail`` at the first row that is wrong, or ``collect`` such rows, log them and go on.
    :param max_rejected: With ``collect``: rows that may be wrong, as a number, or as a share (a float below
        1).
    :param rejected_to: A directory (templated), of this machine or any URL of fsspec, where rejected rows are
        written to with the reason; ``rows`` takes it when they are mended.
    :param receipt_to: A directory (templated) where it is written down what became of each row.
    :param receipt_format: ``jsonl`` or ``parquet``.
    :param process: ``new``: submit batches with the objects that are not processed yet; ``all``: with all of
        them, their documents replaced; False: store only. The legacy generation has no batches: each object
        is processed as it is created, and False is an error.
    :param batch_size: Objects of one batch.
    :param max_request_bytes: Bytes of one request's body; a row that is larger is rejected.
    :param in_flight: Requests under way at once.
    :param source_name: Stands for a file in its rows' keys, wherever it is read from (templated).
    :param allow_empty: No rows at all are a success and not an error.
    :param rerun: What to do when the task has succeeded and is cleared (templated): ``replay`` sends every
        row again under the old keys, so that deleted objects come back and rejected rows get another chance;
        ``again`` makes new objects of all rows.
    :param on_source_change: What a retry does when the file or the mapping has changed since the first try:
        ``fail``, or ``accept`` and send every row. A task that is cleared accepts it anyway.
    :param policy: For a bucket with a unique key: ``insert``, ``update`` or ``upsert``; by default the
        bucket's own.
    :param on_changed: What to do with a row of a business key whose object was made of other values:
        ``keep`` the object and count the row as stale, or ``reject`` the row.
    :param markers: Let objects keep in their metadata the row's key (servers without idempotency keys) and a
        hash of its values (business and unique keys).
    :param skip_duplicates: Have the server return the object that it has of the same content, instead of
        storing another.
    :param wait_for_completion: Wait until the objects are processed.
    :param wait_timeout: Seconds to wait at most, with a last look at the end.
    :param deferrable: Wait in the triggerer and hold no worker; None: as ``[operators] default_deferrable``
        says.
    :param partial_ok: Take a batch of which a part failed for done.
    :param max_failed_looks: Looks at a batch in a row that may fail, because the server is down or
        overloaded, before contact counts as lost.
    :param cancel_on_kill: Cancel the batches when the task is killed, or given up while it waits; and when it
        is cleared, after which the new try submits its own. Objects that are stored stay. Not on the legacy
        generation.
    :param emit_asset: Tell Airflow, once the task has succeeded, that the asset
        ``mixpeek://{namespace}/{bucket}`` has changed, as the connection and ``bucket`` name the two.
    :param mixpeek_conn_id: Id of the connection (templated).
    """

    template_fields: Sequence[str] = (
        "bucket",
        "rows",
        "mapping",
        "scope",
        "source_name",
        "rejected_to",
        "receipt_to",
        "rerun",
        "mixpeek_conn_id",
    )
    template_fields_renderers = {"mapping": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e6f4ea"
    without_store = (
        "a retry reads and sends every row again, and a server without keys (legacy, API 0.81) stores each "
        "again"
    )

    def __init__(
        self,
        *,
        bucket: str,
        rows: Any,
        mapping: ObjectMapping | Mapping[str, Any] | None = None,
        keys: Literal["content", "position", "columns"] | None = None,
        scope: str | None = None,
        on_error: Literal["fail", "collect"] = "fail",
        max_rejected: float | None = None,
        rejected_to: str | os.PathLike[str] | None = None,
        receipt_to: str | os.PathLike[str] | None = None,
        receipt_format: Literal["jsonl", "parquet"] = "jsonl",
        process: Literal["new", "all", False] = "new",
        batch_size: int = 1_000,
        max_request_bytes: int = 8_000_000,
        in_flight: int = 8,
        source_name: str | None = None,
        allow_empty: bool = False,
        rerun: Literal["replay", "again"] = "replay",
        on_source_change: Literal["fail", "accept"] = "fail",
        policy: Literal["insert", "update", "upsert"] | None = None,
        on_changed: Literal["keep", "reject"] = "keep",
        markers: bool = True,
        skip_duplicates: bool = False,
        wait_for_completion: bool = False,
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
        self.bucket = bucket
        self.rows = rows
        self.mapping = mapping
        self.keys = keys
        self.scope = scope
        self.on_error = on_error
        self.max_rejected = max_rejected
        self.rejected_to = rejected_to
        self.receipt_to = receipt_to
        self.receipt_format = receipt_format
        self.process = process
        self.batch_size = batch_size
        self.max_request_bytes = max_request_bytes
        self.in_flight = in_flight
        self.source_name = source_name
        self.allow_empty = allow_empty
        self.rerun = rerun
        self.on_source_change = on_source_change
        self.policy = policy
        self.on_changed = on_changed
        self.markers = markers
        self.skip_duplicates = skip_duplicates

    @property
    def rows(self) -> Any:
        """A path, an XComArg, or held rows; rendering sets it again with what it resolved."""
        return self._rows

    @rows.setter
    def rows(self, rows: Any) -> None:
        self._rows = held(rows)

    def start(
        self,
        mixpeek: MixpeekClient,
        context: Context,
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
    ) -> dict[str, Any]:
        """
        Create the objects and submit their batches.

        :raises MixpeekConfigError: rows, mapping, bucket or connection do not fit; nothing was sent.
        :raises IngestError: the run did not get to its end; its message says what was done.
        :raises MixpeekTryOverError: Airflow has started another try of the task beside this one.
        """
        from airflow_provider.mixpeek.ingest import IngestError, ingest

        try:
            report = ingest(
                mixpeek,
                self.bucket,
                released(self.rows),
                mapping=self.mapping,
                keys=self.keys,
                scope=lambda mode: self._scope(mode, context),
                on_error=self.on_error,
                max_rejected=self.max_rejected,
                rejected_to=self.rejected_to,
                receipt_to=self.receipt_to,
                receipt_format=self.receipt_format,
                process=self.process,
                batch_size=self.batch_size,
                max_request_bytes=self.max_request_bytes,
                in_flight=self.in_flight,
                source_name=self.source_name,
                allow_empty=self.allow_empty,
                checkpoint=checkpoint,
                rerun=self.rerun,
                rerun_number=rerun_number,
                cancel_earlier=self.cancel_on_kill,
                on_source_change=self.on_source_change,
                policy=self.policy,
                on_changed=self.on_changed,
                markers=self.markers,
                skip_duplicates=self.skip_duplicates,
            )
        except IngestError as error:
            self.remember(mixpeek, _result(error.report))
            raise
        if not report.waits:
            self.log.info("Nothing is being processed, so there is nothing to wait for.")
        return _result(report)

    def lineage(self, result: Mapping[str, Any]) -> Lineage:
        """Rows are read from files, and written into the bucket."""
        return Lineage(
            sources=[released(self.rows)],
            rows_read=result["rows_read"],
            written=result["created"] + result["stored"],
            counts=_COUNTS,
        )

    def hint_after_failure(self, mixpeek: MixpeekClient) -> str:
        """What a retry does after processing has failed."""
        if mixpeek.session.api.processes_on_create:
            return (
                "The legacy generation processes an object as it creates it, and a retry waits for the same "
                "tasks. To make new objects of all rows, clear the task with rerun='again'."
            )
        return super().hint_after_failure(mixpeek)

    def _scope(self, mode: str, context: Context) -> str:
        """What a retry shares with the try before it and with nothing else, so never the try number."""
        ti = context["ti"]
        if self.scope is not None:
            parts = [self.scope]
        elif mode == "columns":
            return ""
        else:
            parts = [ti.dag_id, ti.run_id, ti.task_id]
        if mode == "content":
            # Two mapped parts may hold equal rows, which are two rows.
            parts.append(str(ti.map_index))
        return "\n".join(parts)


def _result(report: Report) -> dict[str, Any]:
    return {
        "bucket_id": report.bucket_id,
        "rows_read": report.rows_read,
        "resumed": report.resumed,
        **report.counts(),
        "stale": report.stale,
        "rejected_uri": report.rejected_uri,
        "receipt_uri": report.receipt_uri,
        "waits": report.waits,
    }
