"""The request bodies of collections as shapes."""

from __future__ import annotations

from airflow_provider.mixpeek.emulator.bodies import SORT
from airflow_provider.mixpeek.emulator.shapes import array, boolean, mapping, nullable, one_of, record, string

from .requests import DEDUP_STRATEGIES, FILTERS, PAGING

COLLECTION_CREATE = record(
    {
        "collection_name": string(minimum=3, maximum=100),
        "description": nullable(string()),
        "source": record(
            {
                "type": one_of(("bucket", "collection")),
                "bucket_ids": nullable(array(string(), minimum=1)),
                "collection_id": nullable(string()),
                "collection_ids": nullable(array(string(), minimum=1)),
            },
            required=("type",),
            extra=True,
        ),
        "feature_extractor": nullable(mapping()),
        "features": array(string()),
        "enabled": boolean(),
        "metadata": nullable(mapping()),
    },
    required=("collection_name", "source"),
)
COLLECTION_LIST = record(
    {
        **PAGING,
        "filters": nullable(FILTERS),
        "sort": nullable(SORT),
        "search": nullable(string()),
        "include_system": boolean(),
        "case_sensitive": boolean(),
    }
)
_TRIGGER = {
    "include_buckets": nullable(array(string())),
    "include_collections": nullable(array(string())),
    "source_filters": nullable(FILTERS),
}
COLLECTION_TRIGGER_81 = record(_TRIGGER)
COLLECTION_TRIGGER = record(
    {**_TRIGGER, "object_ids": array(string()), "dedup_strategy": nullable(one_of(DEDUP_STRATEGIES))}
)
