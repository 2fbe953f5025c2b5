"""Somebody kills what runs, at the worst moment: each row is one object all the same, processed once."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from .processes import until
from .stack import Stack

pytestmark = pytest.mark.system

ROWS = 20_000
BATCHES = "/v1/buckets/*/batches/*/submit"
OBJECTS = "/v1/buckets/*/objects/batch"


def on(*flavours: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stack", flavours, indirect=True)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return written(tmp_path / "rows.csv", ROWS)


def written(path: Path, count: int) -> str:
    """A file of rows that workers may read, whoever they run as."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "title"])
        table.writerows([number, f"Title {number}"] for number in range(count))
    return str(path)


def slowly(stack: Stack, seconds: float = 0.3) -> None:
    """Have each hundred rows take their time, so that there is a middle to strike in."""
    stack.emulator.fault({"fault": "latency", "seconds": seconds, "path": OBJECTS})


def last_for(stack: Stack, seconds: float, **how: Any) -> None:
    """Have tasks of the server take so long."""
    stack.emulator.fault({"fault": "task_outcome", "seconds": seconds, **how})


def stored(stack: Stack) -> int:
    return stack.emulator.state()["objects"]


def in_the_middle(stack: Stack, count: int = ROWS) -> None:
    """Wait until some rows are stored, and see that not all are."""
    until("rows are being stored", lambda: stored(stack) >= count // 10, seconds=90, every=0.05)
    assert stored(stack) < count * 9 // 10


def once_each(stack: Stack, count: int = ROWS) -> None:
    """See that each row is one object, and was processed once."""
    with stack.emulator.client() as mixpeek:
        bucket = mixpeek.buckets.find("rows")
        numbers = Counter(one.model_extra["number"] for one in mixpeek.objects.list(bucket.bucket_id))
    assert set(numbers.values()) == {1}
    assert sorted(numbers) == list(range(count))
    assert stack.emulator.state()["objects_processed"] == {"1": count}


def ended_well(stack: Stack, dag_id: str, run_id: str, count: int = ROWS) -> None:
    state = stack.api.wait(dag_id, run_id, seconds=240)
    assert state == "success", stack.api.story(dag_id, run_id)
    once_each(stack, count)


def running_task(stack: Stack, dag_id: str, run_id: str) -> psutil.Process:
    """The process of the task that loads."""
    task = stack.api.until_task(dag_id, run_id, "load", "running")
    return psutil.Process(task["pid"])


def tries(stack: Stack, dag_id: str, run_id: str) -> int:
    return stack.api.task(dag_id, run_id, "load")["try_number"]


# -- a load is struck ----------------------------------------------------------------------------------------


@on("postgres", "celery")
@pytest.mark.parametrize("victim", ["task", "supervisor"])
def test_kill_9_in_the_middle_of_a_load(stack: Stack, rows: str, victim: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    process = running_task(stack, "system_load", run_id)
    in_the_middle(stack)
    (process if victim == "task" else process.parent()).kill()
    ended_well(stack, "system_load", run_id)
    assert tries(stack, "system_load", run_id) == 2


@on("celery")
def test_kill_9_of_a_worker_with_all_that_it_runs(stack: Stack, rows: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    process = running_task(stack, "system_load", run_id)
    in_the_middle(stack)
    (worker,) = (
        part for name, part in stack.parts.items() if part.pid in {one.pid for one in process.parents()}
    )
    worker.kill()
    try:
        ended_well(stack, "system_load", run_id)
    finally:
        worker.start()
    assert tries(stack, "system_load", run_id) == 2


@on("postgres")
def test_server_is_restarted_in_the_middle_of_a_load_and_of_a_wait(stack: Stack, rows: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    in_the_middle(stack)
    stack.emulator.process.kill()
    stack.emulator.start()
    last_for(stack, 15)
    stack.api.until_task("system_load", run_id, "load", "deferred")
    stack.emulator.process.kill()
    stack.emulator.start()
    ended_well(stack, "system_load", run_id)


@on("postgres")
def test_airflows_database_drops_every_connection(stack: Stack, rows: str) -> None:
    slowly(stack)
    last_for(stack, 10)
    run_id = stack.api.trigger("system_load", rows=rows)

    def drop() -> None:
        stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    try:
        in_the_middle(stack)
        drop()
        stack.api.until_task("system_load", run_id, "load", "deferred")
        drop()
        revived(stack)
        ended_well(stack, "system_load", run_id)
    finally:
        revived(stack)


def revived(stack: Stack) -> None:
    """Start again what has ended by itself, as a service manager does."""
    for part in stack.parts.values():
        if not part.is_running:
            part.start()


@on("postgres")
def test_scheduler_is_killed_in_the_middle_of_a_load(stack: Stack, rows: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    in_the_middle(stack)
    # With LocalExecutor the task and its supervisor die with it.
    stack.restart("scheduler")
    ended_well(stack, "system_load", run_id)


@on("celery")
def test_scheduler_is_killed_and_the_workers_go_on(stack: Stack, rows: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    in_the_middle(stack)
    stack.restart("scheduler")
    ended_well(stack, "system_load", run_id)
    assert tries(stack, "system_load", run_id) == 1


# -- a wait is struck ----------------------------------------------------------------------------------------


@on("postgres")
@pytest.mark.parametrize("dag_id", ["system_load", "system_cancelled", "system_sensor"])
def test_triggerer_is_killed_during_a_wait(stack: Stack, rows: str, dag_id: str) -> None:
    last_for(stack, 20)
    run_id = stack.api.trigger(dag_id, rows=rows)
    task_id = "wait" if dag_id == "system_sensor" else "load"
    stack.api.until_task(dag_id, run_id, task_id, "deferred")
    stack.restart("triggerer")
    ended_well(stack, dag_id, run_id)
    assert stack.api.task(dag_id, run_id, task_id)["try_number"] == 1
    assert "CANCELED" not in batch_words(stack)


def batch_words(stack: Stack) -> Counter[str]:
    with stack.emulator.client() as mixpeek:
        bucket_id = mixpeek.buckets.find("rows").bucket_id
        return Counter(batch.status for batch in mixpeek.batches.list(bucket_id))


def batches_by_state(stack: Stack) -> tuple[int, int]:
    """How many batches are cancelled, and how many are not."""
    words = batch_words(stack)
    return words["CANCELED"], words.total() - words["CANCELED"]


# -- a person clears, and marks ------------------------------------------------------------------------------


@on("postgres", "celery")
def test_cleared_while_it_loads(stack: Stack, rows: str) -> None:
    slowly(stack)
    run_id = stack.api.trigger("system_load", rows=rows)
    running_task(stack, "system_load", run_id)
    in_the_middle(stack)
    stack.api.clear("system_load", run_id, "load")
    ended_well(stack, "system_load", run_id)
    assert tries(stack, "system_load", run_id) == 2


@on("postgres")
def test_cleared_while_it_is_deferred(stack: Stack, rows: str) -> None:
    last_for(stack, 20)
    run_id = stack.api.trigger("system_load", rows=rows)
    stack.api.until_task("system_load", run_id, "load", "deferred")
    stack.api.clear("system_load", run_id, "load")
    ended_well(stack, "system_load", run_id)
    assert batches_by_state(stack) == (0, ROWS // 1_000)


@on("postgres")
def test_cleared_while_it_is_deferred_with_cancelling(stack: Stack, rows: str) -> None:
    # The first twenty would take for ever: only work of the new try's own can end well.
    last_for(stack, 3_600, times=ROWS // 1_000)
    run_id = stack.api.trigger("system_cancelled", rows=rows)
    stack.api.until_task("system_cancelled", run_id, "load", "deferred")
    stack.api.clear("system_cancelled", run_id, "load")
    ended_well(stack, "system_cancelled", run_id)
    assert batches_by_state(stack) == (ROWS // 1_000, ROWS // 1_000)


@on("postgres")
@pytest.mark.parametrize("state", ["failed", "success"])
@pytest.mark.parametrize(
    ("dag_id", "cancelled"), [("system_cancelled", True), ("system_load", False), ("system_sensor", False)]
)
def test_marked_while_it_is_deferred(
    stack: Stack, rows: str, dag_id: str, state: str, cancelled: bool
) -> None:
    last_for(stack, 3_600)
    run_id = stack.api.trigger(dag_id, rows=rows)
    stack.api.until_task(dag_id, run_id, "wait" if dag_id == "system_sensor" else "load", "deferred")
    # Before its trigger has started nothing of ours runs that could cancel.
    before = looks(stack)
    until("the trigger looks", lambda: looks(stack) > before, seconds=60)
    stack.api.mark_run(dag_id, run_id, state)
    count = ROWS // 1_000
    if cancelled:
        until("all is cancelled", lambda: batches_by_state(stack) == (count, 0), seconds=60)
    else:
        # A sign that the triggerer has let go: it looks no more.
        assert_nobody_looks(stack)
        assert batches_by_state(stack) == (0, count)


def looks(stack: Stack) -> int:
    """How often somebody looked at a batch."""
    return sum(
        one["count"] for one in stack.emulator.state()["requests"] if one["path"].endswith("/{batch_id}")
    )


def assert_nobody_looks(stack: Stack) -> None:
    seen = [looks(stack)]

    def quiet() -> bool:
        seen.append(looks(stack))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    until("nobody looks any more", quiet, seconds=120, every=1)


@on("postgres")
@pytest.mark.parametrize("cancelled", [True, False])
def test_run_marked_failed_while_it_loads(stack: Stack, rows: str, cancelled: bool) -> None:
    slowly(stack)
    last_for(stack, 3_600)
    dag_id = "system_cancelled" if cancelled else "system_load"
    run_id = stack.api.trigger(dag_id, rows=rows)
    process = running_task(stack, dag_id, run_id)
    until("a batch is submitted", lambda: stack.emulator.state()["batches_submitted"], seconds=90, every=0.05)
    stack.api.mark_run(dag_id, run_id, "failed")
    with suppress(psutil.NoSuchProcess):
        process.wait(60)
    runs = sum(batch_words(stack)[word] for word in ("PENDING", "QUEUED", "IN_PROGRESS", "PROCESSING"))
    assert (runs == 0) is cancelled
    assert stored(stack) < ROWS


# -- distributed ---------------------------------------------------------------------------------------------


@on("celery")
def test_file_over_two_workers_of_which_one_is_killed(stack: Stack, tmp_path: Path) -> None:
    count = 100_000
    rows = written(tmp_path / "rows.csv", count)
    slowly(stack)
    run_id = stack.api.trigger("system_split", rows=rows, rows_per_part=12_500)
    in_the_middle(stack, count)
    worker = stack.parts["worker-2"]
    worker.kill()
    try:
        assert stack.api.wait("system_split", run_id, seconds=300) == "success", stack.api.story(
            "system_split", run_id
        )
        once_each(stack, count)
    finally:
        worker.start()
    loads = [task for task in stack.api.tasks("system_split", run_id) if task["task_id"] == "load"]
    assert len(loads) == 8
    assert max(task["try_number"] for task in loads) >= 2
