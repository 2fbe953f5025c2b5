"""What the tests take from Airflow, wherever the version that they run on keeps it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow import __version__ as version
from airflow.sdk.module_loading import import_string

try:
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
except ImportError:  # 3.1
    from airflow.exceptions import (
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # 3.1
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # 3.1
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
    "give_up",
    "import_string",
    "parsed",
    "put_into_database",
    "runs_here",
    "version",
]

#: Whether this Airflow keeps what a task notes between its tries (3.3).
HAS_A_STORE = tuple(int(part) for part in version.split(".")[:2]) >= (3, 3)


#: What the versions before 3.3 cannot do, and why; the tests of it do not run there.
NOT_BEFORE_3_3 = {
    "test_store.py": "there is no task state store",
    "test_batches_trigger.py::test_watchers_of_a_bucket_share_its_looks": "triggers share nothing there",
    "test_retries.py": "there are no retry policies",
    "test_hook.py::test_bad_extra_is_named[namespace=shop": "Airflow itself finds no connection there",
    'test_hook.py::test_bad_extra_is_named[["shop"]': "Airflow itself finds no connection there",
    "test_hook.py::test_airflow_connections_test[sk_wrong": "Airflow's command ends with 0 when a test fails",
}


def runs_here(test: str) -> bool:
    """Whether a test, by its file and name, is for the version under test."""
    return HAS_A_STORE or not any(test.startswith(name) for name in NOT_BEFORE_3_3)


def parsed(folder: Any) -> DagBag:
    """The DAGs of a folder, as Airflow's own parser has them."""
    try:
        return DagBag(dag_folder=folder, bundle_name="dags-folder")
    except TypeError:  # 3.1
        return DagBag(dag_folder=folder, include_examples=False)


def give_up(trigger: Any) -> None:
    """Tell a trigger that its task was given up, as far as this Airflow does it."""
    if hasattr(trigger, "on_kill"):
        asyncio.run(trigger.on_kill())


def put_into_database(dag: DAG, folder: Any) -> None:
    """Make a DAG, wherever it was defined, known to the database, without which ``dag.test()`` fails."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    try:
        from airflow.dag_processing.dagbag import sync_bag_to_db
    except ImportError:
        bag = DagBag(dag_folder=folder, include_examples=False, collect_dags=False)
        bag.bag_dag(dag)
        from airflow.models.dagbag import sync_bag_to_db

        sync_bag_to_db(bag, "dags-folder", None)
    else:
        bag = DagBag(dag_folder=folder, collect_dags=False, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", bundle_version=None)
