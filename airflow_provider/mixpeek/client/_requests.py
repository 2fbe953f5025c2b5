"""What callers may ask to be stored: strict, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from airflow_provider.mixpeek.client._errors import MixpeekConfigError
from airflow_provider.mixpeek.client._schema import METADATA, SYSTEM_NAMES

M = TypeVar("M", bound=BaseModel)

#: What becomes of a row whose unique key exists (query parameter ``policy``, API 0.82).
Policy = Literal["insert", "update", "upsert"]

#: Longest idempotency key in characters (``CreateObjectRequest``, API 0.82).
LONGEST_KEY = 255


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NewBlob(_Asked):
    """
    A blob to store.

    :param property: Property of the bucket's schema, 1 to 100 characters.
    :param type: Its type there, lower case.
    :param data: URL, data URI, ``{"base64": ...}``, ``{"url": ...}``, or ``{"text": ...}`` for type text.
        A bare text that begins like a URL would be taken for one (API 0.82).
    :param upload_id: A confirmed upload, instead of ``data``.
    """

    property: str = Field(min_length=1, max_length=100)
    type: str
    data: Any = None
    upload_id: str | None = Field(default=None, pattern=r"^upl_[a-zA-Z0-9_-]+$")
    key_prefix: str | None = None
    checksum: str | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> NewBlob:
        if (self.data is None) == (self.upload_id is None):
            raise ValueError("exactly one of data and upload_id must be given")
        return self


class NewObject(_Asked):
    """
    An object to store.

    :param fields: Values of properties that the bucket's schema declares, at the object's root.
    :param metadata: Values of the one nested property ``metadata``, which the schema should declare.
    :param idempotency_key: A second create with this key in the bucket returns the first object (API 0.82).
    :param skip_duplicates: Return an object that has the same content instead of storing another.
    """

    blobs: list[NewBlob] = Field(default_factory=list)
    fields_: dict[str, Any] = Field(default_factory=dict, alias="fields")
    metadata: dict[str, Any] | None = None
    key_prefix: str | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=LONGEST_KEY)
    skip_duplicates: bool = False

    @model_validator(mode="after")
    def _no_system_names(self) -> NewObject:
        reserved = sorted((SYSTEM_NAMES | {METADATA}).intersection(self.fields_))
        if reserved:
            raise ValueError(f"fields cannot be named {', '.join(reserved)}: that is the API's own")
        return self


class NewUpload(_Asked):
    """
    A file to announce (``CreateUploadRequest``, API 0.82).

    :param filename: Its name, 1 to 255 characters, no path.
    :param content_type: Its media type, with which it must be sent.
    :param file_size_bytes: Its size, held against the plan's limit and against what arrives.
    :param presigned_url_expiration: Seconds for which its URL is good.
    :param create_object_on_confirm: Make an object of it.
    :param object_metadata: Values for that object, at its root.
    :param metadata: Values that stay with the upload.
    :param blob_property: Property of the bucket's schema that it becomes.
    :param file_hash: SHA-256 in lower case, by which the server knows whether it has the file.
    :param skip_duplicates: Take what is there where the server has the file.
    """

    filename: str = Field(min_length=1, max_length=255, pattern=r"^[^/\\]+$")
    content_type: str
    file_size_bytes: int | None = Field(default=None, ge=1)
    presigned_url_expiration: int | None = Field(default=None, ge=60, le=86_400)
    create_object_on_confirm: bool = True
    object_metadata: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    blob_property: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_]+$")
    blob_type: str | None = None
    file_hash: str | None = Field(default=None, pattern=r"^[a-f0-9]{64}$")
    skip_duplicates: bool = True


def checked(kind: type[M], given: M | Mapping[str, Any], what: str) -> M:
    """
    Check what a caller gave.

    :param what: What it is, for the error: ``object 3``.
    :raises MixpeekConfigError: names every field that is wrong, and no value.
    """
    if isinstance(given, kind):
        return given
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, issue['loc'])) or 'it'}: {issue['msg']}"
            for issue in error.errors(include_input=False, include_url=False)
        )
        raise MixpeekConfigError(f"{what} cannot be sent: {wrong}") from None
