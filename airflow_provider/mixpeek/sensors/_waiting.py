"""What the sensors share: waiting in three modes, all of which end alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from airflow_provider.mixpeek._airflow_versions import (
    AirflowSensorTimeout,
    AirflowSkipException,
    default_deferrable,
)
from airflow_provider.mixpeek.exceptions import (
    MixpeekLostContactError,
    MixpeekNotSubmittedError,
    MixpeekTaskFailedError,
    MixpeekTaskLostError,
    MixpeekTaskPartialError,
)
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.sensors._memory import Memory, memory

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import WaitFor
    from airflow_provider.mixpeek.waiting import Report, Watch


class GaveUpError(AirflowSensorTimeout):
    """The deadline came first, and this says so in our words."""


class WaitSensor(BaseSensorOperator):
    """
    Base of the sensors that wait for tasks and batches.

    A subclass says what there is to wait for, and documents the parameters.
    """

    ui_color = "#fff4e5"

    def __init__(
        self,
        *,
        partial_ok: bool,
        max_failed_looks: int,
        deferrable: bool | None,
        mixpeek_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partial_ok = partial_ok
        self.max_failed_looks = max_failed_looks
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.mixpeek_conn_id = mixpeek_conn_id
        # Made at the first look of a try, and anew in each process.
        self._watch: Watch[WaitFor] | None = None
        self._memory: Memory | None = None

    def waits(self) -> list[WaitFor]:
        """What to wait for, each once."""
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        """Wait, and say what a timeout or a skip means."""
        self._watch = None
        if self.deferrable:
            # As if it were resumed: Airflow then treats errors of this look as it does those of all others.
            return self.resume_execution("begin_deferrable", None, context)
        with self._in_our_words():
            return super().execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral, and say what a timeout or a skip means."""
        with self._in_our_words():
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSkipException:
                raise
            except Exception as error:
                # Airflow skips less here than in the other modes: never_fail, its own errors only; soft_fail,
                # in early 3.1 no timeout of its own.
                soft = self.soft_fail and isinstance(error, AirflowSensorTimeout)
                if not (soft or self.never_fail):
                    raise
                why = "soft_fail" if soft else "never_fail"
                raise AirflowSkipException(f"Skipping due to {why} is set to True.") from error

    # -- poke and reschedule mode --

    def poke(self, context: Context) -> bool:
        """Look once at everything that is not done yet."""
        if self._watch is None:
            self._watch = self._begin(context)
        if not self._watch.waiting:
            self.log.info("Nothing to wait for.")
            return True
        try:
            return self._look(self._watch)
        finally:
            if self._memory is not None:
                self._memory.note(self._watch.waiting)

    def _begin(self, context: Context) -> Watch[WaitFor]:
        from airflow_provider.mixpeek.waiting import Rules, Watch

        waits = self.waits()
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        self._memory = memory(context, waits) if self.reschedule else None
        failed_looks = self._memory.recall() if self._memory else dict.fromkeys(waits, 0)
        bears_all = self.reschedule and self._memory is None
        return Watch(
            failed_looks,
            since=first.timestamp() if first else time.time(),
            rules=Rules(max_failed_looks=None if bears_all else self.max_failed_looks),
            partial_ok=self.partial_ok,
            failed_looks=failed_looks,
        )

    # -- deferrable mode --

    def begin_deferrable(self, _: Context) -> None:
        """Look once; defer if that is not enough."""
        now = time.time()
        waits = self.waits()
        if not waits:
            self.log.info("Nothing to wait for.")
        self._go_on(waits, waits, since=now, deadline=now + self.timeout)

    def execute_complete(self, _: Context, event: Any = None) -> None:
        """
        Take what the trigger tells; go on with what is left.

        :raises MixpeekTriggerError: the trigger failed by itself, or its event is not understood.
        """
        from airflow_provider.mixpeek.triggers._deferral import Taken, take

        waits = self.waits()
        taken = take(event, waits, tell=self.log.warning)
        if not isinstance(taken, Taken):
            raise _error(taken)
        self._go_on(waits, taken.left, since=taken.since, deadline=taken.deadline)

    def _go_on(
        self, waits: Sequence[WaitFor], left: Sequence[WaitFor], *, since: float, deadline: float
    ) -> None:
        from airflow_provider.mixpeek.waiting import Rules, Watch

        self._watch = Watch(
            left,
            since=since,
            rules=Rules(deadline=deadline, max_failed_looks=self.max_failed_looks),
            partial_ok=self.partial_ok,
        )
        if self._watch.waiting and not self._look(self._watch):
            self._defer(waits, list(self._watch.waiting), since=since, deadline=deadline)

    def _defer(
        self, waits: Sequence[WaitFor], left: Sequence[WaitFor], *, since: float, deadline: float
    ) -> None:
        from airflow_provider.mixpeek.triggers._deferral import trigger_for
        from airflow_provider.mixpeek.triggers.waits import MixpeekWaitTrigger

        trigger, timeout, size = trigger_for(
            waits,
            left,
            kind=MixpeekWaitTrigger,
            partial=(),
            since=since,
            deadline=deadline,
            now=time.time(),
            partial_ok=self.partial_ok,
            max_failed_looks=self.max_failed_looks,
            mixpeek_conn_id=self.mixpeek_conn_id,
        )
        self.log.info("Deferring for %d of %d that are left.", size, len(left))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    # -- all modes --

    def _look(self, watch: Watch[WaitFor]) -> bool:
        """Look once at all that is waited for; say whether that is all done."""
        from airflow_provider.mixpeek.client._waits import look_at

        waits = list(watch.waiting)
        now = time.time()
        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            looks = mixpeek.run(look_at(mixpeek.session, waits))
        done = len(watch.done)
        for wait, (_, seen) in zip(waits, looks, strict=True):
            watch.saw(wait, seen, now=now)
        for news in watch.news():
            self.log.warning("%s.", news)
        if watch.bad:
            raise _error(watch.report())
        self.log.info("%d done, %d still waited for.", len(watch.done) - done, len(watch.waiting))
        return not watch.waiting

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except GaveUpError:
            raise
        except AirflowSensorTimeout as timeout:
            raise GaveUpError(f"{self._gave_up()} {timeout}") from timeout
        except AirflowSkipException as skip:
            # Airflow's own text says that it skips, and not why.
            cause = skip.__cause__
            airflows = isinstance(cause, AirflowSensorTimeout) and not isinstance(cause, GaveUpError)
            raise AirflowSkipException(
                f"{self._gave_up() if cause is None or airflows else cause} {skip}"
            ) from skip

    def _gave_up(self) -> str:
        from airflow_provider.mixpeek.triggers._deferral import NOTHING_HEARD

        watch = self._watch
        return str(watch.given_up()) if watch is not None and watch.waiting else NOTHING_HEARD


def _error(report: Report) -> Exception:
    """One error for all that ended badly, of the worst kind among them."""
    from airflow_provider.mixpeek.waiting import End

    kinds: dict[End, type[Exception]] = {
        End.FAILED: MixpeekTaskFailedError,
        End.PARTIAL: MixpeekTaskPartialError,
        End.NOT_SUBMITTED: MixpeekNotSubmittedError,
        End.LOST: MixpeekTaskLostError,
        End.LOST_CONTACT: MixpeekLostContactError,
        End.GAVE_UP: GaveUpError,
    }
    return kinds[report.worst](str(report))
