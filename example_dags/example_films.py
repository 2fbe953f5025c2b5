"""
A table with blanks, odd titles and two repeated keys becomes processed objects: what ``make demo`` runs.

17,472 films from Wikidata (CC0), as the package ``bokeh-sampledata`` ships them. Each is known by its
business key, its IMDb id: running the DAG again stores only films that are new. Rows that are wrong are set
aside and logged with the reason. Needs ``pip install bokeh-sampledata pyarrow`` and the connection
``mixpeek_default``.
"""

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.ingest import ObjectMapping
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

with DAG("mixpeek_films", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def films() -> str:
        import sqlite3
        import tempfile
        from contextlib import closing

        import pandas as pd
        from bokeh_sampledata.movies_data import movie_path

        with closing(sqlite3.connect(movie_path)) as database:
            table = pd.read_sql("SELECT * FROM omdb ORDER BY ID", database)
        path = f"{tempfile.mkdtemp(prefix='films-')}/films.parquet"
        table.to_parquet(path)
        return path

    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket",
        bucket="films",
        schema={"title": "text", "cast": "text", "Year": "integer", "Runtime": "float", "Released": "date"},
    )
    objects = MixpeekCreateObjectsOperator(
        task_id="create_objects",
        bucket="films",
        rows=films(),
        mapping=ObjectMapping(
            blobs={"title": "Title", "cast": "Cast"},
            metadata=["Runtime", "Released", "Year", "Genre", "Director", "Country", "Metacritic", "Oscars"],
            key_prefix="/films/{Year}",
            idempotency_key=["imdbID"],
        ),
        on_error="collect",
    )
    processed = MixpeekTaskSensor(
        task_id="wait_until_processed", task_ids=objects.output["waits"], poke_interval=1, timeout=15 * 60
    )

    bucket >> objects >> processed
