"""Which failures are worth a retry, and when (Airflow 3.3): ``retry_policy=MixpeekRetryPolicy()``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider.mixpeek.client import (
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekError,
    MixpeekNamespaceError,
    MixpeekPermissionError,
    MixpeekValidationError,
)

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
except ImportError:
    # All of this module is for 3.3, and nothing else needs it.
    raise ImportError("Retry policies came with Airflow 3.3: leave retry_policy= out before that.") from None

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["MixpeekRetryPolicy"]

#: What no waiting mends: somebody has to change a key, a plan, a mapping, a row.
_FOR_GOOD = (
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekNamespaceError,
    MixpeekPermissionError,
    MixpeekValidationError,
)


class MixpeekRetryPolicy(RetryPolicy):
    """
    Spares a task the retries that cannot help, and waits as long as the server says.

    A wrong key, a missing permission, a quota that is used up, a wrong argument or mapping, a rejected row
    and a request that the server calls invalid fail the task at once. Where the server says when to come back
    (``Retry-After`` of a 429 or 503) the retry comes then, and not before the task's own ``retry_delay``. All
    else is retried as the task says, a source that cannot be read among it. It runs on the worker, and holds
    nothing.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's signature
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,
    ) -> RetryDecision:
        """
        Decide whether a failed task is tried again.

        :param exception: What it failed with; of an ingestion that was stopped, the reason for that counts.
        :param context: Airflow's, which knows the task's ``retry_delay``.
        """
        error = _reason(exception)
        if not isinstance(error, MixpeekError):
            return RetryDecision.default()
        kind = type(error).__name__
        if _is_for_good(error):
            return RetryDecision.fail(f"{kind}: a retry would fail in the same way")
        if error.retry_after is None:
            return RetryDecision.default()
        own = context["ti"].task.retry_delay if context else timedelta(0)
        delay = max(timedelta(seconds=error.retry_after), own)
        return RetryDecision.retry(delay, f"{kind}: the server asks for {error.retry_after:.0f} s")


def _reason(exception: BaseException) -> BaseException:
    """The error itself; of an ingestion that was stopped, what stopped it."""
    from airflow_provider.mixpeek.ingest import IngestError

    while isinstance(exception, IngestError) and isinstance(exception.__cause__, MixpeekError):
        exception = exception.__cause__
    return exception


def _is_for_good(error: MixpeekError) -> bool:
    from airflow_provider.mixpeek.ingest import RowsRejectedError, SourceError

    # A storage is back after a while; a file comes late, or is whole when the one who writes it is done.
    return isinstance(error, (*_FOR_GOOD, RowsRejectedError)) and not isinstance(error, SourceError)
