"""Calls about uploads, and the way of one file from announcement to object, once for both clients."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider.mixpeek.client._calls import Page, Reading
from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
    MixpeekReadError,
    MixpeekServerError,
    MixpeekStorageError,
    MixpeekUploadURLError,
    MixpeekWaitTimeoutError,
    MixpeekWorkFailedError,
)
from airflow_provider.mixpeek.client._flow import (
    Answer,
    Call,
    FilePut,
    Flow,
    Session,
    Sleep,
    Work,
    after,
    backoff,
)
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._models import Task, Upload
from airflow_provider.mixpeek.client._requests import NewUpload, Policy, checked
from airflow_provider.mixpeek.client._upload_source import FileSource
from airflow_provider.mixpeek.waiting import Outcome

R = TypeVar("R")

#: Uploads of one request at most (``BatchUploadRequest``, ``BatchConfirmRequest``, API 0.82).
MOST_UPLOADS = 100

#: Presigned URLs that one file is given: each may run out.
_URLS = 3

#: How often a file is read whose place fails.
_READS = 5

#: How often a confirmation whose answer was unclear, and that left its upload waiting, is sent again.
_CONFIRMS = 3

#: Seconds between looks at an upload that is being confirmed: the first, and the longest (vendor's advice).
_FIRST_LOOK = 1.0
_LONGEST_LOOK = 30.0

#: The word for why a storage refuses, in its XML; the rest of that may repeat the URL.
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")

log = logging.getLogger("airflow_provider.mixpeek.client")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """
    A file that the server has.

    :param upload_id: Its upload; None where the bucket's unique key made the upload needless.
    :param object_id: Its object; None where none was asked for.
    :param filename: Its name.
    :param size: Bytes.
    :param sha256: 64 hex digits.
    :param duplicate: The server had it already, and nothing was sent.
    """

    upload_id: str | None
    object_id: str | None
    filename: str
    size: int
    sha256: str
    duplicate: bool


def upload_page(session: Session, bucket_id: str, reading: Reading) -> Flow[Page[Upload]]:
    """One page of a bucket's uploads."""
    return call(session, session.api.list_uploads(bucket_id, cursor=reading.cursor, size=reading.size))


def create_upload(session: Session, bucket_id: str, given: NewUpload | Mapping[str, Any]) -> Flow[Upload]:
    """Announce one file."""
    new = checked(NewUpload, given, "the upload")
    return call(session, session.api.create_upload(bucket_id, new.model_dump(exclude_none=True)))


def create_uploads(
    session: Session, bucket_id: str, given: Sequence[NewUpload | Mapping[str, Any]]
) -> Flow[list[Upload]]:
    """Announce 1 to 100 files."""
    _check_count(given)
    bodies = [
        checked(NewUpload, each, f"upload {number}").model_dump(exclude_none=True)
        for number, each in enumerate(given)
    ]
    return call(session, session.api.create_uploads(bucket_id, bodies))


def confirm_uploads(session: Session, bucket_id: str, given: Sequence[Mapping[str, Any]]) -> Flow[Task]:
    """Confirm 1 to 100 uploads in one task."""
    _check_count(given)
    return call(session, session.api.confirm_uploads(bucket_id, given))


def _check_count(given: Sequence[Any]) -> None:
    if not 1 <= len(given) <= MOST_UPLOADS:
        raise MixpeekConfigError(f"{len(given)} uploads in one request; it takes 1 to {MOST_UPLOADS}")


def put_file(session: Session, upload: Upload, source: FileSource) -> Flow[str | None]:
    """
    Send a file to its presigned URL, and again where that broke: the same bytes at the same place.

    :returns: The storage's ETag, where it names one.
    :raises MixpeekUploadURLError: the URL ran out, or does not fit.
    :raises MixpeekStorageError: the storage refused the file.
    :raises MixpeekReadError: the file cannot be read now.
    """
    if upload.presigned_url is None:
        raise MixpeekConfigError(
            f"the upload {upload.upload_id} has no presigned URL", hint="Announce the file again."
        )
    if not source.size:
        yield from _measure(session, source)
    request = FilePut(
        "PUT",
        f"(storage, upload {upload.upload_id} of {source.shown})",
        url=upload.presigned_url.get_secret_value(),
        content_type=upload.content_type or source.content_type,
        size=source.size,
        chunks=source.chunks,
    )
    # The storage is another service than the API: its refusals have a form of their own.
    this = Call(request, "upload", _etag, repeatable=True, accepts=lambda _: True)
    return (yield from _reading(session, lambda: call(session, this)))


