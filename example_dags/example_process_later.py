"""
Objects are stored first and processed later, in a task of its own that holds no worker while it waits.

Storing is quick and processing is not, so that they have different retries, time-outs and hours. The create
task writes a receipt, from which the process task knows the ids. What fails in part is handed on. When the
process task is marked failed or cleared, its batches are cancelled. Needs the connection ``mixpeek_default``.
"""

import logging
from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator

log = logging.getLogger("airflow.task")

NOTES = [{"number": number, "note": f"Note {number}: water the plants."} for number in range(250)]

with DAG("mixpeek_process_later", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def receipts() -> str:
        import tempfile

        return tempfile.mkdtemp(prefix="receipt-")

    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket", bucket="notes_for_later", schema={"note": "text", "number": "integer"}
    )
    objects = MixpeekCreateObjectsOperator(
        task_id="create_objects",
        bucket="notes_for_later",
        rows=NOTES,
        mapping={"blobs": {"note": "note"}, "metadata": ["number"]},
        receipt_to=receipts(),
        process=False,
        retries=3,
    )
    processed = MixpeekProcessObjectsOperator(
        task_id="process",
        objects=objects.output,
        batch_size=100,
        deferrable=True,
        partial_ok=True,
        cancel_on_kill=True,
        wait_timeout=6 * 60 * 60,
        retries=2,
        retry_delay=timedelta(minutes=1),
    )

    @task
    def tell(failed: list[dict[str, str]]) -> None:
        for each in failed:
            log.warning("%s of %s: %s", each["object_id"], each["batch_id"], each["reason"])

    bucket >> objects
    tell(processed.output["failed_objects"])
