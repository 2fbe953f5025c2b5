"""The sensor that waits for tasks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from airflow_provider.mixpeek._airflow_versions import AirflowSensorTimeout, AirflowSkipException
from airflow_provider.mixpeek.exceptions import (
    MixpeekLostContactError,
    MixpeekNotSubmittedError,
    MixpeekTaskFailedError,
    MixpeekTaskLostError,
    MixpeekTaskPartialError,
)
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import MixpeekClient, WaitFor
    from airflow_provider.mixpeek.waiting import Ended, Progress

__all__ = ["MixpeekTaskSensor"]

#: Ends that an error names one by one.
_NAMED_ENDS = 10

#: What a template leaves where there was no id is none.
_ID = re.compile(r"(?!None$)[\w.:-]+")


class MixpeekTaskSensor(BaseSensorOperator):
    """
    Wait until tasks are done.

    Where the batch of a task is known, the batch is judged: it has several tasks, and is remembered longer.
    Nothing to wait for is a success.

    :param task_ids: Task ids, or the ``waits`` of another task (templated): one or many, nested as mapped
        tasks nest them.
    :param partial_ok: Take work of which a part failed for done, and log what failed.
    :param max_failed_looks: Looks in a row that may fail, because the server is down or overloaded, before
        contact counts as lost. In reschedule mode, which keeps no count, all are borne until ``timeout``.
    :param mixpeek_conn_id: Id of the connection (templated).
    :raises MixpeekTaskFailedError: a task failed or was cancelled, with the vendor's reason; not retried by
        Airflow, skipped with ``soft_fail``.
    :raises MixpeekTaskPartialError: a part of one failed, without ``partial_ok``.
    :raises MixpeekNotSubmittedError: a batch was never submitted.
    :raises MixpeekTaskLostError: the server knows a task no longer.
    :raises MixpeekLostContactError: too many looks in a row failed; Airflow may retry it.
    :raises AirflowSensorTimeout: the sensor gave up waiting, which says nothing about the work.
    """

    template_fields: Sequence[str] = ("task_ids", "mixpeek_conn_id")
    ui_color = "#fff4e5"

    def __init__(
        self,
        *,
        task_ids: Any,
        partial_ok: bool = False,
        max_failed_looks: int = 10,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_ids = task_ids
        self.partial_ok = partial_ok
        self.max_failed_looks = max_failed_looks
        self.mixpeek_conn_id = mixpeek_conn_id
        # What is still waited for; made at the first look of a try, and anew after each reschedule.
        self._waiting: dict[WaitFor, Progress] | None = None

    def execute(self, context: Context) -> Any:
        """Wait, and say what a timeout or a skip means."""
        self._waiting = None
        try:
            return super().execute(context)
        except AirflowSensorTimeout as timeout:
            raise AirflowSensorTimeout(f"{self._gave_up()} {timeout}") from timeout
        except AirflowSkipException as skip:
            # Airflow's own text says that it skips, and not why.
            raise AirflowSkipException(f"{skip.__cause__ or self._gave_up()} {skip}") from skip

    def poke(self, context: Context) -> bool:
        """Look once at everything that is not done yet."""
        if self._waiting is None:
            self._waiting = self._start(context)
        if not self._waiting:
            self.log.info("Nothing to wait for.")
            return True
        ended: dict[WaitFor, Ended] = {}
        with MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            for wait in self._waiting:
                verdict = self._look(mixpeek, wait)
                if verdict is not None:
                    ended[wait] = verdict
        self._settle(ended)
        self.log.info("%d done, %d still waited for.", len(ended), len(self._waiting))
        return not self._waiting

    def _start(self, context: Context) -> dict[WaitFor, Progress]:
        from airflow_provider.mixpeek.waiting import Progress

        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        since = first.timestamp() if first else time.time()
        return {wait: Progress(since=since) for wait in flattened(self.task_ids)}

    def _look(self, mixpeek: MixpeekClient, wait: WaitFor) -> Ended | None:
        from airflow_provider.mixpeek.waiting import Ended, Rules, judge

        assert self._waiting is not None  # noqa: S101 - poke has made it
        rules = Rules(max_failed_looks=None if self.reschedule else self.max_failed_looks)
        progress, verdict = judge(mixpeek.look(wait), self._waiting[wait], now=time.time(), rules=rules)
        self._waiting[wait] = progress
        if isinstance(verdict, Ended):
            return verdict
        if verdict.news:
            self.log.warning("%s: %s", wait, verdict.news)
        return None

    def _settle(self, ended: dict[WaitFor, Ended]) -> None:
        """Forget what is done; raise what is not well, which stays waited for if Airflow goes on."""
        from airflow_provider.mixpeek.waiting import End

        assert self._waiting is not None  # noqa: S101 - poke has made it
        bad: dict[WaitFor, Ended] = {}
        for wait, verdict in ended.items():
            taken = verdict.end is End.DONE or (verdict.end is End.PARTIAL and self.partial_ok)
            if not taken:
                bad[wait] = verdict
                continue
            if verdict.end is End.PARTIAL:
                self.log.warning("%s: %s", wait, verdict.sentence)
            del self._waiting[wait]
        if bad:
            raise _error(bad, still=len(self._waiting) - len(bad))

    def _gave_up(self) -> str:
        waiting = self._waiting or {}
        some = "; ".join(
            f"{wait} ({_last_seen(progress)})" for wait, progress in list(waiting.items())[:_NAMED_ENDS]
        )
        return (
            f"Gave up waiting, which does not mean that anything failed: {len(waiting)} not done, "
            f"last seen as: {some}{'; ...' if len(waiting) > _NAMED_ENDS else ''}."
        )


def flattened(given: Any) -> list[WaitFor]:
    """
    What to wait for, each once, in order: of ids, waits, or any nesting of sequences of them.

    :raises MixpeekConfigError: something in it is neither.
    """
    from airflow_provider.mixpeek.client import MixpeekConfigError, WaitFor

    if given is None:
        return []
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping | WaitFor):
        # The lazy sequence of a mapped task's XComs is fetched whole by a slice, and one by one by a loop.
        parts = given[:] if isinstance(given, Sequence) else given
        return list(dict.fromkeys(wait for part in parts for wait in flattened(part)))
    if isinstance(given, str) and not _ID.fullmatch(given.strip()):
        raise MixpeekConfigError(
            f"{given!r} is not the id of a task",
            hint='Jinja makes text of everything: pass create.output["waits"] instead of a template.',
        )
    return [WaitFor.of(given)]


def _error(bad: dict[WaitFor, Ended], *, still: int) -> Exception:
    """One error for all that ended badly, of the worst kind among them."""
    from airflow_provider.mixpeek.waiting import End

    # Lost contact says nothing about the work, so anything that does is worse.
    kinds: dict[End, type[Exception]] = {
        End.FAILED: MixpeekTaskFailedError,
        End.PARTIAL: MixpeekTaskPartialError,
        End.NOT_SUBMITTED: MixpeekNotSubmittedError,
        End.LOST: MixpeekTaskLostError,
        End.LOST_CONTACT: MixpeekLostContactError,
    }
    ranks = list(kinds)
    worst_first = sorted(bad.items(), key=lambda item: ranks.index(item[1].end))
    some = "; ".join(f"{wait} {verdict.sentence}" for wait, verdict in worst_first[:_NAMED_ENDS])
    more = f"; and {len(bad) - _NAMED_ENDS} more" if len(bad) > _NAMED_ENDS else ""
    left = f" {still} more were still running; they are no longer watched." if still else ""
    return kinds[worst_first[0][1].end](f"{some}{more}.{left}")


def _last_seen(progress: Progress) -> str:
    word = progress.word or "no status seen"
    return f"{word}; then {progress.failed_looks} failed looks" if progress.failed_looks else word
