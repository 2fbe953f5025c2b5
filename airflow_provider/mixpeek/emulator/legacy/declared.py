"""What the answers of the legacy generation have at least, for the OpenAPI document."""

from __future__ import annotations

from airflow_provider.mixpeek.emulator.openapi import returns, returns_list

_NAMESPACE = ("namespace_id", "namespace_name", "description", "feature_extractors", "payload_indexes")

HEALTH = returns("status")
NAMESPACE = returns(*_NAMESPACE, "status")
NEW_NAMESPACE = returns(*_NAMESPACE, "status", "provisioning_task_id", status=201)
NAMESPACES = returns_list(NAMESPACE)
BUCKET = returns("bucket_id", "bucket_name", "bucket_schema", "object_count", "total_size_bytes")
OBJECT = returns("object_id", "bucket_id", "blobs", "status", "metadata")
TASK = returns("task_id", "status")
PAGE = returns("results", "pagination")
DONE = returns("message", "success")
