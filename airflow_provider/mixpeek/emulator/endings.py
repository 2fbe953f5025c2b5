"""What it means that a task is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .records import FAILED, PARTIAL, Batch, StoredObject, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from .state import State

PROCESS_BATCH = "api_buckets_batches_process"
CONFIRM_UPLOAD = "api_buckets_uploads_confirm"
CONFIRM_UPLOADS = "api_buckets_uploads_batch_confirm"
TRIGGER_COLLECTION = "api_collections_trigger"
DELETE_BUCKET = "api_buckets_delete"
CREATE_NAMESPACE = "api_namespaces_create"
# Of the legacy generation, whose tasks have no type to show.
WRITE_OBJECT = "write_object"
DELETE_OBJECT = "delete_object"
_REASON = "Processing failed"


def end(state: State, task: Task) -> None:
    """Let happen what a task was for, and give it its last word."""
    task.final = task.outcome.status or state.words.done
    task.error = task.outcome.error or (_REASON if task.final == FAILED else None)
    _ENDINGS[task.task_type](state, task)
    state.touch(task)


def _drop_bucket(state: State, task: Task) -> None:
    state.drop_bucket(state.buckets[task.about["bucket_id"]])


def _end_writing(state: State, task: Task) -> None:
    stored = _object_of(state, task)
    # A later write of the same object speaks for it now.
    if stored is not None and stored.task is task:
        stored.status, stored.error, stored.updated = task.final or "", task.error, task.due
        stored.processed += task.final == state.words.done
        state.touch(stored)


def _drop_object(state: State, task: Task) -> None:
    stored = _object_of(state, task)
    if stored is not None:
        state.drop_object(state.buckets[stored.bucket_id], stored)


def _object_of(state: State, task: Task) -> StoredObject | None:
    bucket = state.buckets.get(task.about["bucket_id"])
    return bucket.objects.get(task.about.get("object_id", "")) if bucket else None


def _end_batch(state: State, task: Task) -> None:
    """Say which objects a batch processed and which failed."""
    batch = state.batches[task.about["batch_id"]]
    batch.updated = task.due
    state.touch(batch)
    if task.final not in (state.words.done, PARTIAL, FAILED):
        return
    again = batch.definition.get("dedup_strategy") in ("replace", "force") or batch.retried is not None
    object_ids = batch.object_ids if batch.retried is None else batch.retried
    members = [batch.bucket.objects.get(object_id) for object_id in object_ids]
    lost = [object_id for object_id, each in zip(object_ids, members, strict=True) if each is None]
    todo = [each for each in members if each and (again or each.status != state.words.done)]
    batch.skipped += len(object_ids) - len(lost) - len(todo)
    failing = len(todo) if task.final == FAILED else task.outcome.failed_objects
    if failing is None:
        failing = 1 if task.final == PARTIAL else 0
    _mark(state, batch, task, todo, failing)
    batch.failed += [_failure(object_id, "Object not found", "permanent") for object_id in lost]
    if batch.failed and task.final == state.words.done:
        task.final = PARTIAL if batch.done or batch.skipped else FAILED
        task.error = f"{len(lost)} objects not found" if lost else f"{len(batch.failed)} objects failed"


def _mark(state: State, batch: Batch, task: Task, todo: list[StoredObject], failing: int) -> None:
    """Process the objects of a run: the first ones fail."""
    reason = task.error or _REASON
    for index, stored in enumerate(todo):
        if index < failing:
            stored.status, stored.error = FAILED, reason
            batch.failed.append(_failure(stored.object_id, reason, task.outcome.error_type))
        else:
            stored.status, stored.error = state.words.done, None
            stored.processed += 1
            batch.done += 1
        stored.updated = task.due
        state.touch(stored)


def _failure(object_id: str, error: str, error_type: str) -> dict[str, str]:
    return {"object_id": object_id, "error": error, "error_type": error_type}


_ENDINGS: dict[str, Callable[[State, Task], None]] = {
    PROCESS_BATCH: _end_batch,
    # The object is made when it is confirmed; the upload only does not tell of it before its task ends.
    CONFIRM_UPLOAD: lambda _state, _task: None,
    CONFIRM_UPLOADS: lambda _state, _task: None,
    TRIGGER_COLLECTION: lambda _state, _task: None,
    DELETE_BUCKET: _drop_bucket,
    CREATE_NAMESPACE: lambda _state, _task: None,
    WRITE_OBJECT: _end_writing,
    DELETE_OBJECT: _drop_object,
}
