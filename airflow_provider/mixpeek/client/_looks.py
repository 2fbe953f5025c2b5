"""One look at what somebody waits for, as ``waiting`` wants to be told of it."""

from __future__ import annotations

from airflow_provider.mixpeek.client._errors import (
    MixpeekConnectionError,
    MixpeekNotFoundError,
    MixpeekRateLimitError,
    MixpeekServerError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._generation import call, check_generation
from airflow_provider.mixpeek.client._models import Batch, Task
from airflow_provider.mixpeek.client._wait_for import WaitFor
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Outcome, Seen

#: Failed objects that a reason names.
_NAMED_FAILURES = 3


def look(session: Session, wait: WaitFor) -> Flow[Seen | Gone | FailedLook]:
    """
    Look once.

    :raises MixpeekError: an error that looking again will not heal, such as a wrong API key.
    """
    # The wait's own loop is the retry: a failed look is told at once.
    session = session.impatient()
    try:
        seen = yield from _look(session, wait)
        if seen.outcome is Outcome.UNKNOWN:
            # A word of the other generation would be waited for in vain.
            yield from check_generation(session)
    except MixpeekNotFoundError:
        return Gone()
    except (MixpeekConnectionError, MixpeekRateLimitError, MixpeekServerError) as error:
        return FailedLook(str(error).removesuffix("."), error.retry_after)
    return seen


def _look(session: Session, wait: WaitFor) -> Flow[Seen]:
    if wait.batch_id:
        return (yield from _look_at_batch(session, wait.bucket, wait.batch_id))
    assert wait.task_id, "WaitFor has one of the two"  # noqa: S101
    task = yield from call(session, session.api.get_task(wait.task_id))
    if task.batch_id:
        try:
            return (yield from _look_at_batch(session, task.bucket_id, task.batch_id))
        except MixpeekNotFoundError:
            pass  # the task itself is there and can be judged
    outcome = session.api.task_words.get(task.status, Outcome.UNKNOWN)
    return Seen(outcome, task.status, session.settings.redact(_why_task(task)))


def _look_at_batch(session: Session, bucket: str | None, batch_id: str) -> Flow[Seen]:
    batch = yield from call(session, session.api.get_batch(bucket, batch_id))
    outcome = session.api.batch_words.get(batch.status, Outcome.UNKNOWN)
    return Seen(outcome, batch.status, session.settings.redact(_why_batch(batch)))


def _why_task(task: Task) -> str:
    """The vendor's reason; a task of the legacy generation has no other place for it than its outputs."""
    additional = task.additional_data or {}
    return str(task.error or additional.get("error") or (task.model_extra or {}).get("outputs") or "")


def _why_batch(batch: Batch) -> str:
    """The vendor's reason, and the first of the objects that failed."""
    said = [batch.failure_reason or batch.error or ""]
    count = batch.failed_object_count or len(batch.failed_objects)
    if count:
        named = [f"{failed.object_id}: {failed.error}" for failed in batch.failed_objects[:_NAMED_FAILURES]]
        rest = ["..."] if count > len(named) > 0 else []
        said.append(f"{count} of its objects failed" + (f" ({'; '.join(named + rest)})" if named else ""))
    return "; ".join(filter(None, said))
