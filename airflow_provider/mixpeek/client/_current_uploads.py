"""The endpoints of the current generation (API 0.82) for uploads, each written down once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from airflow_provider.mixpeek.client._answers import model
from airflow_provider.mixpeek.client._api import Api
from airflow_provider.mixpeek.client._calls import (
    Page,
    encode,
    flags,
    listed,
    page,
    path,
    present,
    read,
    write,
)
from airflow_provider.mixpeek.client._flow import Call, Request
from airflow_provider.mixpeek.client._models import Answered, Task, Upload

_UPLOADS = listed(Upload)

#: ``ListUploadsRequest.limit``.
_PAGE = 100


class _Announced(Answered):
    uploads: list[Upload] = Field(default_factory=list)


class CurrentUploads(Api):
    """Describes the calls of API 0.82 that take files."""

    def check_uploads(self) -> None:
        """This generation has them."""

    def create_upload(self, bucket_id: str, body: Mapping[str, Any]) -> Call[Upload]:
        """
        ``POST /v1/buckets/{bucket}/uploads``.

        Repeatable: an upload whose answer was lost is known to nobody, so nobody confirms it, and no object
        comes of it.
        """
        request = Request("POST", path("buckets", bucket_id, "uploads"), body=encode(body))
        return write("upload", request, Upload, repeatable=True)

    def create_uploads(self, bucket_id: str, bodies: Sequence[Mapping[str, Any]]) -> Call[list[Upload]]:
        """``POST /v1/buckets/{bucket}/uploads/batch``: 1 to 100, in the order of the request."""
        request = Request(
            "POST", path("buckets", bucket_id, "uploads", "batch"), body=encode({"uploads": list(bodies)})
        )
        return Call(
            request, "upload", lambda answer: model(answer, _Announced, request).uploads, repeatable=True
        )

    def confirm_upload(
        self,
        bucket_id: str,
        upload_id: str,
        *,
        etag: str | None,
        size: int | None,
        policy: str | None,
        in_background: bool,
    ) -> Call[Upload]:
        """``POST /v1/buckets/{bucket}/uploads/{upload}/confirm``; a second one may not be harmless."""
        query = flags(**{"async": in_background or None}, policy=policy)
        body = encode(present({"etag": etag, "file_size_bytes": size}))
        request = Request("POST", _upload(bucket_id, upload_id, "confirm"), query, body)
        return write("upload", request, Upload, repeatable=False)

    def confirm_uploads(self, bucket_id: str, confirmations: Sequence[Mapping[str, Any]]) -> Call[Task]:
        """``POST /v1/buckets/{bucket}/uploads/confirm/batch``: 1 to 100, always in a task."""
        request = Request(
            "POST",
            path("buckets", bucket_id, "uploads", "confirm", "batch"),
            body=encode({"confirmations": list(confirmations)}),
        )
        return write("upload", request, Task, repeatable=False)

    def get_upload(self, bucket_id: str, upload_id: str) -> Call[Upload]:
        """``GET /v1/buckets/{bucket}/uploads/{upload}``."""
        return read("upload", Request("GET", _upload(bucket_id, upload_id)), Upload)

    def list_uploads(self, bucket_id: str, *, cursor: str | None, size: int) -> Call[Page[Upload]]:
        """``POST /v1/buckets/{bucket}/uploads/list``, one page; the cursor is an offset."""
        size, offset = min(size, _PAGE), int(cursor or 0)
        request = Request(
            "POST",
            path("buckets", bucket_id, "uploads", "list"),
            body=encode({"limit": size, "offset": offset}),
            reads=True,
        )

        def after(found: Any) -> str | None:
            return str(offset + size) if len(found.results) >= size else None

        return page("upload", request, _UPLOADS, after)

    def delete_upload(self, bucket_id: str, upload_id: str) -> Call[None]:
        """``DELETE /v1/buckets/{bucket}/uploads/{upload}`` (204); not for one that is confirmed."""
        return Call(
            Request("DELETE", _upload(bucket_id, upload_id)), "upload", lambda _: None, repeatable=True
        )


def _upload(bucket_id: str, upload_id: str, *rest: str) -> str:
    return path("buckets", bucket_id, "uploads", upload_id, *rest)
