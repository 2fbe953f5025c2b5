"""
A DAG of two tasks: one makes rows, one loads them.

Arguments: Airflow's home, port of the server, how the rows are handed over, how many. Prints JSON.
"""

# ruff: noqa: E402 - Airflow reads its configuration when it is imported

import json
import os
import sys
from typing import Any

home, port, how, rows = sys.argv[1:5]
os.environ |= {
    "AIRFLOW_HOME": home,
    "AIRFLOW__CORE__DAGS_FOLDER": home,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW_CONN_MIXPEEK_DEFAULT": f"mixpeek://:sk_bench@127.0.0.1:{port}/?namespace=b",
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
    def rows_of() -> Any:
        table = frame(int(rows))
        if how == "path":
            table.to_parquet(home + "/rows.parquet")
            return home + "/rows.parquet"
        return table if how == "DataFrame" else json.loads(table.to_json(orient="records"))

    MixpeekCreateObjectsOperator(
        task_id="load",
        bucket="bkt_bare",
        rows=rows_of(),
        scope="s",
        mapping={"blobs": {"title": "sku"}, "metadata": ["price", "stars", "made"]},
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
