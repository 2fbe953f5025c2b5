"""What operators share whose work goes on at the server: waiting for it, and cancelling it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider.mixpeek._airflow_versions import (
    TaskDeferralTimeout,
    default_deferrable,
    triggers_hear_of_a_kill,
)
from airflow_provider.mixpeek._supervisor import undisturbed
from airflow_provider.mixpeek.client._wait_for import A_DAY, flattened
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators import _outlets
from airflow_provider.mixpeek.operators._kill import Kill, TaskKilledError
from airflow_provider.mixpeek.operators._store import StoreCheckpoint, begin_try
from airflow_provider.mixpeek.waiting import shortened

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider.mixpeek.client import MixpeekClient, WaitFor

#: Failed objects that a result names; it counts all.
MOST_NAMED = 100


class WorkOperator(BaseOperator):
    """
    Base of the operators whose work goes on at the server after they have asked for it.

    A subclass starts the work in :meth:`start`. While it is waited for, on the worker or in the triggerer,
    the result is the task's XCom already, so that it is there even when the work fails.

    :param wait_for_completion: Wait until the work is done.
    :param wait_timeout: Seconds to wait at most, with a last look at the end.
    :param deferrable: Wait in the triggerer; None: as ``[operators] default_deferrable`` says.
    :param partial_ok: Take work of which a part failed for done.
    :param max_failed_looks: Looks in a row that may fail before contact counts as lost.
    :param cancel_on_kill: Cancel the work when Airflow gives the task up, or a person clears it.
    :param emit_asset: Tell Airflow that the asset of the bucket has changed, once the task has succeeded.
    :param mixpeek_conn_id: Id of the connection.
    :raises ValueError: ``wait_timeout`` or ``max_failed_looks`` is no such number.
    """

    #: What it costs a retry that Airflow keeps nothing between two tries (before 3.3).
    without_store = ""

    def __init__(
        self,
        *,
        wait_for_completion: bool,
        wait_timeout: float = A_DAY,
        deferrable: bool | None = None,
        partial_ok: bool = False,
        max_failed_looks: int = 10,
        cancel_on_kill: bool = False,
        emit_asset: bool = False,
        mixpeek_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True} | kwargs)
        if not 0 <= wait_timeout < math.inf:
            raise ValueError(f"wait_timeout is {wait_timeout!r}, and must be a number of seconds")
        if max_failed_looks < 0:
            raise ValueError(f"max_failed_looks is {max_failed_looks!r}, and must not be negative")
        self.wait_for_completion = wait_for_completion
        self.wait_timeout = wait_timeout
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.partial_ok = partial_ok
        self.max_failed_looks = max_failed_looks
        self.cancel_on_kill = cancel_on_kill
        self.emit_asset = emit_asset
        self.mixpeek_conn_id = mixpeek_conn_id
        if emit_asset:
            _outlets.declare(self)
        self._kill = Kill()

    def start(
        self,
        mixpeek: MixpeekClient,
        context: Context,
        checkpoint: StoreCheckpoint | None,
        rerun_number: int,
    ) -> dict[str, Any]:
        """
        Start the work, or take up what an earlier try has started.

        :param checkpoint: What the tries of the task remember; None where Airflow has no store for it.
        :param rerun_number: Grows when a person clears the task.
        :return: The result; its ``waits`` are what there is to wait for.
        """
        raise NotImplementedError

    def remember(self, mixpeek: MixpeekClient, result: dict[str, Any]) -> None:
        """Be told the result: when the work is started, after each deferral, and at the end."""

    def noted_waits(
        self,
        mixpeek: MixpeekClient,  # noqa: ARG002 - for those who have to look at the server
        checkpoint: StoreCheckpoint,
    ) -> list[WaitFor]:
        """What is noted of work that was being started when the task was killed."""
        from airflow_provider.mixpeek.client import WaitFor
        from airflow_provider.mixpeek.ingest._journal import Journal

        return [WaitFor(None, batch.batch_id, batch.bucket_id) for batch in Journal.noted(checkpoint)]

    def hint_after_failure(self, mixpeek: MixpeekClient) -> str:  # noqa: ARG002 - for those whose server matters
        """What a retry does after work has failed: for who reads the error."""
        return "A retry takes up what runs or is done, and has what failed processed again."

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the work and, when that is asked for, wait for it."""
        with self._under_way() as work:
            if self.cancel_on_kill:
                _check_cancelling(work.mixpeek)
            if self.emit_asset:
                _outlets.check_namespace(work.mixpeek)
            work.checkpoint, rerun_number = begin_try(context, without_store=self.without_store)
            result = self.start(work.mixpeek, context, work.checkpoint, rerun_number)
            self.remember(work.mixpeek, result)
            work.waits = flattened(result["waits"])
            return self._announced(
                context, work.mixpeek, self._go_on(work.mixpeek, context, result, work.waits)
            )

    def on_kill(self) -> None:
        """End within seconds, with a note of how far it is; batches go on, unless it cancels them."""
        self._kill.ask()

    # -- waiting -------------------------------------------------------------------------------------------

    def _go_on(
        self, mixpeek: MixpeekClient, context: Context, result: dict[str, Any], waits: Sequence[WaitFor]
    ) -> dict[str, Any]:
        if not self.wait_for_completion:
            if waits:
                self.log.info("There are %d tasks to wait for.", len(waits))
            return result
        self._keep(context, result)
        now = time.time()
        if self.deferrable and waits:
            self._defer(waits, waits, done_in_part=(), since=now, deadline=now + self.wait_timeout)
        return self._finished(mixpeek, result, self._wait(mixpeek, waits))

    def _wait(self, mixpeek: MixpeekClient, waits: Sequence[WaitFor]) -> Sequence[WaitFor]:
        """Wait on the worker; return what is done in part."""
        from airflow_provider.mixpeek.client import MixpeekWorkError
        from airflow_provider.mixpeek.client._waits import wait

        self.log.info("Waiting for %d on the worker.", len(waits))
        flow = wait(
            mixpeek.session,
            waits,
            timeout=self.wait_timeout,
            partial_ok=self.partial_ok,
            max_failed_looks=self.max_failed_looks,
            progress=None,
        )
        try:
            return list(mixpeek.run(flow).partial)
        except MixpeekWorkError as error:
            error.hint = self.hint_after_failure(mixpeek)
            raise

    def _defer(
        self,
        waits: Sequence[WaitFor],
        left: Sequence[WaitFor],
        *,
        done_in_part: Sequence[WaitFor],
        since: float,
        deadline: float,
    ) -> None:
        from airflow_provider.mixpeek.triggers._deferral import trigger_for
        from airflow_provider.mixpeek.triggers.waits import MixpeekWaitTrigger, MixpeekWorkTrigger

        if self.cancel_on_kill and not triggers_hear_of_a_kill():
            self.log.warning(
                "Before Airflow 3.3 a trigger does not hear that its task is given up: what is waited for is "
                "not cancelled then."
            )
        trigger, timeout, size = trigger_for(
            waits,
            left,
            kind=MixpeekWorkTrigger if self.cancel_on_kill else MixpeekWaitTrigger,
            partial=done_in_part,
            since=since,
            deadline=deadline,
            now=time.time(),
            partial_ok=self.partial_ok,
            max_failed_looks=self.max_failed_looks,
            mixpeek_conn_id=self.mixpeek_conn_id,
        )
        self.log.info("Deferring for %d of %d that are left.", size, len(left))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """
        Take what the trigger tells; go on with what is left.

        :raises MixpeekWorkError: the work did not end well.
        :raises MixpeekTriggerError: the trigger failed by itself, or its event is not understood.
        """
        from airflow_provider.mixpeek.client._waits import work_error
        from airflow_provider.mixpeek.triggers._deferral import Taken, take

        with self._under_way() as work:
            result = self._kept(context)
            self.remember(work.mixpeek, result)
            work.waits = flattened(result["waits"])
            taken = take(event, work.waits, tell=self.log.warning)
            if not isinstance(taken, Taken):
                raise work_error(taken, hint=self.hint_after_failure(work.mixpeek))
            if taken.left:
                self._defer(
                    work.waits,
                    taken.left,
                    done_in_part=taken.partial,
                    since=taken.since,
                    deadline=taken.deadline,
                )
            return self._announced(context, work.mixpeek, self._finished(work.mixpeek, result, taken.partial))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Go on after a deferral.

        :raises MixpeekWaitTimeoutError: Airflow itself ended the deferral, past the deadline.
        """
        from airflow_provider.mixpeek.client import MixpeekWaitTimeoutError

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as timeout:
            from airflow_provider.mixpeek.triggers._deferral import NOTHING_HEARD

            raise MixpeekWaitTimeoutError(NOTHING_HEARD) from timeout

    # -- the result ----------------------------------------------------------------------------------------

    @property
    def _result_key(self) -> str:
        # Where Airflow is not to keep the result as the task's own, the deferral needs it all the same.
        return "return_value" if self.do_xcom_push else "mixpeek_result"

    def _keep(self, context: Context, result: dict[str, Any]) -> None:
        fields = result if self.do_xcom_push and self.multiple_outputs else {}
        for key, value in {self._result_key: result, **fields}.items():
            undisturbed(partial(context["ti"].xcom_push, key=key, value=value))

    def _kept(self, context: Context) -> dict[str, Any]:
        from airflow_provider.mixpeek.exceptions import MixpeekTriggerError

        ti = context["ti"]
        # Without the index Airflow answers those of all siblings of a mapped task.
        result = undisturbed(partial(ti.xcom_pull, key=self._result_key, map_indexes=ti.map_index))
        if not isinstance(result, dict):
            raise MixpeekTriggerError(
                f"The XCom {self._result_key!r} is gone, in which this task kept what it waits for. The work "
                "itself is not touched by this; a retry takes it up."
            )
        return result

    def _finished(
        self, mixpeek: MixpeekClient, result: dict[str, Any], done_in_part: Sequence[WaitFor]
    ) -> dict[str, Any]:
        """The result, with what failed of the work that is done in part."""
        from airflow_provider.mixpeek.client import MixpeekNotFoundError

        redact = mixpeek.session.settings.redact
        count = 0
        named: list[dict[str, str]] = []
        for wait in done_in_part:
            if wait.batch_id is None or wait.bucket is None:
                continue  # a task does not tell of its objects, and how it ended is in the log
            try:
                batch = mixpeek.batches.get(wait.bucket, wait.batch_id)
            except MixpeekNotFoundError:
                self.log.warning(
                    "%s was done in part and is not there any more: what failed is not known.", wait
                )
                continue
            count += batch.failed_object_count or len(batch.failed_objects)
            named += [
                {
                    "object_id": failed.object_id,
                    "batch_id": wait.batch_id,
                    "reason": shortened(redact(failed.error)),
                }
                for failed in batch.failed_objects[: MOST_NAMED - len(named)]
            ]
        if count:
            self.log.warning("Done in part: %d objects failed; the result names %d.", count, len(named))
        else:
            self.log.info("All is done.")
        result = {**result, "failed": count, "failed_objects": named}
        self.remember(mixpeek, result)
        return result

    def _announced(self, context: Context, mixpeek: MixpeekClient, result: dict[str, Any]) -> dict[str, Any]:
        """The same result, told to Airflow as the event of an asset."""
        _outlets.tell(
            self,
            context,
            namespace=mixpeek.session.settings.namespace,
            bucket=getattr(self, "bucket", None) or result.get("bucket_id"),
            result=result,
            emit=self.emit_asset,
        )
        return result

    # -- cancelling ----------------------------------------------------------------------------------------

    @contextmanager
    def _under_way(self) -> Iterator[_Work]:
        """Surround what a kill is to end, after which the work may have to be cancelled."""
        with self._kill.ends(), MixpeekHook(self.mixpeek_conn_id).get_client() as mixpeek:
            work = _Work(mixpeek)
            try:
                yield work
            except TaskKilledError:
                if self.cancel_on_kill:
                    self._cancel(work)
                raise

    def _cancel(self, work: _Work) -> None:
        """Cancel what was submitted, in the five seconds that Airflow gives a task to end."""
        from airflow_provider.mixpeek.client._cancelling import cancel_what_can_be

        waits = self._submitted(work) if work.waits is None else work.waits
        if not waits:
            return
        self.log.info("Killed: cancelling what still runs of the %d that were submitted.", len(waits))
        flow = cancel_what_can_be(work.mixpeek.session, waits, reason="the Airflow task was killed")
        for sentence in work.mixpeek.run(flow):
            self.log.warning("%s.", sentence)

    def _submitted(self, work: _Work) -> list[WaitFor]:
        """What is noted of work that was being submitted."""
        from airflow_provider.mixpeek.exceptions import MixpeekTryOverError

        if work.checkpoint is None:
            self.log.warning("Killed while it submitted: nothing is cancelled, for nothing could be noted.")
            return []
        try:
            return self.noted_waits(work.mixpeek, work.checkpoint)
        except MixpeekTryOverError:
            self.log.info("The next try has begun, and cancels what this one has submitted.")
            return []


@dataclass
class _Work:
    """
    What is under way.

    :param waits: What there is to wait for; None until it is known.
    """

    mixpeek: MixpeekClient
    checkpoint: StoreCheckpoint | None = None
    waits: Sequence[WaitFor] | None = None


def _check_cancelling(mixpeek: MixpeekClient) -> None:
    from airflow_provider.mixpeek.client import MixpeekGenerationError

    api = mixpeek.session.api
    if api.processes_on_create:
        raise MixpeekGenerationError(
            f"the {api.name} generation of the API has no batches that could be cancelled",
            hint="Leave cancel_on_kill out.",
        )
