"""The trigger that waits for tasks and batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.client._errors import as_json
from airflow_provider.mixpeek.client._waits import watch
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.triggers._event import BadEnds, WaitEvent
from airflow_provider.mixpeek.triggers._packing import unpacked
from airflow_provider.mixpeek.triggers._shared import shared_client
from airflow_provider.mixpeek.waiting import Rules, Watch

__all__ = ["MixpeekWaitTrigger"]

#: Seconds after which a trigger hands back what is left, to be started anew with less.
FOUR_HOURS = 4 * 3600.0


class MixpeekWaitTrigger(BaseTrigger):
    """
    Wait until tasks and batches are done; up to 1,000.

    It only reads. A restart of the triggerer starts it again from its arguments. All triggers of a process
    with the same connection settings share one client, and keep to the server's limits together.

    Its one event is a :class:`airflow_provider.mixpeek.triggers._event.WaitEvent`.

    :param waits: What to wait for, as :func:`airflow_provider.mixpeek.triggers._packing.packed` packs it.
    :param since: Unix time of the start of the wait as a whole.
    :param deadline: Unix time after which there is a last look.
    :param partial_ok: Take work of which a part failed for done.
    :param max_failed_looks: Looks at one in a row that may fail; None: all, until the deadline.
    :param return_after: Seconds after which it hands back what is left.
    :param memo: Small plain values that come back with the event: ``dag.test()`` drops the arguments of
        ``defer``.
    :param mixpeek_conn_id: Id of the connection.
    """

    def __init__(
        self,
        *,
        waits: Sequence[Mapping[str, Any]],
        since: float,
        deadline: float,
        partial_ok: bool = False,
        max_failed_looks: int | None = 10,
        return_after: float = FOUR_HOURS,
        memo: Mapping[str, Any] | None = None,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits = [dict(group) for group in waits]
        self.since = since
        self.deadline = deadline
        self.partial_ok = partial_ok
        self.max_failed_looks = max_failed_looks
        self.return_after = return_after
        self.memo = dict(memo or {})
        self.mixpeek_conn_id = mixpeek_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and what it is made of."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "waits": self.waits,
            "since": self.since,
            "deadline": self.deadline,
            "partial_ok": self.partial_ok,
            "max_failed_looks": self.max_failed_looks,
            "return_after": self.return_after,
            "memo": self.memo,
            "mixpeek_conn_id": self.mixpeek_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and tell how it went."""
        event = await self._event()
        # It must end right here: one that lingers would be told that its task, long gone on, was killed.
        yield TriggerEvent(event.payload())  # type: ignore[no-untyped-call]

    async def _event(self) -> WaitEvent:
        try:
            return await self._watch()
        except MixpeekError as error:
            return WaitEvent(kind="error", error=as_json(error), memo=self.memo)
        except Exception as error:
            # Its text may hold anything; the log is masked by Airflow, an event is not.
            self.log.exception("Waiting ended with an error that is not the server's")
            return WaitEvent(kind="error", error={"kind": type(error).__name__}, memo=self.memo)

    async def _watch(self) -> WaitEvent:
        waits = unpacked(self.waits)
        what = Watch(
            waits,
            since=self.since,
            rules=Rules(deadline=self.deadline, max_failed_looks=self.max_failed_looks),
            partial_ok=self.partial_ok,
        )
        async with shared_client(MixpeekHook(self.mixpeek_conn_id)) as mixpeek:
            session = mixpeek.session
            until = session.wall() + self.return_after
            await mixpeek.run(watch(session, what, tell=self._tell, until=until))
        partial = len(what.partial)
        if what.bad:
            report = what.report()
            bad = BadEnds(counts=dict(report.counts), named=report.named, running=report.running)
            return WaitEvent(kind="bad", bad=bad, partial=partial, memo=self.memo)
        left = tuple(place for place, wait in enumerate(waits) if wait in what.waiting)
        return WaitEvent(kind="left" if left else "done", left=left, partial=partial, memo=self.memo)

    def _tell(self, news: str) -> None:
        self.log.warning("%s.", news)
