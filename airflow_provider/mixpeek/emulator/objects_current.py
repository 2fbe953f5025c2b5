"""Creating objects by the vendor's rules: the bucket's schema, repeatable creates, unique keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from .blobs import check_data, content_hash, find_content, store_blob
from .errors import Refusal, invalid
from .requests_current import MAX_KEY, OBJECT_FIELDS, POLICIES
from .shapes import Location, Problem, extra_forbidden
from .values import check_value

if TYPE_CHECKING:
    from .records import Bucket, StoredObject
    from .settings import Settings
    from .state import State

# Names that the vendor sets itself, on objects or on what is made of them.
RESERVED = frozenset(
    {
        *(
            "object_id",
            "bucket_id",
            "collection_id",
            "namespace_id",
            "status",
            "error",
            "created_at",
            "updated_at",
        ),
        *(
            "document_count",
            "consistency",
            "source_details",
            "warnings",
            "object_index",
            "replayed",
            "replayed_by",
        ),
        "_internal",
    }
)


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
    undeclared = _check(bucket, body, location, accept=settings.undeclared_metadata == "accept")
    key = body.get("idempotency_key")
    body_hash = None
    if key:
        first = bucket.by_idempotency_key.get(key)
        if settings.idempotency_conflict == "refuse":
            body_hash = hashlib.blake2b(
                orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16
            ).digest()
            if first is not None and first.body_hash != body_hash:
                raise Refusal(
                    409,
                    f"idempotency_key '{key}' was used for object '{first.object_id}' with another body",
                    details={"idempotency_key": key, "object_id": first.object_id},
                )
        if first is not None:
            return Created(first, "idempotency_key")

    unique = _unique_key(bucket, body, location)
    if unique is not None:
        chosen = policy or bucket.definition["unique_key"].get("default_policy")
        existing = bucket.by_unique_key.get(unique)
        _apply_policy(bucket, chosen, unique, existing)
        if existing is not None:
            _update(state, bucket, existing, body, now)
            if key:
                state.set_key(bucket, key, existing)
            return Created(existing, None, undeclared)

    if body.get("skip_duplicates"):
        blobs = [store_blob(blob, "", "obj_", number) for number, blob in enumerate(body.get("blobs", ()))]
        twin = find_content(bucket, content_hash(blobs))
        if twin is not None:
            return Created(twin, "skip_duplicates")
    stored = state.new_object(
        bucket,
        now,
        key_prefix=body.get("key_prefix"),
        edges=body.get("edges", []),
        fields=_fields(body),
        body_hash=body_hash,
    )
    blobs = [
        store_blob(blob, bucket.bucket_id, stored.object_id, number)
        for number, blob in enumerate(body.get("blobs", ()))
    ]
    state.set_blobs(bucket, stored, blobs)
    if key:
        state.set_key(bucket, key, stored)
    if unique is not None:
        bucket.by_unique_key[unique] = stored
    return Created(stored, None, undeclared)


def _check(bucket: Bucket, body: dict[str, Any], location: Location, *, accept: bool) -> list[str]:
    """Hold an object to its bucket's schema; answers the undeclared root keys that were let through."""
    properties = bucket.properties
    problems: list[Problem] = []
    undeclared: list[str] = []
    present: set[str] = set()
    for name, value in body.items():
        if name in OBJECT_FIELDS:
            continue
        if name in RESERVED or (name == "auto_process" and name not in properties):
            problems.append(_reserved(name, location))
        elif name in properties:
            check_value(value, properties[name], (*location, name), problems)
            if value is not None:
                present.add(name)
        elif accept:
            undeclared.append(name)
        else:
            problems.append(extra_forbidden((*location, name), {**OBJECT_FIELDS, **properties}))
    for index, blob in enumerate(body.get("blobs", ())):
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
            problems.extend(check_data(blob, declared, place))
        present.add(blob["property"])
    for name, declared in properties.items():
        if declared.get("required") and name not in present:
            message = f"The bucket's schema requires '{name}', as a blob or as a key of the object"
            problems.append(Problem("missing", (*location, name), message))
    if problems:
        raise invalid(problems)
    return undeclared


def _reserved(name: str, location: Location) -> Problem:
    if name == "auto_process":
        return Problem(
            "value_error", (*location, name), "auto_process is a query parameter, not a key of the body"
        )
    return Problem("value_error", (*location, name), f"'{name}' is a reserved name, set by the system")


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """The root keys that are the object's own, those of its blobs' metadata included."""
    fields = {name: value for name, value in body.items() if name not in OBJECT_FIELDS and value is not None}
    for blob in body.get("blobs", ()):
        for name, value in (blob.get("metadata") or {}).items():
            if name not in RESERVED and name not in OBJECT_FIELDS:
                fields.setdefault(name, value)
    return fields


def _unique_key(bucket: Bucket, body: dict[str, Any], location: Location) -> tuple[Any, ...] | None:
    """The unique key of an object; None in a bucket without one."""
    config = bucket.definition.get("unique_key")
    if not config:
        return None
    problems: list[Problem] = []
    for name in sorted(config["fields"]):
        value = body.get(name)
        if value is None or value == "":
            problems.append(
                Problem("missing", (*location, name), f"'{name}' is part of the unique key: needs a value")
            )
        elif isinstance(value, str) and len(value) > MAX_KEY:
            message = f"'{name}' is part of the unique key: at most {MAX_KEY} characters, has {len(value)}"
            problems.append(Problem("string_too_long", (*location, name), message))
    if problems:
        raise invalid(problems)
    return bucket.unique_key(body)


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


def _update(state: State, bucket: Bucket, stored: StoredObject, body: dict[str, Any], now: float) -> None:
    """Write over the fields and blobs that the body names; what it does not name stays."""
    stored.fields.update(_fields(body))
    named = {blob["property"] for blob in body.get("blobs", ())}
    kept = [blob for blob in stored.blobs if blob["property"] not in named]
    blobs = kept + [
        store_blob(blob, bucket.bucket_id, stored.object_id, number)
        for number, blob in enumerate(body.get("blobs", ()), start=len(kept))
    ]
    state.set_blobs(bucket, stored, blobs)
    if body.get("key_prefix") is not None:
        stored.key_prefix = body["key_prefix"]
    if "edges" in body:
        stored.edges = body["edges"]
    stored.updated = now
