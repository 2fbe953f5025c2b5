"""Which failures are tried again, and when: decided on errors, and on tasks that run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekError,
    MixpeekWorkFailedError,
)
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import IngestError, MappingError, SourceError, ingest
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.retries import MixpeekRetryPolicy

KEY = "sk_retries_3f0a"
ROWS = [{"title": f"Film {number}"} for number in range(3)]
BATCH = "/v1/buckets/*/objects/batch"


@pytest.fixture
def films(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    server = make_emulator(task_seconds=0)
    point_at(server, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text", "metadata": "object"})
    return server


def failure(server: Emulator, **fault: Any) -> BaseException:
    """What a load fails with, on a server that answers so."""
    server.fault({"fault": "status", "path": BATCH, **fault})
    with (
        MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek,
        pytest.raises(IngestError) as raised,
    ):
        ingest(mixpeek, "films", ROWS, scope="retries")
    return raised.value


def decided(error: BaseException, *, retry_delay: float = 300) -> tuple[str, float | None]:
    task = SimpleNamespace(retry_delay=timedelta(seconds=retry_delay))
    decision = MixpeekRetryPolicy().evaluate(error, 1, 3, {"ti": SimpleNamespace(task=task)})  # type: ignore[arg-type]
    assert KEY not in str(decision.reason)
    return decision.action.value, decision.retry_delay and decision.retry_delay.total_seconds()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"detail": f"no such key as {KEY}"}),
        (403, {}),
        (403, {"error": {"message": "The plan is used up.", "type": "QuotaExceededError"}}),
        (422, {"detail": [{"loc": ["body", "objects", 1], "msg": "wrong", "type": "value_error"}]}),
    ],
)
def test_what_no_waiting_mends_fails_at_once(films: Emulator, status: int, body: dict[str, Any]) -> None:
    assert decided(failure(films, status=status, body=body)) == ("fail", None)


@pytest.mark.parametrize(("own", "waited"), [(60, 900), (3_600, 3_600)])
@pytest.mark.parametrize("status", [429, 503])
def test_server_that_says_when_is_asked_again_then(
    films: Emulator, status: int, own: float, waited: float
) -> None:
    error = failure(films, status=status, headers={"Retry-After": "900"})
    assert decided(error, retry_delay=own) == ("retry", waited)


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (MixpeekConfigError("an argument is wrong"), "fail"),
        (MappingError(["there is no such column"]), "fail"),
        (SourceError("s3://shop/films.csv cannot be reached: ConnectTimeout"), "default"),
        (MixpeekConnectionError("nobody is there"), "default"),
        (MixpeekWorkFailedError("the work failed"), "default"),
        (MixpeekError("something else"), "default"),
        (OSError("the disk is full"), "default"),
    ],
)
def test_all_else_is_as_the_task_says(error: Exception, action: str) -> None:
    assert decided(error) == (action, None)


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (418, 3)])
def test_task_that_runs_is_spared_the_retries_that_cannot_help(
    films: Emulator, run_dag: Callable[..., Any], status: int, tries: int
) -> None:
    films.fault({"fault": "status", "path": BATCH, "status": status})
    with DAG(f"spared_{status}") as dag:
        MixpeekCreateObjectsOperator(
            task_id="load",
            bucket="films",
            rows=ROWS,
            retries=2,
            retry_delay=0,
            retry_policy=MixpeekRetryPolicy(),
        )
    (task,) = run_dag(dag).get_task_instances()
    assert (task.state, task.try_number) == ("failed", tries)
