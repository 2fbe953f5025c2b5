"""
What a load has in its checkpoint.

=================  ==========================================================================================
name               value
=================  ==========================================================================================
``load``           who writes, how often the load was begun anew, its salt, whether it is finished
``progress``       the watermark, and the world it belongs to
``batches-000``    the first hundred batches: bucket, id, number of the row after the last, when it was noted
``tasks-000``      the first thousand tasks of a server that has no batches (legacy generation)
=================  ==========================================================================================

All of it is small: some 10,000 batches of ten million rows are 100 values of 8 KB.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._checkpoint import Checkpoint, MemoryCheckpoint
from airflow_provider.mixpeek.ingest._inherit import NotedBatch
from airflow_provider.mixpeek.ingest._ledger import Mark
from airflow_provider.mixpeek.ingest._sources import Place
from airflow_provider.mixpeek.ingest._world import World

Rerun = Literal["replay", "again"]

#: Cancels batches.
GiveUp = Callable[[list[NotedBatch]], None]

_VERSION = 1
_BATCHES = 100
_TASKS = 1_000


class SupersededError(MixpeekError):
    """Another try of the same load has begun; this one must not go on beside it."""


@dataclass(frozen=True, slots=True)
class _Load:
    """
    The value ``load``.

    :param writer: A random word of the try that writes.
    :param begun: How often the load was begun anew; a watermark of another number counts for nothing.
    :param salt: Enters every key, so that a load that is done again makes objects of its own.
    :param replayed: It was begun anew under its old keys: any of its rows may be stored already.
    :param finished: The load got to its end.
    :param number: The caller's number of reruns.
    :param accepts: A person has asked for the load since its source was last written down, and the source
        may have changed.
    :param given_up: How many batches, the first ones, nobody takes up any more.
    :param id: Tells the load from others, where scopes do not.
    """

    writer: str = ""
    begun: int = 0
    salt: str = ""
    replayed: bool = False
    finished: bool = False
    number: int | None = None
    accepts: bool = False
    given_up: int = 0
    id: str = ""
    version: int = _VERSION


class Progress(NamedTuple):
    """
    How far earlier tries were.

    :param world: What they read and where to.
    :param sent: Number of the row after the last that may have been sent.
    """

    world: dict[str, Any]
    mark: Mark
    sent: int


class Journal:
    """
    What one try writes down, and what the tries before it have.

    :param checkpoint: Where.
    :param wall: Unix seconds.
    """

    def __init__(self, checkpoint: Checkpoint, *, wall: Callable[[], float] = time.time) -> None:
        self._checkpoint = checkpoint
        self._wall = wall
        self._load = _Load()
        self._batches: list[Any] = []
        self._tasks: list[str] = []
        # Batches before this one were noted when rows had other numbers than now.
        self._first_batch = 0
        #: What is written is still there for the next try.
        self.lasts = not isinstance(checkpoint, MemoryCheckpoint)

    def open(
        self, *, rerun: Rerun | None = None, number: int | None = None, give_up: GiveUp | None = None
    ) -> None:
        """
        Take the load over from the tries before, which must not write any more.

        :param rerun: What to do where the load is finished: send everything again under the old keys, or
            make everything anew. None: nothing.
        :param number: Grows when a person asks for the load; with one, only that makes a rerun.
        :param give_up: Cancels the batches of tries before a person asked for the load, which nobody takes up
            any more; called before anything is written, so that a try that dies meanwhile leaves it to the
            next. None: they are taken up.
        """
        before = self._load = self._read_load()
        # A person had asked for it before, and of that nothing is left: the load was finished, and forgotten.
        is_forgotten = not before.writer and bool(number)
        is_asked_for = number is not None and number > (before.number or 0)
        load = replace(
            before,
            writer=secrets.token_hex(8),
            number=number,
            accepts=before.accepts or is_asked_for,
            id=before.id or secrets.token_hex(8),
        )
        if give_up is not None and is_asked_for:
            self._batches = self._read_all("batches")
            give_up([NotedBatch(*each) for each in self._batches])
            load = replace(load, given_up=len(self._batches))
        if rerun and (before.finished or is_forgotten) and (number is None or is_asked_for):
            load = replace(load, finished=False, begun=before.begun + 1, replayed=rerun == "replay")
            if rerun == "again":
                load = replace(load, salt=secrets.token_hex(8), given_up=0)
        self._write_load(load)
        self._batches = self._read_all("batches")
        self._tasks = self._read_all("tasks")

    @classmethod
    def noted(cls, checkpoint: Checkpoint) -> list[NotedBatch]:
        """The batches that the tries of a load have noted; it takes nothing over."""
        journal = cls(checkpoint)
        journal._load = journal._read_load()
        return [NotedBatch(*each) for each in journal._read_all("batches")]

    @property
    def salt(self) -> str:
        """Enters every key; empty but where a finished load was done again."""
        return self._load.salt

    @property
    def accepts_changes(self) -> bool:
        """Whether a person has asked for the load since its source was last written down."""
        return self._load.accepts

    @property
    def load_id(self) -> str:
        """Tells the load from others, in each of its tries; empty where nothing lasts from try to try."""
        return self._load.id if self.lasts else ""

    @property
    def is_superseded(self) -> bool:
        """Whether another try has taken over."""
        now = self._read_load()
        return bool(now.writer) and now.writer != self._load.writer

    def check_writer(self) -> None:
        """
        See that this try may go on.

        :raises SupersededError: another one has taken over.
        """
        if self.is_superseded:
            raise SupersededError(
                "another try of this load has begun, and goes on where this one is",
                hint="Nothing is to be done: look at that try. This one has left it all that was stored.",
            )

    # -- progress ------------------------------------------------------------------------------------------

    @property
    def is_replayed(self) -> bool:
        """Whether a finished load was begun anew under its old keys."""
        return self._load.replayed

    def progress(self) -> Progress | None:
        """How far earlier tries were; None where nothing of it counts."""
        found = self._checkpoint.get("progress")
        if not isinstance(found, dict) or (found["version"], found["begun"]) != (_VERSION, self._load.begun):
            return None
        self._first_batch = found["first_batch"]
        place = found.get("place")
        mark = Mark(found["row"], Place(*place) if place else None, found["digest"], found["counts"])
        return Progress(found["world"], mark, found["sent"])

    def write(self, world: World, mark: Mark, *, sent: int) -> None:
        """
        Write the watermark down.

        :param sent: Number of the row after the last that may have been sent.
        :raises SupersededError: another try has taken over; likewise of all that writes.
        """
        self.check_writer()
        progress = {
            "version": _VERSION,
            "begun": self._load.begun,
            "world": world.as_dict(),
            "row": mark.row,
            "digest": mark.digest,
            "counts": dict(mark.counts),
            "sent": sent,
            "first_batch": self._first_batch,
        }
        if mark.place is not None:
            progress["place"] = list(mark.place)
        self._checkpoint.set("progress", progress)
        if self._load.accepts:
            self._write_load(replace(self._load, accepts=False))

    def finish(self) -> None:
        """The load got to its end."""
        self.check_writer()
        self._write_load(replace(self._load, finished=True))

    # -- what is being processed ---------------------------------------------------------------------------

    def batches(self, bucket_id: str) -> list[NotedBatch]:
        """The batches of a bucket that were noted, in their order."""
        noted = [
            NotedBatch(*each)._replace(given_up=place < self._load.given_up)
            for place, each in enumerate(self._batches)
        ]
        numbered = [
            batch if place >= self._first_batch else batch._replace(upto_row=0)
            for place, batch in enumerate(noted)
        ]
        return [batch for batch in numbered if batch.bucket_id == bucket_id]

    def begin_at_the_first_row(self) -> None:
        """The numbers of rows mean other rows than they may have meant for earlier tries."""
        self._first_batch = len(self._batches)

    def note_batch(self, bucket_id: str, batch_id: str, upto_row: int) -> None:
        """Write a batch down, which is submitted after that and not before."""
        self.check_writer()
        self._batches.append([bucket_id, batch_id, upto_row, round(self._wall(), 3)])
        self._write_last("batches", self._batches, _BATCHES)

    def tasks(self) -> list[str]:
        """The tasks that were noted, in their order."""
        return list(self._tasks)

    def note_tasks(self, task_ids: Sequence[str]) -> None:
        """Write tasks down, before the watermark passes their rows."""
        self.check_writer()
        start = len(self._tasks)
        self._tasks.extend(task_ids)
        for chunk in range(start // _TASKS, -(-len(self._tasks) // _TASKS)):
            self._write_chunk("tasks", self._tasks, _TASKS, chunk)

    # -- inside --------------------------------------------------------------------------------------------

    def _read_load(self) -> _Load:
        found = self._checkpoint.get("load")
        if not isinstance(found, dict) or found.get("version") != _VERSION:
            return _Load()
        return _Load(**found)

    def _write_load(self, load: _Load) -> None:
        # The state store of Airflow takes no null.
        value = {name: value for name, value in asdict(load).items() if value is not None}
        self._checkpoint.set("load", value)
        self._load = load

    def _read_all(self, kind: str) -> list[Any]:
        items: list[Any] = []
        chunk = 0
        while isinstance(found := self._checkpoint.get(f"{kind}-{chunk:03}"), dict):
            # What was there before the load was made anew is none of its own.
            if found.get("salt") != self._load.salt:
                break
            items += found["items"]
            chunk += 1
        return items

    def _write_last(self, kind: str, items: list[Any], size: int) -> None:
        self._write_chunk(kind, items, size, (len(items) - 1) // size)

    def _write_chunk(self, kind: str, items: list[Any], size: int, chunk: int) -> None:
        part = items[chunk * size : (chunk + 1) * size]
        self._checkpoint.set(f"{kind}-{chunk:03}", {"salt": self._load.salt, "items": part})
