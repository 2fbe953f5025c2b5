"""Rows that bring files: each is uploaded, and the row's object refers to it."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider.mixpeek.client import MixpeekError, MixpeekFileError, MixpeekReadError
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._upload_flows import upload_file
from airflow_provider.mixpeek.client._upload_source import FileSource
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._json_text import dumps
from airflow_provider.mixpeek.ingest._locations import Location, is_url, locate
from airflow_provider.mixpeek.ingest._openable import OpenableFile
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._values import NoFormError, PlainColumn, convert

#: Uploads that are remembered, so that rows that share a file, or are sent again, do not read it again.
_REMEMBERED = 10_000

#: Seconds in which the server must have taken over a file.
_CONFIRMED_WITHIN = 3600.0

_LEADS_AWAY = re.compile(r"^[/\\]|^[a-zA-Z][a-zA-Z0-9+.-]*:|(^|[/\\])\.\.([/\\]|$)")


class RowFiles:
    """
    The files of one load. Senders share it.

    :param bucket_id: The bucket.
    :param folders: Properties that are filled with files -> the folder that cells are paths below; None: any.
    """

    def __init__(self, bucket_id: str, folders: Mapping[str, str | None]) -> None:
        self._bucket_id = bucket_id
        self._folders = folders
        self._lock = threading.Lock()
        self._uploaded: OrderedDict[tuple[str, str], str] = OrderedDict()

    def bring(self, rows: Sequence[Row], session: Session) -> Flow[tuple[list[Row], dict[int, RejectedRow]]]:
        """
        Upload the files of some rows.

        A file whose bytes the bucket has is not sent again, so that a second try of a row gets the same
        uploads.

        :return: The rows that can be sent, and those that cannot, by their number.
        :raises MixpeekError: the server or the key failed; no object was made.
        """
        ready: list[Row] = []
        refused: dict[int, RejectedRow] = {}
        for row in rows:
            try:
                brought = yield from self._bring_one(row, session)
            except MixpeekError as error:
                # What may be stored is a file that no object refers to.
                error.may_be_stored = False
                raise
            if isinstance(brought, RejectedRow):
                refused[row.number] = brought
            else:
                ready.append(brought)
        return ready, refused

    def _bring_one(self, row: Row, session: Session) -> Flow[Row | RejectedRow]:
        body = json.loads(row.body)
        for blob in body["blobs"]:
            if "upload_id" not in blob:
                continue
            name = blob["property"]
            try:
                blob["upload_id"] = yield from self._upload_id(name, blob["upload_id"], session)
            except MixpeekError as error:
                if not blame.is_about_a_file(error):
                    raise
                return RejectedRow(
                    row.number,
                    error.message,
                    column=row.blob_columns.get(name),
                    error_type=getattr(error, "type", ""),
                    values=row.values(),
                )
        return row._replace(body=memoryview(dumps(body)).tobytes())

    def _upload_id(self, name: str, cell: str, session: Session) -> Flow[str]:
        file = self._located(name, cell)
        known = name, file.uri
        with self._lock:
            upload_id = self._uploaded.get(known)
        if upload_id is not None:
            return upload_id
        uploaded = yield from upload_file(
            session,
            self._bucket_id,
            FileSource(OpenableFile(file)),
            create_object=False,
            skip_duplicates=True,
            policy=None,
            timeout=_CONFIRMED_WITHIN,
            blob_property=name,
        )
        if uploaded.upload_id is None:
            raise MixpeekFileError(
                f"the server took {file.name} for an object that it has, and made no upload of it",
                hint="Such a bucket takes files with MixpeekUploadFilesOperator or uploads.upload_file().",
            )
        with self._lock:
            self._uploaded[known] = uploaded.upload_id
            if len(self._uploaded) > _REMEMBERED:
                self._uploaded.popitem(last=False)
        return uploaded.upload_id

    def _located(self, name: str, cell: str) -> Location:
        folder = self._folders[name]
        if folder is None:
            return _reached(cell)
        if _LEADS_AWAY.search(cell):
            # It may be a URL with a password or a signature, so it is not repeated.
            raise SourceError("the cell is a URL, or leads out of the folder of the files")
        below = _reached(folder)
        return below.below(f"{below.path.rstrip('/')}/{cell}", cell)


def _reached(text: str) -> Location:
    try:
        return locate(text)
    except SourceError as error:
        if not error.retryable:
            raise
        failure = MixpeekReadError(error.message, hint="Try again later.", retryable=True)
    raise failure


def path_column(values: Sequence[Any]) -> PlainColumn:
    """
    Take plain values for the paths of files.

    :param values: One a row; None where there is no file.
    """
    return convert(values, _path)


def _path(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise NoFormError(f"a {type(value).__name__} is no path of a file")
    if not value.strip():
        raise NoFormError("an empty path")
    if "\0" in value:
        raise NoFormError("no path has a NUL character")
    # What is no URL is taken for a path, and paths are told whole.
    if "://" in value and value != value.strip():
        raise NoFormError("the URL has a blank at an end")
    if "://" in value and not is_url(value):
        raise NoFormError("the cell has a URL, with something before it")
    return value
