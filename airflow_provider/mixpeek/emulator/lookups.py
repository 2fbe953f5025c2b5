"""Finding what a request names, in either generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Refusal

if TYPE_CHECKING:
    from .context import Inside
    from .records import Bucket, Collection, StoredObject


def bucket_in(inside: Inside, bucket_id: str, *, writing: bool = False) -> Bucket:
    """The bucket of an id; a name finds none.

    :param writing: Whether a bucket that is being deleted is refused.
    :raises Refusal: 404, or 409 while it is being deleted.
    """
    bucket = inside.namespace.buckets.get(bucket_id)
    if bucket is None:
        raise Refusal(404, f"Bucket '{bucket_id}' was not found in namespace '{inside.namespace.name}'")
    if writing and bucket.deletion is not None:
        raise Refusal(409, f"Bucket '{bucket_id}' is being deleted (task {bucket.deletion.task_id})")
    return bucket


def collection_in(inside: Inside, name_or_id: str) -> Collection:
    """The collection of an id or a name.

    :raises Refusal: 404.
    """
    collections = inside.namespace.collections
    found = collections.get(name_or_id) or next(
        (each for each in collections.values() if each.name == name_or_id), None
    )
    if found is None:
        raise Refusal(404, f"Collection '{name_or_id}' was not found in namespace '{inside.namespace.name}'")
    return found


def object_in(bucket: Bucket, object_id: str) -> StoredObject:
    """The object of an id.

    :raises Refusal: 404.
    """
    stored = bucket.objects.get(object_id)
    if stored is None:
        raise Refusal(404, f"Object '{object_id}' was not found in bucket '{bucket.bucket_id}'")
    return stored


def check_name(inside: Inside, name: str, *, besides: Bucket | None = None) -> None:
    """Refuse a bucket's name that is taken in the namespace.

    :param besides: The bucket that may have it.
    :raises Refusal: 409.
    """
    for bucket in inside.namespace.buckets.values():
        if bucket.name == name and bucket is not besides:
            raise Refusal(
                409,
                f"A bucket named '{name}' exists in namespace '{inside.namespace.name}': {bucket.bucket_id}",
                kind="AlreadyExistsError",
                details={"resource": "bucket", "bucket_id": bucket.bucket_id},
            )
