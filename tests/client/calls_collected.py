"""Rows of the table of calls: collections."""

from __future__ import annotations

from typing import Any

import httpx

from .shop import LACKS, Shop, row


def make_collection(url: str, key: str, bucket_id: str, name: str = "captions") -> str:
    """Make a collection, as the vendor's own tools do; a server of the legacy generation has none."""
    answer = httpx.post(
        f"{url}/v1/collections",
        headers={"Authorization": f"Bearer {key}", "X-Namespace": "shop"},
        json={"collection_name": name, "source": {"type": "bucket", "bucket_ids": [bucket_id]}},
        trust_env=False,
    )
    if answer.status_code == 404:
        return "col_of_no_such_generation"
    made: str = answer.json()["collection_id"]
    return made


def _captions(shop: Shop) -> str:
    if shop.client.session.api.name == "legacy":
        return "col_of_no_such_generation"
    return make_collection(shop.emulator.url, shop.client.session.settings.api_key, shop.bucket)


def _triggered(shop: Shop, **how: Any) -> list[int | None]:
    collection = _captions(shop)
    triggered = shop.client.collections.trigger(collection, **how)
    batch = shop.client.batches.get(shop.bucket, triggered.batch_id)
    assert [each.batch_id for each in shop.client.collections.batches(collection)] == [triggered.batch_id]
    return [triggered.object_count, len(batch.object_ids)]


COLLECTIONS = [
    row(
        "collections.get",
        lambda shop: shop.client.collections.get(_captions(shop)).collection_name,
        current="captions",
        legacy=LACKS,
    ),
    row(
        "collections.list",
        lambda shop: [
            each.collection_id == collection
            for collection in [_captions(shop)]
            for each in shop.client.collections.list(search="capt", limit=5)
        ],
        current=[True],
        legacy=LACKS,
    ),
    row(
        "collections.batches",
        lambda shop: len(list(shop.client.collections.batches(_captions(shop)))),
        current=0,
        legacy=LACKS,
    ),
    row("collections.trigger", _triggered, current=[3, 3], legacy=LACKS),
    row(
        "collections.trigger",
        lambda shop: _triggered(
            shop, buckets=[shop.bucket], object_ids=shop.made[:2], dedup_strategy="replace"
        ),
        what="some",
        current=[2, 2],
        legacy=LACKS,
    ),
]
