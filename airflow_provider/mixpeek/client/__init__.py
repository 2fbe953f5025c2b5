"""The Mixpeek API over HTTP, for threads and for event loops. Needs neither Airflow nor data frames."""

from __future__ import annotations

from airflow_provider.mixpeek.client._async_client import AsyncMixpeekClient
from airflow_provider.mixpeek.client._client import MixpeekClient
from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekConnectionError,
    MixpeekError,
    MixpeekNamespaceError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekQuotaError,
    MixpeekRateLimitError,
    MixpeekServerError,
    MixpeekStatusError,
    MixpeekStoppedError,
    MixpeekTimeoutError,
    MixpeekValidationError,
    ValidationIssue,
)
from airflow_provider.mixpeek.client._looks import WaitFor
from airflow_provider.mixpeek.client._models import (
    Batch,
    Bucket,
    BucketSchema,
    CreatedObjects,
    Me,
    MixpeekObject,
    Task,
)
from airflow_provider.mixpeek.client._requests import NewBlob, NewObject
from airflow_provider.mixpeek.client._settings import Settings

__all__ = [
    "AsyncMixpeekClient",
    "Batch",
    "Bucket",
    "BucketSchema",
    "CreatedObjects",
    "Me",
    "MixpeekAnswerError",
    "MixpeekAuthenticationError",
    "MixpeekClient",
    "MixpeekConfigError",
    "MixpeekConflictError",
    "MixpeekConnectionError",
    "MixpeekError",
    "MixpeekNamespaceError",
    "MixpeekNotFoundError",
    "MixpeekObject",
    "MixpeekPermissionError",
    "MixpeekQuotaError",
    "MixpeekRateLimitError",
    "MixpeekServerError",
    "MixpeekStatusError",
    "MixpeekStoppedError",
    "MixpeekTimeoutError",
    "MixpeekValidationError",
    "NewBlob",
    "NewObject",
    "Settings",
    "Task",
    "ValidationIssue",
    "WaitFor",
]
