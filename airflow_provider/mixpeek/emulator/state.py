"""What the emulator holds, and what becomes of it in time.

Nothing runs in the background. Every look at the state first *settles* it: whatever was due by the clock
happens then, in the order of its time. So a simulation drives hours of processing by moving a clock.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

from .blobs import content_hash
from .errors import Refusal
from .records import FAILED, PARTIAL, Batch, Bucket, Namespace, Outcome, StoredObject, Task, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ids = secrets.token_hex

PROCESS_BATCH = "api_buckets_batches_process"
DELETE_BUCKET = "api_buckets_delete"
CREATE_NAMESPACE = "api_namespaces_create"
# Of the legacy generation, whose tasks have no type to show.
WRITE_OBJECT = "write_object"
DELETE_OBJECT = "delete_object"


class State:
    """Everything stored, and the counters.

    :param clock: Wall-clock seconds.
    :param words: The status words of the API version.
    :param task_seconds: From the start of a task to its end.
    :param namespaces: Names that exist; empty: each comes to be when it is first named.
    """

    def __init__(
        self, *, clock: Callable[[], float], words: Words, task_seconds: float, namespaces: Iterable[str] = ()
    ) -> None:
        self._clock = clock
        self.words = words
        self._task_seconds = task_seconds
        self._declared = tuple(namespaces)
        self._endings: dict[str, Callable[[Task], None]] = {
            PROCESS_BATCH: self._end_processing,
            DELETE_BUCKET: self._end_bucket_deletion,
            CREATE_NAMESPACE: self._end_as_told,
            WRITE_OBJECT: self._end_writing,
            DELETE_OBJECT: self._end_object_deletion,
        }
        self.clear()

    def clear(self) -> None:
        """Forget everything, as if just started."""
        self.namespaces: dict[str, Namespace] = {}
        self.buckets: dict[str, Bucket] = {}
        self.batches: dict[str, Batch] = {}
        self.tasks: dict[str, Task] = {}
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.invalid_json = 0
        self.batches_submitted = 0
        self._due: list[tuple[float, int, Task]] = []
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
            task = heapq.heappop(self._due)[2]
            if task.final is None:
                self._endings[task.task_type](task)
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

    def create_namespace(self, definition: dict[str, Any], now: float) -> Namespace:
        """Make a namespace that a call asks for; a task provisions it.

        :raises Refusal: 409, there is one of that name.
        """
        name = definition["namespace_name"]
        if name in self.namespaces:
            raise Refusal(409, f"A namespace named '{name}' exists", kind="AlreadyExistsError")
        namespace = self._add_namespace(name)
        namespace.definition = definition
        namespace.task = self.start(CREATE_NAMESPACE, {"namespace_id": namespace.namespace_id}, now)
        return namespace

    def _add_namespace(self, name: str) -> Namespace:
        # From the name, so that an id is good for the next emulator too.
        namespace_id = "ns_" + hashlib.sha256(name.encode()).hexdigest()[:12]
        self.namespaces[name] = Namespace(name, namespace_id, self._settled)
        return self.namespaces[name]

    # --- buckets and objects ---

    def add_bucket(self, namespace: Namespace, definition: dict[str, Any], now: float) -> Bucket:
        bucket = Bucket(f"bkt_{_ids(6)}", next(self._sequence), namespace, definition, now, now)
        namespace.buckets[bucket.bucket_id] = self.buckets[bucket.bucket_id] = bucket
        return bucket

    def change_bucket(self, bucket: Bucket, changed: dict[str, Any], now: float) -> None:
        """Write over parts of a bucket's definition."""
        bucket.definition = bucket.definition | changed
        bucket.updated = now

    def delete_bucket(self, bucket: Bucket, now: float) -> Task:
        """Start a deletion, or answer the one that runs: the bucket is gone when its task ends."""
        if bucket.deletion is None:
            about = {"bucket_id": bucket.bucket_id, "object_count": len(bucket.objects)}
            bucket.deletion = self.start(DELETE_BUCKET, about, now)
        return bucket.deletion

    def _end_bucket_deletion(self, task: Task) -> None:
        bucket = self.buckets.pop(task.about["bucket_id"])
        del bucket.namespace.buckets[bucket.bucket_id]
        for batch in bucket.batches.values():
            del self.batches[batch.batch_id]
            if batch.task is not None and batch.task.final is None:
                batch.task.final = self.words.canceled
        task.final = self.words.done

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
            f"obj_{_ids(8)}",
            next(self._sequence),
            bucket.bucket_id,
            now,
            now,
            key_prefix,
            [],
            edges,
            fields,
            body_hash,
            self.words.new_object,
        )
        bucket.objects[stored.object_id] = stored
        bucket.last_upload = now
        return stored

    def set_blobs(self, bucket: Bucket, stored: StoredObject, blobs: list[dict[str, Any]]) -> None:
        """Give an object its blobs, in place of those it has."""
        if bucket.by_content is not None:
            if stored.blobs:
                # Built again when it is next asked for: the old content is no longer there.
                bucket.by_content = None
            elif blobs:
                content = content_hash(blobs)
                if content is not None:
                    bucket.by_content.setdefault(content, stored)
        bucket.size_bytes -= stored.size_bytes
        stored.blobs = blobs
        bucket.size_bytes += stored.size_bytes

    def set_key(self, bucket: Bucket, key: str, stored: StoredObject) -> None:
        """Let an idempotency key name an object."""
        bucket.by_idempotency_key[key] = stored
        stored.keys = (*stored.keys, key)

    def write_object(self, bucket: Bucket, stored: StoredObject | None, outcome: Outcome, now: float) -> Task:
        """Start the task of a `legacy` write.

        :param stored: What was written; None: its content was there already, and the task ends SKIPPED.
        """
        about = {"bucket_id": bucket.bucket_id}
        if stored is None:
            return self.start(WRITE_OBJECT, about, now, Outcome("SKIPPED"))
        stored.task = self.start(WRITE_OBJECT, about | {"object_id": stored.object_id}, now, outcome)
        stored.error = None
        return stored.task

    def _end_writing(self, task: Task) -> None:
        self._end_as_told(task)
        bucket = self.buckets.get(task.about["bucket_id"])
        stored = bucket.objects.get(task.about.get("object_id", "")) if bucket else None
        # A later write of the same object speaks for it now.
        if stored is None or stored.task is not task:
            return
        stored.status, stored.error, stored.updated = task.final or "", task.error, task.due
        stored.processed += task.final == self.words.done

    def delete_object(self, bucket: Bucket, stored: StoredObject, now: float) -> Task:
        """Start a `legacy` deletion: the object is gone when its task ends."""
        about = {"bucket_id": bucket.bucket_id, "object_id": stored.object_id}
        return self.start(DELETE_OBJECT, about, now)

    def _end_object_deletion(self, task: Task) -> None:
        self._end_as_told(task)
        bucket = self.buckets.get(task.about["bucket_id"])
        stored = bucket.objects.get(task.about["object_id"]) if bucket else None
        if bucket is not None and stored is not None:
            self.drop_object(bucket, stored)

    def drop_object(self, bucket: Bucket, stored: StoredObject) -> None:
        """Forget an object and whatever finds it."""
        del bucket.objects[stored.object_id]
        for key in stored.keys:
            del bucket.by_idempotency_key[key]
        unique = bucket.unique_key(stored.fields)
        if unique is not None:
            bucket.by_unique_key.pop(unique, None)
        bucket.by_content = None
        bucket.size_bytes -= stored.size_bytes

    # --- batches and tasks ---

    def add_batch(
        self, bucket: Bucket, object_ids: list[str], definition: dict[str, Any], now: float
    ) -> Batch:
        batch = Batch(f"btch_{_ids(6)}", next(self._sequence), bucket, object_ids, definition, now, now)
        self.batches[batch.batch_id] = bucket.batches[batch.batch_id] = batch
        return batch

    def submit(self, batch: Batch, outcome: Outcome, now: float) -> Task:
        """Start the processing of a DRAFT batch."""
        about = {
            "batch_id": batch.batch_id,
            "bucket_id": batch.bucket.bucket_id,
            "object_count": len(batch.object_ids),
        }
        batch.updated = now
        batch.task = self.start(PROCESS_BATCH, about, now, outcome)
        self.batches_submitted += 1
        return batch.task

    def start(
        self, task_type: str, about: dict[str, Any], now: float, outcome: Outcome | None = None
    ) -> Task:
        outcome = outcome or Outcome()
        due = now + (self._task_seconds if outcome.seconds is None else outcome.seconds)
        sequence = next(self._sequence)
        task = Task(f"task_{_ids(8)}", task_type, sequence, now, due, about, self.words, outcome)
        self.tasks[task.task_id] = task
        heapq.heappush(self._due, (due, sequence, task))
        return task

    def _end_as_told(self, task: Task) -> None:
        task.final = task.outcome.status or self.words.done
        task.error = task.outcome.error
        if task.final == FAILED and task.error is None:
            task.error = "Processing failed"

    def _end_processing(self, task: Task) -> None:
        """End a batch: which objects it processed, which failed, and its word."""
        self._end_as_told(task)
        batch = self.batches[task.about["batch_id"]]
        batch.updated = task.due
        if task.final not in (self.words.done, PARTIAL, FAILED):
            return
        again = batch.definition.get("dedup_strategy") in ("replace", "force")
        members = [batch.bucket.objects.get(object_id) for object_id in batch.object_ids]
        todo = [each for each in members if each and (again or each.status != self.words.done)]
        batch.skipped = sum(each is not None for each in members) - len(todo)
        failing = len(todo) if task.final == FAILED else task.outcome.failed_objects
        if failing is None:
            failing = 1 if task.final == PARTIAL else 0
        reason = task.error or "Processing failed"
        for stored in todo[:failing]:
            stored.status, stored.error, stored.updated = FAILED, reason, task.due
        for stored in todo[failing:]:
            stored.status, stored.error, stored.updated = self.words.done, None, task.due
            stored.processed += 1
        lost = [object_id for object_id, each in zip(batch.object_ids, members, strict=True) if each is None]
        batch.failed = [
            *({"object_id": each.object_id, "error": reason} for each in todo[:failing]),
            *({"object_id": object_id, "error": "Object not found"} for object_id in lost),
        ]
        batch.done = len(todo) - min(failing, len(todo))
        if lost and task.final == self.words.done:
            task.final = PARTIAL if batch.done or batch.skipped else FAILED
            task.error = f"{len(lost)} objects not found"

    def cancel(self, task: Task) -> None:
        """Stop a task that runs; what it was to do does not happen."""
        if task.final is None:
            task.final = self.words.canceled

    # --- counting ---

    def summary(self) -> dict[str, Any]:
        """The counters, for the control endpoint."""
        self.settle()
        buckets = self.buckets.values()
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
