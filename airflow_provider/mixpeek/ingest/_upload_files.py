"""Files become objects, one of each or of several: what was stored is not sent again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import (
    BucketSchema,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekObject,
    MixpeekStatusError,
    NewBlob,
    UploadedFile,
)
from airflow_provider.mixpeek.client._schema import is_blob_type
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._file_groups import Group, GroupRule, Member
from airflow_provider.mixpeek.ingest._file_receipts import FileReceipts
from airflow_provider.mixpeek.ingest._file_values import (
    OF_A_FILE,
    OF_A_GROUP,
    NoRowError,
    Table,
    check_templates,
    of_a_file,
)
from airflow_provider.mixpeek.ingest._listing import Listed, listed
from airflow_provider.mixpeek.ingest._locations import Location, locate
from airflow_provider.mixpeek.ingest._openable import OpenableFile
from airflow_provider.mixpeek.ingest._sinks import Directory

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import MixpeekClient

#: Begins the idempotency keys of objects that several files become.
_KEY_VERSION = "mpf1-"


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """
    A file of which no object was made.

    :param file: Its path below the folder or the fixed part of the glob; its name, if it was named itself.
    :param reason: Why, one sentence.
    :param error_type: The vendor's error type, where the server rejected it; empty where we did.
    """

    file: str
    reason: str
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class FilesReport:
    """
    What became of the files.

    :param stored: Each file by its path, and what the server has of it.
    :param rejected: The others.
    :param rejected_uri: Where these are written down, and why.
    :param receipt_uri: Where it is written down what became of each file.
    """

    bucket_id: str
    stored: tuple[tuple[str, UploadedFile], ...]
    rejected: tuple[RejectedFile, ...]
    rejected_uri: str | None = None
    receipt_uri: str | None = None

    @property
    def duplicates(self) -> int:
        """How many the server had already, from an earlier try or from elsewhere."""
        return sum(file.duplicate for _, file in self.stored)


class FilesRejectedError(MixpeekError):
    """
    More files were rejected than may be; all others are stored.

    :param report: What became of each.
    """

    def __init__(self, report: FilesReport) -> None:
        first = report.rejected[0]
        super().__init__(
            f"{len(report.rejected)} files were rejected; the first is {first.file}: {first.reason}",
            hint=f"The other {len(report.stored)} are stored, and are not sent again. Mend or remove these.",
        )
        self.report = report


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
    :param max_rejected: Files that may be rejected: unreadable, empty, too large, refused by the server,
        without a place in the rule or the table.
    :param rejected_to: A directory, of this machine or any URL of fsspec, where rejected files are written
        down with the reason (JSON Lines: ``file``, ``reason``, ``error_type``).
    :param receipt_to: A directory where it is written down what became of each file (JSON Lines: ``file``,
        ``outcome`` (``stored``, ``duplicate`` or ``rejected``), ``object_id``, ``upload_id``, ``sha256``,
        ``size``).
    :raises FilesRejectedError: more were; the others are stored.
    :raises MixpeekConfigError: an argument is wrong; nothing was sent.
    :raises MixpeekError: the server or the key failed; a second call goes on.
    """
    if at_once < 1:
        raise MixpeekConfigError(f"at_once is {at_once}, and must be at least 1")
    templates = dict(metadata or {})
    check_templates(templates, OF_A_FILE if group_by is None else OF_A_GROUP)
    mixpeek.session.api.check_uploads()
    target = mixpeek.buckets.find(bucket)
    schema = target.bucket_schema or BucketSchema()
    for_files = [name for name, declared in schema.properties.items() if is_blob_type(declared.type)]
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
    uploads = _Uploads(mixpeek, target.bucket_id, schema, templates, sidecar, grouped=rule is not None)
    results: list[_Result] = [RejectedFile(path, reason) for path, reason in left]
    results += [each for done in _at_once(uploads.store, groups, at_once) for each in done]
    report = FilesReport(
        target.bucket_id,
        tuple(each for each in results if isinstance(each, tuple)),
        tuple(each for each in results if isinstance(each, RejectedFile)),
    )
    rejected = [
        {"file": each.file, "reason": each.reason, "error_type": each.error_type} for each in report.rejected
    ]
    report = replace(
        report,
        rejected_uri=receipts.write_rejected(rejected),
        receipt_uri=receipts.write_receipt(_receipts(report)),
    )
    if len(report.rejected) > max_rejected:
        raise FilesRejectedError(report)
    return report


