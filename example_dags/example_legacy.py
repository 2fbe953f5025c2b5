"""
The legacy generation of the API (Python SDK 0.22): every row is a request and a task of its own.

What differs from the current generation: a bucket may have properties of type ``json``, files are given by
their URL, all metadata travels in ``metadata``, and the server has no idempotency keys, so running the DAG
again stores the rows again. The sensor waits until each task says DONE. Needs the connection
``mixpeek_legacy`` with ``{"generation": "legacy"}`` in its extra.
"""

from airflow.sdk import DAG

from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

SHOES = [
    {"sku": "S1", "picture": "https://example.com/1.jpg", "facts": {"colour": "red", "sizes": [40, 41]}},
    {"sku": "S2", "picture": "https://example.com/2.jpg", "facts": {"colour": "blue", "sizes": [38]}},
    {"sku": "S3", "picture": "https://example.com/3.jpg", "facts": {"colour": "none at all", "sizes": []}},
]

with DAG(
    "mixpeek_legacy",
    schedule=None,
    catchup=False,
    tags=["mixpeek"],
    default_args={"mixpeek_conn_id": "mixpeek_legacy"},
):
    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket", bucket="shoes", schema={"picture": "image", "facts": "json"}
    )
    objects = MixpeekCreateObjectsOperator(
        task_id="create_objects",
        bucket="shoes",
        rows=SHOES,
        mapping={"blobs": {"picture": "picture", "facts": "facts"}, "metadata": ["sku"]},
    )
    processed = MixpeekTaskSensor(
        task_id="wait_until_done", task_ids=objects.output["waits"], poke_interval=1, timeout=15 * 60
    )

    bucket >> objects >> processed
