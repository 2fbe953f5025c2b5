"""Which tries a person asked for: our decision, and the facts of Airflow that it rests on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagbag import DBDagBag
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider.mixpeek.operators._tries import Noted, Try, rerun_number

# -- our decision ------------------------------------------------------------------------------------------


def tries(*given: tuple[int, int, int]) -> list[int]:
    """The rerun numbers of tries (number, max_tries, retries), each of which noted itself."""
    before, numbers = None, []
    for number, max_tries, retries in given:
        this = Try(number=number, max_tries=max_tries, retries=retries)
        numbers.append(rerun_number(this, before))
        before = Noted(last=this, rerun_number=numbers[-1])
    return numbers


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param([(1, 2, 2), (2, 2, 2), (3, 2, 2)], [False, False], id="automatic retries"),
        pytest.param([(1, 2, 2), (2, 3, 2)], [True], id="cleared"),
        pytest.param([(1, 0, 0), (2, 1, 0)], [True], id="cleared, without retries"),
        pytest.param([(1, 0, 0), (2, 1, 0), (3, 2, 0)], [True, True], id="cleared twice"),
        pytest.param([(1, 2, 2), (2, 3, 2), (3, 3, 2), (4, 3, 2)], [True, False, False], id="then retried"),
        pytest.param([(1, 2, 2), (2, 2, 2), (3, 4, 2)], [False, True], id="retried, then cleared"),
        pytest.param([(1, 3, 3), (2, 1, 0)], [True], id="retries taken away, and cleared"),
        pytest.param([(1, 3, 3), (2, 3, 2)], [True], id="one taken away, and cleared"),
        pytest.param([(1, 3, 3), (2, 3, 3), (4, 3, 0)], [False, True], id="three taken away, and cleared"),
        pytest.param([(1, 3, 3), (2, 1, 1)], [True], id="taken away, cleared, and one given back"),
        pytest.param([(1, 2, 2), (2, 7, 6)], [True], id="retries added, and cleared"),
        pytest.param([(1, 3, 3), (2, 3, 1)], [False], id="retries taken away, and retried"),
        pytest.param([(1, 1, 1), (2, 1, 5)], [False], id="retries added, and retried"),
        pytest.param([(1, 3, 3), (2, 3, 3), (3, 3, 0)], [False, False], id="taken away later, and retried"),
        pytest.param([(2, 3, 2), (2, 3, 2)], [False], id="one try, noted twice"),
    ],
)
def test_number_grows_when_the_task_was_cleared(given: list[tuple[int, int, int]], asked: list[bool]) -> None:
    numbers = tries(*given)
    assert [later > earlier for earlier, later in pairwise(numbers)] == asked
    assert sorted(numbers) == numbers


@pytest.mark.parametrize(
    ("this", "number"),
    [
        pytest.param((1, 2, 2), 0, id="first try"),
        pytest.param((3, 2, 2), 0, id="a retry whose tries before never came so far"),
        pytest.param((2, 3, 2), 1, id="cleared after try 1"),
        pytest.param((6, 7, 2), 5, id="cleared after try 5"),
        pytest.param((2, 1, 3), 0, id="retries added"),
    ],
)
def test_without_notes_the_number_is_the_try_that_was_cleared(
    this: tuple[int, int, int], number: int
) -> None:
    assert tries(this) == [number]


def test_clear_is_seen_where_the_note_of_the_try_before_is_lost() -> None:
    # What a checkpoint may still hold of the tries before the notes were lost.
    *_, held = tries((1, 2, 2), (2, 3, 2), (3, 4, 2))
    assert tries((5, 6, 2)) > [held]


# -- what Airflow does -------------------------------------------------------------------------------------


@pytest.fixture
def loaded(run_dag: Callable[..., Any]) -> Callable[[], Any]:
    """Runs a DAG of two tasks with two retries each, and returns where it is in the database."""

    def run() -> Any:
        with DAG(f"tries_{uuid4().hex}") as dag:
            for name in ("load", "other"):
                task(task_id=name, retries=2)(lambda: None)()
        return SimpleNamespace(dag_id=dag.dag_id, run_id=run_dag(dag).run_id)

    return run


@contextmanager
def instance(where: Any, task_id: str = "load") -> Iterator[tuple[TaskInstance, Session]]:
    with create_session() as session:
        found = session.scalars(
            select(TaskInstance).where(
                TaskInstance.dag_id == where.dag_id,
                TaskInstance.run_id == where.run_id,
                TaskInstance.task_id == task_id,
            )
        ).one()
        yield found, session


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    "state",
    [
        TaskInstanceState.SUCCESS,
        TaskInstanceState.FAILED,
        TaskInstanceState.UP_FOR_RETRY,
        TaskInstanceState.UP_FOR_RESCHEDULE,
        TaskInstanceState.DEFERRED,
        TaskInstanceState.QUEUED,
        None,
    ],
)
def test_clear_of_a_task_that_does_not_run_is_in_max_tries(
    loaded: Callable[[], Any], state: TaskInstanceState | None, number: int
) -> None:
    where = loaded()
    with instance(where) as (ti, session):
        assert (ti.try_number, ti.max_tries) == (1, 2)
        before = ti.id
        ti.state, ti.try_number = state, number
        clear_task_instances([ti], session)
        assert (ti.state, ti.try_number, ti.max_tries) == (None, number, number + 2)
        # The store is found by this id: what the old try still writes is refused.
        assert ti.id != before
        assert ti.dag_run.clear_number == 1
    with instance(where, "other") as (other, _):
        assert (other.state, other.try_number, other.max_tries) == (TaskInstanceState.SUCCESS, 1, 2)


@pytest.mark.parametrize(
    ("executor_says", "then"),
    [
        # The worker heard of it and ended the task.
        (TaskInstanceState.SUCCESS, (None, 3)),
        # It was gone: Airflow tries again as after a failure, and the clear leaves no trace.
        (TaskInstanceState.FAILED, (TaskInstanceState.UP_FOR_RETRY, 2)),
    ],
)
def test_clear_of_a_running_task_is_in_max_tries_when_its_worker_has_heard_of_it(
    loaded: Callable[[], Any], executor_says: TaskInstanceState, then: Any
) -> None:
    where = loaded()
    with instance(where) as (ti, session):
        ti.state, before = TaskInstanceState.RUNNING, ti.id
        clear_task_instances([ti], session)
        assert (ti.state, ti.max_tries) == (TaskInstanceState.RESTARTING, 2)
        assert ti.id != before
        key = ti.key
    executor = SimpleNamespace(
        get_event_buffer=lambda: {key: (executor_says, None)}, has_task=lambda _: False
    )
    with create_session() as session:
        SchedulerJobRunner.process_executor_events(
            executor=executor, job_id=None, scheduler_dag_bag=DBDagBag(), session=session
        )
    with instance(where) as (ti, _):
        assert (ti.state, ti.max_tries) == then


def test_failure_is_another_try_and_not_a_clear(loaded: Callable[[], Any]) -> None:
    where = loaded()
    with instance(where) as (ti, session):
        ti.state, before = TaskInstanceState.RUNNING, ti.id
        session.commit()
        ti.handle_failure("no heartbeat", session=session)
    with instance(where) as (ti, _):
        assert (ti.state, ti.max_tries) == (TaskInstanceState.UP_FOR_RETRY, 2)
        assert ti.id != before