def _receipts(report: FilesReport) -> Iterator[dict[str, Any]]:
    for path, file in report.stored:
        yield {
            "file": path,
            "outcome": "duplicate" if file.duplicate else "stored",
            "object_id": file.object_id,
            "upload_id": file.upload_id,
            "sha256": file.sha256,
            "size": file.size,
        }
    for each in report.rejected:
        nothing = dict.fromkeys(("object_id", "upload_id", "sha256", "size"))
        yield {"file": each.file, "outcome": "rejected", **nothing}


_Result = RejectedFile | tuple[str, UploadedFile]


class _Uploads:
    """Stores one group after another; several may be under way."""

    def __init__(
        self,
        mixpeek: MixpeekClient,
        bucket_id: str,
        schema: BucketSchema,
        templates: Mapping[str, str],
        table: Table | None,
        *,
        grouped: bool,
    ) -> None:
        self._mixpeek = mixpeek
        self._bucket_id = bucket_id
        self._schema = schema
        self._templates = templates
        self._table = table
        self._grouped = grouped

    def store(self, group: Group) -> list[_Result]:
        """
        Store one object.

        :raises MixpeekError: it failed, and that is no file's fault.
        """
        try:
            values = self._values(group.name)
        except NoRowError as error:
            return _all_rejected(group, str(error))
        if not self._grouped:
            (member,) = group.members
            told = self._upload(member, object_metadata=values or None)
            return [told if isinstance(told, RejectedFile) else (member.path, told)]
        uploaded: list[tuple[Member, UploadedFile]] = []
        rejected: list[_Result] = []
        for member in group.members:
            told = self._upload(member, create_object=False)
            if isinstance(told, RejectedFile):
                rejected.append(told)
            else:
                uploaded.append((member, told))
        if not rejected:
            return self._create(group, uploaded, values)
        # An object that lacks one of its files would not be made whole by a second call.
        why = f"no object is made of it, since another file of {group.name!r} is rejected"
        return [*rejected, *(RejectedFile(member.path, why) for member, _ in uploaded)]

    def _upload(self, member: Member, **how: Any) -> UploadedFile | RejectedFile:
        try:
            return self._mixpeek.uploads.upload_file(
                self._bucket_id,
                OpenableFile(member.file.location),
                blob_property=member.property,
                **how,
            )
        except MixpeekError as error:
            if not blame.is_about_a_file(error):
                raise
            return RejectedFile(member.path, error.message, getattr(error, "type", ""))

    def _create(
        self, group: Group, uploaded: Sequence[tuple[Member, UploadedFile]], values: Mapping[str, Any]
    ) -> list[_Result]:
        identity = [group.name, *sorted((str(member.property), file.sha256) for member, file in uploaded)]
        digest = blake2b(json.dumps([self._bucket_id, identity]).encode(), digest_size=20).hexdigest()
        try:
            made = self._mixpeek.objects.create(
                self._bucket_id,
                blobs=[
                    NewBlob(property=name, type=self._schema.properties[name].type, upload_id=file.upload_id)
                    for name, file in ((str(member.property), file) for member, file in uploaded)
                ],
                fields=values,
                idempotency_key=_KEY_VERSION + digest,
            )
        except MixpeekStatusError as error:
            if not (isinstance(error, MixpeekConflictError) or blame.is_about_rows(error)):
                raise
            return _all_rejected(group, error.message, error.type)
        assert isinstance(made, MixpeekObject), "a server that takes files answers the object"  # noqa: S101
        return [(member.path, replace(file, object_id=made.object_id)) for member, file in uploaded]

    def _values(self, name: str) -> dict[str, Any]:
        known = {"object": name} if self._grouped else of_a_file(name)
        values: dict[str, Any] = {
            key: template.format_map(known) for key, template in self._templates.items()
        }
        if self._table is not None:
            names = (name,) if self._grouped else (known["path"], known["name"])
            values = {**values, **self._table.values(*names)}
        return values


def _all_rejected(group: Group, reason: str, error_type: str = "") -> list[_Result]:
    return [RejectedFile(member.path, reason, error_type) for member in group.members]


def _at_once(
    store: Callable[[Group], list[_Result]], groups: Sequence[Group], at_once: int
) -> list[list[_Result]]:
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="mixpeek-upload")
    try:
        futures = [pool.submit(store, group) for group in groups]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            # Raises what is no file's fault; the files behind it are not begun.
            future.result()
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
