"""The schema of a bucket: short or whole, checked before it is sent, and compared with one that exists."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider.mixpeek.client._errors import MixpeekConfigError

#: Property types that hold a value of their own. Every other type of either generation is a blob's:
#: a file, or a text (enum ``BucketSchemaFieldType``, API 0.82).
DATA_TYPES = frozenset(
    {"string", "number", "integer", "float", "boolean", "object", "array", "date", "datetime"}
)

#: The one property that ingestion puts undeclared columns into.
METADATA = "metadata"

#: Keys at an object's root that are the API's (``CreateObjectRequest``, ``ObjectResponse``; API 0.82).
SYSTEM_NAMES = frozenset(
    {
        "auto_process", "blobs", "bucket_id", "canonicalize_source", "consistency", "created_at",
        "document_count", "edges", "error", "force_remirror", "idempotency_key", "key_prefix", "object_id",
        "skip_duplicates", "source_details", "status", "updated_at", "warnings",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BlobForms:
    """
    Which forms of blobs a generation of the API takes; the defaults are those of 0.82.

    :param wrapped_texts: A text travels as ``{"text": ...}``, since a bare one could be taken for a URL.
    :param base64: Files may travel by value.
    """

    wrapped_texts: bool = True
    base64: bool = True


def is_blob_type(property_type: str) -> bool:
    """Whether values of this type travel as blobs (text, image, ...) and not as fields of the object."""
    return property_type not in DATA_TYPES


def normalise(schema: Mapping[str, Any], *, types: Collection[str], declare_metadata: bool) -> dict[str, Any]:
    """
    Turn a short or a whole schema into the whole one that the API takes.

    :param schema: ``{"hero": "image"}``, ``{"price": {"type": "float", "required": True}}``, or the whole
        ``{"properties": {...}}``, whose further keys are kept.
    :param types: The property types that the server's generation knows.
    :param declare_metadata: Add ``metadata`` of type object where the schema does not name it.
    :raises MixpeekConfigError: a property has no type, or one that the generation does not know.
    """
    if not isinstance(schema, Mapping):
        raise MixpeekConfigError(
            f"a {type(schema).__name__} is no bucket schema",
            hint='Give a mapping of names to types, such as {"hero": "image"}.',
        )
    whole = isinstance(schema.get("properties"), Mapping)
    given: Mapping[str, Any] = schema["properties"] if whole else schema
    properties = {
        name: {"type": definition} if isinstance(definition, str) else definition
        for name, definition in given.items()
    }
    for name, definition in properties.items():
        _check_property(name, definition, types)
    if declare_metadata:
        properties.setdefault(METADATA, {"type": "object"})
    if not properties:
        raise MixpeekConfigError(
            "the bucket schema declares no property", hint='Give at least one, such as {"hero": "image"}.'
        )
    return {**(schema if whole else {}), "properties": properties}


def _check_property(name: object, definition: object, types: Collection[str]) -> None:
    if not isinstance(name, str) or not name:
        raise MixpeekConfigError(
            f"bucket schema: {name!r} is not a property name", hint="Property names are non-empty strings."
        )
    found = definition.get("type") if isinstance(definition, Mapping) else None
    if not isinstance(found, str):
        raise MixpeekConfigError(
            f"bucket schema: property {name!r} has no type",
            hint=f'Write {{"{name}": "text"}} or {{"{name}": {{"type": "text"}}}}.',
        )
    if found not in types:
        meant = f" Did you mean {found.lower()!r}?" if found.lower() in types else ""
        raise MixpeekConfigError(
            f"bucket schema: property {name!r} has the unknown type {found!r}",
            hint=f"Types are lower case: {', '.join(sorted(types))}.{meant}",
        )


def differences(wanted: Mapping[str, Any], existing: Mapping[str, Any]) -> list[str]:
    """
    Say where a bucket that exists could not take what the wanted schema describes.

    Both are whole schemas. Optional properties that only the existing one has are no difference: rows of
    the wanted schema fit into it.

    :return: One sentence a difference; empty when the bucket can be used.
    """
    want: Mapping[str, Any] = wanted.get("properties", {})
    have: Mapping[str, Any] = existing.get("properties", {})
    found = []
    for name, definition in want.items():
        if name not in have:
            found.append(f"{name!r} ({definition['type']}) is not in it")
        elif have[name].get("type") != definition["type"]:
            found.append(f"{name!r} is {have[name].get('type')!r} there and {definition['type']!r} here")
        elif bool(have[name].get("required")) != bool(definition.get("required")):
            there = "required" if have[name].get("required") else "optional"
            found.append(f"{name!r} is {there} there and not here")
    found.extend(
        f"{name!r} is required there and unknown here"
        for name, definition in have.items()
        if name not in want and definition.get("required")
    )
    return found
