"""Which run of a collection belongs to a task, across its tries."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import WaitFor
from airflow_provider.mixpeek.client._batch_flows import LOOK_AGAIN, SETTLE, has_settled
from airflow_provider.mixpeek.client._cancelling import cancel_all
from airflow_provider.mixpeek.client._flow import sleep
from airflow_provider.mixpeek.client._waits import look_at
from airflow_provider.mixpeek.triggers._packing import packed, unpacked
from airflow_provider.mixpeek.waiting import End, Ended, KeepWaiting, Progress, Report, Rules, judge

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import Batch, Collection, MixpeekClient
    from airflow_provider.mixpeek.operators._store import StoreCheckpoint

#: Where the tries of a task note what they have triggered.
_NOTE = "collection-run"

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

#: A trigger may be tried for three minutes, be answered in one, and clocks differ: its batches begin by then.
_BEGINS_WITHIN = timedelta(minutes=10)

log = logging.getLogger("airflow_provider.mixpeek.operators")


class Runs:
    """
    What the tries of a task have noted of a collection's run.

    :param objects: Ids of the only objects that the task wants; None: it names none.
    :param checkpoint: None where Airflow keeps nothing between two tries.
    :param rerun_number: Grows when a person clears the task, who wants another run.
    :param partial_ok: A batch of which a part failed is done; else it has failed.
    """

    def __init__(
        self,
        mixpeek: MixpeekClient,
        collection: Collection,
        objects: Sequence[str] | None,
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
        *,
        partial_ok: bool,
    ) -> None:
        self._mixpeek = mixpeek
        self._collection_id = collection.collection_id
        self._name = collection.collection_name or collection.collection_id
        self._objects = objects
        self._checkpoint = checkpoint
        self._rerun_number = rerun_number
        self._given_up = set(End) - ({End.DONE, End.PARTIAL} if partial_ok else {End.DONE})
        noted = checkpoint.get(_NOTE) if checkpoint else None
        self._noted: dict[str, Any] = noted if noted and noted["collection_id"] == self._collection_id else {}

    @property
    def _is_ours(self) -> bool:
        return self._noted.get("rerun_number") == self._rerun_number

    def cancel_earlier(self) -> None:
        """Cancel what was triggered before a person cleared the task."""
        if self._noted and not self._is_ours:
            waits = triggered_by(self._mixpeek, self._noted, self._objects)
            log.info("The task was cleared: cancelling what still runs of its earlier run of %s.", self._name)
            flow = cancel_all(self._mixpeek.session, waits, reason="the Airflow task was cleared")
            for sentence in self._mixpeek.run(flow):
                log.warning("%s.", sentence)

    def taken_up(self) -> list[WaitFor] | None:
        """What an earlier try has triggered, if it runs or is done; None: it is to be triggered."""
        if not self._is_ours or self._noted.get("waits") == []:
            return None
        waits = self._found()
        if not waits:
            if self._noted["before"]:
                why = f"no batch of it has shown within {SETTLE:.0f} s"
            else:
                why = "this server does not tell the batches of one"
            log.warning(
                "It is not known whether an earlier try has triggered the collection %s: %s. Triggering.",
                self._name,
                why,
            )
            return None
        looks = self._mixpeek.run(look_at(self._mixpeek.session, waits))
        so_far, rules = Progress(since=self._noted["at"]), Rules(max_failed_looks=None)
        judged = [judge(look, so_far, now=at, rules=rules) for at, look in looks]
        bad = [
            (wait, step, seen)
            for wait, (seen, step) in zip(waits, judged, strict=True)
            if isinstance(step, Ended) and step.end in self._given_up
        ]
        if bad and not any(isinstance(step, KeepWaiting) for _, step in judged):
            log.warning("Of an earlier try: %s Triggering %s again.", Report.of(bad, running=0), self._name)
            return None
        self.began(waits)
        return waits

    def begin(self) -> None:
        """Note which batches there are, so that those of a run whose answer is lost can be told from them."""
        if self._checkpoint is not None:
            self._noted = {
                "collection_id": self._collection_id,
                "rerun_number": self._rerun_number,
                "before": self._newest(),
                "at": self._mixpeek.session.wall(),
            }
            self._checkpoint.set(_NOTE, self._noted)

    def began(self, waits: Sequence[WaitFor]) -> None:
        """Note what there is to wait for."""
        if self._checkpoint is not None:
            self._noted = self._noted | {"waits": packed(waits)}
            self._checkpoint.set(_NOTE, self._noted)

    def refused(self) -> None:
        """Note that nothing was triggered, so that somebody else's run is not taken for this task's."""
        self.began([])

    def _found(self) -> list[WaitFor]:
        """What an earlier try has triggered; a run whose answer is lost may take a while to show."""
        session = self._mixpeek.session
        started = session.clock()
        while True:
            waits = triggered_by(self._mixpeek, self._noted, self._objects)
            if waits or not self._noted["before"]:
                return waits
            if has_settled(session, noted_at=self._noted["at"], started=started):
                return waits
            self._mixpeek.run(sleep(LOOK_AGAIN))

    def _newest(self) -> dict[str, Any]:
        """The time of the newest batch of the collection, and the batches of that time; empty on API 0.81."""
        if not self._mixpeek.has_idempotency_keys():
            return {}  # nor does that version choose batches by their collection
        batches = list(_batches(self._mixpeek, self._collection_id))
        newest = max((created for _, created in batches), default=_LONG_AGO)
        ids = [batch.batch_id for batch, created in batches if created == newest]
        return {"created_at": newest.isoformat(), "batch_ids": ids}


def noted_waits(
    mixpeek: MixpeekClient, checkpoint: StoreCheckpoint, objects: Sequence[str] | None
) -> list[WaitFor]:
    """What the tries of a task have triggered last, as far as it can be found."""
    noted = checkpoint.get(_NOTE)
    return triggered_by(mixpeek, noted, objects) if noted else []


def triggered_by(
    mixpeek: MixpeekClient, noted: Mapping[str, Any], objects: Sequence[str] | None
) -> list[WaitFor]:
    """
    What a note names.

    Where the answer is lost, the batches that were not there before, that were made about the time of the
    trigger, and that have no other objects than the task wants, as far as it names them (API 0.82).
    """
    if "waits" in noted:
        return unpacked(noted["waits"])
    before = noted["before"]
    if not before:
        return []
    newest, ids = datetime.fromisoformat(before["created_at"]), set(before["batch_ids"])
    last = datetime.fromtimestamp(noted["at"], UTC) + _BEGINS_WITHIN
    return [
        WaitFor(None, batch.batch_id, batch.bucket_id)
        for batch, created in _batches(mixpeek, noted["collection_id"])
        if batch.batch_id not in ids
        and newest <= created <= last
        and (objects is None or set(batch.object_ids) <= set(objects))
    ]


def _batches(mixpeek: MixpeekClient, collection_id: str) -> Iterator[tuple[Batch, datetime]]:
    for batch in mixpeek.collections.batches(collection_id):
        yield batch, batch.created or _LONG_AGO
