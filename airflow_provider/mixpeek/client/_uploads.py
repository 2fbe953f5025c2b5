"""What a caller can do with uploads: a resource of the synchronous client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import _upload_flows
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._resources import Resource
from airflow_provider.mixpeek.client._upload_source import FileSource

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import Task, Upload
    from airflow_provider.mixpeek.client._requests import NewUpload, Policy
    from airflow_provider.mixpeek.client._upload_flows import UploadedFile


class Uploads(Resource):
    """Files of a bucket, on their way or arrived. The legacy generation has none."""

    def upload_file(
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
        """
        Bring one file to the server, once, without reading it into memory.

        It is read twice: for its SHA-256, with which the server says whether it has the file already, and to
        be sent. A broken transfer is sent again, an expired URL is replaced, and a confirmation whose answer
        is unclear is looked up.

        :param file: A path, an fsspec URL (``s3://...``), a ``Path`` or ``ObjectStoragePath``, or an open
            binary file, which is read from where it stands and not closed.
        :param filename: Its name for the server; None: the name that it has.
        :param content_type: Its media type; None: found by name, else by its first bytes.
        :param blob_property: Property of the bucket's schema that it becomes; None: the only file property.
        :param blob_type: Type of that property; None: the declared one.
        :param object_metadata: Values for the object that is made of it, at its root.
        :param metadata: Values that stay with the upload.
        :param create_object: Make an object of it; else it is referred to as ``NewBlob(upload_id=...)``.
        :param skip_duplicates: Where the bucket has the same bytes, send nothing and return what is there;
            its object keeps the values that it has.
        :param policy: What happens when the unique key exists; for buckets that have one.
        :param timeout: Seconds for the confirmation of a large file, which the server works on in a task.
        :raises MixpeekFileError: the file is missing, empty, too large, or changed on its way; no object was
            made.
        :raises MixpeekReadError: where it is read from failed again and again.
        :raises MixpeekStatusError: the API or the storage refused it.
        :raises MixpeekWorkFailedError: its confirmation failed.
        :raises MixpeekWaitTimeoutError: its confirmation goes on.
        """
        return self._run(
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

    def create(self, bucket_id: str, upload: NewUpload | Mapping[str, Any]) -> Upload:
        """
        Announce one file; the answer has its presigned URL, or says that the server has the file.

        :raises MixpeekConfigError: a field is wrong; nothing was sent.
        """
        return self._run(_upload_flows.create_upload(self._session, bucket_id, upload))

    def create_many(self, bucket_id: str, uploads: Sequence[NewUpload | Mapping[str, Any]]) -> list[Upload]:
        """Announce 1 to 100 files with one request, and get their uploads in the same order."""
        return self._run(_upload_flows.create_uploads(self._session, bucket_id, uploads))

    def put(self, upload: Upload, file: Any) -> str | None:
        """
        Send a file to the presigned URL of its upload, and get the storage's ETag.

        Without an API key. :meth:`confirm` it afterwards: the storage tells the server nothing.

        :param file: As :meth:`upload_file` takes it.
        :raises MixpeekUploadURLError: the URL ran out; announce the file again.
        """
        source = FileSource(file, filename=upload.filename or None, content_type=upload.content_type)
        try:
            return self._run(_upload_flows.put_file(self._session, upload, source))
        finally:
            source.close()

    def confirm(
        self,
        bucket_id: str,
        upload_id: str,
        *,
        etag: str | None = None,
        file_size_bytes: int | None = None,
        policy: Policy | None = None,
        in_background: bool = False,
    ) -> Upload:
        """
        Say that the storage has the file; exactly once, also where the answer is lost.

        A large file (100 MB or more, API 0.82) is taken over in a task: its status is then PROCESSING.

        :param etag: As the storage answered; checked by the server, like the size.
        :param policy: What happens when the unique key exists; for buckets that have one.
        :param in_background: Have a task do it, however small the file is.
        """
        return self._run(
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

    def confirm_many(self, bucket_id: str, confirmations: Sequence[Mapping[str, Any]]) -> Task:
        """
        Confirm 1 to 100 uploads in one task, which is returned.

        After an unclear answer it is not tried again; look at the uploads.

        :param confirmations: Each with ``upload_id``, and ``etag`` and ``file_size_bytes`` to be checked.
        """
        return self._run(_upload_flows.confirm_uploads(self._session, bucket_id, confirmations))

    def get(self, bucket_id: str, upload_id: str) -> Upload:
        """Get an upload by its id."""
        return self._run(call(self._session, self._session.api.get_upload(bucket_id, upload_id)))

    def list(self, bucket_id: str, *, limit: int | None = None) -> Iterator[Upload]:
        """
        Iterate over a bucket's uploads, page by page.

        :param limit: Uploads in all; None: every one.
        """
        return self._items(
            lambda reading: _upload_flows.upload_page(self._session, bucket_id, reading), limit
        )

    def delete(self, bucket_id: str, upload_id: str) -> None:
        """Delete an upload that is not confirmed, with what the storage has of it."""
        self._run(call(self._session, self._session.api.delete_upload(bucket_id, upload_id)))
