"""What the system tests run and attack: a load that waits, one that is cancelled, a sensor, uploads."""

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.ingest import Blob, ObjectMapping
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator
from airflow_provider.mixpeek.retries import MixpeekRetryPolicy
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

ROWS = "{{ dag_run.conf['rows'] }}"
LOAD = {
    "bucket": "rows",
    "mapping": {"blobs": {"title": "title"}, "metadata": ["number"]},
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
}


def bucket() -> MixpeekCreateBucketOperator:
    return MixpeekCreateBucketOperator(
        task_id="bucket", bucket="rows", schema={"title": "text", "number": "integer"}
    )


with DAG("system_load", schedule=None, catchup=False):
    # Stored and waited for by one task, without a worker while it waits.
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, wait_for_completion=True, deferrable=True, **LOAD
    )

with DAG("system_load_on_the_worker", schedule=None, catchup=False):
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, wait_for_completion=True, deferrable=False, **LOAD
    )

with DAG("system_cancelled", schedule=None, catchup=False):
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, wait_for_completion=True, deferrable=True, cancel_on_kill=True, **LOAD
    )

with DAG("system_sensor", schedule=None, catchup=False):
    stored = MixpeekCreateObjectsOperator(task_id="load", rows=ROWS, **LOAD)
    bucket() >> stored
    MixpeekTaskSensor(
        task_id="wait", task_ids=stored.output["waits"], deferrable=True, retries=1, retry_delay=timedelta(0)
    )

with DAG("system_split", schedule=None, catchup=False):

    @task
    def parts(*, dag_run=None) -> list[dict]:
        from airflow_provider.mixpeek.ingest import split_source

        return split_source(dag_run.conf["rows"], rows_per_part=dag_run.conf["rows_per_part"])

    loads = MixpeekCreateObjectsOperator.partial(
        task_id="load", wait_for_completion=True, deferrable=True, **LOAD
    ).expand(rows=parts())
    bucket() >> loads
    MixpeekTaskSensor(task_id="wait", task_ids=loads.output["waits"], deferrable=True)

FROM_DATABASE = {"mixpeek_conn_id": "from_the_database"}

with DAG(
    "system_from_database",
    schedule=None,
    catchup=False,
    default_args=FROM_DATABASE,
):
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, wait_for_completion=True, deferrable=True, **LOAD
    )

with DAG("system_fails", schedule=None, catchup=False, default_args=FROM_DATABASE):
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, wait_for_completion=True, deferrable=True, **LOAD | {"retries": 1}
    )

with DAG("system_policy", schedule=None, catchup=False):
    bucket() >> MixpeekCreateObjectsOperator(
        task_id="load", rows=ROWS, retry_policy=MixpeekRetryPolicy(), **LOAD
    )

with DAG("system_uploads", schedule=None, catchup=False, default_args=FROM_DATABASE):
    pictures = MixpeekCreateBucketOperator(
        task_id="bucket", bucket="pictures", schema={"picture": "image", "title": "string"}
    )
    pictures >> MixpeekUploadFilesOperator(
        task_id="upload",
        bucket="pictures",
        files="{{ dag_run.conf['folder'] }}/*.png",
        metadata={"title": "{stem}"},
        retries=1,
        retry_delay=timedelta(seconds=1),
    )
    pictures >> MixpeekCreateObjectsOperator(
        task_id="rows",
        bucket="pictures",
        rows="{{ dag_run.conf['folder'] }}/pictures.csv",
        mapping=ObjectMapping(blobs={"picture": Blob(column="file", source="file")}, metadata=["title"]),
        retries=1,
        retry_delay=timedelta(seconds=1),
    )
