"""
Which objects go into which batch, and how far the batches let the watermark pass.

Objects are cut into batches in the order of their rows. An object is not batched where a live batch of ours
holds it already, and only for that reason: never because of its row's number or of a batch's name. The
watermark passes a row when the batch that holds its object is submitted, not before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from airflow_provider.mixpeek.client import MixpeekNotFoundError, MixpeekValidationError
from airflow_provider.mixpeek.ingest._actions import CreateBatch, SubmitBatch
from airflow_provider.mixpeek.ingest._inherit import Inherited, LiveBatch
from airflow_provider.mixpeek.ingest._report import SubmittedBatch


class Batching:
    """
    Batches of one run.

    :param size: Objects of one batch at most.
    :param replaces: Documents that exist are replaced, whatever the object.
    :param once: An object that comes again after it was batched is not batched again.
    :param inherited: Batches of earlier tries.
    """

    def __init__(self, *, size: int, replaces: bool, once: bool, inherited: Inherited) -> None:
        self._size = size
        self._once = once
        self._replace = replaces
        # Objects that wait for a batch, and the row of each: an object that comes twice is in a batch once.
        self._waiting: dict[str, int] = {}
        # Those of them that may have documents of other values.
        self._rewritten: set[str] = set()
        #: First rows of batches that are not submitted, in the order of the rows.
        self._open: deque[int] = deque()
        self._to_create: deque[CreateBatch] = deque()
        self._to_note: list[SubmitBatch] = []
        self._to_submit: deque[SubmitBatch] = deque(inherited.drafts)
        self._taken: dict[str, str | None] = dict(inherited.taken)
        self._listed: dict[str, LiveBatch] = {}
        self.submitted: list[SubmittedBatch] = list(inherited.live)
        self._known = {batch.batch_id for batch in self.submitted} | {
            draft.batch_id for draft in inherited.drafts
        }
        for object_ids, strategy in inherited.again:
            self._cut(object_ids, strategy)

    # -- what happened -------------------------------------------------------------------------------------

    def add(self, object_id: str, row: int, *, rewritten: bool = False) -> None:
        """
        An object is to be processed.

        :param rewritten: It may have documents of other values, and a batch that holds it may have them too.
        """
        if object_id in self._taken and not rewritten:
            self._take_up(object_id)
            return
        self._waiting.setdefault(object_id, row)
        if rewritten:
            self._rewritten.add(object_id)

    def listed(self, batches: Iterable[LiveBatch]) -> None:
        """Live batches of the bucket, whoever made them."""
        # Those that are submitted first: a draft that shares an object with one of them is of no use.
        for batch in sorted(batches, key=lambda batch: batch.task_id is None):
            if batch.batch_id in self._known:
                continue
            is_draft = batch.task_id is None
            # One that is not ours by its name is somebody's who may never submit it.
            if is_draft and not (batch.is_ours and self._taken.keys().isdisjoint(batch.object_ids)):
                continue
            self._listed[batch.batch_id] = batch
            for object_id in batch.object_ids:
                self._taken.setdefault(object_id, batch.batch_id)

    def cut(self, *, rest: bool) -> None:
        """
        Make batches of the objects that wait.

        :param rest: No more will come: make one of what is left, too.
        """
        while len(self._waiting) >= self._size or (rest and self._waiting):
            rows = dict(islice(self._waiting.items(), self._size))
            for object_id in rows:
                del self._waiting[object_id]
            if self._once:
                self._taken.update(dict.fromkeys(rows))
            replace = self._replace or not self._rewritten.isdisjoint(rows)
            self._rewritten.difference_update(rows)
            strategy = "replace" if replace else "skip"
            self._to_create.append(CreateBatch(tuple(rows), strategy, tuple(rows.values())))
            self._open.append(self._to_create[-1].rows[0])

    def created(self, action: CreateBatch, batch_id: str, made: CreateBatch) -> None:
        """A batch was created; it is submitted after it was noted."""
        if made is not action:
            self.replace(action, (made,))
        self._known.add(batch_id)
        self._to_note.append(SubmitBatch(batch_id, made))

    def replace(self, action: CreateBatch, parts: Sequence[CreateBatch]) -> None:
        """Other batches, of objects of this one, stand where it did: they hold back the watermark."""
        if action.rows:
            place = self._open.index(action.rows[0])
            del self._open[place]
            for offset, part in enumerate(parts):
                self._open.insert(place + offset, part.rows[0])

    def take_notes(self) -> list[SubmitBatch]:
        """Batches that are to be written down now, for they are submitted next."""
        notes, self._to_note = self._to_note, []
        self._to_submit.extend(notes)
        return notes

    def was_submitted(self, action: SubmitBatch, task_id: str) -> None:
        """A batch was submitted."""
        self._close(action.of)
        self.submitted.append(SubmittedBatch(action.batch_id, task_id, len(action.of.object_ids)))

    def can_go_on(self, action: CreateBatch | SubmitBatch, error: BaseException) -> bool:
        """Whether there is another way after a call about a batch failed; it is prepared then."""
        if isinstance(action, SubmitBatch):
            if not isinstance(error, MixpeekNotFoundError):
                return False
            # Nobody submitted it for half an hour, so the vendor has removed the draft.
            self._to_create.appendleft(action.of)
            return True
        return self._smaller(action, error)

    # -- what to do ----------------------------------------------------------------------------------------

    def next_action(self) -> CreateBatch | SubmitBatch | None:
        """What to do next, if there is anything."""
        if self._to_submit:
            return self._to_submit.popleft()
        return self._to_create.popleft() if self._to_create else None

    def holds(self, object_id: str) -> bool:
        """Whether a live batch of ours has this object."""
        return object_id in self._taken

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be batched, created, noted or submitted."""
        return not (self._waiting or self._to_create or self._to_note or self._to_submit)

    def watermark(self, settled: int) -> int:
        """
        How far the watermark may pass.

        :param settled: Number of the first row that is not settled.
        """
        first_waiting = next(iter(self._waiting.values()), settled)
        return min(settled, first_waiting, min(self._open, default=settled))

    # -- inside --------------------------------------------------------------------------------------------

    def _cut(self, object_ids: tuple[str, ...], strategy: str) -> None:
        """Batches of objects whose rows are done with: they hold back no watermark."""
        for start in range(0, len(object_ids), self._size):
            self._to_create.append(CreateBatch(object_ids[start : start + self._size], strategy))

    def _take_up(self, object_id: str) -> None:
        """An object of ours is in a live batch that nobody told us of: we wait for it, or submit it."""
        batch = self._listed.pop(self._taken[object_id] or "", None)
        if batch is None:
            return
        self._known.add(batch.batch_id)
        if batch.task_id is not None:
            self.submitted.append(SubmittedBatch(batch.batch_id, batch.task_id, batch.objects))
        else:
            again = CreateBatch(batch.object_ids, batch.dedup_strategy)
            self._to_note.append(SubmitBatch(batch.batch_id, again))

    def _close(self, batch: CreateBatch) -> None:
        if batch.rows:
            self._open.remove(batch.rows[0])

    def _smaller(self, action: CreateBatch, error: BaseException) -> bool:
        """Cut a batch that the server refuses, since plans allow different sizes and no call tells which."""
        count = len(action.object_ids)
        if not isinstance(error, MixpeekValidationError) or count == 1:
            return False
        size = _named_limit(error.details, count) or (count + 1) // 2
        self._size = min(self._size, size)
        parts = [
            CreateBatch(
                action.object_ids[start : start + size],
                action.dedup_strategy,
                action.rows[start : start + size],
            )
            for start in range(0, count, size)
        ]
        self.replace(action, parts)
        # In front of the others: if size is not what is wrong, a single object shows it soon.
        self._to_create.extendleft(reversed(parts))
        return True


def _named_limit(details: Mapping[str, object], count: int) -> int | None:
    named = details.get("limit")
    return named if isinstance(named, int) and 0 < named < count else None
