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

from .content import content_hash
from .endings import (
    CONFIRM_UPLOAD,
    CONFIRM_UPLOADS,
    CREATE_NAMESPACE,
    DELETE_BUCKET,
    DELETE_OBJECT,
    PROCESS_BATCH,
    TRIGGER_COLLECTION,
    WRITE_OBJECT,
    end,
)
from .errors import Refusal
from .records import Batch, Bucket, Collection, Namespace, Outcome, Record, StoredObject, Task, Upload, Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings
    from .storage import Storage

_ids = secrets.token_hex


class State:
    """Everything stored, and the counters.

    Whoever changes a record directly says so by :meth:`touch`; the methods here do.

    :param clock: Wall-clock seconds.
    :param words: The status words of the API version.
    :param storage: Where it is kept beyond this process; None: nowhere.
    """

    def __init__(
        self, settings: Settings, *, clock: Callable[[], float], words: Words, storage: Storage | None
    ) -> None:
        self._settings = settings
        self.quota = settings.quota
        self._clock = clock
        self.words = words
        self._storage = storage
        self._changed: dict[int, Record] = {}
        self._dropped: list[Record] = []
        self._empty()
        if storage is not None:
            for record in storage.load(words):
                self._take(record)
        self._declare()

    def _empty(self) -> None:
        self.namespaces: dict[str, Namespace] = {}
        self.buckets: dict[str, Bucket] = {}
        self.batches: dict[str, Batch] = {}
        self.tasks: dict[str, Task] = {}
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.invalid_json = 0
        self.objects_received: Counter[str] = Counter()
        self._due: list[tuple[float, int, Task | Batch]] = []
        self._sequence = itertools.count(1)
        self._settled = self._clock()

    def _declare(self) -> None:
        for name in self._settings.namespaces:
            if name not in self.namespaces:
                self._add_namespace(name)

    def clear(self) -> None:
        """Forget everything, as if just started."""
        self._empty()
        self._changed.clear()
        self._dropped.clear()
        if self._storage is not None:
            self._storage.clear()
        self._declare()

    def settle(self) -> float:
        """Let everything that is due by now happen.

        :returns: Now, in wall-clock seconds; never earlier than what was settled before.
        """
        self._settled = now = max(self._clock(), self._settled)
        while self._due and self._due[0][0] <= now:
            due = heapq.heappop(self._due)[2]
            if isinstance(due, Batch):
                # It may have been submitted, or be a draft again with more time.
                if due.task is None and due.draft_until <= now and due.batch_id in self.batches:
                    self.drop_batch(due)
            elif due.final is None:
                end(self, due)
        return now

    # --- keeping ---

    def touch(self, record: Record) -> None:
        """Take down that a record is new or has changed."""
        if self._storage is not None:
            self._changed[id(record)] = record

    def _drop(self, record: Record) -> None:
        if self._storage is not None:
            self._changed.pop(id(record), None)
            self._dropped.append(record)

    def save(self) -> None:
        """Keep what changed since the last time; it is on disk when this returns."""
        if self._storage is not None and (self._changed or self._dropped):
            self._storage.save(self._changed.values(), self._dropped)
            self._changed.clear()
            self._dropped.clear()

    def _take(self, record: Record) -> None:
        """Put a record that was kept where it belongs; those it refers to came before it."""
        match record:
            case Namespace():
                self.namespaces[record.name] = record
                return
            case Task():
                self.tasks[record.task_id] = record
                self._await(record)
            case Bucket():
                record.namespace.buckets[record.bucket_id] = self.buckets[record.bucket_id] = record
            case Collection():
                record.namespace.collections[record.collection_id] = record
            case StoredObject():
                self._index(self.buckets[record.bucket_id], record)
            case Upload():
                record.bucket.uploads[record.upload_id] = record
            case Batch():
                self.batches[record.batch_id] = record.bucket.batches[record.batch_id] = record
                self._await(record)
        self._sequence = itertools.count(max(next(self._sequence), record.sequence + 1))

    def _index(self, bucket: Bucket, stored: StoredObject) -> None:
        bucket.objects[stored.object_id] = stored
        bucket.size_bytes += stored.size_bytes
        for key in stored.keys:
            bucket.by_idempotency_key[key] = stored
        unique = bucket.unique_key(stored.fields)
        if unique is not None:
            bucket.by_unique_key[unique] = stored

    def _await(self, what: Task | Batch) -> None:
        due = what.draft_until if isinstance(what, Batch) else what.due
        heapq.heappush(self._due, (due, next(self._sequence), what))

    # --- namespaces ---

    def namespace(self, name_or_id: str) -> Namespace | None:
        """Find a namespace by name or id; where all exist, a new name makes one."""
        found = self.namespaces.get(name_or_id)
        if found is None:
            found = next((each for each in self.namespaces.values() if each.namespace_id == name_or_id), None)
        if found is None and not self._settings.namespaces:
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
        namespace.task = self._start(CREATE_NAMESPACE, {"namespace_id": namespace.namespace_id}, now)
        return namespace

    def _add_namespace(self, name: str) -> Namespace:
        # From the name, so that an id is good for the next emulator too.
        namespace_id = "ns_" + hashlib.sha256(name.encode()).hexdigest()[:12]
        self.namespaces[name] = namespace = Namespace(name, namespace_id, self._settled)
        self.touch(namespace)
        return namespace

    # --- buckets ---

    def add_bucket(self, namespace: Namespace, definition: dict[str, Any], now: float) -> Bucket:
        bucket = Bucket(f"bkt_{_ids(6)}", next(self._sequence), namespace, definition, now, now)
        namespace.buckets[bucket.bucket_id] = self.buckets[bucket.bucket_id] = bucket
        self.touch(bucket)
        return bucket

    def change_bucket(self, bucket: Bucket, changed: dict[str, Any], now: float) -> None:
        """Write over parts of a bucket's definition."""
        bucket.definition = bucket.definition | changed
        bucket.updated = now
        self.touch(bucket)

    def delete_bucket(self, bucket: Bucket, now: float) -> Task:
        """Start a deletion, or answer the one that runs: the bucket is gone when its task ends."""
        if bucket.deletion is None:
            about = {"bucket_id": bucket.bucket_id, "object_count": len(bucket.objects)}
            bucket.deletion = self._start(DELETE_BUCKET, about, now)
            self.touch(bucket)
        return bucket.deletion

    def drop_bucket(self, bucket: Bucket) -> None:
        """Forget a bucket with all that is in it; what runs there is canceled."""
        for batch in list(bucket.batches.values()):
            if batch.task is not None:
                self.cancel(batch.task)
            self.drop_batch(batch)
        for upload in list(bucket.uploads.values()):
            self.drop_upload(upload)
        for stored in bucket.objects.values():
            if stored.task is not None:
                self.cancel(stored.task)
            self._drop(stored)
        del self.buckets[bucket.bucket_id], bucket.namespace.buckets[bucket.bucket_id]
        self._drop(bucket)

    # --- collections ---

    def add_collection(self, namespace: Namespace, definition: dict[str, Any], now: float) -> Collection:
        collection = Collection(f"col_{_ids(6)}", next(self._sequence), namespace, definition, now)
        namespace.collections[collection.collection_id] = collection
        self.touch(collection)
        return collection

    def trigger_nothing(self, collection: Collection, now: float) -> Task:
        """Start the task of a trigger that found no object: it ends at once, SKIPPED."""
        about = {"collection_id": collection.collection_id}
        return self._start(TRIGGER_COLLECTION, about, now, Outcome("SKIPPED", seconds=0))

    # --- objects ---

    def check_quota(self) -> None:
        """Refuse with a 403 where the plan is used up."""
        current = sum(len(bucket.objects) for bucket in self.buckets.values())
        if self.quota is not None and current >= self.quota:
            raise Refusal(
                403,
                f"The plan allows {self.quota} objects, and there are {current}",
                kind="QuotaExceededError",
                details={"resource": "objects", "current": current, "limit": self.quota, "tier": "free"},
            )

    def add_object(
        self,
        bucket: Bucket,
        now: float,
        *,
        key_prefix: str | None,
        edges: list[dict[str, Any]],
        fields: dict[str, Any],
        body_hash: bytes | None,
    ) -> StoredObject:
        """Store an object without blobs; the caller adds those and its idempotency key.

        :raises Refusal: 403: the plan is used up.
        """
        self.check_quota()
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
        bucket.last_upload = now
        bucket.objects[stored.object_id] = stored
        unique = bucket.unique_key(fields)
        if unique is not None:
            bucket.by_unique_key[unique] = stored
        self.touch(bucket)
        self.touch(stored)
        return stored

    def set_blobs(self, bucket: Bucket, stored: StoredObject, blobs: list[dict[str, Any]]) -> None:
        """Give an object its blobs, in place of those it has."""
        if stored.blobs:
            # Built again when it is next asked for: the old content is no longer there.
            bucket.by_content = None
        elif bucket.by_content is not None and (content := content_hash(blobs)) is not None:
            bucket.by_content.setdefault(content, stored)
        if stored.blobs:
            bucket.size_bytes -= stored.size_bytes
        stored.blobs = blobs
        bucket.size_bytes += stored.size_bytes
        self.touch(stored)

    def set_key(self, bucket: Bucket, key: str, stored: StoredObject) -> None:
        """Let an idempotency key name an object."""
        bucket.by_idempotency_key[key] = stored
        stored.keys = (*stored.keys, key)
        self.touch(stored)

    def set_fields(self, bucket: Bucket, stored: StoredObject, fields: dict[str, Any], now: float) -> None:
        """Give an object its own fields, in place of those it has."""
        old, new = bucket.unique_key(stored.fields), bucket.unique_key(fields)
        if old is not None and new is not None:
            del bucket.by_unique_key[old]
            bucket.by_unique_key[new] = stored
        stored.fields = fields
        stored.updated = now
        self.touch(stored)

    def write_object(self, bucket: Bucket, stored: StoredObject | None, outcome: Outcome, now: float) -> Task:
        """Start the task of a `legacy` write.

        :param stored: What was written; None: its content was there already, and the task ends SKIPPED.
        """
        about = {"bucket_id": bucket.bucket_id}
        if stored is None:
            return self._start(WRITE_OBJECT, about, now, Outcome("SKIPPED"))
        stored.task = self._start(WRITE_OBJECT, about | {"object_id": stored.object_id}, now, outcome)
        stored.error = None
        self.touch(stored)
        return stored.task

    def delete_object(self, bucket: Bucket, stored: StoredObject, now: float) -> Task:
        """Start a `legacy` deletion: the object is gone when its task ends."""
        about = {"bucket_id": bucket.bucket_id, "object_id": stored.object_id}
        return self._start(DELETE_OBJECT, about, now)

    def drop_object(self, bucket: Bucket, stored: StoredObject) -> None:
        """Forget an object and whatever finds it."""
        del bucket.objects[stored.object_id]
        for key in stored.keys:
            del bucket.by_idempotency_key[key]
        unique = bucket.unique_key(stored.fields)
        if unique is not None:
            del bucket.by_unique_key[unique]
        bucket.by_content = None
        bucket.size_bytes -= stored.size_bytes
        self._drop(stored)

    # --- uploads ---

    def add_upload(self, bucket: Bucket, definition: dict[str, Any], now: float) -> Upload:
        expires = now + definition["presigned_url_expiration"]
        upload = Upload(
            f"upl_{_ids(8)}", next(self._sequence), bucket, definition, secrets.token_hex(32), now, expires
        )
        bucket.uploads[upload.upload_id] = upload
        self.touch(upload)
        return upload

    def drop_upload(self, upload: Upload) -> None:
        del upload.bucket.uploads[upload.upload_id]
        self._drop(upload)

    def start_confirming(self, uploads: list[Upload], now: float, outcome: Outcome | None = None) -> Task:
        """Start the task of uploads that are not confirmed at once."""
        about = {"bucket_id": uploads[0].bucket.bucket_id, "upload_ids": [each.upload_id for each in uploads]}
        kind = CONFIRM_UPLOAD if len(uploads) == 1 else CONFIRM_UPLOADS
        return self._start(kind, about, now, outcome)

    # --- batches and tasks ---

    def add_batch(
        self, bucket: Bucket, object_ids: list[str], definition: dict[str, Any], now: float
    ) -> Batch:
        batch = Batch(f"btch_{_ids(6)}", next(self._sequence), bucket, object_ids, definition, now, now, 0)
        self.batches[batch.batch_id] = bucket.batches[batch.batch_id] = batch
        self.make_draft(batch, now)
        return batch

    def make_draft(self, batch: Batch, now: float) -> None:
        """Make a batch one that waits for a submit, for as long as the reaper lets it."""
        batch.task = batch.retried = None
        batch.failed, batch.done, batch.skipped = [], 0, 0
        batch.updated = now
        batch.draft_until = now + self._settings.draft_seconds
        self._await(batch)
        self.touch(batch)

    def drop_batch(self, batch: Batch) -> None:
        del self.batches[batch.batch_id], batch.bucket.batches[batch.batch_id]
        self._drop(batch)

    def submit(self, batch: Batch, outcome: Outcome, now: float, *, retried: list[str] | None = None) -> Task:
        """Start the processing of a batch.

        :param retried: The objects to process; None: all.
        """
        about = {
            "batch_id": batch.batch_id,
            "bucket_id": batch.bucket.bucket_id,
            "object_count": len(batch.object_ids if retried is None else retried),
        }
        batch.updated = batch.submitted = now
        batch.retried = retried
        batch.task = self._start(PROCESS_BATCH, about, now, outcome)
        self.touch(batch)
        return batch.task

    def _start(
        self, task_type: str, about: dict[str, Any], now: float, outcome: Outcome | None = None
    ) -> Task:
        outcome = outcome or Outcome()
        due = now + (self._settings.task_seconds if outcome.seconds is None else outcome.seconds)
        task = Task(f"task_{_ids(8)}", task_type, next(self._sequence), now, due, about, self.words, outcome)
        self.tasks[task.task_id] = task
        self._await(task)
        self.touch(task)
        return task

    def cancel(self, task: Task) -> None:
        """Stop a task that runs; what it was to do does not happen."""
        if task.final is None:
            task.final = self.words.canceled
            self.touch(task)
