"""One look at what somebody waits for, as ``waiting`` wants to be told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider.mixpeek.client._errors import (
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekNotFoundError,
    MixpeekRateLimitError,
    MixpeekServerError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, call
from airflow_provider.mixpeek.client._models import Batch, Task
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Outcome, Seen

#: Failed objects that a reason names.
_NAMED_FAILURES = 3


@dataclass(frozen=True, slots=True)
class WaitFor:
    """
    Something to wait for: a task, a batch, or both.

    :param task_id: Id of a task.
    :param batch_id: Id of the batch the task works on. Where it is known the batch is judged, because a batch
        has several tiers and tasks, and lives longer than they do.
    :param bucket: Id of the batch's bucket.
    """

    task_id: str | None = None
    batch_id: str | None = None
    bucket: str | None = None

    def __str__(self) -> str:
        return f"batch {self.batch_id}" if self.batch_id else f"task {self.task_id}"

    def as_dict(self) -> dict[str, str | None]:
        """The JSON form, which XCom carries."""
        return {"task_id": self.task_id, "batch_id": self.batch_id, "bucket": self.bucket}

    @classmethod
    def of(cls, given: Any) -> WaitFor:
        """
        Take a task id, or the JSON form.

        :raises MixpeekConfigError: it is neither.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, str) and given.strip():
            return cls(task_id=given.strip())
        if isinstance(given, Mapping):
            known = {name: given.get(name) for name in ("task_id", "batch_id", "bucket")}
            if all(value is None or isinstance(value, str) for value in known.values()) and (
                known["task_id"] or known["batch_id"]
            ):
                return cls(**known)
        raise MixpeekConfigError(
            f"{given!r} is nothing to wait for",
            hint='Pass task ids, or the "waits" of a create task: {"task_id", "batch_id", "bucket"}.',
        )


def look(session: Session, wait: WaitFor) -> Flow[Seen | Gone | FailedLook]:
    """
    Look once.

    :raises MixpeekError: an error that looking again will not heal, such as a wrong API key.
    """
    # The wait's own loop is the retry: a failed look is told at once.
    session = session.impatient()
    try:
        if not wait.batch_id:
            assert wait.task_id, "WaitFor.of lets nothing else in"  # noqa: S101
            task = yield from call(session, session.api.get_task(wait.task_id))
            if not task.batch_id:
                return _seen_task(session, task)
            wait = WaitFor(wait.task_id, task.batch_id, task.bucket_id)
        assert wait.batch_id  # noqa: S101
        batch = yield from call(session, session.api.get_batch(wait.bucket, wait.batch_id))
        return _seen_batch(session, batch)
    except MixpeekNotFoundError:
        return Gone()
    except (MixpeekConnectionError, MixpeekRateLimitError, MixpeekServerError) as error:
        return FailedLook(str(error), error.retry_after)


def _seen_batch(session: Session, batch: Batch) -> Seen:
    outcome = session.api.batch_words.get(batch.status, Outcome.UNKNOWN)
    return Seen(outcome, batch.status, _why_batch(batch))


def _seen_task(session: Session, task: Task) -> Seen:
    outcome = session.api.task_words.get(task.status, Outcome.UNKNOWN)
    additional = task.additional_data or {}
    return Seen(outcome, task.status, str(task.error or additional.get("error") or ""))


def _why_batch(batch: Batch) -> str:
    """The vendor's reason, and the first of the objects that failed."""
    said = [batch.failure_reason or batch.error or ""]
    count = batch.failed_object_count or len(batch.failed_objects)
    if count:
        named = [f"{failed.object_id}: {failed.error}" for failed in batch.failed_objects[:_NAMED_FAILURES]]
        rest = ["..."] if count > len(named) > 0 else []
        said.append(f"{count} of its objects failed" + (f" ({'; '.join(named + rest)})" if named else ""))
    return "; ".join(filter(None, said))
