"""
Uploads for the asynchronous client.

Its methods take what those of the synchronous client take, raise what they raise, and are described there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import _upload_flows
from airflow_provider.mixpeek.client._async_resources import Resource
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._upload_source import FileSource

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import Task, Upload
    from airflow_provider.mixpeek.client._requests import NewUpload, Policy
    from airflow_provider.mixpeek.client._upload_flows import UploadedFile


class Uploads(Resource):
    """Files of a bucket, on their way or arrived. The legacy generation has none."""

    async def upload_file(
        self,
        bucket_id: str,
        file: Any,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        blob_property: str | None = None,
        blob_type: str | None = None,
        object_metadata: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        create_object: bool = True,
        skip_duplicates: bool = True,
        policy: Policy | None = None,
        timeout: float = 3600.0,
    ) -> UploadedFile:
        """Bring one file to the server, once, without reading it into memory."""
        return await self._run(
            _upload_flows.upload_file(
                self._session,
                bucket_id,
                FileSource(file, filename=filename, content_type=content_type),
                blob_property=blob_property,
                blob_type=blob_type,
                object_metadata=object_metadata,
                metadata=metadata,
                create_object=create_object,
                skip_duplicates=skip_duplicates,
                policy=policy,
                timeout=timeout,
            )
        )

    async def create(self, bucket_id: str, upload: NewUpload | Mapping[str, Any]) -> Upload:
        """Announce one file; the answer has its presigned URL, or says that the server has the file."""
        return await self._run(_upload_flows.create_upload(self._session, bucket_id, upload))

    async def create_many(
        self, bucket_id: str, uploads: Sequence[NewUpload | Mapping[str, Any]]
    ) -> list[Upload]:
        """Announce 1 to 100 files with one request, and get their uploads in the same order."""
        return await self._run(_upload_flows.create_uploads(self._session, bucket_id, uploads))

    async def put(self, upload: Upload, file: Any) -> str | None:
        """Send a file to the presigned URL of its upload, and get the storage's ETag."""
        source = FileSource(file, filename=upload.filename or None, content_type=upload.content_type)
        try:
            return await self._run(_upload_flows.put_file(self._session, upload, source))
        finally:
            source.close()

    async def confirm(
        self,
        bucket_id: str,
        upload_id: str,
        *,
        etag: str | None = None,
        file_size_bytes: int | None = None,
        policy: Policy | None = None,
        in_background: bool = False,
    ) -> Upload:
        """Say that the storage has the file; exactly once, also where the answer is lost."""
        return await self._run(
            _upload_flows.confirm_upload(
                self._session,
                bucket_id,
                upload_id,
                etag=etag,
                size=file_size_bytes,
                policy=policy,
                in_background=in_background,
            )
        )

    async def confirm_many(self, bucket_id: str, confirmations: Sequence[Mapping[str, Any]]) -> Task:
        """Confirm 1 to 100 uploads in one task, which is returned."""
        return await self._run(_upload_flows.confirm_uploads(self._session, bucket_id, confirmations))

    async def get(self, bucket_id: str, upload_id: str) -> Upload:
        """Get an upload by its id."""
        return await self._run(call(self._session, self._session.api.get_upload(bucket_id, upload_id)))

    def list(self, bucket_id: str, *, limit: int | None = None) -> AsyncIterator[Upload]:
        """Iterate over a bucket's uploads, page by page."""
        return self._items(
            lambda reading: _upload_flows.upload_page(self._session, bucket_id, reading), limit
        )

    async def delete(self, bucket_id: str, upload_id: str) -> None:
        """Delete an upload that is not confirmed, with what the storage has of it."""
        await self._run(call(self._session, self._session.api.delete_upload(bucket_id, upload_id)))
