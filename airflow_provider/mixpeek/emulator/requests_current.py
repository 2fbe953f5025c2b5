"""The request bodies of API 0.82 as shapes: what is refused before a bucket's own schema is looked at."""

from __future__ import annotations

from .requests_common import NESTED_TYPES, OPERATORS, SCALAR_TYPES, SORT, filters, schema_property
from .shapes import anything, array, boolean, integer, mapping, nullable, one_of, record, string

FILE_TYPES = ("text", "image", "audio", "video", "pdf", "excel")
PROPERTY_TYPES = (*SCALAR_TYPES, *NESTED_TYPES, *FILE_TYPES)
POLICIES = ("insert", "update", "upsert")
DEDUP_STRATEGIES = ("skip", "replace", "force")
STATUSES = (
    *("PENDING", "QUEUED", "IN_PROGRESS", "PROCESSING", "COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED"),
    *(
        "CANCELED",
        "INTERRUPTED",
        "UNKNOWN",
        "SKIPPED",
        "DRAFT",
        "ACTIVE",
        "ARCHIVED",
        "SUSPENDED",
        "DEACTIVATED",
    ),
)
MAX_OBJECTS_PER_REQUEST = 100
MAX_OBJECTS_BY_FILTER = 50_000
MAX_KEY = 255
PAGE_MAX = 1000
OFFSET_MAX = 10_000


PAGING = {
    "limit": nullable(integer(minimum=1, maximum=PAGE_MAX)),
    "page_size": nullable(integer(minimum=1, maximum=PAGE_MAX)),
    "offset": nullable(integer(minimum=0, maximum=OFFSET_MAX)),
    "page": nullable(integer(minimum=1)),
    "cursor": nullable(string()),
    "next_cursor": nullable(string()),
    "after": nullable(string()),
    "include_total": nullable(boolean()),
}
FILTERS = filters(
    (*OPERATORS, "phrase", "words", "geo_radius", "geo_bounding_box", "geo_polygon"),
    required=("field", "value"),
)

_PROPERTY = schema_property(
    PROPERTY_TYPES, examples=nullable(array(anything())), required=nullable(boolean())
)
UNIQUE_KEY = record(
    {"fields": array(string(), minimum=1), "default_policy": nullable(one_of(POLICIES))}, required=("fields",)
)
BUCKET_CREATE = record(
    {
        "bucket_name": string(minimum=1),
        "description": nullable(string()),
        "bucket_schema": record({"properties": mapping(_PROPERTY)}, required=("properties",), extra=True),
        "unique_key": nullable(UNIQUE_KEY),
        "metadata": mapping(),
        "storage_class": nullable(one_of(("standard", "nearline", "coldline", "archive"))),
        "destination": nullable(
            record({"connection_id": string(), "prefix": string()}, required=("connection_id",))
        ),
        "ingest_filter": nullable(
            record(
                {
                    "retriever_id": string(minimum=1),
                    "retriever_version": nullable(integer(minimum=1)),
                    "action": nullable(one_of(("keep", "drop", "tag"))),
                    "on_error": nullable(one_of(("keep", "drop"))),
                    "timeout_seconds": integer(minimum=1, maximum=300),
                },
                required=("retriever_id",),
            )
        ),
        "source_adapter": nullable(mapping()),
    },
    required=("bucket_name", "bucket_schema"),
)
_LIST_FIELDS = {
    **PAGING,
    "search": nullable(string()),
    "filters": nullable(FILTERS),
    "sort": nullable(SORT),
    "sorts": array(SORT),
    "case_sensitive": boolean(),
}
BUCKET_LIST = record(_LIST_FIELDS)
NAMESPACE_LIST = record(_LIST_FIELDS)

BLOB = record(
    {
        "property": string(minimum=1, maximum=100),
        "key_prefix": nullable(string()),
        "type": one_of(PROPERTY_TYPES),
        "data": anything(),
        "upload_id": nullable(string(pattern="^upl_[a-zA-Z0-9_-]+$")),
        "checksum": nullable(string(pattern="^([A-Za-z0-9_-]+:[0-9A-Za-z+/=]+|[0-9a-fA-F]{64})$")),
        "metadata": nullable(mapping()),
        "canonicalize_source": nullable(boolean()),
        "force_remirror": nullable(boolean()),
    },
    required=("property", "type"),
)
EDGE = record(
    {
        "type": string(),
        "target_object_id": string(),
        "target_collection_id": nullable(string()),
        "direction": one_of(("out", "in")),
        "attributes": nullable(mapping()),
    },
    required=("type", "target_object_id"),
    extra=True,
)
OBJECT_FIELDS = {
    "key_prefix": nullable(string()),
    "blobs": array(BLOB),
    "skip_duplicates": boolean(),
    "canonicalize_source": boolean(),
    "force_remirror": boolean(),
    "edges": array(EDGE),
    "idempotency_key": nullable(string(maximum=MAX_KEY)),
}
# Further keys are the object's own fields: the bucket's schema judges them, not the shape.
OBJECT_CREATE = record(OBJECT_FIELDS, extra=True)
OBJECTS_BATCH = record(
    {"objects": array(OBJECT_CREATE, maximum=MAX_OBJECTS_PER_REQUEST)}, required=("objects",)
)
OBJECT_LIST = record(
    {
        **PAGING,
        "filters": nullable(FILTERS),
        "sort": nullable(SORT),
        "search": nullable(string()),
        "select": nullable(array(string())),
        "return_presigned_urls": boolean(),
    }
)

BATCH_CREATE = record(
    {
        "object_ids": array(string(), minimum=1),
        "filters": nullable(FILTERS),
        "collection_ids": array(string()),
        "limit": nullable(integer(minimum=1, maximum=MAX_OBJECTS_BY_FILTER)),
        "dedup_strategy": nullable(one_of(DEDUP_STRATEGIES)),
        "metadata": nullable(
            record(
                {
                    "campaign_id": nullable(string()),
                    "source": nullable(string()),
                    "tags": nullable(array(string())),
                    "notes": nullable(string()),
                },
                extra=True,
            )
        ),
        "batch_name": nullable(string(maximum=256)),
        "auto_submit": nullable(boolean()),
        "trigger_processing": nullable(boolean()),
    }
)
BATCH_SUBMIT = record(
    {
        "include_processing_history": boolean(),
        "collection_ids": array(string()),
        "webhook_url": nullable(string()),
    }
)
BATCH_LIST = record(
    {
        "status": nullable(one_of(STATUSES)),
        "collection_id": nullable(string()),
        "bucket_id": nullable(string()),
        "namespace_id": nullable(string()),
        "offset": integer(minimum=0),
        "limit": integer(minimum=1, maximum=PAGE_MAX),
        "cursor": nullable(string()),
    }
)
