"""An object's own fields: which names are free, what the bucket's schema says, what makes it unique."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.errors import invalid
from airflow_provider.mixpeek.emulator.shapes import Location, Problem, extra_forbidden
from airflow_provider.mixpeek.emulator.values import check_value

from .requests import MAX_KEY, OBJECT_FIELDS, OBJECT_FIELDS_81

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.records import Bucket
    from airflow_provider.mixpeek.emulator.settings import Settings
    from airflow_provider.mixpeek.emulator.shapes import Shape

# Names that the vendor sets itself, on objects or on what is made of them.
RESERVED = frozenset(
    [
        "object_id",
        "bucket_id",
        "collection_id",
        "namespace_id",
        "status",
        "error",
        "created_at",
        "updated_at",
        "document_count",
        "consistency",
        "source_details",
        "warnings",
        "object_index",
        "replayed",
        "replayed_by",
        "_internal",
    ]
)


def declared_fields(settings: Settings) -> Mapping[str, Shape]:
    """What a create declares by itself; every other key is the object's own."""
    return OBJECT_FIELDS_81 if settings.is_before_82 else OBJECT_FIELDS


def check_fields(
    bucket: Bucket,
    fields: Iterable[tuple[str, Any]],
    location: Location,
    settings: Settings,
    problems: list[Problem],
) -> list[str]:
    """Hold an object's own fields to its bucket's schema.

    :param problems: Takes what is wrong.
    :returns: The undeclared names that were let through.
    """
    properties = bucket.properties
    undeclared: list[str] = []
    for name, value in fields:
        place = (*location, name)
        if name == "auto_process" and name not in properties:
            message = "auto_process is a query parameter, not a key of the body"
            problems.append(Problem("value_error", place, message))
        elif name in RESERVED:
            problems.append(Problem("value_error", place, f"'{name}' is a reserved name, set by the system"))
        elif name in properties:
            check_value(value, properties[name], place, problems)
        elif settings.accepts_undeclared:
            undeclared.append(name)
        else:
            problems.append(extra_forbidden(place, {**declared_fields(settings), **properties}))
    return undeclared


def check_unique_key(bucket: Bucket, fields: Mapping[str, Any], location: Location) -> tuple[Any, ...] | None:
    """The unique key of an object with these fields; None in a bucket without one.

    :raises Refusal: 422, a part of it is missing or too long.
    """
    config = bucket.definition.get("unique_key")
    if not config:
        return None
    problems: list[Problem] = []
    for name in sorted(config["fields"]):
        value = fields.get(name)
        if value is None or value == "":
            message = f"'{name}' is part of the unique key: needs a value"
            problems.append(Problem("missing", (*location, name), message))
        elif isinstance(value, str) and len(value) > MAX_KEY:
            message = f"'{name}' is part of the unique key: at most {MAX_KEY} characters, has {len(value)}"
            problems.append(Problem("string_too_long", (*location, name), message))
    if problems:
        raise invalid(problems)
    return bucket.unique_key(fields)
