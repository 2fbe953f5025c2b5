"""The example DAGs, parsed as Airflow parses them and run on a real Airflow against the emulator."""

import csv
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator

from .airflows import DagBag, parsed

KEY = "sk_examples_0001"
EXAMPLES = Path(__file__).parents[2] / "example_dags"


@pytest.fixture(scope="module")
def examples() -> DagBag:
    return parsed(EXAMPLES)


@pytest.fixture
def server(
    make_emulator: Callable[..., Emulator],
    point_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Emulator:
    # The files that example tasks write would stay in the machine's own folder.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    emulator = make_emulator(task_seconds=0.2)
    point_at(emulator, key=KEY)
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Any:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        yield client


def run(examples: DagBag, run_dag: Callable[..., Any], dag_id: str) -> Any:
    outcome = run_dag(examples.dags[dag_id])
    assert outcome.state == "success"
    return outcome


def airports() -> list[dict[str, str]]:
    with (files("airportsdata") / "airports.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_every_example_is_parsed_without_an_error(examples: DagBag) -> None:
    assert examples.import_errors == {}
    assert sorted(examples.dags) == [
        "mixpeek_after_batches",
        "mixpeek_films",
        "mixpeek_ingest_file",
        "mixpeek_legacy",
        "mixpeek_mapped_files",
        "mixpeek_picture_folder",
        "mixpeek_process_later",
        "mixpeek_split_file",
        "mixpeek_taskflow_hook",
    ]


def test_every_task_that_defers_has_a_retry(examples: DagBag) -> None:
    # A scheduler that is overloaded may take the end of a task's first half for its end (docs/waiting.md).
    deferred = [
        task for dag in examples.dags.values() for task in dag.tasks if getattr(task, "deferrable", 0)
    ]
    assert deferred
    assert [task.task_id for task in deferred if not task.retries] == []


def test_a_file_becomes_one_processed_object_a_row(
    examples: DagBag, run_dag: Any, server: Emulator, mixpeek: MixpeekClient
) -> None:
    # dag.test() does not wait for a reschedule; how long that is belongs to the example's reader.
    examples.dags["mixpeek_ingest_file"].get_task("wait_until_processed").poke_interval = 0.2
    run(examples, run_dag, "mixpeek_ingest_file")

    rows = airports()
    assert server.state()["objects_processed"] == {"1": len(rows)}
    bucket = mixpeek.buckets.find("airports")
    stored = {one.model_extra["metadata"]["icao"]: one for one in mixpeek.objects.list(bucket.bucket_id)}
    namibian = next(row for row in rows if row["country"] == "NA")
    one = stored[namibian["icao"]]
    assert one.key_prefix == "/airports/NA"
    assert one.model_extra["country"] == "NA"
    assert one.model_extra["elevation"] == float(namibian["elevation"])
    assert one.blobs[0].properties["text"] == namibian["name"]


def test_taskflow_with_the_hook_processes_what_it_created(
    examples: DagBag, run_dag: Any, server: Emulator
) -> None:
    run(examples, run_dag, "mixpeek_taskflow_hook")

    assert server.state()["objects_processed"] == {"1": 3}


def test_each_mapped_file_is_stored_whole(
    examples: DagBag, run_dag: Any, server: Emulator, mixpeek: MixpeekClient
) -> None:
    run(examples, run_dag, "mixpeek_mapped_files")

    wanted = [row for row in airports() if row["country"] in ("IS", "NA", "SG")]
    assert server.state()["objects_processed"] == {"1": len(wanted)}
    bucket = mixpeek.buckets.find("airports_by_country")
    names = sorted(one.blobs[0].properties["text"] for one in mixpeek.objects.list(bucket.bucket_id))
    assert names == sorted(row["name"] for row in wanted)


def test_a_file_that_is_cut_into_parts_is_stored_whole_and_once(
    examples: DagBag, run_dag: Any, server: Emulator, mixpeek: MixpeekClient
) -> None:
    outcome = run(examples, run_dag, "mixpeek_split_file")

    rows = airports()
    assert len([one for one in outcome.get_task_instances() if one.task_id == "create_objects"]) == 3
    assert server.state()["objects_processed"] == {"1": len(rows)}
    bucket = mixpeek.buckets.find("split_airports")
    stored = {one.model_extra["metadata"]["icao"] for one in mixpeek.objects.list(bucket.bucket_id)}
    assert stored == {row["icao"] for row in rows}


def test_films_keep_their_blanks_and_odd_titles_and_lose_only_repeated_keys(
    examples: DagBag, run_dag: Any, server: Emulator, mixpeek: MixpeekClient
) -> None:
    run(examples, run_dag, "mixpeek_films")

    assert server.state()["objects_processed"] == {"1": 17_470}
    bucket = mixpeek.buckets.find("films")
    titles = {one.blobs[0].properties["text"] for one in mixpeek.objects.list(bucket.bucket_id)}
    assert {"9", "8½"} <= titles


def test_objects_are_stored_first_and_processed_later_and_what_failed_is_handed_on(
    examples: DagBag, run_dag: Any, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    failed = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 2, "error": "cannot be read"}
    server.fault({"fault": "task_outcome", "times": 1, **failed})
    outcome = run(examples, run_dag, "mixpeek_process_later")

    assert server.state()["batches_submitted"] == 3
    result = outcome.get_task_instance("process").xcom_pull(task_ids="process")
    assert (result["objects"], result["failed"]) == (250, 2)
    for one in result["failed_objects"]:
        assert f"{one['object_id']} of {one['batch_id']}: cannot be read" in caplog.text


def test_legacy_generation_is_waited_for_until_each_task_is_done(
    examples: DagBag, run_dag: Any, make_emulator: Callable[..., Emulator], point_at: Callable[..., None]
) -> None:
    server = make_emulator(generation="legacy", task_seconds=0)
    running = {"task_id": "task_1", "status": "PROCESSING"}
    server.fault({"path": "/v1/tasks/*", "fault": "status", "status": 200, "body": running, "times": 1})
    point_at(server, key=KEY, conn_id="mixpeek_legacy", generation="legacy")
    examples.dags["mixpeek_legacy"].get_task("wait_until_done").poke_interval = 0.2
    run(examples, run_dag, "mixpeek_legacy")

    assert server.state()["objects_processed"] == {"1": 3}
    # A look at each task, and one more at that which was not done yet.
    looks = [one for one in server.state()["requests"] if one["path"] == "/v1/tasks/{task_id}"]
    assert sum(one["count"] for one in looks) == 4
    with MixpeekClient(KEY, namespace="shop", base_url=server.url, generation="legacy") as client:
        bucket = client.buckets.find("shoes")
        stored = {one.metadata["sku"]: one for one in client.objects.list(bucket.bucket_id)}
    assert {sku: one.status for sku, one in stored.items()} == {"S1": "DONE", "S2": "DONE", "S3": "DONE"}
    assert {blob.property: blob.data for blob in stored["S2"].blobs} == {
        "picture": "https://example.com/2.jpg",
        "facts": {"colour": "blue", "sizes": [38]},
    }


def test_pictures_of_a_folder_are_uploaded_with_what_their_table_says(
    examples: DagBag, run_dag: Any, server: Emulator, mixpeek: MixpeekClient
) -> None:
    run(examples, run_dag, "mixpeek_picture_folder")

    assert server.state()["objects_processed"] == {"1": 12}
    bucket = mixpeek.buckets.find("pictures")
    stored = {one.model_extra["name"]: one for one in mixpeek.objects.list(bucket.bucket_id)}
    assert stored["Shade 6"].model_extra["brightness"] == 0.5
    assert str(stored["Shade 6"].blobs[0].properties["url"]).endswith("/shade-06.png")


def test_the_dag_of_finished_batches_reads_their_event(examples: DagBag) -> None:
    tell = examples.dags["mixpeek_after_batches"].get_task("tell").python_callable
    asset = tell.__globals__["PICTURES"]
    batches = [{"batch_id": "btch_1", "outcome": "done", "objects": 7, "failed": 0}]
    events = [SimpleNamespace(extra={"payload": {"batches": batches}}), SimpleNamespace(extra={"created": 3})]

    class Events:
        """As Airflow hands them to a task; before 3.2 an asset with watchers is no key of a dict."""

        def __getitem__(self, key: Any) -> Any:
            assert key == asset
            return events

    assert tell(triggering_asset_events=Events()) == 7
