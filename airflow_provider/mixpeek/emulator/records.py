"""What the emulator keeps records of: namespaces, buckets, collections, objects, uploads, batches, tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Words:
    """The status words of one API version.

    :param running: What a task says as it goes on: up to which part of its time, which word.
    :param done: What it says when it succeeded.
    :param canceled: What it says when somebody stopped it.
    :param new_object: What an object says before anything became of it.
    """

    running: tuple[tuple[float, str], ...]
    done: str
    canceled: str
    new_object: str


PARTIAL = "COMPLETED_WITH_ERRORS"
FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task is to go and to end.

    :param status: The word it ends with; words that the vendor does not know are allowed. None: it succeeds.
    :param error: The reason that task, batch and objects give.
    :param failed_objects: How many objects of the batch fail; None: what the word implies.
    :param error_type: The vendor's word for whether trying again can help the objects that fail.
    :param meanwhile: The word it says until it ends, in place of the usual ones.
    :param seconds: How long it takes, in place of the usual time.
    """

    status: str | None = None
    error: str | None = None
    failed_objects: int | None = None
    error_type: str = "permanent"
    meanwhile: str | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Task:
    """One asynchronous job: it runs from ``started`` to ``due``, then says ``final``.

    :param task_type: What it does; the state knows what its end means by this.
    :param about: The ids of what it works on, and what else the vendor tells of it.
    :param words: Of its API version.
    :param forgotten: Whether a fault made the server know it no more.
    """

    task_id: str
    task_type: str
    sequence: int
    started: float
    due: float
    about: dict[str, Any]
    words: Words
    outcome: Outcome = Outcome()
    final: str | None = None
    error: str | None = None
    forgotten: bool = False

    def status(self, now: float) -> str:
        """The vendor's word at a time."""
        if self.final is not None:
            return self.final
        if self.outcome.meanwhile is not None:
            return self.outcome.meanwhile
        span = self.due - self.started
        done = (now - self.started) / span if span > 0 else 0.0
        return next((word for until, word in self.words.running if done < until), self.words.running[-1][1])


@dataclass(slots=True)
class StoredObject:
    """One object.

    :param fields: Its own fields: custom ones at the root on `current`, ``metadata`` on `legacy`.
    :param body_hash: Of the request that made it, where idempotency keys are held to their bodies.
    :param task: What wrote it last (`legacy`, where every write is a task); its word is the object's.
    :param processed: How often processing succeeded with it.
    :param keys: The idempotency keys that name it.
    """

    object_id: str
    sequence: int
    bucket_id: str
    created: float
    updated: float
    key_prefix: str | None
    blobs: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    fields: dict[str, Any]
    body_hash: bytes | None = None
    status: str = "PENDING"
    error: str | None = None
    task: Task | None = None
    processed: int = 0
    keys: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What the server holds of it; of files behind URLs it knows nothing."""
        size = 0
        for blob in self.blobs:
            size += blob["details"].get("size_bytes") or 0
        return size


@dataclass(slots=True)
class Bucket:
    """A bucket with its objects, oldest first, and the indexes that find one of them again."""

    bucket_id: str
    sequence: int
    namespace: Namespace
    definition: dict[str, Any]
    created: float
    updated: float
    objects: dict[str, StoredObject] = field(default_factory=dict)
    by_idempotency_key: dict[str, StoredObject] = field(default_factory=dict)
    by_unique_key: dict[tuple[Any, ...], StoredObject] = field(default_factory=dict)
    by_content: dict[bytes, StoredObject] | None = None
    batches: dict[str, Batch] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
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

    def unique_key(self, fields: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """What must be unique of an object's fields; None in a bucket without such a key."""
        config = self.definition.get("unique_key")
        if not config:
            return None
        # 1 and true are equal in Python and different in JSON.
        return tuple((type(value) is bool, value) for value in map(fields.get, sorted(config["fields"])))


@dataclass(slots=True)
class Batch:
    """Objects that are processed together; DRAFT while it has no task.

    :param draft_until: When the reaper takes it, should it be a draft then.
    :param submitted: When it was last submitted.
    :param retried: The objects that the task is to process; None: all.
    """

    batch_id: str
    sequence: int
    bucket: Bucket
    object_ids: list[str]
    definition: dict[str, Any]
    created: float
    updated: float
    draft_until: float
    task: Task | None = None
    submitted: float | None = None
    retried: list[str] | None = None
    webhook_url: str | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    skipped: int = 0

    def status(self, now: float) -> str:
        return self.task.status(now) if self.task else "DRAFT"

    @property
    def runs(self) -> bool:
        return self.task is not None and self.task.final is None


@dataclass(slots=True)
class Upload:
    """One file on its way: announced, PUT into the storage, confirmed.

    :param definition: As it was asked for, property and type of the blob filled in.
    :param signature: What its presigned URL must carry.
    :param expires: When that URL ends.
    :param sha256: Of the bytes that the storage got last, which are counted and not kept; None: none yet.
    :param confirmed: When it was confirmed.
    :param task: What confirms it, where that is not done at once.
    """

    upload_id: str
    sequence: int
    bucket: Bucket
    definition: dict[str, Any]
    signature: str
    created: float
    expires: float
    sha256: str | None = None
    stored_bytes: int = 0
    confirmed: float | None = None
    object_id: str | None = None
    task: Task | None = None

    @property
    def etag(self) -> str | None:
        """What the storage calls the bytes; the same for the same bytes."""
        return self.sha256 and self.sha256[:32]

    def status(self, now: float) -> str:
        """The vendor's word at a time."""
        if self.confirmed is None:
            return "PENDING"
        if self.task is None:
            return "COMPLETED"
        return self.task.status(now) if self.task.final is not None else "PROCESSING"


@dataclass(slots=True)
class Collection:
    """What documents are made of objects; here it is no more than where it reads from."""

    collection_id: str
    sequence: int
    namespace: Namespace
    definition: dict[str, Any]
    created: float

    @property
    def name(self) -> str:
        return str(self.definition["collection_name"])


@dataclass(slots=True)
class Namespace:
    """A world of its own: buckets of one namespace are unknown in another.

    :param definition: As it was asked for; empty where it came to be by being named.
    :param task: What provisions it (`legacy`).
    """

    name: str
    namespace_id: str
    created: float
    definition: dict[str, Any] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    task: Task | None = None


Record = Namespace | Bucket | Collection | StoredObject | Upload | Batch | Task
