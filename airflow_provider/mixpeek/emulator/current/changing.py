"""Changing an object's own fields. Neither call touches blobs, and neither starts processing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.errors import Refusal, invalid
from airflow_provider.mixpeek.emulator.shapes import Problem

from .fields import check_fields, check_unique_key, declared_fields
from .requests import OBJECT_CHANGES

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.records import Bucket, StoredObject
    from airflow_provider.mixpeek.emulator.settings import Settings
    from airflow_provider.mixpeek.emulator.state import State

Change = Callable[["State", "Settings", "Bucket", "StoredObject", dict[str, Any], float], None]


def patch_object(
    state: State,
    settings: Settings,
    bucket: Bucket,
    stored: StoredObject,
    body: dict[str, Any],
    now: float,
) -> None:
    """Set the fields that a body has at its root; null takes one away.

    :param body: Right in its shape (``OBJECT_PATCH``).
    :raises Refusal: The bucket's schema or its unique key refuses it; nothing was changed.
    """
    known = declared_fields(settings)
    changed = {name: value for name, value in body.items() if name not in OBJECT_CHANGES}
    problems = [
        Problem("value_error", ("body", name), f"'{name}' cannot be changed: create another object")
        for name in changed
        if name in known
    ]
    own = [(name, value) for name, value in changed.items() if name not in known]
    check_fields(bucket, own, ("body",), settings, problems)
    if problems:
        raise invalid(problems)
    merged = {name: value for name, value in (stored.fields | changed).items() if value is not None}
    unique = check_unique_key(bucket, merged, ("body",))
    holder = bucket.by_unique_key.get(unique) if unique is not None else None
    if holder is not None and holder is not stored:
        raise Refusal(
            409,
            f"Object '{holder.object_id}' already has that unique key",
            kind="AlreadyExistsError",
            details={"object_id": holder.object_id},
        )
    if body.get("key_prefix") is not None:
        stored.key_prefix = body["key_prefix"]
    state.set_fields(bucket, stored, merged, now)


def put_object(
    state: State,
    settings: Settings,
    bucket: Bucket,
    stored: StoredObject,
    body: dict[str, Any],
    now: float,
) -> None:
    """Set fields, also those that come in ``metadata``.

    A key of ``metadata`` that the object's own nested ``metadata`` has changes there; all others go to the
    root.

    :param body: Right in its shape (``OBJECT_UPDATE``).
    :raises Refusal: As :func:`patch_object` raises it.
    """
    flat = {name: value for name, value in body.items() if name != "metadata"}
    given = body.get("metadata") or {}
    nested = stored.fields.get("metadata")
    held = nested if isinstance(nested, dict) else {}
    inside = {name: value for name, value in given.items() if name in held}
    # What stands at the root of the body wins over the same name in its metadata.
    patched = {name: value for name, value in given.items() if name not in held} | flat
    if inside:
        patched["metadata"] = held | inside
    patch_object(state, settings, bucket, stored, patched, now)
