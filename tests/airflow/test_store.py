"""Airflow's task state store as a checkpoint: what it keeps, whom it shuts out, what a kill leaves."""

import logging
import os
import selectors
import signal
import threading
from collections.abc import Callable, Iterator
from socket import socketpair
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psutil
import pytest
import structlog
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk import DAG, get_current_context, task
from airflow.sdk._shared.state import TaskScope
from airflow.sdk.api.client import TaskStateStoreOperations
from airflow.sdk.definitions.dag import _run_task
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.comms import CommsDecoder
from airflow.sdk.execution_time.context import TaskStateStoreAccessor
from airflow.sdk.execution_time.supervisor import (
    ActivitySubprocess,
    InProcessTestSupervisor,
    length_prefixed_frame_reader,
    set_supervisor_comms,
)
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider.mixpeek.exceptions import MixpeekTryOverError
from airflow_provider.mixpeek.operators import _store as store_module
from airflow_provider.mixpeek.operators._kill import Kill, TaskKilledError
from airflow_provider.mixpeek.operators._store import StoreCheckpoint, begin_try
from airflow_provider.mixpeek.operators._tries import Try

from .airflows import DagSerialization

FIRST = Try(number=1, max_tries=2, retries=2)


class Supervisor(InProcessTestSupervisor):
    """A supervisor that answers over a socket, as that of a real task does."""

    send_msg = ActivitySubprocess.send_msg


@pytest.fixture
def instance(run_dag: Callable[..., Any]) -> TaskInstance:
    """A task instance that has run, in the database."""
    with DAG(f"store_{uuid4().hex}") as dag:
        task(task_id="load")(lambda: None)()
    return run_dag(dag).get_task_instance("load")


@pytest.fixture
def accessor(instance: TaskInstance) -> Iterator[TaskStateStoreAccessor]:
    """What a task's process has as ``context["task_state_store"]``, with a supervisor to talk to."""
    supervisor = Supervisor(
        id=instance.id,
        pid=os.getpid(),
        process=psutil.Process(),
        process_log=structlog.get_logger(),
        client=InProcessTestSupervisor._api_client(),
    )
    supervisor.stdin, our_end = socketpair()
    answering = supervisor.handle_requests(structlog.get_logger())
    reader = length_prefixed_frame_reader(answering, on_close=supervisor._on_socket_closed)
    supervisor.selector.register(supervisor.stdin, selectors.EVENT_READ, reader)
    supervisor._open_sockets[supervisor.stdin] = "requests"
    thread = threading.Thread(target=supervisor._handle_socket_comms)
    thread.start()
    scope = TaskScope(dag_id=instance.dag_id, run_id=instance.run_id, task_id="load", map_index=-1)
    with supervisor.selector, supervisor.stdin:
        try:
            with set_supervisor_comms(CommsDecoder(socket=our_end)):
                yield TaskStateStoreAccessor(ti_id=instance.id, scope=scope)
        finally:
            our_end.close()
            thread.join()


@pytest.fixture
def checkpoint(accessor: TaskStateStoreAccessor) -> StoreCheckpoint:
    """The checkpoint of a try that has begun."""
    checkpoint = StoreCheckpoint(accessor)
    checkpoint.begin(FIRST)
    return checkpoint


def clear(instance: TaskInstance) -> None:
    with create_session() as session:
        found = session.scalars(select(TaskInstance).where(TaskInstance.id == instance.id)).one()
        clear_task_instances([found], session)


def rows_of(instance: TaskInstance) -> dict[str, TaskStateStoreModel]:
    """What the database holds for a task instance, by name."""
    with create_session() as session:
        found = session.scalars(
            select(TaskStateStoreModel).where(
                TaskStateStoreModel.dag_id == instance.dag_id, TaskStateStoreModel.run_id == instance.run_id
            )
        ).all()
        session.expunge_all()
        return {row.key: row for row in found}


