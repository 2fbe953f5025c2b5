"""Writing objects by the rules of the legacy generation: one at a time, each write a task."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator import json_text
from airflow_provider.mixpeek.emulator.bodies import NESTED_TYPES, SCALAR_TYPES
from airflow_provider.mixpeek.emulator.content import content_hash, find_content
from airflow_provider.mixpeek.emulator.errors import invalid
from airflow_provider.mixpeek.emulator.shapes import Problem
from airflow_provider.mixpeek.emulator.values import type_fault

from .requests import FILE_TYPES

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.records import Bucket, Outcome, StoredObject, Task
    from airflow_provider.mixpeek.emulator.state import State


def create_object(state: State, bucket: Bucket, body: dict[str, Any], outcome: Outcome, now: float) -> Task:
    """Store an object, which is processed at once.

    :param body: Right in its shape (``OBJECT_CREATE``).
    :param outcome: How its processing is to end.
    :raises Refusal: The bucket's schema refuses a blob; nothing was stored.
    """
    blobs = body.get("blobs", [])
    _check(bucket, blobs)
    if body.get("skip_duplicates") and find_content(bucket, content_hash(_stored(blobs, "obj_", 0))):
        return state.write_object(bucket, None, outcome, now)
    stored = state.add_object(
        bucket,
        now,
        key_prefix=body.get("key_prefix"),
        edges=[],
        fields={"metadata": body.get("metadata", {})},
        body_hash=None,
    )
    state.set_blobs(bucket, stored, _stored(blobs, stored.object_id, 0))
    return state.write_object(bucket, stored, outcome, now)


def update_object(
    state: State, bucket: Bucket, stored: StoredObject, body: dict[str, Any], outcome: Outcome, now: float
) -> Task:
    """Write over what a body names, and process the object again: metadata merges, blobs go by property.

    :param body: Right in its shape (``OBJECT_UPDATE``).
    :raises Refusal: The bucket's schema refuses a blob; nothing was changed.
    """
    blobs = body.get("blobs") or []
    _check(bucket, blobs)
    stored.fields["metadata"] = stored.fields["metadata"] | (body.get("metadata") or {})
    if body.get("key_prefix") is not None:
        stored.key_prefix = body["key_prefix"]
    named = {blob["property"] for blob in blobs}
    kept = [blob for blob in stored.blobs if blob["property"] not in named]
    state.set_blobs(bucket, stored, kept + _stored(blobs, stored.object_id, len(kept)))
    stored.updated = now
    return state.write_object(bucket, stored, outcome, now)


def _check(bucket: Bucket, blobs: list[dict[str, Any]]) -> None:
    """Hold blobs to the bucket's schema; their data, which may be any JSON, where its type is a plain one."""
    problems: list[Problem] = []
    for index, blob in enumerate(blobs):
        place = ("body", "blobs", index)
        declared = bucket.properties.get(blob["property"])
        if declared is None:
            names = ", ".join(sorted(bucket.properties)) or "none"
            message = f"The bucket's schema does not declare '{blob['property']}'; it declares: {names}"
            problems.append(Problem("value_error", (*place, "property"), message))
            continue
        items = declared.get("items") or {}
        if blob["type"] not in (declared["type"], items.get("type")):
            message = (
                f"The bucket's schema declares '{blob['property']}' as {declared['type']}, not {blob['type']}"
            )
            problems.append(Problem("value_error", (*place, "type"), message))
            continue
        fault = _fault(blob["data"], blob["type"])
        if fault:
            problems.append(Problem("value_error", (*place, "data"), fault))
    if problems:
        raise invalid(problems)


def _fault(data: Any, kind: str) -> str | None:
    if kind in FILE_TYPES and not isinstance(data, str | dict):
        return f"Data of type {kind} is a string or an object, not {type(data).__name__}"
    return type_fault(data, kind) if kind in (*SCALAR_TYPES, *NESTED_TYPES) else None


def _stored(blobs: list[dict[str, Any]], object_id: str, start: int) -> list[dict[str, Any]]:
    return [_stored_blob(blob, object_id, number) for number, blob in enumerate(blobs, start)]


def _stored_blob(blob: dict[str, Any], object_id: str, number: int) -> dict[str, Any]:
    content = json_text.write(blob["data"], sort_keys=True)
    return {
        "blob_id": f"blob_{object_id[4:]}_{number}",
        "property": blob["property"],
        "type": blob["type"],
        "data": blob["data"],
        "key_prefix": blob.get("key_prefix"),
        "metadata": blob.get("metadata"),
        # No URL is fetched, so the hash is that of the data itself.
        "details": {"size_bytes": len(content), "hash": f"sha256:{hashlib.sha256(content).hexdigest()}"},
        "error": None,
    }
