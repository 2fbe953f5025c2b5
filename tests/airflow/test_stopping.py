"""An operator whose time is over: what was done is in the log, and nothing is sent afterwards."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator

KEY = "sk_stopping_51f0"
ROWS = [{"title": f"Film {number}"} for number in range(3_000)]


def test_execution_timeout_ends_a_run_and_a_retry_finishes_it(
    make_emulator: Callable[..., Emulator],
    point_at: Callable[..., None],
    run_dag: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = make_emulator(task_seconds=0)
    point_at(server, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text"})
    # Nothing after the fourth request is stored before the time is over.
    busy = {"fault": "status", "status": 503, "headers": {"Retry-After": "20"}}
    server.fault({**busy, "path": "/v1/buckets/*/objects/batch", "skip": 4})
    there: list[int] = []

    def mend(_context: Any) -> None:
        there.append(server.state()["objects"])
        server.clear_faults()
        # The retry has as long as a slow machine needs.
        dag.task_dict["load"].execution_timeout = timedelta(minutes=5)

    with DAG("timed_out") as dag:
        MixpeekCreateObjectsOperator(
            task_id="load",
            bucket="films",
            rows=ROWS,
            execution_timeout=timedelta(seconds=4),
            on_retry_callback=mend,
            retries=1,
            retry_delay=0,
        )
    with caplog.at_level(logging.INFO, "airflow_provider.mixpeek"):
        run = run_dag(dag)
    (task,) = run.get_task_instances()
    assert (task.state, task.try_number) == ("success", 2)
    said = re.search(r"Ingestion was interrupted. What was done: .* rows read: 400 created, .*", caplog.text)
    assert said is not None
    assert "in doubt" not in said[0]
    assert there == [400]
    assert server.state()["objects_processed"] == {"1": 3_000}
