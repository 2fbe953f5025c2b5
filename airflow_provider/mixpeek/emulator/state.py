"""What the emulator holds: namespaces, buckets, objects, batches, tasks, and what becomes of them in time.

Nothing runs in the background. Every look at the state first *settles* it: whatever was due by the clock
happens then, in the order of its time. So a simulation drives hours of processing by moving a clock.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ids = secrets.token_hex


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task is to end.

    :param status: The word it ends with; words that the vendor does not know are allowed.
    :param error: The reason that task, batch and objects give.
    :param failed_objects: How many objects of the batch fail; None: what the word implies.
    """

    status: str = "COMPLETED"
    error: str | None = None
    failed_objects: int | None = None


@dataclass(slots=True)
class Task:
    """One asynchronous job: it runs from ``started`` to ``due``, then says ``final``."""

    task_id: str
    task_type: str
    started: float
    due: float
    additional_data: dict[str, Any]
    final: str | None = None
    error: str | None = None

    def status(self, now: float) -> str:
        """The vendor's word at a time: PENDING, QUEUED, IN_PROGRESS, then how it ended."""
        if self.final is not None:
            return self.final
        span = self.due - self.started
        done = (now - self.started) / span if span > 0 else 0.0
        return "PENDING" if done < 0.1 else "QUEUED" if done < 0.25 else "IN_PROGRESS"


@dataclass(slots=True)
class StoredObject:
    """One object. ``processed`` counts how often processing succeeded with it."""

    object_id: str
    sequence: int
    created: float
    updated: float
    key_prefix: str | None
    blobs: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    fields: dict[str, Any]
    body_hash: bytes | None = None
    status: str = "PENDING"
    error: str | None = None
    processed: int = 0


@dataclass(slots=True)
class Bucket:
    """A bucket with its objects, oldest first, and the indexes that find one of them again."""

    bucket_id: str
    sequence: int
    namespace: Namespace
    definition: dict[str, Any]
    created: float
    objects: dict[str, StoredObject] = field(default_factory=dict)
    by_idempotency_key: dict[str, StoredObject] = field(default_factory=dict)
    by_unique_key: dict[tuple[Any, ...], StoredObject] = field(default_factory=dict)
    by_content: dict[bytes, StoredObject] | None = None
    batches: dict[str, Batch] = field(default_factory=dict)
    size_bytes: int = 0
    last_upload: float | None = None
    deletion: Task | None = None

    @property
    def name(self) -> str:
        return str(self.definition["bucket_name"])

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """The declared properties: name to definition."""
        properties: dict[str, dict[str, Any]] = self.definition["bucket_schema"]["properties"]
        return properties


@dataclass(slots=True)
class Batch:
    """Objects that are processed together; DRAFT until it has a task."""

    batch_id: str
    sequence: int
    bucket: Bucket
    object_ids: list[str]
    definition: dict[str, Any]
    created: float
    updated: float
    task: Task | None = None
    outcome: Outcome = Outcome()
    webhook_url: str | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    skipped: int = 0

    def status(self, now: float) -> str:
        return self.task.status(now) if self.task else "DRAFT"


@dataclass(slots=True)
class Namespace:
    """A world of its own: buckets of one namespace are unknown in another."""

    name: str
    namespace_id: str
    created: float
    buckets: dict[str, Bucket] = field(default_factory=dict)


