"""What the README shows a newcomer works as it stands there."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.hooks.mixpeek import _EXTRAS, MixpeekHook

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DAG_CODE, NOTEBOOK_CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
KEY = "sk_readme_77d1"

PRODUCTS = [
    {"sku": "S1", "title": "9", "price": 1.5, "image_url": "https://example.com/1.jpg"},
    {"sku": "S2", "title": "8½", "price": None, "image_url": None},
    {"sku": "S2", "title": "comes twice", "price": 3.0, "image_url": None},
]


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    emulator = make_emulator(task_seconds=0, api_keys=[KEY])
    point_at(emulator, key=KEY)
    return emulator


def test_dag_runs_as_it_stands(server: Emulator, run_dag: Callable[..., Any], tmp_path: Path) -> None:
    assert "/data/products-{{ ds }}.parquet" in DAG_CODE
    found: dict[str, Any] = {}
    exec(DAG_CODE.replace("/data/", f"{tmp_path}/").replace("{{ ds }}", "today"), found)
    pd.DataFrame(PRODUCTS).to_parquet(tmp_path / "products-today.parquet")
    assert run_dag(found["bucket"].dag).state == "success"
    assert server.state()["objects_processed"] == {"1": 2}


def test_notebook_code_runs_as_it_stands(server: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        mixpeek.buckets.create("products", schema={"hero": "image", "title": "text", "price": "float"})
    at_the_emulator = f'api_key="{KEY}", base_url="{server.url}"'
    assert 'api_key="sk_..."' in NOTEBOOK_CODE
    exec(NOTEBOOK_CODE.replace('api_key="sk_..."', at_the_emulator), {"df": pd.DataFrame(PRODUCTS)})
    assert capsys.readouterr().out.startswith("3 rows read: 2 created, 1 rejected; 1 batches submitted (")


def test_connections_of_the_environment_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = re.findall(r"^\$ export (AIRFLOW_CONN_.*)$", README, flags=re.MULTILINE)
    taken = []
    for line in lines:
        name, _, value = shlex.split(line)[0].partition("=")
        monkeypatch.setenv(name, value)
        with MixpeekHook().get_client() as mixpeek:
            settings = mixpeek.session.settings
        taken.append((settings.base_url, settings.api_key, settings.namespace))
    assert taken == [
        ("https://api.mixpeek.com", "sk_...", "shop"),
        ("http://localhost:8700", "sk_...", "shop"),
    ]


def test_table_of_the_connection_has_every_extra() -> None:
    assert set(re.findall(r"\| extra `(\w+)` \|", README)) == _EXTRAS


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]


def test_make_has_every_command_that_is_named() -> None:
    named = set(re.findall(r"`?make ([\w-]+)`?", README)) - {"and"}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"demo", "test", "airflow"} <= named <= targets