def _measure(session: Session, source: FileSource) -> Flow[None]:
    def measure() -> Flow[None]:
        yield Work(source.measure)

    return _reading(session, measure)


def _reading(session: Session, flow: Callable[[], Flow[R]]) -> Flow[R]:
    """Do what reads a file, and again where that failed and was no fault of the file."""
    failures = 0
    while True:
        try:
            return (yield from flow())
        except MixpeekReadError as error:
            failures += 1
            # Without a budget the caller's own loop is the retry.
            if not error.retryable or failures >= _READS or not session.retry.budget:
                raise
            wait = backoff(session, failures)
            log.warning("%s Reading it again in %.1f s (try %d).", error, wait, failures + 1)
        yield Sleep(wait)


def _etag(answer: Answer) -> str | None:
    if 200 <= answer.status < 300:
        etag = answer.headers.get("etag", "").strip().removeprefix("W/").strip('"')
        return etag or None
    found = _CODE.search(answer.content)
    code = found[1].decode() if found else ""
    why = f"the storage refused the file: {answer.status}{f' {code}' if code else ''}"
    # S3 calls it a bad request when the file came in too slowly.
    if answer.status in (408, 429) or answer.status >= 500 or code == "RequestTimeout":
        hint = "The storage is busy or down: try again later."
        raise MixpeekServerError(why, status=answer.status, type=code, hint=hint, retryable=True)
    if answer.status == 403 or "expired" in code.lower():
        hint = "Its URL ran out, or does not fit; announce the file again."
        raise MixpeekUploadURLError(why, status=answer.status, type=code, hint=hint)
    hint = "Look the code up, and leave the file out if it is the file's fault; else tell the vendor."
    raise MixpeekStorageError(why, status=answer.status, type=code, hint=hint)


def confirm_upload(
    session: Session,
    bucket_id: str,
    upload_id: str,
    *,
    etag: str | None,
    size: int | None,
    policy: Policy | None,
    in_background: bool,
) -> Flow[Upload]:
    """
    Confirm an upload exactly once.

    After an unclear answer, a conflict included, the upload itself is asked: it is confirmed again only while
    it still waits for it.
    """
    tries = 0
    while True:
        this = session.api.confirm_upload(
            bucket_id, upload_id, etag=etag, size=size, policy=policy, in_background=in_background
        )
        try:
            return (yield from call(session, this))
        except MixpeekError as error:
            tries += 1
            conflict = isinstance(error, MixpeekConflictError)
            if not (conflict or error.may_be_stored or isinstance(error, MixpeekAnswerError)):
                raise
            found = yield from after(error, call(session, session.api.get_upload(bucket_id, upload_id)))
            if session.api.upload_words.get(found.status) is not Outcome.WAITS_FOR_CALLER:
                return found
            if conflict or tries >= _CONFIRMS:
                raise


def finished(session: Session, bucket_id: str, upload: Upload, *, timeout: float) -> Flow[Upload]:
    """
    Wait until an upload's confirmation is done.

    :raises MixpeekWorkFailedError: it failed.
    :raises MixpeekWaitTimeoutError: it goes on.
    """
    give_up_at = session.clock() + timeout
    pause = _FIRST_LOOK
    looked = False
    while True:
        outcome = session.api.upload_words.get(upload.status)
        if outcome is Outcome.DONE:
            return upload
        if outcome is Outcome.FAILED:
            raise MixpeekWorkFailedError(
                f"the upload {upload.upload_id} ended {upload.status}"
                f"{f': {upload.message}' if upload.message else ''}",
                hint="No object came of it. See whether the file is whole, and upload it again.",
            )
        if looked:
            if session.clock() + pause > give_up_at:
                raise MixpeekWaitTimeoutError(
                    f"the upload {upload.upload_id} is {upload.status} after {timeout:g} s",
                    hint="The server goes on with it; a later upload of the same file finds it.",
                )
            yield Sleep(pause)
            pause = min(_LONGEST_LOOK, pause * 1.5)
        upload = yield from call(session, session.api.get_upload(bucket_id, upload.upload_id))
        looked = True