class State:
    """Everything stored, and the counters.

    :param clock: Wall-clock seconds.
    :param task_seconds: From the start of a task to its end.
    :param namespaces: Names that exist; empty: each comes to be when it is first named.
    """

    def __init__(
        self, *, clock: Callable[[], float], task_seconds: float, namespaces: Iterable[str] = ()
    ) -> None:
        self._clock = clock
        self._task_seconds = task_seconds
        self._declared = tuple(namespaces)
        self.clear()

    def clear(self) -> None:
        """Forget everything, as if just started."""
        self.namespaces: dict[str, Namespace] = {}
        self.batches: dict[str, Batch] = {}
        self.tasks: dict[str, Task] = {}
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.invalid_json = 0
        self.batches_submitted = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count(1)
        self._settled = self._clock()
        for name in self._declared:
            self._add_namespace(name)

    def settle(self) -> float:
        """Let everything that is due by now happen.

        :returns: Now, in wall-clock seconds; never earlier than what was settled before.
        """
        self._settled = now = max(self._clock(), self._settled)
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        return now

    # --- namespaces ---

    def namespace(self, name_or_id: str) -> Namespace | None:
        """Find a namespace by name or id; where all exist, a new name makes one."""
        found = self.namespaces.get(name_or_id)
        if found is None:
            found = next((each for each in self.namespaces.values() if each.namespace_id == name_or_id), None)
        if found is None and not self._declared:
            found = self._add_namespace(name_or_id)
        return found

    def _add_namespace(self, name: str) -> Namespace:
        # From the name, so that an id is good for the next emulator too.
        namespace_id = "ns_" + hashlib.sha256(name.encode()).hexdigest()[:12]
        self.namespaces[name] = Namespace(name, namespace_id, self._settled)
        return self.namespaces[name]

    # --- buckets and objects ---

    def add_bucket(self, namespace: Namespace, definition: dict[str, Any], now: float) -> Bucket:
        bucket = Bucket(f"bkt_{_ids(6)}", next(self._sequence), namespace, definition, now)
        namespace.buckets[bucket.bucket_id] = bucket
        return bucket

    def delete_bucket(self, bucket: Bucket, now: float) -> Task:
        """Start a deletion, or answer the one that runs: the bucket is gone when its task ends."""
        if bucket.deletion is None:
            data = {"bucket_id": bucket.bucket_id, "object_count": len(bucket.objects)}
            bucket.deletion = self._start("api_buckets_delete", data, now, lambda: self._drop(bucket))
        return bucket.deletion

    def _drop(self, bucket: Bucket) -> None:
        assert bucket.deletion is not None  # noqa: S101  only a started deletion is ever due
        del bucket.namespace.buckets[bucket.bucket_id]
        for batch_id in bucket.batches:
            del self.batches[batch_id]
        bucket.deletion.final = "COMPLETED"

    def new_object(
        self,
        bucket: Bucket,
        now: float,
        *,
        key_prefix: str | None,
        edges: list[dict[str, Any]],
        fields: dict[str, Any],
        body_hash: bytes | None,
    ) -> StoredObject:
        """Store an object without blobs; the caller adds those and the index entries."""
        stored = StoredObject(
            f"obj_{_ids(8)}", next(self._sequence), now, now, key_prefix, [], edges, fields, body_hash
        )
        bucket.objects[stored.object_id] = stored
        bucket.last_upload = now
        return stored

    # --- batches and tasks ---

    def add_batch(
        self, bucket: Bucket, object_ids: list[str], definition: dict[str, Any], now: float
    ) -> Batch:
        batch = Batch(f"btch_{_ids(6)}", next(self._sequence), bucket, object_ids, definition, now, now)
        self.batches[batch.batch_id] = bucket.batches[batch.batch_id] = batch
        return batch

    def submit(self, batch: Batch, outcome: Outcome, now: float) -> Task:
        """Start the processing of a DRAFT batch."""
        data = {
            "batch_id": batch.batch_id,
            "bucket_id": batch.bucket.bucket_id,
            "object_count": len(batch.object_ids),
        }
        batch.outcome = outcome
        batch.updated = now
        batch.task = task = self._start(
            "api_buckets_batches_process", data, now, lambda: self._finish(batch, task)
        )
        self.batches_submitted += 1
        return task

    def _start(self, task_type: str, data: dict[str, Any], now: float, end: Callable[[], None]) -> Task:
        task = Task(f"task_{_ids(8)}", task_type, now, now + self._task_seconds, data)
        self.tasks[task.task_id] = task
        heapq.heappush(self._due, (task.due, next(self._sequence), end))
        return task

    def _finish(self, batch: Batch, task: Task) -> None:
        """End a batch: which objects it processed, which failed, and its word."""
        outcome = batch.outcome
        task.final, task.error, batch.updated = outcome.status, outcome.error, task.due
        if outcome.status not in ("COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED"):
            return
        again = batch.definition.get("dedup_strategy") in ("replace", "force")
        members = [batch.bucket.objects.get(object_id) for object_id in batch.object_ids]
        todo = [each for each in members if each and (again or each.status != "COMPLETED")]
        batch.skipped = sum(each is not None for each in members) - len(todo)
        failing = len(todo) if outcome.status == "FAILED" else outcome.failed_objects
        if failing is None:
            failing = 1 if outcome.status == "COMPLETED_WITH_ERRORS" else 0
        reason = outcome.error or "Processing failed"
        for stored in todo[:failing]:
            stored.status, stored.error, stored.updated = "FAILED", reason, task.due
        for stored in todo[failing:]:
            stored.status, stored.error, stored.updated = "COMPLETED", None, task.due
            stored.processed += 1
        lost = [object_id for object_id, each in zip(batch.object_ids, members, strict=True) if each is None]
        batch.failed = [
            *({"object_id": each.object_id, "error": reason} for each in todo[:failing]),
            *({"object_id": object_id, "error": "Object not found"} for object_id in lost),
        ]
        batch.done = len(todo) - min(failing, len(todo))
        if outcome.status == "FAILED":
            task.error = reason
        elif lost and outcome.status == "COMPLETED":
            task.final = "COMPLETED_WITH_ERRORS" if batch.done or batch.skipped else "FAILED"
            task.error = f"{len(lost)} objects not found"

    # --- counting ---

    def summary(self) -> dict[str, Any]:
        """The counters, for the control endpoint."""
        self.settle()
        buckets = [bucket for each in self.namespaces.values() for bucket in each.buckets.values()]
        processed = Counter(str(stored.processed) for bucket in buckets for stored in bucket.objects.values())
        return {
            "requests": [
                {"method": method, "path": path, "status": status, "count": count}
                for (method, path, status), count in sorted(self.requests.items())
            ],
            "invalid_json": self.invalid_json,
            "buckets": len(buckets),
            "objects": sum(len(bucket.objects) for bucket in buckets),
            "batches": len(self.batches),
            "tasks": len(self.tasks),
            "batches_submitted": self.batches_submitted,
            "objects_processed": dict(sorted(processed.items(), key=lambda item: int(item[0]))),
        }
