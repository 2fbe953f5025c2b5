"""What the Airflow under test lacks is missed in the log, and nowhere else (docs/airflow-versions.md)."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, get_current_context, task

from airflow_provider.mixpeek._airflow_versions import task_state_store, triggers_hear_of_a_kill
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.operators._store import begin_try
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.triggers.waits import MixpeekWorkTrigger

from .airflows import HAS_A_STORE

KEY = "sk_versions_08f3"
PAGE = (Path(__file__).parents[2] / "docs" / "airflow-versions.md").read_text()
WITHOUT_A_STORE = (
    "This Airflow has no task state store (it came with 3.3): a retry reads and sends every row again, and a "
    "server without keys (legacy, API 0.81) stores each again."
)


def test_page_quotes_what_the_log_says_without_a_store(caplog: pytest.LogCaptureFixture) -> None:
    ti = SimpleNamespace(try_number=1, max_tries=1, task=SimpleNamespace(retries=1))
    begin_try({"ti": ti}, without_store=MixpeekCreateObjectsOperator.without_store)
    assert caplog.messages == [WITHOUT_A_STORE]
    assert f'"{WITHOUT_A_STORE}"' in PAGE


def test_store_is_there_from_3_3_on(run_dag: Callable[..., Any]) -> None:
    seen = []
    with DAG("has_a_store") as dag:
        task(task_id="look")(lambda: seen.append(task_state_store(get_current_context()) is not None))()
    assert run_dag(dag).state == "success"
    assert seen == [HAS_A_STORE]


def test_retry_policies_are_there_from_3_3_on_and_missed_in_words_before() -> None:
    with nullcontext() if HAS_A_STORE else pytest.raises(ImportError, match=r"came with Airflow 3\.3"):
        import_module("airflow_provider.mixpeek.retries")


def test_triggers_hear_of_a_kill_from_3_3_on() -> None:
    from airflow.triggers.base import BaseTrigger

    assert triggers_hear_of_a_kill() is HAS_A_STORE
    assert hasattr(BaseTrigger, "on_kill") is HAS_A_STORE
    assert hasattr(MixpeekWorkTrigger, "on_kill")  # which nobody calls before


def test_log_says_what_this_airflow_cannot_promise(
    make_emulator: Callable[..., Emulator],
    run_dag: Callable[..., Any],
    point_at: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A load whose first try fails: each row is stored and processed once, with a store and without."""
    server = make_emulator(task_seconds=1)
    point_at(server, key=KEY)
    with DAG("cannot_promise") as dag:
        bucket = MixpeekCreateBucketOperator(task_id="bucket", bucket="notes", schema={"note": "text"})
        create = MixpeekCreateObjectsOperator(
            task_id="create",
            bucket="notes",
            rows=[{"note": f"Note {number}"} for number in range(25)],
            batch_size=10,
            wait_for_completion=True,
            deferrable=True,
            cancel_on_kill=True,
            retries=1,
            retry_delay=timedelta(0),
        )
        bucket >> create
    # The first batch fails, and the retry has its objects processed again.
    server.fault({"fault": "task_outcome", "status": "FAILED", "error": "out of memory", "times": 1})
    run = run_dag(dag)
    assert (run.state, run.get_task_instance("create").try_number) == ("success", 2)
    assert server.state()["objects"] == 25
    assert server.state()["objects_processed"] == {"1": 25}

    result = run.get_task_instance("create").xcom_pull(task_ids="create")
    assert (result["resumed"] > 0) is HAS_A_STORE
    said = "".join(capfd.readouterr()) + caplog.text
    for sentence in (
        WITHOUT_A_STORE,
        "Before Airflow 3.3 a trigger does not hear that its task is given up",
    ):
        assert (sentence in said) is not HAS_A_STORE
