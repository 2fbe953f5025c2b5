"""The operator that makes objects of files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators import _outlets
from airflow_provider.mixpeek.operators._lineage import Lineage, SaysLineage
from airflow_provider.mixpeek.operators._rows import held, released

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.ingest import FilesReport

__all__ = ["MixpeekUploadFilesOperator"]

#: Rejected files that an XCom names at most.
_KEPT = 100


class MixpeekUploadFilesOperator(SaysLineage, BaseOperator):
    """
    Upload files, and make an object of each, or of several.

    A retry reads all files again and sends only those that the bucket has not: the server knows them by their
    SHA-256. Files of the same bytes are one object. The legacy generation takes no files.

    Rows of a table that name files among other things are for ``MixpeekCreateObjectsOperator``, whose mapping
    takes ``Blob(column=..., source="file")``.

    Returns, one XCom key each: ``bucket_id``, ``files`` (how many), ``stored``, ``duplicates`` (how many of
    these the server had already), ``rejected``, ``rejected_files`` (the first hundred: ``file``, ``reason``),
    ``rejected_uri`` and ``receipt_uri`` (None without the directory, and without rejected files), and
    ``object_ids`` (all of them, for ``MixpeekProcessObjectsOperator``).

    :param bucket: Name or id of the bucket (templated).
    :param files: A folder with all that is below it, a glob, a file, or a list of these (templated); local,
        or URLs that fsspec reads, such as ``s3://my_connection@shop/shoes/*.jpg``.
    :param blob_property: Property of the bucket's schema that a file becomes (templated). None: the only file
        property.
    :param group_by: A regular expression for the path of a file below the folder (templated), whose group
        ``object`` names the object that the file is of, and whose group ``property`` the property that it
        becomes, as in ``(?P<object>.+)-(?P<property>front|back)[.]jpg``. None: each file is an object.
    :param metadata: Property of the schema to its value (templated), in which ``{path}``, ``{folder}``,
        ``{name}``, ``{stem}`` and ``{suffix}`` are the file's; with ``group_by`` there is ``{object}``.
    :param table: A table beside the files (templated), with further values in columns that are named like
        properties of the schema: a path or URL, or an upstream task's rows, of the kinds that
        ``MixpeekCreateObjectsOperator`` takes. It is read as a whole.
    :param table_key: The table's column that says which file a row is about, by its path below the folder or
        by its name; with ``group_by``, which object (templated).
    :param at_once: Objects whose files are on their way at once.
    :param max_rejected: Files that may be rejected without failing the task: missing, empty, too large,
        refused by the server or the storage, not confirmed, outside of ``group_by``, or without a row in the
        table.
    :param rejected_to: A directory, of this machine or any URL of fsspec, where rejected files are written
        down with the reason (templated): all of them, in place of what an earlier call for the same files
        and bucket has written. The log names the first twenty.
    :param receipt_to: A directory where it is written down what became of each file (templated).
    :param emit_asset: Tell Airflow, once the task has succeeded, that the asset
        ``mixpeek://{namespace}/{bucket}`` has changed, as the connection and ``bucket`` name the two.
    :param mixpeek_conn_id: Id of the connection (templated).
    """

    template_fields: Sequence[str] = (
        "bucket",
        "files",
        "blob_property",
        "group_by",
        "metadata",
        "table",
        "table_key",
        "rejected_to",
        "receipt_to",
        "mixpeek_conn_id",
    )
    template_fields_renderers = {"metadata": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        bucket: str,
        files: Any,
        blob_property: str | None = None,
        group_by: str | None = None,
        metadata: Mapping[str, str] | None = None,
        table: Any = None,
        table_key: str = "file",
        at_once: int = 4,
        max_rejected: int = 0,
        rejected_to: str | os.PathLike[str] | None = None,
        receipt_to: str | os.PathLike[str] | None = None,
        emit_asset: bool = False,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True} | kwargs)
        self.bucket = bucket
        self.files = files
        self.blob_property = blob_property
        self.group_by = group_by
        self.metadata = metadata
        self.table = table
        self.table_key = table_key
        self.at_once = at_once
        self.max_rejected = max_rejected
        self.rejected_to = rejected_to
        self.receipt_to = receipt_to
        self.emit_asset = emit_asset
        self.mixpeek_conn_id = mixpeek_conn_id
        if emit_asset:
            _outlets.declare(self)

    @property
    def table(self) -> Any:
        """A path, an XComArg, or held rows; rendering sets it again with what it resolved."""
        return self._table

    @table.setter
    def table(self, table: Any) -> None:
        self._table = None if table is None else held(table)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Upload the files.

        :raises MixpeekConfigError: an argument is wrong, or there is no such file; nothing was sent.
        :raises FilesRejectedError: more files were rejected than may be; the others are stored.
        :raises MixpeekError: the server, the key, or the place that files are read from failed; a retry goes
            on.
        """
        from airflow_provider.mixpeek.ingest import FilesRejectedError, upload_files

        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            if self.emit_asset:
                _outlets.check_namespace(mixpeek)
            try:
                report = upload_files(
                    mixpeek,
                    self.bucket,
                    self._given(),
                    blob_property=self.blob_property,
                    group_by=self.group_by,
                    metadata=self.metadata,
                    table=released(self.table),
                    table_key=self.table_key,
                    at_once=self.at_once,
                    max_rejected=self.max_rejected,
                    rejected_to=self.rejected_to,
                    receipt_to=self.receipt_to,
                )
            except FilesRejectedError as error:
                self.remember(mixpeek, _result(error.report))
                raise
            result = _result(report)
            self.remember(mixpeek, result)
            namespace = mixpeek.session.settings.namespace
        self.log.info(
            "%d files are stored, %d of them were before; %d were rejected.",
            result["stored"],
            result["duplicates"],
            result["rejected"],
        )
        _outlets.tell(
            self, context, namespace=namespace, bucket=self.bucket, result=result, emit=self.emit_asset
        )
        return result

    def lineage(self, result: Mapping[str, Any]) -> Lineage:
        """Files are read, and become objects of the bucket."""
        return Lineage(
            sources=self._given(),
            files_read=result["files"],
            # Of objects of several files it is not known which were there before.
            written=len(result["object_ids"]) if self.group_by else result["stored"] - result["duplicates"],
            counts=("files", "stored", "duplicates", "rejected"),
        )

    def _given(self) -> list[Any]:
        given = self.files
        many = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        return [released(each) for each in many]


def _result(report: FilesReport) -> dict[str, Any]:
    return {
        "bucket_id": report.bucket_id,
        "files": len(report.stored) + len(report.rejected),
        "stored": len(report.stored),
        "duplicates": report.duplicates,
        "rejected": len(report.rejected),
        "rejected_files": [{"file": each.file, "reason": each.reason} for each in report.rejected[:_KEPT]],
        "rejected_uri": report.rejected_uri,
        "receipt_uri": report.receipt_uri,
        "object_ids": sorted({each.object_id for _, each in report.stored if each.object_id}),
    }
