"""The answers of the legacy generation: what is stored, in the vendor's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.times import timestamp

if TYPE_CHECKING:
    from airflow_provider.mixpeek.emulator.errors import Refusal
    from airflow_provider.mixpeek.emulator.records import Bucket, Namespace, StoredObject, Task


def refusal_answer(refusal: Refusal) -> dict[str, Any]:
    """The envelope, but for a 422, which is a list of what is wrong."""
    if refusal.status != 422:
        return refusal.envelope()
    problems = [
        {"loc": list(each.location), "msg": each.message, "type": each.type} for each in refusal.problems
    ]
    return {"detail": problems or [{"loc": ["body"], "msg": refusal.message, "type": "value_error"}]}


def namespace_answer(namespace: Namespace) -> dict[str, Any]:
    definition, task = namespace.definition, namespace.task
    ready = task is None or task.final is not None
    return {
        "namespace_id": namespace.namespace_id,
        "namespace_name": namespace.name,
        "description": definition.get("description"),
        "feature_extractors": definition.get("feature_extractors", []),
        "payload_indexes": definition.get("payload_indexes"),
        "status": "ready" if ready else "pending",
        "provisioning_task_id": task.task_id if task else None,
    }


def bucket_answer(bucket: Bucket) -> dict[str, Any]:
    return {
        "bucket_id": bucket.bucket_id,
        "bucket_name": bucket.name,
        "description": bucket.definition.get("description"),
        "bucket_schema": bucket.definition["bucket_schema"],
        "metadata": bucket.definition.get("metadata", {}),
        "object_count": len(bucket.objects),
        "total_size_bytes": bucket.size_bytes,
    }


def object_answer(stored: StoredObject, now: float) -> dict[str, Any]:
    task = stored.task
    status = task.status(now) if task else stored.status
    return {
        "object_id": stored.object_id,
        "bucket_id": stored.bucket_id,
        "blobs": [{**blob, "status": status} for blob in stored.blobs],
        "status": status,
        "metadata": stored.fields["metadata"],
        "task_id": task.task_id if task else None,
        "key": stored.key_prefix,
        "created_by": None,
        "error": stored.error,
        "created_at": timestamp(stored.created),
        "updated_at": timestamp(stored.updated),
    }


def task_answer(task: Task, now: float) -> dict[str, Any]:
    """A task. Nothing says where a finished one names its object, so ``outputs`` names failures only."""
    return {
        "task_id": task.task_id,
        "status": task.status(now),
        "inputs": [],
        "outputs": [{"error": task.error}] if task.error else [],
    }
