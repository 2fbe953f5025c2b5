"""The provider as Airflow sees it: its description, its modules, its connection form."""

import importlib
import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ConnectionFormWidgetInfo

from airflow_provider.mixpeek import get_provider_info
from airflow_provider.mixpeek._provider_info import get_connection_form_widgets, get_ui_field_behaviour

INFO = get_provider_info()
(CONNECTION,) = INFO["connection-types"]
MODULES = [
    module
    for kind in ("hooks", "operators", "sensors", "triggers")
    for entry in INFO[kind]
    for module in entry["python-modules"]
]


def schema(name: str) -> dict[str, Any]:
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    return json.loads(Path(spec.origin).with_name(name).read_text())


def airflow_json(*arguments: str) -> Any:
    """Run Airflow's command line and return its JSON, which comes after any log lines."""
    ran = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments, "-o", "json"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def as_printed(value: Any) -> Any:
    """Return the value as Airflow's command line prints it, which turns booleans into text."""
    if isinstance(value, dict):
        return {key: as_printed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_printed(item) for item in value]
    return str(value) if isinstance(value, bool) else value


def test_info_is_valid_for_airflow() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_info_is_valid_by_the_stricter_rules_for_airflow_s_own_providers() -> None:
    release = {
        "state": "ready",
        "source-date-epoch": 1,
        "versions": [distribution(INFO["package-name"]).version],
    }
    jsonschema.validate(INFO | release, schema("provider.yaml.schema.json"))


def test_entry_point_belongs_to_the_distribution_that_the_info_names() -> None:
    (entry_point,) = distribution(INFO["package-name"]).entry_points.select(group="apache_airflow_provider")
    assert entry_point.load() is get_provider_info
    assert distribution(INFO["package-name"]).metadata["Name"] == INFO["package-name"]


@pytest.mark.parametrize("module", MODULES)
def test_named_modules_import(module: str) -> None:
    importlib.import_module(module)


def test_no_module_is_left_out() -> None:
    package = Path(importlib.import_module("airflow_provider.mixpeek").__file__).parent
    shipped = {
        f"airflow_provider.mixpeek.{kind}.{path.stem}"
        for kind in ("hooks", "operators", "sensors", "triggers")
        for path in (package / kind).glob("*.py")
        if not path.stem.startswith("_")
    }
    assert shipped == set(MODULES)


def test_hook_class_is_there_and_agrees_with_the_form() -> None:
    module, _, name = CONNECTION["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook.conn_type == CONNECTION["connection-type"]
    assert hook.hook_name == CONNECTION["hook-name"]
    assert hook.get_ui_field_behaviour() == get_ui_field_behaviour()


def test_airflow_lists_the_provider() -> None:
    listed = {provider["package_name"]: provider for provider in airflow_json("providers", "list")}
    assert listed["airflow-provider-mixpeek"]["version"] == distribution("airflow-provider-mixpeek").version


def test_airflow_shows_all_of_the_info() -> None:
    (shown,) = airflow_json("providers", "get", "airflow-provider-mixpeek", "--full")
    for key in INFO.keys() - {"description"}:  # rendered from its markup
        assert shown[key] == as_printed(INFO[key])


def test_airflow_imports_the_hook() -> None:
    (hook,) = [row for row in airflow_json("providers", "hooks") if row["connection_type"] == "mixpeek"]
    assert hook == {
        "connection_type": "mixpeek",
        "class": CONNECTION["hook-class-name"],
        "conn_id_attribute_name": "mixpeek_conn_id",
        "package_name": "airflow-provider-mixpeek",
        "hook_name": "Mixpeek",
    }


def test_every_extra_field_may_stay_empty() -> None:
    assert [name for name, f in CONNECTION["conn-fields"].items() if "null" not in f["schema"]["type"]] == []


def test_form_of_older_airflow_has_the_same_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    # Airflow 3.1 draws the form with these stand-ins for WTForms, which 3.3 still ships.
    wtforms, validators = ModuleType("wtforms"), ModuleType("wtforms.validators")
    wtforms.BooleanField = HookMetaService.MockBooleanField
    wtforms.StringField = HookMetaService.MockStringField
    validators.Optional = HookMetaService.MockOptional
    validators.any_of = HookMetaService.MockEnum
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)

    widgets = {
        f"extra__mixpeek__{name}": ConnectionFormWidgetInfo(
            "MixpeekHook", INFO["package-name"], field, name, False
        )
        for name, field in get_connection_form_widgets().items()
    }
    drawn = HookMetaService._convert_extra_fields(widgets)["mixpeek"]

    assert drawn.keys() == CONNECTION["conn-fields"].keys()
    for name, declared in CONNECTION["conn-fields"].items():
        assert drawn[name]["schema"]["title"] == declared["label"]
        assert drawn[name]["description"] == declared["description"]
        assert drawn[name]["value"] == declared["schema"].get("default")
        assert drawn[name]["schema"].get("enum") == declared["schema"].get("enum")


def test_standard_fields_of_older_airflow_are_the_same() -> None:
    older, newer = get_ui_field_behaviour(), CONNECTION["ui-field-behaviour"]
    assert {name.replace("_", "-"): value for name, value in older.items()} == newer
