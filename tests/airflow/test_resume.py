"""Tries of one task: what a retry, a clear and the next run do, through the operator."""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from airflow.sdk import DAG, Context

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import IngestError
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator

KEY = "sk_resume_7c21"
BATCH = "/v1/buckets/*/objects/batch"


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    emulator = make_emulator(task_seconds=0)
    point_at(emulator, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=emulator.url) as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text", "stars": "integer"})
    return emulator


def films(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"title": [f"Film {n}" for n in range(count)], "stars": [n % 5 for n in range(count)]}
    )


class ReadAnew(MixpeekCreateObjectsOperator):
    """Extracts its rows itself, and the database has them in another order each time."""

    def execute(self, context: Context) -> dict[str, Any]:
        order = random.Random(context["ti"].try_number)
        frame = films(10_000)
        self.rows = frame.iloc[order.sample(range(len(frame)), len(frame))]
        return super().execute(context)


def test_a_retry_that_reads_the_rows_in_another_order_stores_and_processes_each_once(
    server: Emulator, run_dag: Callable[..., Any]
) -> None:
    storm = [
        {"fault": "status", "status": 503, "probability": 0.2, "seed": 1},
        {"fault": "reset_after", "probability": 0.05, "seed": 2},
        {"fault": "reset_before", "probability": 0.05, "seed": 3},
    ]
    for fault in storm:
        server.fault({**fault, "path": "/v1/buckets/*"})
    # In the middle of the first two tries the server refuses, which nothing but a retry heals.
    server.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 40, "times": 1})
    server.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 110, "times": 1})
    with DAG("resumed") as dag:
        ReadAnew(task_id="load", bucket="films", rows=[], retries=5, retry_delay=0)
    run = run_dag(dag)
    (task,) = run.get_task_instances()
    assert (run.state, task.state) == ("success", "success")
    assert task.try_number >= 3
    assert server.state()["objects_processed"] == {"1": 10_000}


# -- one task instance, try by try -------------------------------------------------------------------------


class Store:
    """What a task state store is to a task."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


class Instance:
    """A task instance, tried and cleared as Airflow counts it."""

    def __init__(self, *, run_id: str = "monday", retries: int = 2) -> None:
        self.store: Store | None = Store()
        self.run_id, self.retries, self.try_number, self.max_tries = run_id, retries, 0, retries

    def clear(self) -> None:
        self.max_tries = self.try_number + self.retries

    def execute(self, rows: Any, **arguments: Any) -> dict[str, Any]:
        self.try_number += 1
        ti = SimpleNamespace(
            dag_id="shop",
            run_id=self.run_id,
            task_id="load",
            map_index=-1,
            try_number=self.try_number,
            max_tries=self.max_tries,
            task=SimpleNamespace(retries=self.retries),
        )
        operator = MixpeekCreateObjectsOperator(
            task_id="load", **{"bucket": "films", "rows": rows, "batch_size": 100} | arguments
        )
        context = {"ti": ti} | ({"task_state_store": self.store} if self.store else {})
        return operator.execute(context)


@pytest.fixture
def fails(server: Emulator) -> Callable[..., None]:
    """A try that the server ends after three requests for objects."""

    def fails(instance: Instance, rows: Any, **arguments: Any) -> None:
        server.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 3, "times": 1})
        with pytest.raises(IngestError):
            instance.execute(rows, in_flight=1, **arguments)
        server.clear_faults()

    return fails


def test_a_retry_goes_on_and_reports_the_totals_of_all_tries(server: Emulator, fails: Any) -> None:
    task = Instance()
    fails(task, films(1_000))
    result = task.execute(films(1_000))
    assert 0 < result["resumed"] <= 300
    assert (result["rows_read"], result["created"] + result["replayed"]) == (1_000, 1_000)
    assert len(result["waits"]) == 10
    assert server.state()["objects_processed"] == {"1": 1_000}


@pytest.mark.parametrize(("rerun", "objects"), [("replay", 300), ("again", 600)])
def test_a_finished_task_that_is_cleared_does_what_rerun_says(
    rerun: str, objects: int, server: Emulator, fails: Any
) -> None:
    task = Instance()
    task.execute(films(300), rerun=rerun)
    task.clear()
    result = task.execute(films(300), rerun=rerun)
    assert (result["resumed"], server.state()["objects"]) == (0, objects)
    assert server.state()["objects_processed"] == {"1": objects}
    # Its retry, and a retry because something after the load failed, do not do it again.
    assert task.execute(films(300), rerun=rerun)["resumed"] == 300
    assert server.state()["objects"] == objects


def test_a_failed_task_that_is_cleared_goes_on_and_accepts_another_mapping(
    server: Emulator, fails: Any
) -> None:
    task = Instance()
    fails(task, films(1_000), mapping={"blobs": {"title": "title"}})
    other = {"blobs": {"title": "title"}, "metadata": ["stars"]}
    with pytest.raises(ValueError, match="the mapping"):
        task.execute(films(1_000), mapping=other)
    task.clear()
    assert task.execute(films(1_000), mapping=other)["rows_read"] == 1_000


def test_a_retry_may_be_told_to_accept_another_mapping(server: Emulator, fails: Any) -> None:
    task = Instance()
    fails(task, films(1_000), mapping={"blobs": {"title": "title"}})
    other = {"blobs": {"title": "title"}, "metadata": ["stars"]}
    assert task.execute(films(1_000), mapping=other, on_source_change="accept")["rows_read"] == 1_000


@pytest.mark.parametrize(("mapping", "objects"), [(None, 200), ({"idempotency_key": ["title"]}, 100)])
def test_the_next_run_has_objects_of_its_own_but_for_business_keys(
    mapping: dict[str, Any] | None, objects: int, server: Emulator
) -> None:
    arguments = {} if mapping is None else {"mapping": {"blobs": {"title": "title"}} | mapping}
    for run_id in ("monday", "tuesday"):
        Instance(run_id=run_id).execute(films(100), **arguments)
    assert server.state()["objects"] == objects
    assert server.state()["objects_processed"] == {"1": objects}


def test_a_store_that_was_emptied_on_success_still_tells_a_clear(server: Emulator) -> None:
    task = Instance()
    task.execute(films(100), rerun="again")
    task.store = Store()
    task.clear()
    task.execute(films(100), rerun="again")
    assert server.state()["objects"] == 200


def test_without_a_store_everything_is_sent_again_under_its_keys(
    server: Emulator, fails: Any, caplog: pytest.LogCaptureFixture
) -> None:
    task = Instance()
    task.store = None
    fails(task, films(1_000))
    result = task.execute(films(1_000))
    assert (result["resumed"], result["created"] + result["replayed"]) == (0, 1_000)
    assert server.state()["objects_processed"] == {"1": 1_000}
    assert "no task state store" in caplog.text
    with pytest.raises(ValueError, match="needs a checkpoint"):
        task.execute(films(10), rerun="again")
