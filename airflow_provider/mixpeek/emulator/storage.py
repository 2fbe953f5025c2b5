"""Keeping the state in a file, so that it outlives the process.

**What is promised.** Before an answer leaves, whatever its request changed is committed; so what a client was
told is there after a ``kill -9`` of the emulator at any moment, and what it was not told may or may not be.
Batches and tasks go on by the clock: what came due while nobody served happens at the first look. A loss of
power may cost the last moments, never the file. Not kept are the counts of requests and the fault rules.

Each record is one row, written over when it changes: nothing has to be replayed or compacted.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import json_text
from .records import Batch, Bucket, Collection, Namespace, Outcome, Record, StoredObject, Task, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .records import Words

_FORMAT = 1
# In an order in which what a record refers to comes before it.
_KINDS: tuple[tuple[type[Record], str], ...] = (
    (Task, "task_id"),
    (Namespace, "name"),
    (Bucket, "bucket_id"),
    (Collection, "collection_id"),
    (StoredObject, "object_id"),
    (Upload, "upload_id"),
    (Batch, "batch_id"),
)
_ID_OF: dict[type[Record], str] = dict(_KINDS)
# Made again from the other records, or by the program itself.
_NOT_KEPT = frozenset(
    {"objects", "buckets", "batches", "collections", "uploads", "size_bytes", "words"}
    | {"by_idempotency_key", "by_unique_key", "by_content"}
)


class Storage:
    """The records of one emulator in one SQLite file.

    :param path: The file; it is made where there is none.
    :param version: The API version: a file is of one version only.
    :raises ValueError: The file is another emulator's at the moment, of another version, or no such file.
    """

    def __init__(self, path: str | Path, *, version: str) -> None:
        self.path = Path(path)
        self._version = version
        self._connection: sqlite3.Connection | None = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            # Every call comes from the one thread that serves, which is not the one that opened it.
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0)
        except sqlite3.Error as error:
            raise ValueError(f"The database {self.path} cannot be opened: {error}") from error
        try:
            # Held until it is closed: two emulators with one file would write over each other.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=WAL")
            # A commit survives the death of the process without waiting for the disk.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            self._prepare(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise ValueError(
                f"The database {self.path} cannot be used: {error}. Does another emulator serve from it?"
            ) from error
        except ValueError:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS made_by (format INTEGER, version TEXT)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, record BLOB, PRIMARY KEY (kind, id))"
            " WITHOUT ROWID"
        )
        made_by = connection.execute("SELECT format, version FROM made_by").fetchone()
        if made_by is None:
            connection.execute("INSERT INTO made_by VALUES (?, ?)", (_FORMAT, self._version))
        elif made_by != (_FORMAT, self._version):
            raise ValueError(
                f"The database {self.path} is of API {made_by[1]} (format {made_by[0]}); this emulator is of "
                f"{self._version} (format {_FORMAT}). Give it another file"
            )

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def save(self, changed: Iterable[Record], dropped: Iterable[Record]) -> None:
        """Write records over and away; all of it is committed, or nothing."""
        connection = self._connected()
        connection.execute("BEGIN")
        try:
            connection.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                ((*_key(each), json_text.write(_as_row(each))) for each in changed),
            )
            connection.executemany("DELETE FROM records WHERE kind = ? AND id = ?", map(_key, dropped))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def clear(self) -> None:
        """Drop every record."""
        self._connected().execute("DELETE FROM records")

    def load(self, words: Words) -> Iterator[Record]:
        """Every record, those that others refer to before these, each kind oldest first."""
        tasks: dict[str, Task] = {}
        namespaces: dict[str, Namespace] = {}
        buckets: dict[str, Bucket] = {}
        for kind, _ in _KINDS:
            for row in self._rows(kind):
                for name in ("task", "deletion"):
                    if row.get(name) is not None:
                        row[name] = tasks[row[name]]
                if kind is Task:
                    row["outcome"] = Outcome(**row["outcome"])
                    task = Task(**row, words=words)
                    tasks[task.task_id] = task
                    yield task
                elif kind is Namespace:
                    namespace = Namespace(**row)
                    namespaces[namespace.name] = namespace
                    yield namespace
                elif kind is Bucket:
                    bucket = Bucket(**row | {"namespace": namespaces[row["namespace"]]})
                    buckets[bucket.bucket_id] = bucket
                    yield bucket
                elif kind is Collection:
                    yield Collection(**row | {"namespace": namespaces[row["namespace"]]})
                elif kind is StoredObject:
                    body_hash = row["body_hash"]
                    row["body_hash"] = None if body_hash is None else bytes.fromhex(body_hash)
                    yield StoredObject(**row | {"keys": tuple(row["keys"])})
                elif kind is Upload:
                    yield Upload(**row | {"bucket": buckets[row["bucket"]]})
                else:
                    yield Batch(**row | {"bucket": buckets[row["bucket"]]})

    def _rows(self, kind: type[Record]) -> list[dict[str, Any]]:
        found = self._connected().execute("SELECT record FROM records WHERE kind = ?", (kind.__name__,))
        return sorted((json_text.read(text) for (text,) in found), key=_age)

    def close(self) -> None:
        """Let the file go; the next use takes it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _age(row: dict[str, Any]) -> float:
    age: float = row.get("sequence", row.get("created", 0.0))
    return age


def _key(record: Record) -> tuple[str, str]:
    kind = type(record)
    return kind.__name__, getattr(record, _ID_OF[kind])


def _as_row(record: Record) -> dict[str, Any]:
    return {
        each.name: _as_value(getattr(record, each.name))
        for each in fields(record)
        if each.name not in _NOT_KEPT
    }


def _as_value(value: Any) -> Any:
    if isinstance(value, Task | Namespace | Bucket):
        return _key(value)[1]
    if isinstance(value, Outcome):
        return asdict(value)
    return value.hex() if isinstance(value, bytes) else value
