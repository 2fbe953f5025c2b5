"""Rows of the table of calls: namespaces, buckets, objects."""

from __future__ import annotations

import json
from typing import Any

from .shop import LACKS, Shop, after, row, text, where

EXTRACTOR = {
    "feature_extractor_name": "text_extractor",
    "description": "texts",
    "supported_input_types": ["text"],
    "version": "v1",
}


def _unique(shop: Shop) -> Any:
    return shop.client.buckets.create("unique", schema={"sku": "string"}, unique_key=["sku"])


def _keyed(shop: Shop) -> str:
    """A bucket with a unique key, in the generation that has them."""
    bucket_id: str = shop.bucket if shop.generation == "legacy" else _unique(shop).bucket_id
    return bucket_id


def _upserted(shop: Shop) -> int:
    bucket = _keyed(shop)
    for _ in range(2):
        shop.client.objects.create(bucket, fields={"sku": "1"}, policy="upsert")
    return len(list(shop.client.objects.list(bucket)))


def _summed(shop: Shop) -> int:
    """An object whose blob names its checksum."""
    blob = {"property": "title", "type": "text", "data": {"text": "more"}, "checksum": f"sha256:{'0' * 64}"}
    return len(shop.client.objects.create(shop.bucket, blobs=[blob]).blobs)


def _encoded(_: Shop) -> bytes:
    return json.dumps({"blobs": [text("more").model_dump(exclude_none=True)]}).encode()


NAMESPACES = [
    row(
        "namespaces.create",
        lambda shop: (
            shop.client.namespaces.create(
                "films", description="All", feature_extractors=[EXTRACTOR]
            ).namespace_name
        ),
        "films",
    ),
    row("namespaces.get", lambda shop: shop.client.namespaces.get("shop").namespace_name, "shop"),
    row(
        "namespaces.list",
        lambda shop: [each.namespace_name for each in shop.client.namespaces.list()],
        ["shop"],
    ),
]

BUCKETS = [
    row(
        "buckets.create",
        lambda shop: shop.client.buckets.create(
            "films", schema={"title": "text"}, description="All", metadata={"by": "us"}
        ).model_extra["metadata"],
        {"by": "us"},
    ),
    row(
        "buckets.create",
        lambda shop: _unique(shop).unique_key.fields_,
        what="unique",
        current=("sku",),
        legacy=LACKS,
    ),
    row(
        "buckets.create",
        lambda shop: (
            shop.client.buckets.create("films", schema={"title": {"type": "text", "required": True}})
            .bucket_schema.properties["title"]
            .required
        ),
        what="required",
        current=True,
        legacy=LACKS,
    ),
    row(
        "buckets.create",
        lambda shop: (
            shop.client.buckets.create("products", schema={"title": "text"}, if_exists="reuse").bucket_id
            == shop.bucket
        ),
        True,
        "reuse",
    ),
    row("buckets.get", lambda shop: shop.client.buckets.get(shop.bucket).object_count, 3),
    row("buckets.find", lambda shop: shop.client.buckets.find("products").bucket_id == shop.bucket, True),
    row("buckets.list", lambda shop: shop.names(), ["products", "films", "film posters"]),
    row("buckets.list", lambda shop: shop.names(search="FILM"), ["films", "film posters"], "search"),
    row(
        "buckets.list",
        lambda shop: shop.names(
            filters={"NOT": [{"field": "bucket_name", "operator": "eq", "value": "films"}]},
            sort={"field": "bucket_name", "direction": "asc"},
        ),
        ["film posters", "products"],
        "filters and sort",
    ),
    row("buckets.list", lambda shop: shop.names(limit=1, offset=1), ["films"], "limit and offset"),
    row(
        "buckets.update",
        lambda shop: (
            shop.client.buckets.update(
                shop.bucket, name="goods", description="New", metadata={"by": "them"}
            ).bucket_name
        ),
        "goods",
    ),
    row(
        "buckets.update",
        lambda shop: sorted(
            shop.client.buckets.update(
                shop.bucket, schema={"title": "text", "sku": "string", "metadata": "object", "price": "float"}
            ).bucket_schema.properties
        ),
        what="schema",
        current=["metadata", "price", "sku", "title"],
        legacy=LACKS,
    ),
    row(
        "buckets.update",
        lambda shop: (
            shop.client.buckets.update(
                _keyed(shop), unique_key={"fields": ["sku"], "default_policy": "upsert"}
            ).unique_key.default_policy
        ),
        what="unique key",
        current="upsert",
        legacy=LACKS,
    ),
    row(
        "buckets.delete",
        after(
            lambda shop: shop.client.buckets.delete(shop.bucket).task_id,
            lambda shop: list(shop.client.buckets.list()),
        ),
        [],
    ),
]

