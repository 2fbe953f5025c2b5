"""What a look at the state shows: not yet what was written a moment ago, no more what is long over."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .endings import PROCESS_BATCH
from .errors import Refusal

if TYPE_CHECKING:
    from .records import Batch, Task
    from .settings import Settings
    from .state import State


def is_task_seen(task: Task, settings: Settings, now: float) -> bool:
    """Whether a server that is asked knows of a task."""
    if task.forgotten or now < task.started + settings.visibility_lag:
        return False
    return task.final is None or now < task.due + settings.task_memory


def task_seen(state: State, settings: Settings, task_id: str, now: float) -> Task:
    """The task of an id.

    :raises Refusal: 404, also where there is one of which the server does not know.
    """
    task = state.tasks.get(task_id)
    if task is None or not is_task_seen(task, settings, now):
        raise Refusal(404, f"Task '{task_id}' was not found")
    return task


def is_batch_seen(batch: Batch, settings: Settings, now: float) -> bool:
    """Whether a server that is asked knows of a batch."""
    return now >= batch.created + settings.visibility_lag


def task_of_batch_seen(batch: Batch, settings: Settings, now: float) -> Task | None:
    """The task that a look at a batch shows; None: it looks like a draft."""
    if batch.submitted is not None and now < batch.submitted + settings.visibility_lag:
        return None
    return batch.task


def summary(state: State) -> dict[str, Any]:
    """The counters, for the control endpoint: what is stored, and the requests since the start."""
    now = state.settle()
    buckets = state.buckets.values()
    processed = Counter(str(stored.processed) for bucket in buckets for stored in bucket.objects.values())
    files = Counter(
        upload.sha256
        for bucket in buckets
        for upload in bucket.uploads.values()
        if upload.sha256 is not None and upload.status(now) == state.words.done
    )
    return {
        "requests": [
            {"method": method, "path": path, "status": status, "count": count}
            for (method, path, status), count in sorted(state.requests.items())
        ],
        "invalid_json": state.invalid_json,
        "objects_received": dict(sorted(state.objects_received.items())),
        "buckets": len(buckets),
        "objects": sum(len(bucket.objects) for bucket in buckets),
        "files": dict(sorted(files.items())),
        "batches": len(state.batches),
        "tasks": len(state.tasks),
        "batches_submitted": sum(task.task_type == PROCESS_BATCH for task in state.tasks.values()),
        "objects_processed": dict(sorted(processed.items(), key=lambda item: int(item[0]))),
    }
