"""A real Airflow for each test process: a home of its own and, for the tests that ask, a migrated database.

Airflow reads its configuration when it is first imported, so the environment is set while pytest collects,
before any test module beside this file is imported.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG

    from airflow_provider.mixpeek.emulator import Emulator

if "airflow" in sys.modules:
    raise RuntimeError(
        "airflow was imported before tests/airflow/conftest.py could give it a home of its own: "
        "tests outside this folder must not import it"
    )

_home = tempfile.TemporaryDirectory(prefix="mixpeek-airflow-home-")
_dags_folder = Path(_home.name, "dags")
_dags_folder.mkdir()

# What the developer's shell points Airflow at, perhaps a real database, is not for tests.
for _name in [name for name in os.environ if name.startswith(("AIRFLOW_", "_AIRFLOW_"))]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": _home.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(_dags_folder),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


_HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave files alone that are not for the version under test: their imports would fail."""
    from .airflows import runs_here

    if collection_path.parent == _HERE and not runs_here(collection_path.name):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, and count as such, tests that are not for the version under test."""
    from .airflows import runs_here

    here = [item for item in items if item.path.parent == _HERE]
    gone = {item for item in here if not runs_here(item.nodeid.rpartition("/")[2])}
    if gone:
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [item for item in items if item not in gone]


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> "Callable[..., None]":
    """Return a function that makes a connection of an emulator, with the extra fields given."""

    def point(server: "Emulator", *, key: str, conn_id: str = "mixpeek_default", **extra: Any) -> None:
        connection = {
            "conn_type": "mixpeek",
            "password": key,
            "host": server.url,
            "extra": {"namespace": "shop", **extra},
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return point


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Migrate this process' own SQLite database, without which ``dag.test()`` fails."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(airflow_db: None) -> "Callable[..., DagRun]":
    """Return a function that runs a DAG, wherever it was defined, through ``dag.test()``.

    ``dag.test()`` by itself finds only DAGs whose file lies in the DAGs folder.
    """

    def run(dag: "DAG", **arguments: Any) -> "DagRun":
        from .airflows import put_into_database

        put_into_database(dag, _dags_folder)
        return dag.test(**arguments)

    return run
