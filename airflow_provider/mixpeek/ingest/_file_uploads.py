"""One object of one file, or of several: they are uploaded, and what is wrong with them is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import (
    BucketSchema,
    MixpeekConflictError,
    MixpeekError,
    MixpeekObject,
    MixpeekStatusError,
    NewBlob,
    UploadedFile,
)
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._file_groups import Group, Member
from airflow_provider.mixpeek.ingest._file_values import NoRowError, Table, of_a_file
from airflow_provider.mixpeek.ingest._files_report import RejectedFile
from airflow_provider.mixpeek.ingest._openable import OpenableFile

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import MixpeekClient

#: Begins the idempotency keys of objects that several files become.
_KEY_VERSION = "mpf1-"

Result = RejectedFile | tuple[str, UploadedFile]


class Uploads:
    """
    Stores one group after another; several may be under way.

    :param stop: Set when nothing is to be waited for any more: waits between tries end, and files under way.
    """

    def __init__(
        self,
        mixpeek: MixpeekClient,
        bucket_id: str,
        schema: BucketSchema,
        templates: Mapping[str, str],
        table: Table | None,
        *,
        grouped: bool,
        stop: threading.Event,
    ) -> None:
        self._mixpeek = mixpeek.stopped_by(stop)
        self._stop = stop
        self._bucket_id = bucket_id
        self._schema = schema
        self._templates = templates
        self._table = table
        self._grouped = grouped

    def store(self, group: Group) -> list[Result]:
        """
        Store one object.

        :raises MixpeekError: it failed, and that is no file's fault; or it was stopped.
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
        rejected: list[Result] = []
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
                OpenableFile(member.file.location, self._stop),
                blob_property=member.property,
                **how,
            )
        except MixpeekError as error:
            if not blame.is_about_a_file(error):
                raise
            return RejectedFile(member.path, error.message, getattr(error, "type", ""))

    def _create(
        self, group: Group, uploaded: Sequence[tuple[Member, UploadedFile]], values: Mapping[str, Any]
    ) -> list[Result]:
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


def _all_rejected(group: Group, reason: str, error_type: str = "") -> list[Result]:
    return [RejectedFile(member.path, reason, error_type) for member in group.members]