def upload_file(
    session: Session,
    bucket_id: str,
    source: FileSource,
    *,
    create_object: bool,
    skip_duplicates: bool,
    policy: Policy | None,
    timeout: float,
    **more: Any,
) -> Flow[UploadedFile]:
    """
    Bring one file to the server, once: announce it, send it, confirm it, and wait until that is done.

    :param more: Further fields of :class:`NewUpload`.
    """
    session.api.check_uploads()
    try:
        yield from _measure(session, source)
        given = {
            "filename": source.filename,
            "content_type": source.content_type,
            "file_size_bytes": source.size,
            "file_hash": source.sha256,
            "create_object_on_confirm": create_object,
            "skip_duplicates": skip_duplicates,
            **more,
        }
        for left in reversed(range(_URLS)):
            upload = yield from create_upload(session, bucket_id, given)
            known = yield from _known(
                session, bucket_id, upload, create_object=create_object, timeout=timeout
            )
            if known is not None:
                return _told(source, known[0], known[1], duplicate=True)
            if upload.presigned_url is None:
                # The bytes are said to be there, and nothing usable is.
                given["skip_duplicates"] = False
                upload = yield from create_upload(session, bucket_id, given)
            try:
                etag = yield from put_file(session, upload, source)
            except MixpeekUploadURLError as error:
                if not left:
                    raise
                log.warning("%s Asking for another URL.", error)
                yield from _withdraw(session, bucket_id, upload)
                continue
            confirmed = yield from confirm_upload(
                session,
                bucket_id,
                upload.upload_id,
                etag=etag,
                size=source.size,
                policy=policy,
                in_background=False,
            )
            done = yield from finished(session, bucket_id, confirmed, timeout=timeout)
            return _told(source, done.upload_id, done.object_id, duplicate=False)
        raise AssertionError("the last URL's refusal is raised")
    except MixpeekError as error:
        if source.shown not in str(error):
            # A call does not know which file it is for.
            error.message += f" (file {source.shown})"
        raise
    finally:
        source.close()


def _known(
    session: Session, bucket_id: str, upload: Upload, *, create_object: bool, timeout: float
) -> Flow[tuple[str | None, str | None] | None]:
    """Upload and object that the server has in place of a new upload; None where the file must be sent."""
    if upload.skipped_unique_key:
        return None, upload.existing_object_id
    if not upload.is_duplicate:
        return None
    twin_id = upload.duplicate_of_upload_id or upload.upload_id
    twin = upload
    if upload.object_id is None or twin_id != upload.upload_id:
        try:
            twin = yield from call(session, session.api.get_upload(bucket_id, twin_id))
            if session.api.upload_words.get(twin.status) is Outcome.WAITS_FOR_CALLER:
                return None
            twin = yield from finished(session, bucket_id, twin, timeout=timeout)
        except (MixpeekNotFoundError, MixpeekWorkFailedError):
            return None
    object_id = upload.object_id or twin.object_id
    return None if create_object and object_id is None else (twin_id, object_id)


def _withdraw(session: Session, bucket_id: str, upload: Upload) -> Flow[None]:
    """Delete an upload that nobody will confirm; where that fails it stays, and does no harm."""
    try:
        yield from call(session, session.api.delete_upload(bucket_id, upload.upload_id))
    except MixpeekError as error:
        log.info("An upload that is not used stays: %s", error)


def _told(
    source: FileSource, upload_id: str | None, object_id: str | None, *, duplicate: bool
) -> UploadedFile:
    return UploadedFile(upload_id, object_id, source.filename, source.size, source.sha256, duplicate)
