"""The Mixpeek API over HTTP, for threads and for event loops. Needs neither Airflow nor data frames."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._async_client import AsyncMixpeekClient
    from airflow_provider.mixpeek.client._client import MixpeekClient
    from airflow_provider.mixpeek.client._errors import (
        MixpeekAnswerError,
        MixpeekAuthenticationError,
        MixpeekConfigError,
        MixpeekConflictError,
        MixpeekConnectionError,
        MixpeekError,
        MixpeekGenerationError,
        MixpeekNamespaceError,
        MixpeekNotFoundError,
        MixpeekPermissionError,
        MixpeekQuotaError,
        MixpeekRateLimitError,
        MixpeekServerError,
        MixpeekStatusError,
        MixpeekStoppedError,
        MixpeekTimeoutError,
        MixpeekUploadURLError,
        MixpeekValidationError,
        MixpeekWaitContactError,
        MixpeekWaitTimeoutError,
        MixpeekWorkError,
        MixpeekWorkFailedError,
        MixpeekWorkLostError,
        MixpeekWorkNotSubmittedError,
        MixpeekWorkPartialError,
        ValidationIssue,
    )
    from airflow_provider.mixpeek.client._models import (
        Batch,
        Bucket,
        BucketSchema,
        Collection,
        CreatedObjects,
        DeletedBucket,
        Me,
        MixpeekObject,
        Namespace,
        Task,
        Triggered,
        Upload,
    )
    from airflow_provider.mixpeek.client._requests import NewBlob, NewObject, NewUpload
    from airflow_provider.mixpeek.client._settings import Settings
    from airflow_provider.mixpeek.client._upload_flows import UploadedFile
    from airflow_provider.mixpeek.client._wait_for import WaitFor
    from airflow_provider.mixpeek.client._waits import Waited

# Who handles our errors, or names something to wait for, should not pay for the HTTP library and the models.
_HOME = {
    "AsyncMixpeekClient": "_async_client",
    "Batch": "_models",
    "Bucket": "_models",
    "BucketSchema": "_models",
    "Collection": "_models",
    "CreatedObjects": "_models",
    "DeletedBucket": "_models",
    "Me": "_models",
    "MixpeekAnswerError": "_errors",
    "MixpeekAuthenticationError": "_errors",
    "MixpeekClient": "_client",
    "MixpeekConfigError": "_errors",
    "MixpeekConflictError": "_errors",
    "MixpeekConnectionError": "_errors",
    "MixpeekError": "_errors",
    "MixpeekGenerationError": "_errors",
    "MixpeekNamespaceError": "_errors",
    "MixpeekNotFoundError": "_errors",
    "MixpeekObject": "_models",
    "Namespace": "_models",
    "MixpeekPermissionError": "_errors",
    "MixpeekQuotaError": "_errors",
    "MixpeekRateLimitError": "_errors",
    "MixpeekServerError": "_errors",
    "MixpeekStatusError": "_errors",
    "MixpeekStoppedError": "_errors",
    "MixpeekTimeoutError": "_errors",
    "MixpeekUploadURLError": "_errors",
    "MixpeekValidationError": "_errors",
    "MixpeekWaitContactError": "_errors",
    "MixpeekWaitTimeoutError": "_errors",
    "MixpeekWorkError": "_errors",
    "MixpeekWorkFailedError": "_errors",
    "MixpeekWorkLostError": "_errors",
    "MixpeekWorkNotSubmittedError": "_errors",
    "MixpeekWorkPartialError": "_errors",
    "NewBlob": "_requests",
    "NewObject": "_requests",
    "NewUpload": "_requests",
    "Settings": "_settings",
    "Task": "_models",
    "Triggered": "_models",
    "Upload": "_models",
    "UploadedFile": "_upload_flows",
    "ValidationIssue": "_errors",
    "WaitFor": "_wait_for",
    "Waited": "_waits",
}

__all__ = [
    "AsyncMixpeekClient",
    "Batch",
    "Bucket",
    "BucketSchema",
    "Collection",
    "CreatedObjects",
    "DeletedBucket",
    "Me",
    "MixpeekAnswerError",
    "MixpeekAuthenticationError",
    "MixpeekClient",
    "MixpeekConfigError",
    "MixpeekConflictError",
    "MixpeekConnectionError",
    "MixpeekError",
    "MixpeekGenerationError",
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
    "MixpeekUploadURLError",
    "MixpeekValidationError",
    "MixpeekWaitContactError",
    "MixpeekWaitTimeoutError",
    "MixpeekWorkError",
    "MixpeekWorkFailedError",
    "MixpeekWorkLostError",
    "MixpeekWorkNotSubmittedError",
    "MixpeekWorkPartialError",
    "Namespace",
    "NewBlob",
    "NewObject",
    "NewUpload",
    "Settings",
    "Task",
    "Triggered",
    "Upload",
    "UploadedFile",
    "ValidationIssue",
    "WaitFor",
    "Waited",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