OBJECTS = [
    row(
        "objects.create",
        after(
            lambda shop: shop.client.objects.create(
                shop.bucket, blobs=[text("more")], metadata={"year": 1964}, key_prefix="/more"
            ),
            lambda shop: shop.years(),
        ),
        [1961, 1962, 1963, 1964],
    ),
    row(
        "objects.create",
        lambda shop: type(shop.client.objects.create(shop.bucket, auto_process=True)).__name__,
        what="auto process",
        current="MixpeekObject",
        legacy="Task",
    ),
    row("objects.create", _upserted, what="policy", current=1, legacy=LACKS),
    row("objects.create", _summed, what="checksum", current=1, legacy=LACKS),
    row(
        "objects.create",
        lambda shop: len(
            {shop.client.objects.create(shop.bucket, idempotency_key="k").object_id for _ in range(2)}
        ),
        what="key",
        current=1,
        legacy=LACKS,
    ),
    row(
        "objects.create",
        after(
            lambda shop: shop.client.objects.create(
                shop.bucket, blobs=[text("film of 1961")], skip_duplicates=True
            ),
            lambda shop: len(list(shop.client.objects.list(shop.bucket))),
        ),
        3,
        "skip duplicates",
    ),
    row(
        "objects.create_many",
        lambda shop: len(shop.client.objects.create_many(shop.bucket, [{}, {}], auto_process=True).succeeded),
        current=2,
        legacy=LACKS,
    ),
    row(
        "objects.create_encoded",
        lambda shop: len(
            shop.client.objects.create_encoded(shop.bucket, [_encoded(shop)], repeatable=False).succeeded
        ),
        current=1,
        legacy=LACKS,
    ),
    row(
        "objects.create_one_encoded",
        after(
            lambda shop: shop.client.objects.create_one_encoded(
                shop.bucket, _encoded(shop), repeatable=False
            ),
            lambda shop: len(list(shop.client.objects.list(shop.bucket))),
        ),
        4,
    ),
    row("objects.get", lambda shop: shop.object(1).blobs[0].property, "title"),
    row("objects.list", lambda shop: shop.years(), [1961, 1962, 1963]),
    row("objects.list", lambda shop: shop.years(limit=2, offset=1), [1962, 1963], "limit and offset"),
    row("objects.list", lambda shop: shop.years(search="of 1962"), [1962], "search"),
    row(
        "objects.list",
        lambda shop: shop.years(sort={"field": "metadata.year", "direction": "desc"}),
        [1963, 1962, 1961],
        "sort",
    ),
    row(
        "objects.list",
        lambda shop: shop.years(filters={"AND": [where("gte", 1962), where("lt", 1963)]}),
        [1962],
        "AND",
    ),
    row(
        "objects.list",
        lambda shop: shop.years(filters={"OR": [where("eq", 1961), where("eq", 1963)]}),
        [1961, 1963],
        "OR",
    ),
    row(
        "objects.list",
        lambda shop: shop.years(filters={"NOT": [where("in", [1961, 1963])], "case_sensitive": True}),
        [1962],
        "NOT",
    ),
    row(
        "objects.update",
        after(
            lambda shop: shop.client.objects.update(shop.bucket, shop.made[0], metadata={"year": 1971}),
            lambda shop: shop.metadata(),
        ),
        {"year": 1971},
        "metadata",
    ),
    row(
        "objects.update",
        after(
            lambda shop: shop.client.objects.update(shop.bucket, shop.made[0], fields={"sku": "7"}),
            lambda shop: shop.object().model_extra.get("sku") or shop.metadata()["sku"],
        ),
        "7",
        "fields",
    ),
    row(
        "objects.update",
        after(
            lambda shop: shop.client.objects.update(shop.bucket, shop.made[0], key_prefix="/other"),
            lambda shop: shop.object().key_prefix or shop.object().model_extra["key"],
        ),
        "/other",
        "key prefix",
    ),
    row(
        "objects.update",
        after(
            lambda shop: shop.client.objects.update(shop.bucket, shop.made[0], blobs=[text("other")]),
            lambda shop: shop.object().blobs[0].model_extra["data"],
        ),
        what="blobs",
        current=LACKS,
        legacy={"text": "other"},
    ),
    row(
        "objects.delete",
        lambda shop: type(shop.client.objects.delete(shop.bucket, shop.made[0])).__name__,
        current="NoneType",
        legacy="Task",
    ),
]
