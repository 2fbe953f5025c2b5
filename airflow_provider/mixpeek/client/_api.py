"""
The calls that a generation of the API may have, and what it is said of those that it has not.

A generation overrides what it has. It describes calls and sends nothing.
"""

# ruff: noqa: ARG002 - the methods here say what arguments a call has, and that there is no such call
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider.mixpeek.client._errors import MixpeekGenerationError

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._calls import Page, Query
    from airflow_provider.mixpeek.client._flow import Call
    from airflow_provider.mixpeek.client._models import (
        Batch,
        Bucket,
        Collection,
        CreatedObjects,
        DeletedBucket,
        Me,
        MixpeekObject,
        Namespace,
        Task,
        Triggered,
        Upload,
    )
    from airflow_provider.mixpeek.client._requests import NewObject
    from airflow_provider.mixpeek.client._schema import BlobForms
    from airflow_provider.mixpeek.waiting import Outcome


class Api:
    """
    A generation of the API.

    :cvar name: As a connection names it.
    :cvar property_types: Types that a bucket's schema may use.
    :cvar max_objects_per_request: Objects that one request stores.
    :cvar processes_on_create: Whether an object is processed because it was created, without a batch.
    :cvar metadata_is_declared: Whether the nested ``metadata`` of an object must be a property of the schema.
    :cvar blob_forms: Which forms of blobs it takes.
    :cvar same_paths_mean_other_things: Whether paths of this generation do something else on a server of the
        other one, so that a client looks before its first call.
    :cvar task_words: Status words of tasks and what they mean; likewise of batches, objects and uploads.
    """

    name: ClassVar[str]
    other: ClassVar[str]
    property_types: ClassVar[frozenset[str]]
    max_objects_per_request: ClassVar[int]
    processes_on_create: ClassVar[bool]
    metadata_is_declared: ClassVar[bool]
    blob_forms: ClassVar[BlobForms]
    same_paths_mean_other_things: ClassVar[bool]
    task_words: ClassVar[Mapping[str, Outcome]]
    batch_words: ClassVar[Mapping[str, Outcome]]
    object_words: ClassVar[Mapping[str, Outcome]]
    upload_words: ClassVar[Mapping[str, Outcome]]

    def stored_nothing(self, status: int) -> bool:
        """Whether a write that was answered with this refusing status was certainly not carried out."""
        raise NotImplementedError

    def object_body(
        self,
        *,
        blobs: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]:
        """One object as this generation takes it."""
        raise NotImplementedError

    def new_object_body(self, new: NewObject) -> dict[str, Any]:
        """The body of a checked object."""
        body = self.object_body(
            blobs=[blob.model_dump(exclude_none=True) for blob in new.blobs],
            fields=new.fields_,
            metadata=new.metadata,
            key_prefix=new.key_prefix,
            idempotency_key=new.idempotency_key,
        )
        return body | ({"skip_duplicates": True} if new.skip_duplicates else {})

    # -- who and how ---------------------------------------------------------------------------------------

    def whoami(self) -> Call[Me]:
        """Who the key belongs to."""
        raise self._lacks("tell who a key belongs to")

    def health(self) -> Call[dict[str, Any]]:
        """What the server says of its health."""
        raise self._lacks("tell its health")

    # -- namespaces ----------------------------------------------------------------------------------------

    def create_namespace(
        self, name: str, *, description: str | None, feature_extractors: Sequence[Mapping[str, Any]]
    ) -> Call[Namespace]:
        """Create a namespace."""
        raise self._lacks("create a namespace")

    def get_namespace(self, namespace: str) -> Call[Namespace]:
        """Get a namespace by name or id."""
        raise self._lacks("get a namespace")

    def list_namespaces(self, *, cursor: str | None, size: int) -> Call[Page[Namespace]]:
        """One page of the namespaces."""
        raise self._lacks("list namespaces")

    # -- buckets -------------------------------------------------------------------------------------------

    def create_bucket(
        self,
        name: str,
        *,
        schema: Mapping[str, Any],
        description: str | None,
        unique_key: Mapping[str, Any] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Call[Bucket]:
        """Create a bucket; nothing says that a name is unique, so it is not repeatable."""
        raise self._lacks("create a bucket")

    def get_bucket(self, bucket_id: str) -> Call[Bucket]:
        """Get a bucket by id."""
        raise self._lacks("get a bucket")

    def list_buckets(self, query: Query, *, cursor: str | None, size: int) -> Call[Page[Bucket]]:
        """One page of the buckets."""
        raise self._lacks("list buckets")

    def update_bucket(
        self,
        bucket_id: str,
        *,
        name: str | None,
        description: str | None,
        metadata: Mapping[str, Any] | None,
        schema: Mapping[str, Any] | None,
        unique_key: Mapping[str, Any] | None,
    ) -> Call[Bucket]:
        """Change what is given of a bucket."""
        raise self._lacks("update a bucket")

    def delete_bucket(self, bucket_id: str) -> Call[DeletedBucket]:
        """Delete a bucket; the answer names the task that does it."""
        raise self._lacks("delete a bucket")

    # -- objects -------------------------------------------------------------------------------------------

    def create_object(
        self,
        bucket_id: str,
        body: bytes,
        *,
        policy: str | None = None,
        auto_process: bool = False,
        repeatable: bool,
    ) -> Call[MixpeekObject | Task]:
        """Store one object."""
        raise self._lacks("create an object")

    def create_objects(
        self, bucket_id: str, bodies: Sequence[bytes], *, auto_process: bool = False, repeatable: bool
    ) -> Call[CreatedObjects]:
        """Store several objects with one request."""
        raise self._lacks("create many objects with one request")

    def get_object(self, bucket_id: str, object_id: str) -> Call[MixpeekObject]:
        """Get an object by id."""
        raise self._lacks("get an object")

    def list_objects(
        self, bucket_id: str, query: Query, *, cursor: str | None, size: int
    ) -> Call[Page[MixpeekObject]]:
        """One page of a bucket's objects."""
        raise self._lacks("list objects")

    def update_object(
        self,
        bucket_id: str,
        object_id: str,
        *,
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        key_prefix: str | None,
        blobs: Sequence[Mapping[str, Any]] | None,
    ) -> Call[MixpeekObject | Task]:
        """Change what is given of an object."""
        raise self._lacks("update an object")

    def delete_object(self, bucket_id: str, object_id: str) -> Call[Task | None]:
        """Delete an object."""
        raise self._lacks("delete an object")

    # -- uploads -------------------------------------------------------------------------------------------

    def check_uploads(self) -> None:
        """Raise where there are no uploads, before a file is read for one."""
        raise self._lacks("take files")

    def create_upload(self, bucket_id: str, body: Mapping[str, Any]) -> Call[Upload]:
        """Announce a file."""
        raise self._lacks("take files")

    def create_uploads(self, bucket_id: str, bodies: Sequence[Mapping[str, Any]]) -> Call[list[Upload]]:
        """Announce several files."""
        raise self._lacks("take files")

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
        """Say that the storage has a file."""
        raise self._lacks("take files")

    def confirm_uploads(self, bucket_id: str, confirmations: Sequence[Mapping[str, Any]]) -> Call[Task]:
        """Say it of several."""
        raise self._lacks("take files")

    def get_upload(self, bucket_id: str, upload_id: str) -> Call[Upload]:
        """Get an upload by id."""
        raise self._lacks("get an upload")

    def list_uploads(self, bucket_id: str, *, cursor: str | None, size: int) -> Call[Page[Upload]]:
        """One page of a bucket's uploads."""
        raise self._lacks("list uploads")

    def delete_upload(self, bucket_id: str, upload_id: str) -> Call[None]:
        """Delete an upload that is not confirmed."""
        raise self._lacks("delete an upload")

    # -- batches -------------------------------------------------------------------------------------------

    def create_batch(
        self,
        bucket_id: str,
        *,
        object_ids: Sequence[str] | None,
        filters: Mapping[str, Any] | None,
        limit: int | None,
        collection_ids: Sequence[str] | None,
        name: str | None,
        dedup_strategy: str | None,
    ) -> Call[Batch]:
        """Create a DRAFT batch."""
        raise self._lacks("create a batch")

    def add_to_batch(self, bucket_id: str, batch_id: str, object_ids: Sequence[str]) -> Call[Batch]:
        """Add objects to a DRAFT batch."""
        raise self._lacks("add objects to a batch")

    def submit_batch(self, bucket_id: str, batch_id: str, *, force: bool) -> Call[Task]:
        """Submit a DRAFT batch."""
        raise self._lacks("submit a batch")

    def get_batch(self, bucket_id: str | None, batch_id: str) -> Call[Batch]:
        """Get a batch by id."""
        raise self._lacks("get a batch")

    def list_batches(
        self, bucket_id: str, *, status: str | None, cursor: str | None, size: int
    ) -> Call[Page[Batch]]:
        """One page of a bucket's batches."""
        raise self._lacks("list batches")

    def cancel_batch(self, bucket_id: str, batch_id: str, *, reason: str | None) -> Call[Task]:
        """Cancel a submitted batch."""
        raise self._lacks("cancel a batch")

    def delete_batch(self, bucket_id: str, batch_id: str) -> Call[dict[str, Any]]:
        """Delete a batch that was not submitted."""
        raise self._lacks("delete a batch")

    def retry_batch(self, bucket_id: str, batch_id: str, *, mode: str) -> Call[dict[str, Any]]:
        """Process again what failed of a batch."""
        raise self._lacks("retry a batch")

    def resubmit_batch(
        self, bucket_id: str, batch_id: str, *, from_tier: int | None, auto_submit: bool | None
    ) -> Call[dict[str, Any]]:
        """Put a finished batch back to DRAFT and submit it again."""
        raise self._lacks("resubmit a batch")

    def failed_documents(
        self, bucket_id: str, batch_id: str, *, limit: int, offset: int
    ) -> Call[dict[str, Any]]:
        """Documents of a batch that failed."""
        raise self._lacks("list a batch's failed documents")

    def batch_queue(self) -> Call[dict[str, Any]]:
        """Running and waiting batches of the account."""
        raise self._lacks("show the queue of batches")

    # -- collections ---------------------------------------------------------------------------------------

    def get_collection(self, collection: str) -> Call[Collection]:
        """Get a collection by id or name."""
        raise self._lacks("trigger a collection, and its collections are not read here")

    def list_collections(
        self, *, search: str | None, cursor: str | None, size: int
    ) -> Call[Page[Collection]]:
        """One page of the namespace's collections."""
        raise self._lacks("list collections")

    def trigger_collection(self, collection: str, body: Mapping[str, Any]) -> Call[Triggered]:
        """Run a collection over its sources."""
        raise self._lacks("trigger a collection")

    def list_batches_of_collection(
        self, collection_id: str, *, cursor: str | None, size: int
    ) -> Call[Page[Batch]]:
        """One page of the batches that go into a collection."""
        raise self._lacks("list the batches of a collection")

    # -- tasks ---------------------------------------------------------------------------------------------

    def get_task(self, task_id: str) -> Call[Task]:
        """Get a task by id."""
        raise self._lacks("get a task")

    def list_tasks(self, *, status: str | None, cursor: str | None, size: int) -> Call[Page[Task]]:
        """One page of the tasks."""
        raise self._lacks("list tasks")

    def cancel_task(self, task_id: str) -> Call[dict[str, Any]]:
        """Stop a task; succeeds for one that is unknown."""
        raise self._lacks("cancel a task")

    def _lacks(self, what: str) -> MixpeekGenerationError:
        return MixpeekGenerationError(
            f"the {self.name} generation of the API cannot {what}",
            hint=f"The {self.other} one can, on a server that speaks it.",
        )
