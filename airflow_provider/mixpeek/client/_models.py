"""
The API's answers.

Every model keeps fields it does not know and misses none that a call does not need: a server that is older
or newer than this package is still understood. What must be there is checked where the answer is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from airflow_provider.mixpeek.client._wait_for import WaitFor


class Answered(BaseModel):
    """Base: tolerant, immutable."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """What is null counts as missing, and gets its default; custom fields keep their null."""
        if not isinstance(data, dict):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {name: value for name, value in data.items() if value is not None or name not in known}


class Namespace(Answered):
    """A namespace: a world of buckets of its own."""

    namespace_id: str
    namespace_name: str = ""
    description: str | None = None


class SchemaProperty(Answered):
    """One property of a bucket's schema."""

    type: str = ""
    required: bool | None = False


class BucketSchema(Answered):
    """What the objects of a bucket look like: property name to definition."""

    properties: dict[str, SchemaProperty] = Field(default_factory=dict)


class UniqueKey(Answered):
    """The fields that identify an object in its bucket."""

    fields_: tuple[str, ...] = Field(default=(), alias="fields")
    default_policy: str | None = None


class Bucket(Answered):
    """A bucket. ``object_count`` counts its active objects, ``total_size_bytes`` their bytes."""

    bucket_id: str
    bucket_name: str = ""
    description: str | None = None
    bucket_schema: BucketSchema | None = None
    unique_key: UniqueKey | None = None
    object_count: int | None = None
    total_size_bytes: int | None = None
    status: str | None = None


class DeletedBucket(Answered):
    """Answer to a bucket's deletion; the task goes on after it."""

    bucket_id: str | None = None
    task_id: str | None = None
    status: str | None = None
    object_count: int | None = None


class Blob(Answered):
    """A stored blob; ``properties`` holds its data and metadata in one map (API 0.82)."""

    blob_id: str | None = None
    property: str = ""
    type: str = ""
    properties: dict[str, Any] | None = None


class MixpeekObject(Answered):
    """A stored object. Custom fields are attributes of their own: ``object.price``, or ``model_extra``."""

    object_id: str
    bucket_id: str | None = None
    key_prefix: str | None = None
    blobs: list[Blob] = Field(default_factory=list)
    status: str | None = None
    error: str | None = None


class CreatedObject(Answered):
    """
    One row of a bulk create.

    :param object_index: Position in the request, from 0.
    :param replayed: True when the object was there already and is returned unchanged.
    """

    object_id: str
    object_index: int | None = None
    replayed: bool = False
    replayed_by: str | None = None
    status: str | None = None


class RefusedObject(Answered):
    """One row of a bulk create that was not stored, and why."""

    object_index: int
    error: str = ""
    error_type: str = ""


class CreatedObjects(Answered):
    """Outcome of a bulk create, row by row."""

    succeeded: list[CreatedObject] = Field(default_factory=list)
    failed: list[RefusedObject] = Field(default_factory=list)


class FailedObject(Answered):
    """An object that a batch could not process."""

    object_id: str
    error: str = ""
    error_type: str = ""


class TierTask(Answered):
    """One tier of a batch."""

    task_id: str | None = None
    status: str | None = None


class Batch(Answered):
    """A batch of objects that is, or will be, processed. ``task_id`` is its first tier's."""

    batch_id: str
    bucket_id: str | None = None
    batch_name: str | None = None
    status: str = "UNKNOWN"
    object_ids: list[str] = Field(default_factory=list)
    task_id: str | None = None
    tier_tasks: list[TierTask] | None = None
    failure_reason: str | None = None
    error: str | None = None
    status_message: str | None = None
    failed_objects: list[FailedObject] = Field(default_factory=list)
    failed_object_count: int | None = None
    created_at: str | None = None

    @property
    def created(self) -> datetime | None:
        """``created_at`` as a time, which is UTC where no zone is said; None where it cannot be read."""
        try:
            moment = datetime.fromisoformat(self.created_at or "")
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def wait_for(self) -> WaitFor:
        """The batch as something to wait for."""
        return WaitFor(self.task_id, self.batch_id, self.bucket_id)


class Task(Answered):
    """One asynchronous job. ``additional_data`` may name its batch and bucket."""

    task_id: str
    task_type: str | None = None
    status: str = "UNKNOWN"
    additional_data: dict[str, Any] | None = None
    error: str | None = None

    @property
    def batch_id(self) -> str | None:
        """The batch this task works on, where the server says so."""
        return self._additional("batch_id")

    @property
    def bucket_id(self) -> str | None:
        """The bucket of that batch, where the server says so."""
        return self._additional("bucket_id")

    @property
    def triggered_batch_ids(self) -> list[str]:
        """The batches that a trigger has made, where its own answer did not name them (SDK 1.3.783)."""
        told = (self.additional_data or {}).get("trigger")
        ids = told.get("batch_ids") if isinstance(told, Mapping) else None
        return [each for each in ids if isinstance(each, str)] if isinstance(ids, list) else []

    @property
    def wait_for(self) -> WaitFor:
        """The task as something to wait for."""
        return WaitFor(self.task_id, self.batch_id, self.bucket_id)

    def _additional(self, name: str) -> str | None:
        value = (self.additional_data or {}).get(name)
        return value if isinstance(value, str) and value else None


class Collection(Answered):
    """What documents are made of objects, and of which; ``source`` is as the vendor describes it."""

    collection_id: str
    collection_name: str | None = None
    description: str | None = None
    source: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True


class Triggered(Answered):
    """
    A run of a collection, as it was started.

    :param task_id: Its first task.
    :param batch_id: Its first batch.
    :param batch_ids: Its batches where there are several; None where ``batch_id`` is the only one, and where
        the server answered before it read the bucket, in which case the task tells them (SDK 1.3.783).
    :param source_bucket_ids: The buckets of their objects.
    """

    task_id: str
    collection_id: str
    batch_id: str | None = None
    batch_ids: list[str] | None = None
    source_bucket_ids: list[str] | None = None
    object_count: int | None = None
    message: str = ""


class Upload(Answered):
    """
    One file on its way, or arrived.

    :param presigned_url: Where to send it, which is a secret: whoever has it can write the file.
    :param is_duplicate: The server has these bytes: nothing is to be sent.
    :param skipped_unique_key: The bucket has an object of this unique key: nothing is to be sent.
    """

    upload_id: str
    bucket_id: str | None = None
    filename: str = ""
    content_type: str | None = None
    file_size_bytes: int | None = None
    presigned_url: SecretStr | None = None
    status: str = "UNKNOWN"
    file_hash: str | None = None
    etag: str | None = None
    is_duplicate: bool = False
    duplicate_of_upload_id: str | None = None
    skipped_unique_key: bool = False
    existing_object_id: str | None = None
    object_id: str | None = None
    task_id: str | None = None
    message: str | None = None


class ApiKey(Answered):
    """The caller's key, never its value."""

    name: str | None = None
    permissions: list[str] = Field(default_factory=list)


class Me(Answered):
    """The caller. ``rate_limits`` are requests per minute by category."""

    organization_id: str = ""
    organization_name: str | None = None
    account_type: str | None = None
    key: ApiKey | None = None
    rate_limits: dict[str, Any] | None = None
