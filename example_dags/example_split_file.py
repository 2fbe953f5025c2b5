"""
One large file over many workers: the first task cuts it into parts, each part is a task of its own.

A row's key is made of the file and the row's place in it, and does not show how the file was cut: a part that
is tried again, or a file that is cut in another way when the DAG run is cleared, stores each row once.

The file holds the world's airports (``pip install airportsdata``, MIT). Needs the connection
``mixpeek_default``.
"""

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.ingest import ObjectMapping
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

with DAG("mixpeek_split_file", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def parts(rows_per_part: int) -> list[dict]:
        from importlib.resources import files

        from airflow_provider.mixpeek.ingest import split_source

        # The name stands for the file in the rows' keys: workers may have it in other folders.
        return split_source(
            files("airportsdata") / "airports.csv", rows_per_part=rows_per_part, source_name="airports"
        )

    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket", bucket="split_airports", schema={"name": "text"}
    )
    objects = MixpeekCreateObjectsOperator.partial(
        task_id="create_objects",
        bucket="split_airports",
        mapping=ObjectMapping(blobs={"name": "name"}, metadata=["icao", "country"]),
        retries=2,
    ).expand(rows=parts(10_000))
    processed = MixpeekTaskSensor(
        task_id="wait_until_processed", task_ids=objects.output["waits"], poke_interval=1, timeout=15 * 60
    )

    bucket >> objects >> processed
