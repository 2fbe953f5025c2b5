"""What holds for every operator and sensor: documented parameters, real template fields, no surprises."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_provider.mixpeek import get_provider_info

INFO = get_provider_info()
MODULES = [
    importlib.import_module(name)
    for kind in ("operators", "sensors")
    for entry in INFO[kind]
    for name in entry["python-modules"]
]
CLASSES = [getattr(module, name) for module in MODULES for name in module.__all__]
# One argument for each required parameter there is.
REQUIRED = {
    "bucket": "things",
    "collection": "captions",
    "schema": {"title": "text"},
    "rows": "a.csv",
    "task_ids": "task_1",
    "batch_ids": "btch_1",
    "files": "shoes/*.jpg",
}
# Where one of several parameters is required.
BESIDES = {"MixpeekProcessObjectsOperator": {"objects": ["obj_1"]}}


def parameters(operator: type[BaseOperator]) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(operator.__init__).parameters)
    return {name: found[name] for name in found if name not in ("self", "kwargs")}


def made(operator: type[BaseOperator], **arguments: Any) -> BaseOperator:
    needed = {
        name: REQUIRED[name]
        for name, parameter in parameters(operator).items()
        if parameter.default is parameter.empty
    }
    return operator(task_id="any", **needed | BESIDES.get(operator.__name__, {}) | arguments)


def test_there_are_as_many_as_we_think() -> None:
    assert [operator.__name__ for operator in CLASSES] == [
        "MixpeekProcessObjectsOperator",
        "MixpeekCreateBucketOperator",
        "MixpeekDeleteBucketOperator",
        "MixpeekTriggerCollectionOperator",
        "MixpeekCreateObjectsOperator",
        "MixpeekUploadFilesOperator",
        "MixpeekBatchSensor",
        "MixpeekTaskSensor",
    ]


@pytest.mark.parametrize("operator", CLASSES)
def test_parameters_are_keywords_and_each_is_documented(operator: type[BaseOperator]) -> None:
    taken = parameters(operator)
    assert {parameter.kind for parameter in taken.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert re.findall(r"^:param (\w+):", inspect.getdoc(operator), re.MULTILINE) == list(taken)


@pytest.mark.parametrize("operator", CLASSES)
def test_template_fields_are_parameters_and_documented_as_such(operator: type[BaseOperator]) -> None:
    instance = made(operator)
    text_of = r"^:param (\w+):((?:.|\n)*?)(?=^:|\Z)"
    documented = dict(re.findall(text_of, inspect.getdoc(operator), re.MULTILINE))
    assert set(operator.template_fields) == {name for name, text in documented.items() if "templated" in text}
    assert [name for name in operator.template_fields if not hasattr(instance, name)] == []
    assert set(operator.template_fields_renderers) <= set(operator.template_fields)


@pytest.mark.parametrize("operator", CLASSES)
def test_connection_has_its_usual_name_and_is_not_looked_up(operator: type[BaseOperator]) -> None:
    assert made(operator).mixpeek_conn_id == "mixpeek_default"
    assert made(operator, mixpeek_conn_id="not_defined").mixpeek_conn_id == "not_defined"


@pytest.mark.parametrize("operator", [one for one in CLASSES if not issubclass(one, BaseSensorOperator)])
def test_results_have_a_key_for_each_field_unless_told_otherwise(operator: type[BaseOperator]) -> None:
    assert made(operator).multiple_outputs is True
    assert made(operator, multiple_outputs=False).multiple_outputs is False


def test_page_about_waits_has_every_operator_that_can_and_what_it_does_by_itself() -> None:
    page = (Path(__file__).parents[2] / "docs" / "waiting.md").read_text()
    told = dict(re.findall(r"^\| `(Mixpeek\w+Operator)` \| (yes|no) \|", page, re.MULTILINE))
    waits = {one.__name__: parameters(one).get("wait_for_completion") for one in CLASSES}
    assert told == {name: "yes" if found.default else "no" for name, found in waits.items() if found}
