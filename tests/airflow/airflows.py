"""What the tests take from Airflow, wherever the version that they run on keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow import __version__ as version

try:
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
except ImportError:  # 3.0 and 3.1
    from airflow.exceptions import (
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
try:
    from airflow.sdk.module_loading import import_string
except ImportError:  # 3.0
    from airflow.utils.module_loading import import_string
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # 3.0 and 3.1
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # 3.0 and 3.1
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
try:
    from airflow.models.xcom import XComModel
except ImportError:
    from airflow.models.xcom import BaseXCom as XComModel

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = [
    "HAS_A_STORE",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "DagBag",
    "DagSerialization",
    "TaskDeferred",
    "XComModel",
    "import_string",
    "put_into_database",
    "version",
]

#: Whether this Airflow keeps what a task notes between its tries (3.3).
HAS_A_STORE = tuple(int(part) for part in version.split(".")[:2]) >= (3, 3)


def put_into_database(dag: DAG, folder: Any) -> None:
    """Make a DAG, wherever it was defined, known to the database, without which ``dag.test()`` fails."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    try:
        from airflow.dag_processing.dagbag import sync_bag_to_db
    except ImportError:
        bag = DagBag(dag_folder=folder, include_examples=False, collect_dags=False)
        bag.bag_dag(dag)
        if hasattr(bag, "sync_to_db"):  # 3.0
            bag.sync_to_db("dags-folder", None)
        else:
            from airflow.models.dagbag import sync_bag_to_db

            sync_bag_to_db(bag, "dags-folder", None)
    else:
        bag = DagBag(dag_folder=folder, collect_dags=False, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", bundle_version=None)
