"""The trigger that waits for tasks and batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider.mixpeek.client import MixpeekError, WaitFor
from airflow_provider.mixpeek.client._cancelling import cancel_what_can_be
from airflow_provider.mixpeek.client._errors import as_json
from airflow_provider.mixpeek.client._waits import watch
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.triggers._event import BadEnds, WaitEvent
from airflow_provider.mixpeek.triggers._packing import unpacked
from airflow_provider.mixpeek.triggers._shared import shared_client
from airflow_provider.mixpeek.waiting import Rules, Watch

__all__ = ["MixpeekWaitTrigger", "MixpeekWorkTrigger"]

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
        # Made when it runs.
        self._what: Watch[WaitFor] | None = None

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
        what = self._what = Watch(
            waits,
            since=self.since,
            rules=Rules(deadline=self.deadline, max_failed_looks=self.max_failed_looks),
            partial_ok=self.partial_ok,
        )
        async with shared_client(MixpeekHook(self.mixpeek_conn_id)) as mixpeek:
            session = mixpeek.session
            until = session.wall() + self.return_after
            await mixpeek.run(watch(session, what, tell=self._tell, until=until))
        partial = tuple(place for place, wait in enumerate(waits) if wait in what.partial)
        if what.bad:
            report = what.report()
            bad = BadEnds(counts=dict(report.counts), named=report.named, running=report.running)
            return WaitEvent(kind="bad", bad=bad, partial=partial, memo=self.memo)
        left = tuple(place for place, wait in enumerate(waits) if wait in what.waiting)
        return WaitEvent(kind="left" if left else "done", left=left, partial=partial, memo=self.memo)

    def _tell(self, news: str) -> None:
        self.log.warning("%s.", news)


class MixpeekWorkTrigger(MixpeekWaitTrigger):
    """
    As :class:`MixpeekWaitTrigger`, for work that is cancelled when Airflow gives its task up.

    That is when somebody clears the task, or marks it failed or successful; never a time-out, nor when the
    triggerer stops or is restarted. It needs Airflow 3.3.

    A try that was started by the clear may run before this does. What is cancelled here is named by ids that
    the trigger was made with, and which such a try gives up.
    """

    async def on_kill(self) -> None:
        """Cancel what this trigger waits for and has not seen done."""
        waits = self._what.waiting if self._what else unpacked(self.waits)
        self.log.info("Airflow gave the task up: cancelling the %d it waits for.", len(waits))
        async with shared_client(MixpeekHook(self.mixpeek_conn_id)) as mixpeek:
            said = await mixpeek.run(
                cancel_what_can_be(mixpeek.session, list(waits), reason="the Airflow task was given up")
            )
        for sentence in said:
            self.log.warning("%s.", sentence)
