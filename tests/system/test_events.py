"""Events of watched buckets on a real Airflow: what finishes while no triggerer runs is told by the next."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider.mixpeek.client import Bucket, MixpeekClient

from .processes import until
from .stack import Stack

pytestmark = pytest.mark.system

DAG = "mixpeek_after_batches"


def position(stack: Stack) -> dict[str, Any]:
    """What the watcher of the example's asset has noted."""
    where = {"uri_pattern": "mixpeek://shop/pictures"}
    (asset,) = stack.api.call("GET", "/assets", params=where)["assets"]
    noted = stack.api.call("GET", f"/assets/{asset['id']}/state-store")["asset_state_store"]
    return noted[0]["value"] if noted else {}


def runs(stack: Stack) -> list[dict[str, Any]]:
    where = {"limit": 100, "order_by": "-run_after"}
    return stack.api.call("GET", f"/dags/{DAG}/dagRuns", params=where)["dag_runs"]


def finished_batch(mixpeek: MixpeekClient, bucket: Bucket, objects: int) -> str:
    note = {"property": "name", "type": "text", "data": {"text": "A red shoe."}}
    ids = [mixpeek.objects.create(bucket.bucket_id, blobs=[note]).object_id for _ in range(objects)]
    batch = mixpeek.batches.create(bucket.bucket_id, ids)
    task = mixpeek.batches.submit(bucket.bucket_id, batch.batch_id, force=True)
    mixpeek.tasks.wait(task, timeout=60)
    return batch.batch_id


@pytest.mark.parametrize("stack", ["postgres"], indirect=True)
def test_what_finishes_while_no_triggerer_runs_starts_the_dag_when_one_does(stack: Stack) -> None:
    # What finishes before the first look is no news.
    until("somebody watches", lambda: position(stack), seconds=90)
    with stack.emulator.client() as mixpeek:
        bucket = mixpeek.buckets.create("pictures", schema={"name": "text"})
        before = len(runs(stack))
        first = finished_batch(mixpeek, bucket, 1)
        until("the first batch is told", lambda: len(runs(stack)) > before, seconds=90)
        until("and noted", lambda: first in position(stack).get("told", ()), seconds=60)
        stack.parts["triggerer"].kill()
        second = finished_batch(mixpeek, bucket, 2)
        stack.parts["triggerer"].start()
    until("the second batch is told", lambda: len(runs(stack)) > before + 1, seconds=120)
    until("and noted", lambda: second in position(stack)["told"], seconds=60)
    for run in runs(stack)[: len(runs(stack)) - before]:
        assert stack.api.wait(DAG, run["dag_run_id"]) == "success"
    told = sorted(stack.api.xcom(DAG, run["dag_run_id"], "tell") for run in runs(stack)[:2])
    assert (told, len(runs(stack))) == ([1, 2], before + 2)
