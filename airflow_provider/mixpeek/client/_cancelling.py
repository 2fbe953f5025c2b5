"""Cancelling what somebody waits for, as far as it still runs."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider.mixpeek.client._errors import MixpeekConflictError, MixpeekError, MixpeekNotFoundError
from airflow_provider.mixpeek.client._flow import Flow, Session, together
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._wait_for import WaitFor


def cancel_all(session: Session, waits: Sequence[WaitFor], *, reason: str) -> Flow[list[str]]:
    """
    Cancel batches and tasks, several at once.

    What has ended, was never submitted, or is not there any more needs none, and is passed over.

    :param reason: The server keeps it with a batch.
    :return: A sentence for each that is cancelled and of which jobs go on all the same.
    :raises MixpeekError: one could not be cancelled.
    """
    said = yield from together([_cancel(session, wait, reason) for wait in waits])
    return list(filter(None, said))


def cancel_what_can_be(session: Session, waits: Sequence[WaitFor], *, reason: str) -> Flow[list[str]]:
    """As :func:`cancel_all`, with a sentence for what could not be cancelled, too."""
    said = yield from together([_try_to_cancel(session, wait, reason) for wait in waits])
    return list(filter(None, said))


def _try_to_cancel(session: Session, wait: WaitFor, reason: str) -> Flow[str]:
    try:
        return (yield from _cancel(session, wait, reason))
    except MixpeekError as error:
        return f"{wait} may go on, for it could not be cancelled: {str(error).removesuffix('.')}"


def _cancel(session: Session, wait: WaitFor, reason: str) -> Flow[str]:
    try:
        if wait.batch_id is None:
            assert wait.task_id, "WaitFor has one of the two"  # noqa: S101
            yield from call(session, session.api.cancel_task(wait.task_id))
            return ""
        assert wait.bucket, "what we submitted names its bucket"  # noqa: S101
        task = yield from call(session, session.api.cancel_batch(wait.bucket, wait.batch_id, reason=reason))
    except (MixpeekConflictError, MixpeekNotFoundError):
        return ""
    # Jobs that refused to end go on (``cancellation`` in the answer of API 0.82).
    refused = ((task.model_extra or {}).get("cancellation") or {}).get("ray_jobs_refused") or 0
    return f"{wait} is cancelled, but {refused} of its jobs go on" if refused else ""
