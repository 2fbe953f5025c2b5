"""The request bodies of the legacy generation as shapes.

Keys that no shape declares are ignored: nothing known of that generation says that they are refused.
"""

from __future__ import annotations

from airflow_provider.mixpeek.emulator.bodies import (
    NESTED_TYPES,
    OPERATORS,
    SCALAR_TYPES,
    SORT,
    filters,
    schema_property,
)
from airflow_provider.mixpeek.emulator.shapes import (
    Shape,
    anything,
    array,
    boolean,
    mapping,
    nullable,
    one_of,
    record,
    string,
)

FILE_TYPES = ("text", "image", "audio", "video", "pdf", "document", "spreadsheet", "presentation")
_VECTOR_TYPES = ("dense_vector", "sparse_vector", "int8_vector")
PROPERTY_TYPES = (*SCALAR_TYPES, *NESTED_TYPES, "json", *FILE_TYPES, *_VECTOR_TYPES)
_INDEX_TYPES = ("keyword", "integer", "float", "bool", "geo", "datetime", "text", "uuid")


def _open(fields: dict[str, Shape], required: tuple[str, ...] = ()) -> Shape:
    return record(fields, required=required, extra=True)


NAMESPACE_CREATE = _open(
    {
        "namespace_name": string(minimum=1),
        "feature_extractors": array(
            _open(
                {
                    "feature_extractor_name": string(),
                    "description": string(),
                    "supported_input_types": array(string()),
                    "version": string(),
                },
                ("feature_extractor_name", "description", "supported_input_types", "version"),
            ),
            minimum=1,
        ),
        "description": nullable(string()),
        "payload_indexes": nullable(
            array(
                _open(
                    {
                        "field_name": string(),
                        "type": one_of(_INDEX_TYPES),
                        "field_schema": nullable(mapping()),
                    },
                    ("field_name", "type"),
                )
            )
        ),
    },
    ("namespace_name", "feature_extractors"),
)
BUCKET_CREATE = _open(
    {
        "bucket_name": string(minimum=1),
        "bucket_schema": _open(
            {"properties": mapping(schema_property(PROPERTY_TYPES, example=anything()))}, ("properties",)
        ),
        "description": nullable(string()),
        "metadata": mapping(),
    },
    ("bucket_name", "bucket_schema"),
)
BUCKET_UPDATE = _open(
    {
        "bucket_name": nullable(string(minimum=1)),
        "description": nullable(string()),
        "metadata": nullable(mapping()),
    }
)
LIST = _open(
    {
        "filters": nullable(filters(OPERATORS, required=("field",))),
        "sort": nullable(SORT),
        "search": nullable(string()),
    }
)
_BLOB = _open(
    {
        "property": string(),
        "type": one_of(PROPERTY_TYPES),
        "data": anything(),
        "key_prefix": nullable(string()),
        "metadata": nullable(mapping()),
    },
    ("property", "type", "data"),
)
OBJECT_CREATE = _open(
    {
        "key_prefix": nullable(string()),
        "blobs": array(_BLOB),
        "metadata": mapping(),
        "skip_duplicates": boolean(),
    }
)
OBJECT_UPDATE = _open(
    {
        "key_prefix": nullable(string()),
        "blobs": nullable(array(_BLOB)),
        "metadata": nullable(mapping()),
        "skip_duplicates": nullable(boolean()),
    }
)
