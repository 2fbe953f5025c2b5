"""
Dynamic task mapping: one task for each file of a folder, one sensor for all of them.

The files are made by the first task, from the airports of three countries (``pip install airportsdata``, MIT;
a country called NA among them). Needs the connection ``mixpeek_default``.
"""

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

with DAG("mixpeek_mapped_files", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def files_by_country(countries: list[str]) -> list[str]:
        import tempfile
        from importlib.resources import files

        import pandas as pd

        folder = tempfile.mkdtemp(prefix="airports-")
        airports = pd.read_csv(files("airportsdata") / "airports.csv", dtype=str, keep_default_na=False)
        paths = [f"{folder}/{country}.csv" for country in countries]
        for country, path in zip(countries, paths, strict=True):
            airports[airports["country"] == country].to_csv(path, index=False)
        return paths

    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket", bucket="airports_by_country", schema={"name": "text", "country": "string"}
    )
    # Without a mapping, columns named like the bucket's properties become what the schema says they are.
    objects = MixpeekCreateObjectsOperator.partial(
        task_id="create_objects", bucket="airports_by_country"
    ).expand(rows=files_by_country(["IS", "NA", "SG"]))
    processed = MixpeekTaskSensor(
        task_id="wait_until_processed", task_ids=objects.output["waits"], poke_interval=1, timeout=15 * 60
    )

    bucket >> objects >> processed
