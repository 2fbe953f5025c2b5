"""What a watcher has told already: a position among a bucket's batches that stays small."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict

#: A batch may show in a listing so much later than one that was created after it.
_SHOWS_WITHIN = timedelta(minutes=10)


class SeenBatch(NamedTuple):
    """
    A batch at one look.

    :param outcome: ``done``, ``partial`` or ``failed``; None while it has not finished.
    :param created: By the server's clock; None where it does not say.
    """

    batch_id: str
    outcome: str | None
    created: datetime | None
    objects: int
    failed: int


class Position(BaseModel):
    """
    Which batches have been told of, or had finished before the first look.

    :param since: All that were created before are told of, but for those in ``running``.
    :param told: Those created later that are told of.
    :param running: Those that had not finished at the last look.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime | None = None
    told: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()

    @classmethod
    def first(cls, batches: Collection[SeenBatch]) -> Self:
        """The position of who begins to watch now: what has finished before is no news."""
        return cls._after(batches, None)

    def after(self, batches: Collection[SeenBatch]) -> tuple[list[SeenBatch], Self]:
        """
        Take a look at all batches of the bucket.

        :return: Those that have finished since the look before, and the position to go on from.
        """
        if not batches:
            # The bucket is not there, or not there any more: what was told stays told if it comes back.
            return [], self
        news = [batch for batch in batches if batch.outcome is not None and self._is_new(batch)]
        return news, self._after(batches, self.since)

    def _is_new(self, batch: SeenBatch) -> bool:
        if batch.batch_id in self.running:
            return True
        return batch.batch_id not in self.told and _is_late(batch, self.since)

    @classmethod
    def _after(cls, batches: Collection[SeenBatch], since: datetime | None) -> Self:
        newest = max(filter(None, (batch.created for batch in batches)), default=None)
        if newest is not None:
            since = max(filter(None, (since, newest - _SHOWS_WITHIN)))
        return cls(
            since=since,
            told=_ids(batch for batch in batches if batch.outcome and _is_late(batch, since)),
            running=_ids(batch for batch in batches if batch.outcome is None),
        )


def _is_late(batch: SeenBatch, since: datetime | None) -> bool:
    return since is None or batch.created is None or batch.created >= since


def _ids(batches: Iterable[SeenBatch]) -> frozenset[str]:
    return frozenset(batch.batch_id for batch in batches)
