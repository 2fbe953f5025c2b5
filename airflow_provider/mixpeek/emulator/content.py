"""Finding an object by its content, which is what ``skip_duplicates`` asks for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .records import Bucket, StoredObject


def find_content(bucket: Bucket, content: bytes | None) -> StoredObject | None:
    """The oldest object of a bucket with this content.

    :param content: Of :func:`content_hash`; None finds nothing.
    """
    if content is None:
        return None
    if bucket.by_content is None:
        bucket.by_content = {}
        for stored in bucket.objects.values():
            held = content_hash(stored.blobs)
            if held is not None:
                bucket.by_content.setdefault(held, stored)
    return bucket.by_content.get(content)


def content_hash(blobs: list[dict[str, Any]]) -> bytes | None:
    """What ``skip_duplicates`` compares: the content of all blobs of an object; None without any.

    :param blobs: As stored.
    """
    if not blobs:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for part in sorted(
        f"{blob['property']}\0{blob['details'].get('hash') or blob['properties'].get('url')}"
        for blob in blobs
    ):
        digest.update(part.encode())
        digest.update(b"\1")
    return digest.digest()
