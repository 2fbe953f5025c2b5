"""What importing costs: who handles an error should not pay for the HTTP library."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider.mixpeek import client

PACKAGE = "airflow_provider.mixpeek.client"


def loaded_by(statement):
    """The modules that a fresh process has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("names", ["MixpeekError, MixpeekConfigError, WaitFor", "ValidationIssue"])
def test_errors_and_waits_cost_nothing(names):
    loaded = loaded_by(f"from {PACKAGE} import {names}")
    assert not loaded & {"httpx", "pydantic", "asyncio", "json"}


@pytest.mark.parametrize("names", ["Settings", "Bucket, NewObject"])
def test_only_the_clients_load_the_http_library(names):
    assert "httpx" not in loaded_by(f"from {PACKAGE} import {names}")


def test_the_client_loads_no_data_frames_and_no_airflow():
    loaded = loaded_by(f"from {PACKAGE} import MixpeekClient, AsyncMixpeekClient")
    assert {"httpx", "pydantic"} <= loaded
    assert not {name.partition(".")[0] for name in loaded} & {
        "airflow",
        "pandas",
        "numpy",
        "pyarrow",
        "narwhals",
        "polars",
        "fastapi",
    }


def test_every_public_name_is_there_and_seen_by_type_checkers():
    assert sorted(client.__all__) == sorted(client._HOME)
    for name, home in client._HOME.items():
        assert getattr(client, name) is getattr(importlib.import_module(f"{PACKAGE}.{home}"), name)
    tree = ast.parse(Path(client.__file__).read_text())
    typed = {
        (alias.name, node.module.rpartition(".")[2])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.")
        for alias in node.names
    }
    assert typed == set(client._HOME.items())


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'Mixpek'"):
        getattr(client, "Mixpek" + "")
