"""The example DAGs, on an Airflow that was installed from the wheel, in each way of running one."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any

import pytest

from .processes import until
from .stack import Stack


def airports() -> list[dict[str, str]]:
    with (files("airportsdata") / "airports.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


#: What each example leaves behind: objects by bucket and generation. Each is processed once.
EXAMPLES: dict[str, tuple[str, str, int]] = {
    # Two of its 17,472 rows repeat a key.
    "mixpeek_films": ("current", "films", 17_470),
    "mixpeek_ingest_file": ("current", "airports", len(airports())),
    "mixpeek_legacy": ("legacy", "shoes", 3),
    "mixpeek_mapped_files": (
        "current",
        "airports_by_country",
        sum(row["country"] in ("IS", "NA", "SG") for row in airports()),
    ),
    "mixpeek_picture_folder": ("current", "pictures", 12),
    "mixpeek_process_later": ("current", "notes_for_later", 250),
    "mixpeek_split_file": ("current", "split_airports", len(airports())),
    "mixpeek_taskflow_hook": ("current", "notes", 3),
}
#: What starts by itself when another has run, and how many objects it is told of.
STARTED_BY_EVENTS = {"mixpeek_after_batches": 12}


def objects_in(stack: Stack, generation: str, bucket: str) -> int:
    with stack.emulators[generation].client() as mixpeek:
        bucket_id = mixpeek.buckets.find(bucket).bucket_id
        return sum(1 for _ in mixpeek.objects.list(bucket_id))


@pytest.mark.system
@pytest.mark.parametrize("stack", ["postgres", "celery"], indirect=True)
def test_examples_store_and_process_each_row_once(stack: Stack) -> None:
    run_examples(stack)


@pytest.mark.parametrize("short_lived_stack", ["sqlite"], indirect=True)
def test_examples_store_and_process_each_row_once_on_sqlite(short_lived_stack: Stack) -> None:
    run_examples(short_lived_stack)


def run_examples(stack: Stack) -> None:
    assert stack.api.import_errors() == []
    # An example that nobody expects anything of is not tested.
    assert {dag for dag in stack.api.dag_ids() if dag.startswith("mixpeek_")} == {
        *EXAMPLES,
        *STARTED_BY_EVENTS,
    }
    # Other tests of this Airflow may have caused some.
    before = {dag_id: set(runs_of(stack, dag_id)) for dag_id in STARTED_BY_EVENTS}
    runs = {dag_id: stack.api.trigger(dag_id) for dag_id in EXAMPLES}
    for dag_id, run_id in runs.items():
        assert stack.api.wait(dag_id, run_id, seconds=600) == "success", stack.api.story(dag_id, run_id)
    for dag_id, count in STARTED_BY_EVENTS.items():
        (run_id, *more) = until(
            f"{dag_id} has started by itself",
            lambda dag_id=dag_id: sorted(set(runs_of(stack, dag_id)) - before[dag_id]),
            seconds=120,
        )
        assert more == []
        assert runs_of(stack, dag_id)[run_id] == "asset_triggered"
        assert stack.api.wait(dag_id, run_id) == "success", stack.api.story(dag_id, run_id)
        assert stack.api.xcom(dag_id, run_id, "tell") == count
    expected: dict[str, Any] = {"current": 0, "legacy": 0}
    for generation, bucket, count in EXAMPLES.values():
        assert (bucket, objects_in(stack, generation, bucket)) == (bucket, count)
        expected[generation] += count
    processed = {name: emulator.state()["objects_processed"] for name, emulator in stack.emulators.items()}
    assert processed == {name: {"1": count} for name, count in expected.items()}


def runs_of(stack: Stack, dag_id: str) -> dict[str, str]:
    """What started each run of a DAG, by the run's id."""
    found = stack.api.call("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 100})["dag_runs"]
    return {run["dag_run_id"]: run["run_type"] for run in found}
