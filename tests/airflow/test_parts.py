"""The description of a part of a source as an operator's rows: it arrives as it was, wherever it is from."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider.mixpeek.operators._rows import HeldRows, held, released
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator


def part(number: int) -> dict[str, Any]:
    """A part whose path looks like a template, which it is not."""
    path = "/data/{{ 1/0 }}.parquet"
    file = {"path": path, "uri": f"file://{path}", "fingerprint": {"size": 4_711}}
    cut = {"rows": 100, "first_row": number * 100, "start": number * 100, "end": (number + 1) * 100}
    return {"mixpeek_part": 1, "files": [file], **cut, "columns": None}


class Given(MixpeekCreateObjectsOperator):
    """Returns the rows that it was given."""

    def execute(self, context: Any) -> Any:
        rows = released(self.rows)
        return {"rows": rows if isinstance(rows, dict) else list(rows)}


@pytest.fixture
def given(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a DAG and returns by map index what a task was given, and what the UI shows of it."""

    def run(dag: DAG, task_id: str = "given") -> tuple[list[Any], list[Any]]:
        outcome = run_dag(dag)
        assert outcome.state == "success"
        tis = sorted(
            (ti for ti in outcome.get_task_instances() if ti.task_id == task_id), key=lambda ti: ti.map_index
        )
        with create_session() as session:
            shown = {
                one.map_index: one.rendered_fields["rows"]
                for one in session.scalars(
                    select(RenderedTaskInstanceFields).where(
                        RenderedTaskInstanceFields.dag_id == dag.dag_id,
                        RenderedTaskInstanceFields.task_id == task_id,
                    )
                )
            }
        pulled = [ti.xcom_pull(task_ids=task_id, key="rows", map_indexes=ti.map_index) for ti in tis]
        return pulled, [shown[ti.map_index] for ti in tis]

    return run


def from_literal(_: Any) -> None:
    Given(task_id="given", bucket="b", rows=part(0))


def from_task(_: Any) -> None:
    @task
    def describe() -> dict[str, Any]:
        return part(0)

    Given(task_id="given", bucket="b", rows=describe())


def from_literals(_: Any) -> None:
    Given.partial(task_id="given", bucket="b").expand(rows=[part(0), part(1)])


def from_a_task_that_splits(split: Callable[[], Any]) -> None:
    Given.partial(task_id="given", bucket="b").expand(rows=split())


def from_an_operator_that_splits(split: Callable[[], Any]) -> None:
    Given.partial(task_id="given", bucket="b").expand(rows=split().operator.output)


def from_keyword_literals(_: Any) -> None:
    Given.partial(task_id="given").expand_kwargs([{"bucket": "b", "rows": part(n)} for n in (0, 1)])


def from_mapped_keywords(split: Callable[[], Any]) -> None:
    Given.partial(task_id="given").expand_kwargs(split().map(lambda one: {"bucket": "b", "rows": one}))


def from_mapped_tasks(_: Any) -> None:
    @task
    def describe(number: int) -> dict[str, Any]:
        return part(number)

    Given.partial(task_id="given", bucket="b").expand(rows=describe.expand(number=[0, 1]))


@pytest.mark.parametrize(
    ("build", "parts"),
    [
        (from_literal, 1),
        (from_task, 1),
        (from_literals, 2),
        (from_a_task_that_splits, 2),
        (from_an_operator_that_splits, 2),
        (from_keyword_literals, 2),
        (from_mapped_keywords, 2),
        (from_mapped_tasks, 2),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_part_arrives_as_it_was(given: Callable[..., Any], build: Callable[[Any], None], parts: int) -> None:
    with DAG(f"parts_{uuid4().hex}") as dag:

        @task
        def split() -> list[dict[str, Any]]:
            return [part(0), part(1)]

        build(split)
    arrived, shown = given(dag)
    assert arrived == [part(number) for number in range(parts)]
    assert shown == [f"<{part(number)!r}>" for number in range(parts)]


def test_parts_of_all_mapped_tasks_arrive_at_one(given: Callable[..., Any]) -> None:
    with DAG(f"parts_{uuid4().hex}") as dag:

        @task
        def describe(number: int) -> dict[str, Any]:
            return part(number)

        Given(task_id="given", bucket="b", rows=describe.expand(number=[0, 1]))
    arrived, shown = given(dag)
    assert arrived == [[part(0), part(1)]]
    assert shown == ["<2 rows>"]


def test_dict_that_is_no_part_shows_nothing() -> None:
    assert repr(held({"title": "secret"})) == "<rows>"
    assert isinstance(held({"title": "secret"}), HeldRows)
