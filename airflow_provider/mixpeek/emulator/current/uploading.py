"""The rules of uploads: duplicates, the property that a file becomes, and what confirming one means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.shapes import Location, Problem

from .creating import create_object
from .fields import check_unique_key
from .requests import FILE_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider.mixpeek.emulator.context import Context
    from airflow_provider.mixpeek.emulator.records import Bucket, Task, Upload

ASYNC_FROM = 100 * 1024 * 1024
"""Bytes from which a confirmation is a task (text of the confirm call, API 0.82)."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What became of an announcement.

    :param upload: The new upload, or the one that has the same bytes.
    :param duplicate: Whether it is the latter.
    :param existing_object: The object that has the unique key already, where the bucket only inserts.
    """

    upload: Upload
    duplicate: bool = False
    existing_object: str | None = None


def announce(
    context: Context, bucket: Bucket, body: Mapping[str, Any], now: float, location: Location = ("body",)
) -> Announced:
    """Take an upload down, or find the one that is meant.

    :param body: Right in its shape (``UPLOAD_CREATE``).
    :raises Refusal: 422, the bucket has no such property; 413, the file is too large.
    """
    definition = {
        "presigned_url_expiration": 3600,
        "metadata": {},
        "create_object_on_confirm": True,
        "skip_duplicates": True,
        **{name: value for name, value in body.items() if value is not None},
    }
    _check(context, bucket, definition, location)
    if definition["skip_duplicates"] and "file_hash" in definition:
        twin = _twin(bucket, now, sha256=definition["file_hash"])
        if twin is not None:
            return Announced(twin, duplicate=True)
    existing = _inserted(bucket, definition, location)
    return Announced(context.state.add_upload(bucket, definition, now), existing_object=existing)


def _check(context: Context, bucket: Bucket, definition: dict[str, Any], location: Location) -> None:
    name = definition["filename"]
    if "/" in name or "\\" in name:
        raise invalid([Problem("value_error", (*location, "filename"), "Should be a name, not a path")])
    most = context.settings.max_upload_bytes
    size = definition.get("file_size_bytes")
    if most is not None and size is not None and size > most:
        raise Refusal(413, f"The file has {size} bytes; the plan allows {most}")
    if not definition["create_object_on_confirm"]:
        return
    files = [each for each, declared in bucket.properties.items() if declared["type"] in FILE_TYPES]
    stem = files[0] if len(files) == 1 else name.rpartition(".")[0] or name
    chosen = definition.setdefault("blob_property", stem)
    declared = bucket.properties.get(chosen)
    if declared is None:
        message = f"The bucket's schema does not declare '{chosen}'; give blob_property"
        raise invalid([Problem("value_error", (*location, "blob_property"), message)])
    definition.setdefault("blob_type", declared["type"])


def _inserted(bucket: Bucket, definition: Mapping[str, Any], location: Location) -> str | None:
    """The object that has the unique key, in a bucket that would refuse a second one."""
    config = bucket.definition.get("unique_key")
    if not config or config.get("default_policy") != "insert":
        return None
    unique = check_unique_key(bucket, dict(definition.get("object_metadata") or {}), location)
    found = bucket.by_unique_key.get(unique) if unique is not None else None
    return found.object_id if found else None


def _twin(bucket: Bucket, now: float, *, sha256: str | None, besides: Upload | None = None) -> Upload | None:
    return next(
        (
            each
            for each in bucket.uploads.values()
            if each is not besides and each.sha256 == sha256 and each.status(now) == "COMPLETED"
        ),
        None,
    )


def check_arrived(upload: Upload, given: Mapping[str, Any]) -> None:
    """Hold a confirmation to what the storage has.

    :raises Refusal: 409: it was confirmed; 422: no file arrived, or another one.
    """
    if upload.confirmed is not None:
        raise Refusal(409, f"Upload '{upload.upload_id}' was confirmed before")
    problems = []
    if upload.sha256 is None:
        problems.append(Problem("value_error", ("body",), "The storage has no file of this upload"))
    else:
        etag, size = given.get("etag"), given.get("file_size_bytes")
        announced = upload.definition
        if etag is not None and etag.strip('"') != upload.etag:
            problems.append(Problem("value_error", ("body", "etag"), "Not the ETag of the stored file"))
        if any(each not in (None, upload.stored_bytes) for each in (size, announced.get("file_size_bytes"))):
            message = f"The stored file has {upload.stored_bytes} bytes"
            problems.append(Problem("value_error", ("body", "file_size_bytes"), message))
        if announced.get("file_hash") not in (None, upload.sha256):
            problems.append(Problem("value_error", ("body",), "The stored file has another hash"))
    if problems:
        raise invalid(problems)


def confirm(context: Context, upload: Upload, now: float, *, policy: str | None, task: Task | None) -> None:
    """Take the stored file over: as an object, where the upload was announced so.

    :param upload: Checked by :func:`check_arrived`.
    :param task: What does it; None: this call.
    :raises Refusal: The bucket refuses the object; the upload stays unconfirmed.
    """
    twin = None
    if upload.definition["skip_duplicates"]:
        twin = _twin(upload.bucket, now, sha256=upload.sha256, besides=upload)
    upload.confirmed, upload.task = now, task
    ends_well = task is None or task.outcome.status in (None, context.state.words.done)
    try:
        if twin is not None:
            upload.object_id = twin.object_id
        elif upload.definition["create_object_on_confirm"] and ends_well:
            upload.object_id = _make_object(context, upload, now, policy)
    except Refusal:
        upload.confirmed = upload.task = None
        raise
    finally:
        context.state.touch(upload)


def _make_object(context: Context, upload: Upload, now: float, policy: str | None) -> str:
    wanted = upload.definition
    blob = {
        "property": wanted["blob_property"],
        "type": wanted["blob_type"],
        "upload_id": upload.upload_id,
    }
    body = {**(wanted.get("object_metadata") or {}), "blobs": [blob]}
    created = create_object(context.state, context.settings, upload.bucket, body, now=now, policy=policy)
    return created.stored.object_id
