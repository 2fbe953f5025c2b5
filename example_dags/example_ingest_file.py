"""
A CSV file becomes processed objects: 28,000 airports, one object each.

The file is read in blocks and never goes through XCom. Rows are known by their place in the file, so a retry
of the task stores only what is missing. Needs ``pip install airportsdata`` (MIT), and the connection
``mixpeek_default``.
"""

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.ingest import ObjectMapping
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

with DAG("mixpeek_ingest_file", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def airports() -> str:
        from importlib.resources import files

        return str(files("airportsdata") / "airports.csv")

    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket",
        bucket="airports",
        schema={"name": "text", "country": "string", "elevation": "float", "lat": "float", "lon": "float"},
    )
    objects = MixpeekCreateObjectsOperator(
        task_id="create_objects",
        bucket="airports",
        rows=airports(),
        mapping=ObjectMapping(
            blobs={"name": "name"},
            metadata=["country", "elevation", "lat", "lon", "icao", "tz"],
            key_prefix="/airports/{country}",
        ),
    )
    processed = MixpeekTaskSensor(
        task_id="wait_until_processed",
        task_ids=objects.output["waits"],
        mode="reschedule",
        poke_interval=30,
        timeout=6 * 60 * 60,
    )

    bucket >> objects >> processed
