"""What the answers of the current generation have at least, for the OpenAPI document."""

from __future__ import annotations

from airflow_provider.mixpeek.emulator.openapi import refused_or, returns

HEALTH = returns("status")
CALLER = returns("organization_id", "account_type", "key", "rate_limits")
NAMESPACE = returns("namespace_id", "namespace_name")
BUCKET = returns("bucket_id", "bucket_name", "bucket_schema", "unique_key", "object_count", "status")
BUCKET_DELETION = returns("task_id", "status", "bucket_id", "bucket_name", "object_count")
OBJECT = returns("object_id", "bucket_id", "blobs", "status", "created_at", "updated_at")
ROWS = refused_or(returns("succeeded", "failed", "total_requested", "succeeded_count", "failed_count"))
BATCH = returns("batch_id", "bucket_id", "status", "object_ids", "task_id", "tier_tasks")
TASK = returns("task_id", "task_type", "status")
RUN_AGAIN = returns("batch_id", "status", "task_id")
QUEUE = returns("running", "waiting", "total_count")
UPLOAD = returns("upload_id", "bucket_id", "status", "presigned_url", "is_duplicate", "expires_at")
UPLOADS = returns("uploads", "total")
CONFIRMED = returns("upload_id", "status", "object_id", "task_id")
CONFIRMING = returns("task_id", "status", "confirmations_count", "task")
PAGE = returns("results", "pagination")
COLLECTION = returns("collection_id", "collection_name", "source", "enabled")
TRIGGERED = returns("task_id", "batch_id", "collection_id", "total_tiers", "message")
DONE = returns("message", "success")
