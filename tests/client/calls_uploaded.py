"""Rows of the table of calls: uploads."""

from __future__ import annotations

import io
from typing import Any

from .shop import LACKS, Shop, row

FILE = {"filename": "a.txt", "content_type": "text/plain", "blob_property": "title"}


def _announced(shop: Shop) -> str:
    # On legacy the call itself is to say that there is none, not how its arguments are come by.
    if shop.generation == "legacy":
        return "upl_none"
    upload_id: str = shop.client.uploads.create(shop.bucket, FILE).upload_id
    return upload_id


def _sent(shop: Shop) -> str:
    if shop.generation == "legacy":
        return "upl_none"
    upload = shop.client.uploads.create(shop.bucket, FILE)
    shop.client.uploads.put(upload, io.BytesIO(b"a film"))
    upload_id: str = upload.upload_id
    return upload_id


def _put(shop: Shop) -> int:
    return len(shop.client.uploads.put(shop.client.uploads.create(shop.bucket, FILE), io.BytesIO(b"a film")))


def _listed(shop: Shop) -> int:
    for _ in range(2):
        _announced(shop)
    return len(list(shop.client.uploads.list(shop.bucket)))


def _deleted(shop: Shop) -> int:
    shop.client.uploads.delete(shop.bucket, _announced(shop))
    return len(list(shop.client.uploads.list(shop.bucket)))


def _whole(shop: Shop) -> Any:
    file = io.BytesIO(b"a film")
    return shop.client.uploads.upload_file(shop.bucket, file, filename="a.txt", blob_property="title").size


UPLOADS = [
    row(
        "uploads.create",
        lambda shop: shop.client.uploads.create(shop.bucket, FILE).status,
        current="PENDING",
        legacy=LACKS,
    ),
    row(
        "uploads.create_many",
        lambda shop: [each.filename for each in shop.client.uploads.create_many(shop.bucket, [FILE, FILE])],
        current=["a.txt", "a.txt"],
        legacy=LACKS,
    ),
    row("uploads.put", _put, current=32, legacy=LACKS),
    row(
        "uploads.confirm",
        lambda shop: shop.client.uploads.confirm(shop.bucket, _sent(shop), file_size_bytes=6).status,
        current="COMPLETED",
        legacy=LACKS,
    ),
    row(
        "uploads.confirm",
        lambda shop: shop.client.uploads.confirm(shop.bucket, _sent(shop), in_background=True).status,
        what="in background",
        current="PROCESSING",
        legacy=LACKS,
    ),
    row(
        "uploads.confirm_many",
        lambda shop: shop.client.uploads.confirm_many(shop.bucket, [{"upload_id": _sent(shop)}]).status,
        current="PENDING",
        legacy=LACKS,
    ),
    row(
        "uploads.get",
        lambda shop: shop.client.uploads.get(shop.bucket, _announced(shop)).filename,
        current="a.txt",
        legacy=LACKS,
    ),
    row("uploads.list", _listed, current=2, legacy=LACKS),
    row("uploads.delete", _deleted, current=0, legacy=LACKS),
    row("uploads.upload_file", _whole, current=6, legacy=LACKS),
]
