"""Creating objects by the vendor's rules: the bucket's schema, repeatable creates, unique keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider.mixpeek.emulator import json_text
from airflow_provider.mixpeek.emulator.content import content_hash, find_content
from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.shapes import Location, Problem

from .blobs import check_data, store_blob
from .fields import RESERVED, check_fields, check_unique_key, declared_fields
from .requests import POLICIES

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.records import Bucket, StoredObject
    from airflow_provider.mixpeek.emulator.settings import Settings
    from airflow_provider.mixpeek.emulator.state import State


@dataclass(frozen=True, slots=True)
class Created:
    """What became of one create.

    :param stored: The new object, or the one that was there.
    :param replayed_by: What found it there; None where it is new or was written.
    :param undeclared: Root keys that were stored although no schema declares them.
    """

    stored: StoredObject
    replayed_by: Literal["idempotency_key", "skip_duplicates"] | None = None
    undeclared: list[str] = field(default_factory=list)


def create_object(
    state: State,
    settings: Settings,
    bucket: Bucket,
    body: dict[str, Any],
    *,
    now: float,
    location: Location = ("body",),
    policy: str | None = None,
) -> Created:
    """Create an object, or find the one that is meant.

    :param body: Right in its shape (``OBJECT_CREATE``).
    :param location: Of the body in the request, for refusals.
    :param policy: The request's policy for buckets with a unique key.
    :raises Refusal: The bucket's schema or its unique key refuses it; nothing was stored.
    """
    known = declared_fields(settings)
    own = [(name, value) for name, value in body.items() if name not in known]
    undeclared = _check(bucket, own, body.get("blobs", ()), location, settings)
    key = None if settings.is_before_82 else body.get("idempotency_key")
    body_hash = None
    if key:
        first = bucket.by_idempotency_key.get(key)
        if settings.idempotency_conflict == "refuse":
            body_hash = hashlib.blake2b(json_text.write(body, sort_keys=True), digest_size=16).digest()
            if first is not None and first.body_hash != body_hash:
                raise Refusal(
                    409,
                    f"idempotency_key '{key}' was used for object '{first.object_id}' with another body",
                    details={"idempotency_key": key, "object_id": first.object_id},
                )
        if first is not None:
            return Created(first, "idempotency_key")

    fields = _fields(own, body.get("blobs", ()), known)
    edges = body.get("edges") if "edges" in known else None
    unique = check_unique_key(bucket, body, location)
    if unique is not None:
        chosen = policy or bucket.definition["unique_key"].get("default_policy")
        existing = bucket.by_unique_key.get(unique)
        _apply_policy(bucket, chosen, unique, existing)
        if existing is not None:
            _update(state, bucket, existing, body, fields, edges, now)
            if key:
                state.set_key(bucket, key, existing)
            return Created(existing, None, undeclared)

    if body.get("skip_duplicates"):
        blobs = [
            store_blob(blob, "", "obj_", number, bucket.uploads)
            for number, blob in enumerate(body.get("blobs", ()))
        ]
        twin = find_content(bucket, content_hash(blobs))
        if twin is not None:
            return Created(twin, "skip_duplicates")
    stored = state.add_object(
        bucket,
        now,
        key_prefix=body.get("key_prefix"),
        edges=edges or [],
        fields=fields,
        body_hash=body_hash,
    )
    blobs = [
        store_blob(blob, bucket.bucket_id, stored.object_id, number, bucket.uploads)
        for number, blob in enumerate(body.get("blobs", ()))
    ]
    if blobs:
        state.set_blobs(bucket, stored, blobs)
    if key:
        state.set_key(bucket, key, stored)
    return Created(stored, None, undeclared)


def _check(
    bucket: Bucket,
    own: list[tuple[str, Any]],
    blobs: Sequence[dict[str, Any]],
    location: Location,
    settings: Settings,
) -> list[str]:
    """Hold an object to its bucket's schema; answers the undeclared root keys that were let through."""
    properties = bucket.properties
    problems: list[Problem] = []
    undeclared = check_fields(bucket, own, location, settings, problems)
    present = {name for name, value in own if value is not None}
    for index, blob in enumerate(blobs):
        place = (*location, "blobs", index)
        declared = properties.get(blob["property"])
        if declared is None:
            names = ", ".join(sorted(properties)) or "none"
            message = f"The bucket's schema does not declare '{blob['property']}'; it declares: {names}"
            problems.append(Problem("value_error", (*place, "property"), message))
        elif declared["type"] != blob["type"]:
            message = (
                f"The bucket's schema declares '{blob['property']}' as {declared['type']}, not {blob['type']}"
            )
            problems.append(Problem("value_error", (*place, "type"), message))
        else:
            problems.extend(check_data(blob, declared, place, bucket.uploads))
        present.add(blob["property"])
    for name, declared in properties.items():
        if declared.get("required") and name not in present:
            message = f"The bucket's schema requires '{name}', as a blob or as a key of the object"
            problems.append(Problem("missing", (*location, name), message))
    if problems:
        raise invalid(problems)
    return undeclared


def _fields(
    own: list[tuple[str, Any]], blobs: Sequence[dict[str, Any]], known: Mapping[str, object]
) -> dict[str, Any]:
    """The fields to store: the object's own, and those of its blobs' metadata."""
    fields = {name: value for name, value in own if value is not None}
    for blob in blobs:
        for name, value in (blob.get("metadata") or {}).items():
            if name not in RESERVED and name not in known:
                fields.setdefault(name, value)
    return fields


def _apply_policy(
    bucket: Bucket, policy: str | None, unique: tuple[Any, ...], existing: StoredObject | None
) -> None:
    names = ", ".join(sorted(bucket.definition["unique_key"]["fields"]))
    key = f"unique key ({names}) = ({', '.join(str(value) for _, value in unique)})"
    if policy is None:
        choices = ", ".join(POLICIES)
        raise Refusal(
            400, f"The bucket has a unique key and no default_policy: give ?policy= (one of {choices})"
        )
    if policy == "insert" and existing is not None:
        raise Refusal(
            409,
            f"Object '{existing.object_id}' already has the {key}",
            kind="AlreadyExistsError",
            details={"object_id": existing.object_id},
        )
    if policy == "update" and existing is None:
        raise Refusal(404, f"No object has the {key}")


def _update(
    state: State,
    bucket: Bucket,
    stored: StoredObject,
    body: dict[str, Any],
    fields: dict[str, Any],
    edges: list[dict[str, Any]] | None,
    now: float,
) -> None:
    """Write over the fields and blobs that the body names; what it does not name stays."""
    named = {blob["property"] for blob in body.get("blobs", ())}
    kept = [blob for blob in stored.blobs if blob["property"] not in named]
    blobs = kept + [
        store_blob(blob, bucket.bucket_id, stored.object_id, number, bucket.uploads)
        for number, blob in enumerate(body.get("blobs", ()), start=len(kept))
    ]
    state.set_blobs(bucket, stored, blobs)
    if body.get("key_prefix") is not None:
        stored.key_prefix = body["key_prefix"]
    if edges is not None:
        stored.edges = edges
    state.set_fields(bucket, stored, stored.fields | fields, now)
