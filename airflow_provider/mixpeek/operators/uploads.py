"""The operator that makes objects of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators._lineage import Lineage, SaysLineage
from airflow_provider.mixpeek.operators._rows import released

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.ingest import FilesReport

__all__ = ["MixpeekUploadFilesOperator"]

#: Rejected files that an XCom names at most.
_KEPT = 100


class MixpeekUploadFilesOperator(SaysLineage, BaseOperator):
    """
    Upload files, and make an object of each.

    A retry reads all files again and sends only those that the bucket has not: the server knows them by their
    SHA-256. Files of the same bytes are one object. The legacy generation takes no files.

    Returns, one XCom key each: ``bucket_id``, ``files`` (how many), ``stored``, ``duplicates`` (how many of
    these the server had already), ``rejected``, ``rejected_files`` (the first hundred: ``file``, ``reason``),
    and ``object_ids`` (all of them, for ``MixpeekProcessObjectsOperator``).

    :param bucket: Name or id of the bucket (templated).
    :param files: A folder with all that is below it, a glob, a file, or a list of these (templated); local,
        or URLs that fsspec reads, such as ``s3://my_connection@shop/shoes/*.jpg``.
    :param blob_property: Property of the bucket's schema that a file becomes (templated). None: the only file
        property.
    :param metadata: Property of the schema to its value (templated), in which ``{path}``, ``{folder}``,
        ``{name}``, ``{stem}`` and ``{suffix}`` are the file's.
    :param at_once: Files on their way at once.
    :param max_rejected: Files that may be rejected without failing the task: unreadable, empty, too large, or
        refused by the server.
    :param mixpeek_conn_id: Id of the connection (templated).
    """

    template_fields: Sequence[str] = ("bucket", "files", "blob_property", "metadata", "mixpeek_conn_id")
    template_fields_renderers = {"metadata": "json"}  # noqa: RUF012 - Airflow's own form of it
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        bucket: str,
        files: Any,
        blob_property: str | None = None,
        metadata: Mapping[str, str] | None = None,
        at_once: int = 4,
        max_rejected: int = 0,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True} | kwargs)
        self.bucket = bucket
        self.files = files
        self.blob_property = blob_property
        self.metadata = metadata
        self.at_once = at_once
        self.max_rejected = max_rejected
        self.mixpeek_conn_id = mixpeek_conn_id

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """
        Upload the files.

        :raises MixpeekConfigError: an argument is wrong, or there is no such file; nothing was sent.
        :raises FilesRejectedError: more files were rejected than may be; the others are stored.
        :raises MixpeekError: the server or the key failed; a retry goes on.
        """
        from airflow_provider.mixpeek.ingest import FilesRejectedError, upload_files

        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            try:
                report = upload_files(
                    mixpeek,
                    self.bucket,
                    self._given(),
                    blob_property=self.blob_property,
                    metadata=self.metadata,
                    at_once=self.at_once,
                    max_rejected=self.max_rejected,
                )
            except FilesRejectedError as error:
                self.remember(mixpeek, _result(error.report))
                raise
            result = _result(report)
            self.remember(mixpeek, result)
        self.log.info(
            "%d files are stored, %d of them were before; %d were rejected.",
            result["stored"],
            result["duplicates"],
            result["rejected"],
        )
        return result

    def lineage(self, result: Mapping[str, Any]) -> Lineage:
        """Files are read, and become objects of the bucket."""
        return Lineage(
            sources=self._given(),
            files_read=result["files"],
            written=result["stored"] - result["duplicates"],
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
        "object_ids": sorted({each.object_id for _, each in report.stored if each.object_id}),
    }
