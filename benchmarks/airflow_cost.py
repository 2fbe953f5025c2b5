"""What Airflow adds to a load, by how the rows reach the task."""

from __future__ import annotations

import tempfile

from benchmarks.measuring import Line, bare_server, in_a_process

ROWS = 100_000
_PROGRAM = """
import json, os, sys, time
home, port, how, rows = sys.argv[1:5]
os.environ |= {
    "AIRFLOW_HOME": home,
    "AIRFLOW__CORE__DAGS_FOLDER": home,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW_CONN_MIXPEEK_DEFAULT": json.dumps({
        "conn_type": "mixpeek", "password": "sk_bench", "host": "http://127.0.0.1:" + port, "extra": {"namespace": "b"},
    }),
}
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG, task
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from benchmarks.tables import frame

with DAG("cost") as dag:
    @task
    def rows_of():
        table = frame(int(rows))
        if how == "path":
            table.to_parquet(home + "/rows.parquet")
            return home + "/rows.parquet"
        return table if how == "DataFrame" else json.loads(table.to_json(orient="records"))

    MixpeekCreateObjectsOperator(
        task_id="load", bucket="bkt_bare", rows=rows_of(), scope="s",
        mapping={"blobs": {"title": "title"}, "metadata": ["sku", "price", "stars", "made"]},
    )

DagBundlesManager().sync_bundles_to_db()
bag = DagBag(dag_folder=home, collect_dags=False, bundle_name="dags-folder")
bag.bag_dag(dag)
sync_bag_to_db(bag, "dags-folder", bundle_version=None)
run = dag.test()
took = {ti.task_id: (ti.end_date - ti.start_date).total_seconds() for ti in run.get_task_instances()}
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select
with create_session() as session:
    value = session.scalars(select(XComModel.value).where(XComModel.task_id == "rows_of")).one()
size = len(value if isinstance(value, (str, bytes)) else json.dumps(value))
print()
print(json.dumps({"state": str(run.state), "seconds": sum(took.values()), "bytes": size}))
"""


def measure(rows: int = ROWS) -> list[Line]:
    """Run a DAG of two tasks: one makes the rows, one loads them."""
    lines = []
    for how in ("path", "DataFrame", "list of dicts"):
        with tempfile.TemporaryDirectory() as home, bare_server() as port:
            ran = in_a_process(_PROGRAM, home, port, how, str(rows))
        if not ran["state"].endswith("success"):
            raise RuntimeError(f"the run with a {how} ended as {ran['state']}")
        lines.append(
            Line(
                f"{rows:,} rows as a {how}",
                f"{ran['seconds']:.1f} s in both tasks, {ran['bytes']:,} bytes of XCom",
            )
        )
    return lines
