"""Operators that wait deferred, in a DAG: one after another, and mapped ones side by side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.buckets import (
    MixpeekCreateBucketOperator,
    MixpeekDeleteBucketOperator,
)
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator

from .airflows import HAS_A_STORE
from .wait_modes import KEY


@pytest.mark.parametrize("keeps_result", [True, False])
def test_mapped_tasks_that_are_deferred_take_up_each_its_own(
    make_emulator: Callable[..., Emulator],
    run_dag: Callable[..., Any],
    point_at: Callable[..., None],
    keeps_result: bool,
) -> None:
    server = make_emulator(task_seconds=1, submit_interval=0)
    point_at(server, key=KEY)
    with DAG(f"mapped_waits_{keeps_result}") as dag:
        bucket = MixpeekCreateBucketOperator(task_id="bucket", bucket="notes", schema={"note": "text"})
        create = MixpeekCreateObjectsOperator.partial(
            task_id="create",
            bucket="notes",
            wait_for_completion=True,
            deferrable=True,
            do_xcom_push=keeps_result,
        ).expand(rows=[[{"note": f"{part}-{row}"} for row in range(part + 1)] for part in range(3)])
        bucket >> create
    run = run_dag(dag)

    tasks = {ti.map_index: ti for ti in run.get_task_instances() if ti.task_id == "create"}
    assert {index: ti.state for index, ti in tasks.items()} == dict.fromkeys(range(3), "success")
    assert server.state()["objects_processed"] == {"1": 6}
    if keeps_result:
        results = [tasks[part].xcom_pull(task_ids="create", map_indexes=part) for part in range(3)]
        assert [result["rows_read"] for result in results] == [1, 2, 3]


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_deferrable_operators_in_a_dag(
    make_emulator: Callable[..., Emulator],
    run_dag: Callable[..., Any],
    point_at: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    generation: str,
) -> None:
    server = make_emulator(generation=generation, task_seconds=1.5, submit_interval=0)
    point_at(server, key=KEY, generation=generation)
    rows = [{"note": f"Note {number}"} for number in range(25)]
    settings = {"deferrable": True, "retries": 1, "retry_delay": timedelta(0)}
    with DAG(f"operators_wait_{generation}") as dag:
        bucket = MixpeekCreateBucketOperator(task_id="bucket", bucket="notes", schema={"note": "text"})
        create = MixpeekCreateObjectsOperator(
            task_id="create",
            bucket="notes",
            rows=rows,
            batch_size=10,
            wait_for_completion=True,
            cancel_on_kill=generation == "current",
            **settings,
        )
        bucket >> create
        if generation == "current":
            again = MixpeekProcessObjectsOperator(
                task_id="again",
                filters={"AND": []},
                bucket=bucket.output["bucket_id"],
                process="all",
                **settings,
            )
            create >> again
        delete = MixpeekDeleteBucketOperator(
            task_id="delete", bucket="notes", wait_for_completion=True, **settings
        )
        dag.get_task("again" if generation == "current" else "create") >> delete
    # The first batch fails; a retry has it, and no other, processed again. On legacy each row is a task.
    failures = {"status": "FAILED", "error": "out of memory", "times": 1}
    if generation == "current":
        server.fault({"fault": "task_outcome", **failures})
    run = run_dag(dag)

    ends = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    expected = {"bucket": ("success", 1), "create": ("success", 1), "delete": ("success", 1)}
    if generation == "current":
        expected |= {"create": ("success", 2), "again": ("success", 1)}
    assert ends == expected
    result = run.get_task_instance("create").xcom_pull(task_ids="create")
    assert (result["rows_read"], result["failed"]) == (25, 0)
    # Without a store a retry does not know the batches of the try before that went well.
    assert len(result["waits"]) == (25 if generation == "legacy" else 3 if HAS_A_STORE else 1)
    assert server.state()["buckets"] == 0
    if generation == "current":
        # Three, one again, and one for all of them.
        assert server.state()["batches_submitted"] == 5
    said = capfd.readouterr().out
    assert "Deferring for" in said
    assert ("out of memory" in said) is (generation == "current")
    assert KEY not in said
