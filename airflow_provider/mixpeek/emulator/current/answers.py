"""The answers of API 0.82: what is stored, in the vendor's shape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider.mixpeek.emulator.records import (
        Batch,
        Bucket,
        Collection,
        Namespace,
        StoredObject,
        Task,
    )

    from .creating import Created

# The fields of a batch that 0.81 has, of those that the emulator fills in.
_IN_81 = frozenset(
    [
        "batch_id",
        "bucket_id",
        "status",
        "object_ids",
        "collection_ids",
        "error",
        "error_summary",
        "type",
        "task_id",
        "loaded_object_ids",
        "metadata",
        "tier_tasks",
        "current_tier",
        "total_tiers",
        "created_at",
        "updated_at",
    ]
)
_LIFECYCLE = {
    "DRAFT": "accepted",
    "PENDING": "queued",
    "QUEUED": "queued",
    "IN_PROGRESS": "extracting",
    "COMPLETED": "indexed",
    "COMPLETED_WITH_ERRORS": "indexed",
    "FAILED": "failed",
    "CANCELED": "canceled",
}


def namespace_answer(namespace: Namespace) -> dict[str, Any]:
    buckets = namespace.buckets.values()
    return {
        "object": "namespace",
        "namespace_id": namespace.namespace_id,
        "namespace_name": namespace.name,
        "namespace_type": namespace.definition.get("namespace_type") or "standard",
        "scope": namespace.definition.get("scope") or "org",
        "description": namespace.definition.get("description"),
        "feature_extractors": namespace.definition.get("feature_extractors", []),
        "document_count": sum(each.processed for bucket in buckets for each in bucket.objects.values()),
        "bucket_count": len(buckets),
        "collection_count": len(namespace.collections),
        "object_count": sum(len(bucket.objects) for bucket in buckets),
        "namespace_ready": namespace.task is None or namespace.task.final is not None,
        "created_at": timestamp(namespace.created),
        "updated_at": timestamp(namespace.created),
    }


def collection_answer(collection: Collection) -> dict[str, Any]:
    definition = collection.definition
    extractor = definition.get("feature_extractor") or {
        "feature_extractor_name": "text_extractor",
        "version": "v1",
    }
    extractor_id = f"{extractor.get('feature_extractor_name')}_{extractor.get('version')}"
    return {
        "collection_id": collection.collection_id,
        "collection_name": collection.name,
        "description": definition.get("description"),
        "source": definition["source"],
        "feature_extractor": {**extractor, "feature_extractor_id": extractor_id},
        "enabled": definition.get("enabled", True),
        "metadata": definition.get("metadata"),
        "document_count": None,
        "created_at": timestamp(collection.created),
        "updated_at": timestamp(collection.created),
    }


def bucket_answer(bucket: Bucket, now: float) -> dict[str, Any]:
    objects = bucket.objects.values()
    definition = bucket.definition
    words = [batch.status(now) for batch in bucket.batches.values()]
    touched = timestamp(bucket.last_upload) if bucket.last_upload is not None else None
    return {
        "bucket_id": bucket.bucket_id,
        "bucket_name": bucket.name,
        "description": definition.get("description"),
        "bucket_schema": definition["bucket_schema"],
        "unique_key": definition.get("unique_key"),
        "metadata": definition.get("metadata", {}),
        "storage_class": definition.get("storage_class"),
        "destination": definition.get("destination"),
        "ingest_filter": definition.get("ingest_filter"),
        "source_adapter": definition.get("source_adapter"),
        "object_count": len(objects),
        "failed_object_count": sum(each.status == "FAILED" for each in objects),
        "total_size_bytes": bucket.size_bytes,
        "created_at": timestamp(bucket.created),
        "updated_at": timestamp(bucket.updated),
        "last_upload_at": touched,
        "status": "ACTIVE" if bucket.deletion is None else "IN_PROGRESS",
        "is_locked": False,
        "batch_stats": {
            "total": len(words),
            "active": sum(word in ("PENDING", "QUEUED", "IN_PROGRESS") for word in words),
            "completed": sum(word in ("COMPLETED", "COMPLETED_WITH_ERRORS") for word in words),
            "failed": words.count("FAILED"),
        },
    }


def object_answer(stored: StoredObject, *, before_82: bool = False) -> dict[str, Any]:
    created = timestamp(stored.created)
    answer = {
        **stored.fields,
        "object_id": stored.object_id,
        "bucket_id": stored.bucket_id,
        "key_prefix": stored.key_prefix,
        "blobs": stored.blobs,
        "source_details": [],
        "status": stored.status,
        "error": stored.error,
        "created_at": created,
        "updated_at": created if stored.updated == stored.created else timestamp(stored.updated),
    }
    if not before_82:
        answer["edges"] = stored.edges
        answer["document_count"] = answer["consistency"] = None
    return answer


def created_answer(created: Created, *, before_82: bool = False) -> dict[str, Any]:
    """A single create: it does not say whether the object is new."""
    stored = created.stored
    answer = object_answer(stored, before_82=before_82)
    if before_82:
        return answer
    answer["consistency"] = {
        "retriever_visible": "after_processing",
        "write_token_available": False,
        "poll": {
            "endpoint": f"/v1/buckets/{stored.bucket_id}/objects/{stored.object_id}",
            "field": "document_count",
            "ready_when": "> 0",
        },
        "next_actions": [],
    }
    return answer | _warnings(created)


def row_answer(created: Created, index: int, *, before_82: bool = False) -> dict[str, Any]:
    """A row of ``succeeded`` in the answer of ``objects/batch``."""
    answer = object_answer(created.stored, before_82=before_82)
    if before_82:
        return answer
    answer["object_index"] = index
    answer["replayed"] = created.replayed_by is not None
    answer["replayed_by"] = created.replayed_by
    return answer | _warnings(created) if created.undeclared else answer


def _warnings(created: Created) -> dict[str, Any]:
    return {
        "warnings": [
            {
                "resource": "field",
                "id": name,
                "reason": "undeclared",
                "next_step": f"Declare '{name}' in bucket_schema.properties",
            }
            for name in created.undeclared
        ]
    }


def task_answer(task: Task, now: float) -> dict[str, Any]:
    data = task.about
    return {
        "task_id": task.task_id,
        "task_type": task.task_type,
        "status": task.status(now),
        "inputs": [],
        "outputs": [],
        "additional_data": data if task.error is None else data | {"error": task.error},
        "error": task.error,
    }


def canceled_answer(task: Task, now: float) -> dict[str, Any]:
    """A task that was told to stop: nothing refused to."""
    jobs = {"ray_jobs_requested": 1, "ray_jobs_accepted": 1, "ray_jobs_refused": 0}
    return task_answer(task, now) | {"cancellation": jobs}


def batch_answer(batch: Batch, task: Task | None, now: float, *, before_82: bool = False) -> dict[str, Any]:
    """A batch as it looks.

    :param task: Its task as far as it shows; None: it looks like a draft.
    """
    status = task.status(now) if task else "DRAFT"
    definition = batch.definition
    ended = task is not None and task.final is not None
    error = task.error if task else None
    failed = [each | {"timestamp": timestamp(batch.updated)} for each in batch.failed]
    answer = {
        "batch_id": batch.batch_id,
        "bucket_id": batch.bucket.bucket_id,
        "namespace_id": batch.bucket.namespace.namespace_id,
        "batch_name": definition.get("batch_name"),
        "status": status,
        "object_ids": batch.object_ids,
        "dedup_strategy": definition.get("dedup_strategy") or "skip",
        "collection_ids": definition.get("collection_ids"),
        "error": error,
        "failure_reason": error if status == "FAILED" else None,
        "error_summary": dict(Counter(each["error_type"] for each in failed)) or None,
        "failed_objects": failed,
        "failed_object_count": len(failed),
        "partial_objects": [],
        "type": "BUCKET",
        "task_id": task.task_id if task else None,
        "loaded_object_ids": batch.object_ids if task else None,
        "metadata": definition.get("metadata") or {},
        "tier_tasks": [_tier(task, definition, now)] if task else [],
        "current_tier": 0 if status not in ("DRAFT", "PENDING") else None,
        "total_tiers": 1,
        "created_at": timestamp(batch.created),
        "progress": {
            "processed": batch.done + batch.skipped,
            "total": len(batch.object_ids),
            "percent": 100.0 if ended else 0.0,
            "errors": len(failed),
            "objects_skipped": batch.skipped,
            "objects_failed": len(failed),
        }
        if status not in ("DRAFT", "PENDING")
        else None,
        "documents_written": batch.done if ended else None,
        "documents_resolvable": status in ("COMPLETED", "COMPLETED_WITH_ERRORS"),
        "health": "healthy" if task and not ended else None,
        "retry_count": 0,
        "max_retries": 3,
        "webhook_url": batch.webhook_url,
        "updated_at": timestamp(batch.updated),
        "status_message": f"Batch is {status}",
        "max_node_death_resubmits": 3,
        "max_deploy_resubmits": 3,
        "lifecycle": _LIFECYCLE.get(status),
        "lifecycle_reason": error or f"Batch is {status}",
    }
    return {name: value for name, value in answer.items() if name in _IN_81} if before_82 else answer


def _tier(task: Task, definition: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        "tier_num": 0,
        "task_id": task.task_id,
        "status": task.status(now),
        "collection_ids": definition.get("collection_ids") or None,
        "source_type": "bucket",
        "started_at": timestamp(task.started),
        "completed_at": timestamp(task.due) if task.final is not None else None,
    }
