"""A shop's rows, the bucket they fit, and ways to look at what an emulator got and holds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider.mixpeek.client import Bucket, MixpeekClient, MixpeekObject
from airflow_provider.mixpeek.emulator import Emulator

SCHEMA = {"title": "text", "hero": "image", "sku": "string", "price": "float", "stars": "integer"}
MAPPING: dict[str, Any] = {"blobs": {"title": "title"}, "metadata": ["sku", "price", "stars"]}
BATCH = "/v1/buckets/{bucket_identifier}/objects/batch"
CREATE = "/v1/buckets/{bucket_identifier}/objects/create"
BATCHES = "/v1/buckets/{bucket_identifier}/batches"
SUBMIT = "/v1/buckets/{bucket_identifier}/batches/{batch_id}/submit"


def rows(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    """Rows that fit the bucket, each of its own."""
    return [
        {"title": f"Film {number}", "sku": f"S{number:06}", "price": number / 4, "stars": number % 5}
        for number in range(start, start + count)
    ]


def calls(emulator: Emulator, path: str, status: int | None = None) -> int:
    """How often a path was called, whatever the answers, or with one status."""
    return sum(
        each["count"]
        for each in emulator.state()["requests"]
        if each["path"] == path and status in (None, each["status"])
    )


def writes(emulator: Emulator) -> int:
    """How often anything below a bucket was posted."""
    return sum(
        each["count"] for each in emulator.state()["requests"] if "{bucket_identifier}" in each["path"]
    )


def fields(thing: MixpeekObject) -> dict[str, Any]:
    """An object's values, at its root or in its metadata: the legacy generation has all of them there."""
    extra: dict[str, Any] = thing.model_extra or {}
    return extra | (extra.get("metadata") or {})


def stored(mixpeek: MixpeekClient, bucket: Bucket) -> dict[str, MixpeekObject]:
    """The bucket's objects by sku; one that is there twice fails."""
    found = list(mixpeek.objects.list(bucket.bucket_id))
    twice = [sku for sku, count in Counter(fields(each)["sku"] for each in found).items() if count > 1]
    assert not twice
    return {fields(each)["sku"]: each for each in found}
