"""What DAG files pay for: they are parsed all day, so importing our parts loads and asks next to nothing."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

OURS = "airflow_provider.mixpeek"
# What they are built on, loaded first: only what we add counts.
BASE = "from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, XComArg, task"
PARTS = f"""
from {OURS}.exceptions import MixpeekTaskFailedError
from {OURS}.hooks.mixpeek import MixpeekHook
from {OURS}.ingest import ObjectMapping, split_source
from {OURS}.operators.batches import MixpeekProcessObjectsOperator
from {OURS}.operators.buckets import MixpeekCreateBucketOperator, MixpeekDeleteBucketOperator
from {OURS}.operators.objects import MixpeekCreateObjectsOperator
from {OURS}.operators.uploads import MixpeekUploadFilesOperator
from {OURS}.sensors.batches import MixpeekBatchSensor
from {OURS}.sensors.tasks import MixpeekTaskSensor
"""
A_DAG = """
with DAG("parsed", schedule=None):
    bucket = MixpeekCreateBucketOperator(task_id="bucket", bucket="things", schema={"title": "text"})
    made = MixpeekCreateObjectsOperator(
        task_id="create",
        bucket=bucket.output["bucket_id"],
        rows="{{ ds }}.csv",
        mapping=ObjectMapping(blobs={"title": "title"}),
        mixpeek_conn_id="not_defined_anywhere",
    )
    MixpeekCreateObjectsOperator.partial(task_id="map", bucket="things").expand(rows=["a.csv", "b.csv"])
    MixpeekProcessObjectsOperator(task_id="process", objects=made.output, cancel_on_kill=True)
    MixpeekTaskSensor(task_id="wait", task_ids=made.output["waits"], mode="reschedule")
    MixpeekBatchSensor(task_id="batches", batch_ids=made.output["waits"], deferrable=True)
    MixpeekDeleteBucketOperator(task_id="delete", bucket="things")
    MixpeekHook("not_defined_anywhere")
"""


def in_a_fresh_process(program: str) -> Any:
    """Run a program whose last line of output is JSON, and return that."""
    ran = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    """What parsing a DAG file adds to a process: its modules, and the audit events of connections."""
    return in_a_fresh_process(
        f"""
import json, sys
{BASE}
before = set(sys.modules)
events = []
sys.addaudithook(
    lambda name, _: events.append(name) if name.startswith(("socket.", "sqlite3.")) else None
)
{PARTS}
{A_DAG}
print(json.dumps({{"modules": sorted(set(sys.modules) - before), "events": events}}))
"""
    )


def test_parsing_a_dag_loads_no_frames_no_http_and_no_models(parsed: dict[str, Any]) -> None:
    heavy = {"pandas", "pyarrow", "narwhals", "polars", "numpy", "httpx", "pydantic", "fsspec"}
    assert heavy & {name.partition(".")[0] for name in parsed["modules"]} == set()
    ours = {name.removeprefix(f"{OURS}.") for name in parsed["modules"] if name.startswith(OURS)}
    # That they are seen at all shows that the test can fail.
    assert {"hooks.mixpeek", "operators.objects", "sensors.tasks", "ingest._mapping"} <= ours
    assert {
        "client._models",
        "client._transport",
        "client._client",
        "ingest._ingest",
        "emulator",
    } & ours == set()


def test_parsing_a_dag_opens_no_connection(parsed: dict[str, Any]) -> None:
    assert parsed["events"] == []


def test_audit_would_have_seen_a_connection() -> None:
    seen = in_a_fresh_process(
        """
import json, socket, sys
events = []
sys.addaudithook(lambda name, _: events.append(name) if name.startswith("socket.") else None)
socket.socket().close()
print(json.dumps(events))
"""
    )
    assert seen == ["socket.__new__"]
