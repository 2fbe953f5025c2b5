"""Files become objects, one of each or of several: what was stored is not sent again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import BucketSchema, MixpeekConfigError
from airflow_provider.mixpeek.client._schema import is_blob_type
from airflow_provider.mixpeek.ingest import _threads
from airflow_provider.mixpeek.ingest._file_groups import Group, GroupRule, Member, check_property
from airflow_provider.mixpeek.ingest._file_receipts import FileReceipts
from airflow_provider.mixpeek.ingest._file_uploads import Result, Uploads
from airflow_provider.mixpeek.ingest._file_values import OF_A_FILE, OF_A_GROUP, Table, check_templates
from airflow_provider.mixpeek.ingest._files_report import FilesRejectedError, FilesReport, RejectedFile
from airflow_provider.mixpeek.ingest._listing import Listed, listed
from airflow_provider.mixpeek.ingest._locations import Location, locate
from airflow_provider.mixpeek.ingest._sinks import Directory
from airflow_provider.mixpeek.ingest._telling import tell_rejected

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import MixpeekClient

log = logging.getLogger("airflow_provider.mixpeek.ingest")


def upload_files(
    mixpeek: MixpeekClient,
    bucket: str,
    files: Any,
    *,
    blob_property: str | None = None,
    group_by: str | None = None,
    metadata: Mapping[str, str] | None = None,
    table: Any = None,
    table_key: str = "file",
    at_once: int = 4,
    max_rejected: int = 0,
    rejected_to: Directory | None = None,
    receipt_to: Directory | None = None,
) -> FilesReport:
    """
    Make an object of each file, or of several.

    A file whose bytes the bucket has is not sent again: the server is asked by its SHA-256. So a second call
    goes on where one that was killed had been, and files of the same bytes are one object. An object of
    several files has an idempotency key of its name and their bytes.

    :param bucket: Name or id of the bucket.
    :param files: A folder (with all that is below it), a glob, a file, or a list of these; local, or URLs
        that fsspec reads. Names that begin with ``.`` or ``_`` are left out.
    :param blob_property: Property of the bucket's schema that a file becomes; None: the only file property.
    :param group_by: A regular expression that the whole path matches, below the folder: its group ``object``
        names the object that a file is of, its group ``property`` what it is there, as in
        ``(?P<object>.+)-(?P<property>front|back)[.]jpg``. None: each file is an object.
    :param metadata: Property of the schema to its value, in which ``{path}``, ``{folder}``, ``{name}``,
        ``{stem}`` and ``{suffix}`` are the file's; with ``group_by`` there is ``{object}``.
    :param table: A table with further values, as ``ingest`` takes rows; it is read as a whole. Columns named
        like properties of the schema are used, and win over ``metadata``.
    :param table_key: The column that says which file a row is about, by its path or its name alone; with
        ``group_by`` which object. A file without a row is rejected.
    :param at_once: Objects whose files are on their way at once.
    :param max_rejected: Files that may be rejected: missing, empty, too large, refused by the server or the
        storage, not confirmed, without a place in the rule or the table.
    :param rejected_to: A directory, of this machine or any URL of fsspec, where rejected files are written
        down with the reason (JSON Lines: ``file``, ``reason``, ``error_type``).
    :param receipt_to: A directory where it is written down what became of each file (JSON Lines: ``file``,
        ``outcome`` (``stored``, ``duplicate`` or ``rejected``), ``object_id``, ``upload_id``, ``sha256``,
        ``size``).
    :raises FilesRejectedError: more were; the others are stored.
    :raises MixpeekConfigError: an argument is wrong; nothing was sent.
    :raises MixpeekError: the server, the key, or the place that files are read from failed; a second call
        goes on.
    :raises BaseException: whatever interrupted this thread. Files under way then get a few seconds. This and
        the error before have a note of what was done, which is written down too, as far as it is known.
    """
    if at_once < 1:
        raise MixpeekConfigError(f"at_once is {at_once}, and must be at least 1")
    templates = dict(metadata or {})
    check_templates(templates, OF_A_FILE if group_by is None else OF_A_GROUP)
    mixpeek.session.api.check_uploads()
    target = mixpeek.buckets.find(bucket)
    schema = target.bucket_schema or BucketSchema()
    for_files = [name for name, declared in schema.properties.items() if is_blob_type(declared.type)]
    if schema.properties:  # without any, the server decides
        check_property(blob_property, for_files, grouped=group_by is not None)
    rule = None if group_by is None else GroupRule(group_by, blob_property, for_files)
    if rule is not None and (target.unique_key or not mixpeek.has_idempotency_keys()):
        raise MixpeekConfigError(
            "objects of several files need idempotency keys, which buckets with a unique key and servers of "
            "API 0.81 do not take",
            hint='Ingest a table whose columns name the files: Blob(column=..., source="file").',
        )
    sidecar = None if table is None else Table.read(table, key=table_key, schema=schema)
    given = _located(files)
    receipts = FileReceipts.open(target.bucket_id, given, rejected_to=rejected_to, receipt_to=receipt_to)
    found = [(_shown(file), file) for file in _found(given)]
    if rule is None:
        groups = [Group(path, [Member(file, path, blob_property)]) for path, file in found]
        left: list[tuple[str, str]] = []
    else:
        groups, left = rule.groups(found)
    stop = threading.Event()
    uploads = Uploads(
        mixpeek, target.bucket_id, schema, templates, sidecar, grouped=rule is not None, stop=stop
    )
    done: dict[int, list[Result]] = {}

    def report() -> FilesReport:
        results: list[Result] = [RejectedFile(path, reason) for path, reason in left]
        results += [each for number in sorted(done) for each in done[number]]
        return FilesReport(
            target.bucket_id,
            tuple(each for each in results if isinstance(each, tuple)),
            tuple(each for each in results if isinstance(each, RejectedFile)),
        )

    try:
        calls = [partial(uploads.store, group) for group in groups]
        _threads.gather(calls, at_once=at_once, stop=stop, results=done, grace=_threads.GRACE)
    except BaseException as failure:
        # Before anything was done, what an earlier call has written says more.
        _tell_stop(failure, _kept(report(), receipts) if done else report(), of=len(found))
        raise
    all_of_them = receipts.written(report())
    _tell(all_of_them)
    if len(all_of_them.rejected) > max_rejected:
        raise FilesRejectedError(all_of_them)
    return all_of_them


def _kept(report: FilesReport, receipts: FileReceipts) -> FilesReport:
    """Write down what is known of files that were stopped on their way."""
    try:
        return receipts.written(report)
    except Exception as error:  # noqa: BLE001 - what stopped the files is what the caller must hear of
        log.warning("What became of the files could not be written down: %s", error)
        return report


def _tell(report: FilesReport) -> None:
    tell_rejected(
        report.rejected,
        "files",
        count=len(report.rejected),
        where=f"all of them are in {report.rejected_uri}"
        if report.rejected_uri
        else "with rejected_to= all of them are written into a file",
    )


def _tell_stop(failure: BaseException, report: FilesReport, *, of: int) -> None:
    _tell(report)
    done = f"The upload of {of} files was stopped: {report}; running it again sends only the rest."
    log.warning("%s", done)
    failure.add_note(done)


def _located(files: Any) -> list[Location]:
    given: Iterable[Any] = files if isinstance(files, Sequence) and not isinstance(files, str) else [files]
    return [locate(each) for each in given]


def _found(given: Sequence[Location]) -> list[Listed]:
    every: dict[str, Listed] = {}
    for each in given:
        try:
            every |= {file.location.uri: file for file in listed(each)}
        except FileNotFoundError as error:
            raise MixpeekConfigError(
                f"there is no file {error}", hint="Check the path or the glob."
            ) from None
    return list(every.values())


def _shown(file: Listed) -> str:
    return file.relative or file.name
