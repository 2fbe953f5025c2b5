"""The request bodies of API 0.82 as shapes: what is refused before a bucket's own schema is looked at."""

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
    anything,
    array,
    boolean,
    integer,
    mapping,
    nullable,
    one_of,
    record,
    string,
)

FILE_TYPES = ("text", "image", "audio", "video", "pdf", "excel")
PROPERTY_TYPES = (*SCALAR_TYPES, *NESTED_TYPES, *FILE_TYPES)
POLICIES = ("insert", "update", "upsert")
DEDUP_STRATEGIES = ("skip", "replace", "force")
STATUSES = (
    "PENDING",
    "QUEUED",
    "IN_PROGRESS",
    "PROCESSING",
    "COMPLETED",
    "COMPLETED_WITH_ERRORS",
    "FAILED",
    "CANCELED",
    "INTERRUPTED",
    "UNKNOWN",
    "SKIPPED",
    "DRAFT",
    "ACTIVE",
    "ARCHIVED",
    "SUSPENDED",
    "DEACTIVATED",
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
_BUCKET_SCHEMA = record({"properties": mapping(_PROPERTY)}, required=("properties",), extra=True)
_STORAGE_CLASS = one_of(("standard", "nearline", "coldline", "archive"))
_DESTINATION = record({"connection_id": string(), "prefix": string()}, required=("connection_id",))
_INGEST_FILTER = record(
    {
        "retriever_id": string(minimum=1),
        "retriever_version": nullable(integer(minimum=1)),
        "action": nullable(one_of(("keep", "drop", "tag"))),
        "on_error": nullable(one_of(("keep", "drop"))),
        "timeout_seconds": integer(minimum=1, maximum=300),
    },
    required=("retriever_id",),
)
BUCKET_CREATE = record(
    {
        "bucket_name": string(minimum=1),
        "description": nullable(string()),
        "bucket_schema": _BUCKET_SCHEMA,
        "unique_key": nullable(UNIQUE_KEY),
        "metadata": mapping(),
        "storage_class": nullable(_STORAGE_CLASS),
        "destination": nullable(_DESTINATION),
        "ingest_filter": nullable(_INGEST_FILTER),
        "source_adapter": nullable(mapping()),
    },
    required=("bucket_name", "bucket_schema"),
)
_BUCKET_TEXTS = {
    "bucket_name": nullable(string(minimum=1)),
    "description": nullable(string()),
    "metadata": nullable(mapping()),
}
_BUCKET_PARTS = {
    **_BUCKET_TEXTS,
    "bucket_schema": nullable(_BUCKET_SCHEMA),
    "unique_key": nullable(UNIQUE_KEY),
    "destination": nullable(_DESTINATION),
    "ingest_filter": nullable(_INGEST_FILTER),
}
BUCKET_UPDATE = record({**_BUCKET_PARTS, "storage_class": nullable(_STORAGE_CLASS)})
BUCKET_PATCH = record({**_BUCKET_PARTS, "source_adapter": nullable(mapping())})
BUCKET_CHANGES = frozenset({*_BUCKET_PARTS, "storage_class", "source_adapter"})
BUCKET_CHANGES_81 = frozenset(_BUCKET_TEXTS)
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
NAMESPACE_CREATE = record(
    {
        "namespace_id": nullable(string()),
        "namespace_name": string(minimum=3, maximum=64),
        "mode": string(),
        "namespace_type": nullable(one_of(("standard", "marketplace"))),
        "scope": nullable(one_of(("org", "system"))),
        "description": nullable(string()),
        "features": array(string()),
        "feature_extractors": array(
            record(
                {"feature_extractor_name": string(), "version": string(), "params": nullable(mapping())},
                required=("feature_extractor_name", "version"),
                extra=True,
            )
        ),
        "vector_configs": array(
            record(
                {"name": string(), "dimension": integer(minimum=1), "metric": string()},
                required=("name", "dimension"),
                extra=True,
            )
        ),
        "payload_indexes": nullable(array(mapping())),
        "auto_create_indexes": nullable(boolean()),
        "adaptive_indexing": nullable(boolean()),
        "ttl_seconds": nullable(integer(minimum=60)),
        "infrastructure": nullable(mapping()),
        "trusted_issuers": array(mapping()),
        "tiering": nullable(mapping()),
        "spend_budget": nullable(mapping()),
        "cost_cap_override": nullable(mapping()),
    },
    required=("namespace_name",),
)

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
# Before 0.82 these two were names like any other.
OBJECT_FIELDS_81 = {
    name: shape for name, shape in OBJECT_FIELDS.items() if name not in ("edges", "idempotency_key")
}
OBJECT_CREATE_81 = record(OBJECT_FIELDS_81, extra=True)
OBJECTS_BATCH_81 = record(
    {"objects": array(OBJECT_CREATE_81, maximum=MAX_OBJECTS_PER_REQUEST)}, required=("objects",)
)
OBJECT_CHANGES = {"key_prefix": nullable(string()), "skip_duplicates": nullable(boolean())}
OBJECT_PATCH = record(OBJECT_CHANGES, extra=True)
OBJECT_UPDATE = record({**OBJECT_CHANGES, "metadata": nullable(mapping())}, extra=True)
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

UPLOAD_CREATE = record(
    {
        "filename": string(minimum=1, maximum=255),
        "content_type": string(minimum=1),
        "file_size_bytes": nullable(integer(minimum=1)),
        "presigned_url_expiration": integer(minimum=60, maximum=86_400),
        "metadata": mapping(),
        "create_object_on_confirm": boolean(),
        "object_metadata": nullable(mapping()),
        "blob_property": nullable(string(pattern="^[a-zA-Z0-9_]+$")),
        "blob_type": nullable(one_of(PROPERTY_TYPES)),
        "file_hash": nullable(string(pattern="^[a-f0-9]{64}$")),
        "skip_duplicates": boolean(),
    },
    required=("filename", "content_type"),
)
UPLOADS_CREATE = record(
    {
        "uploads": array(UPLOAD_CREATE, minimum=1, maximum=MAX_OBJECTS_PER_REQUEST),
        "shared_metadata": nullable(mapping()),
        "shared_object_metadata": nullable(mapping()),
    },
    required=("uploads",),
)
_CONFIRMATION = {"etag": nullable(string()), "file_size_bytes": nullable(integer(minimum=1))}
UPLOAD_CONFIRM = record({**_CONFIRMATION, "auto_submit_batch": boolean()})
UPLOAD_CONFIRM_81 = record(_CONFIRMATION)
UPLOADS_CONFIRM = record(
    {
        "confirmations": array(
            record({"upload_id": string(minimum=1), **_CONFIRMATION}, required=("upload_id",)),
            minimum=1,
            maximum=MAX_OBJECTS_PER_REQUEST,
        )
    },
    required=("confirmations",),
)
UPLOAD_LIST = record(
    {
        "filters": nullable(FILTERS),
        "sort": nullable(SORT),
        "search": nullable(string()),
        "return_presigned_urls": boolean(),
        "limit": integer(minimum=1, maximum=100),
        "offset": integer(minimum=0),
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
# Before 0.82 a batch took ids and nothing else.
BATCH_CREATE_81 = record({"object_ids": array(string(), minimum=1)}, required=("object_ids",))
BATCH_OBJECTS = record({"object_ids": array(string(), minimum=1)}, required=("object_ids",))
BATCH_RETRY = record(
    {
        "retry_mode": one_of(("transient_only", "all")),
        "tier_nums": nullable(array(integer(minimum=0))),
        "max_retry_count": integer(minimum=1, maximum=10),
    }
)
BATCH_RESUBMIT = record({"auto_submit": boolean(), "trigger_processing": boolean()}, extra=True)
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
TASK_TYPES = (
    "api_namespaces_create",
    "api_namespaces_delete",
    "api_namespaces_snapshot_create",
    "api_namespaces_snapshot_restore",
    "api_namespaces_migrations_run",
    "api_buckets_objects_create",
    "api_buckets_delete",
    "api_buckets_batches_process",
    "api_buckets_batches_submit",
    "api_buckets_uploads_create",
    "api_buckets_uploads_confirm",
    "api_buckets_uploads_batch_confirm",
    "api_collections_documents_create",
    "api_collections_documents_bulk_update",
    "api_collections_documents_bulk_delete",
    "api_collections_reembed",
    "api_collections_extraction_artifacts",
    "api_taxonomies_create",
    "api_taxonomies_execute",
    "api_taxonomies_materialize",
    "api_evaluations_run",
    "api_evaluations_dataset_create",
    "api_retrievers_publish",
    "api_manifest_apply",
    "api_retrievers_execute",
    "api_collections_export",
    "api_collections_trigger",
    "engine_feature_extractor_run",
    "engine_inference_run",
    "engine_object_processing",
    "engine_cluster_build",
    "thumbnail",
    "video_segment",
    "audio_segment",
    "converted_video",
    "materialize",
    "plugin_custom",
    "model_custom",
)
TASK_LIST = record(
    {
        "status": nullable(one_of(STATUSES)),
        "task_type": nullable(one_of(TASK_TYPES)),
        "filters": nullable(FILTERS),
        "sort": nullable(SORT),
        "search": nullable(string()),
    }
)