# -- what it keeps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"watermark": 60_000, "counts": {"created": 1}, "done": False, "share": 0.25},
        ["batch_1", 2, None, {"of": []}],
        "Düsseldorf\n\0 \U0001f600",
        "x" * 50_000,
        2**63 - 1,
        0,
        False,
        "",
        {},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_was_set_is_got(checkpoint: StoreCheckpoint, value: Any) -> None:
    checkpoint.set("batches-0", "before")
    checkpoint.set("batches-0", value)
    got = checkpoint.get("batches-0")
    assert (got, type(got)) == (value, type(value))


def test_what_was_never_set_is_none(checkpoint: StoreCheckpoint) -> None:
    assert checkpoint.get("watermark") is None


def test_names_are_not_those_of_the_user(
    accessor: TaskStateStoreAccessor, checkpoint: StoreCheckpoint
) -> None:
    accessor.set("watermark", "theirs")
    checkpoint.set("watermark", "ours")
    assert (accessor.get("watermark"), checkpoint.get("watermark")) == ("theirs", "ours")
    # No name of a checkpoint is the one that the try is noted under.
    assert checkpoint.get("try") is None


def test_it_is_kept_as_long_as_the_administrator_says(
    checkpoint: StoreCheckpoint, instance: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__STATE_STORE__DEFAULT_RETENTION_DAYS", "7")
    checkpoint.set("watermark", 1)
    row = rows_of(instance)["mixpeek.watermark"]
    assert round((row.expires_at - row.updated_at).total_seconds() / 86_400) == 7


# -- whom it shuts out -------------------------------------------------------------------------------------


def test_airflow_shuts_the_store_to_a_try_that_is_over_and_says_so_only_to_writes(
    accessor: TaskStateStoreAccessor, instance: TaskInstance
) -> None:
    """Why the checkpoint takes an empty answer for no answer. If this fails, it need not any more."""
    accessor.set("watermark", 1)
    clear(instance)
    assert accessor.get("watermark") is None
    with pytest.raises(AirflowRuntimeError):
        accessor.set("watermark", 2)


@pytest.mark.parametrize(
    "use",
    [
        lambda checkpoint: checkpoint.set("watermark", 2),
        lambda checkpoint: checkpoint.get("watermark"),
        lambda checkpoint: checkpoint.get("never-set"),
        lambda checkpoint: checkpoint.begin(FIRST),
    ],
    ids=["set", "get", "get nothing", "begin"],
)
def test_a_try_that_is_over_is_told_so(
    checkpoint: StoreCheckpoint, instance: TaskInstance, use: Callable[[StoreCheckpoint], Any]
) -> None:
    checkpoint.set("watermark", 1)
    clear(instance)
    with pytest.raises(MixpeekTryOverError, match="put an end to this try"):
        use(checkpoint)
    assert rows_of(instance)["mixpeek.watermark"].value == "1"


def test_other_refusals_are_told_as_they_are(
    checkpoint: StoreCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(TaskStateStoreOperations, "set", refuse)
    with pytest.raises(AirflowRuntimeError):
        checkpoint.set("watermark", 2)


# -- what an interruption leaves ---------------------------------------------------------------------------


@pytest.fixture
def signal_inside_a_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Has a handler run in the main thread while Airflow works on the next value that is set."""
    before = signal.getsignal(signal.SIGUSR1)

    def arrange(handle: Callable[[], None]) -> None:
        handled = threading.Event()
        as_it_is = TaskStateStoreOperations.set

        def on_signal(*_: object) -> None:
            if not handled.is_set():
                handled.set()
                handle()

        def interrupted(self: TaskStateStoreOperations, *given: Any, **named: Any) -> Any:
            monkeypatch.setattr(TaskStateStoreOperations, "set", as_it_is)
            # A signal that comes in the instant before a wait does not end it.
            while not handled.wait(timeout=0.01):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            return as_it_is(self, *given, **named)

        signal.signal(signal.SIGUSR1, on_signal)
        monkeypatch.setattr(TaskStateStoreOperations, "set", interrupted)

    yield arrange
    signal.signal(signal.SIGUSR1, before)


def test_kill_inside_a_call_leaves_a_store_that_answers(
    checkpoint: StoreCheckpoint, signal_inside_a_call: Callable[[Callable[[], None]], None]
) -> None:
    kill = Kill()

    def load() -> None:
        with kill.ends():
            try:
                checkpoint.set("watermark", 1)
            finally:
                # On its way out a load writes how far it came; what was under way comes before it.
                checkpoint.set("watermark", 2)

    checkpoint.set("salt", "s")
    signal_inside_a_call(kill.ask)
    with pytest.raises(TaskKilledError):
        load()
    assert (checkpoint.get("salt"), checkpoint.get("watermark")) == ("s", 2)


def test_airflow_itself_mixes_up_answers_after_an_interruption(
    accessor: TaskStateStoreAccessor, signal_inside_a_call: Callable[[Callable[[], None]], None]
) -> None:
    """Why the checkpoint has its calls made in another thread. If this fails, it need not any more."""

    def interrupt() -> None:
        raise TaskKilledError

    accessor.set("salt", "s")
    signal_inside_a_call(interrupt)
    with pytest.raises(TaskKilledError):
        accessor.set("watermark", 1)
    assert accessor.get("salt") is None


# -- a task's tries ----------------------------------------------------------------------------------------


def test_tries_of_a_task_go_on_from_one_another_until_a_person_clears_it(
    run_dag: Callable[..., Any],
) -> None:
    seen: list[Any] = []

    with DAG(f"begun_{uuid4().hex}") as dag:

        @task(retries=2, retry_delay=0)
        def load() -> None:
            context = get_current_context()
            checkpoint, rerun_number = begin_try(context, without_store="")
            assert checkpoint is not None
            seen.append((context["ti"].try_number, rerun_number, checkpoint.get("watermark")))
            checkpoint.set("watermark", len(seen))
            if len(seen) in (1, 3):
                raise RuntimeError("once more")

        load()

    def run_again() -> None:
        with create_session() as session:
            ti = run.get_task_instance("load", session=session)
            ti.task = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).get_task("load")
            run.schedule_tis([ti], session=session)
        _run_task(ti=run.get_task_instance("load"), task=dag.get_task("load"))

    run = run_dag(dag)
    clear(run.get_task_instance("load"))
    run_again()
    run_again()
    clear(run.get_task_instance("load"))
    run_again()
    assert seen == [(1, 0, None), (2, 0, 1), (3, 1, 2), (4, 1, 3), (5, 2, 4)]


def test_another_run_and_another_mapped_part_begin_from_nothing(run_dag: Callable[..., Any]) -> None:
    seen: list[Any] = []

    with DAG(f"parts_{uuid4().hex}") as dag:

        @task
        def load(part: int) -> None:
            checkpoint, _ = begin_try(get_current_context(), without_store="")
            assert checkpoint is not None
            seen.append((part, checkpoint.get("watermark")))
            checkpoint.set("watermark", part)

        load.expand(part=[1, 2])
    run_dag(dag)
    run_dag(dag)
    assert sorted(seen) == [(1, None), (1, None), (2, None), (2, None)]


def test_emptied_store_leaves_a_number_above_nought(
    accessor: TaskStateStoreAccessor, checkpoint: StoreCheckpoint
) -> None:
    """What ``[state_store] clear_on_success`` makes of a task that is cleared after it succeeded."""
    checkpoint.set("watermark", 1)
    accessor.clear()
    assert StoreCheckpoint(accessor).begin(Try(number=2, max_tries=3, retries=2)) == 1


def test_airflow_without_a_store_leaves_a_task_without_a_checkpoint_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ti = SimpleNamespace(try_number=2, max_tries=3, task=SimpleNamespace(retries=2))
    with caplog.at_level(logging.WARNING, store_module.log.name):
        assert begin_try({"ti": ti}, without_store="a retry begins anew") == (None, 1)
    (said,) = caplog.messages
    assert said == "This Airflow has no task state store (it came with 3.3): a retry begins anew."
