"""The operator that creates objects from rows, in a DAG: where rows come from, what is shown of them."""

import json
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.sdk import DAG, task, task_group
from airflow.utils.session import create_session

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import ObjectMapping
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .airflows import DagSerialization, XComModel
from .things import KEY, as_csv, bucket, mixpeek, server, things, titles

__all__ = ["bucket", "mixpeek", "server"]

OBJECTS = "/v1/buckets/{bucket_identifier}/objects/batch"


def stored(dag: DAG) -> tuple[dict[tuple[str, int], dict[str, Any]], dict[tuple[str, int, str], Any]]:
    """What Airflow has stored of a DAG's tasks: rendered fields, and XComs."""
    with create_session() as session:
        rendered = {
            (row.task_id, row.map_index): row.rendered_fields
            for row in session.query(RenderedTaskInstanceFields).filter_by(dag_id=dag.dag_id)
        }
        xcoms = {
            (row.task_id, row.map_index, row.key): XComModel.deserialize_value(row)
            for row in session.query(XComModel).filter_by(dag_id=dag.dag_id)
        }
    return rendered, xcoms


def test_rows_come_from_everywhere_and_show_nowhere(
    server: Emulator,
    mixpeek: MixpeekClient,
    bucket: str,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "airflow_provider.mixpeek")
    literal_rows = [{"title": "{{ 1/0 }}", "size": -1}, *things("literal", 249)]
    named = [{"name": row["title"], "size": row["size"]} for row in things("path", 5)]
    as_csv(named, tmp_path)
    for part in range(2):
        (tmp_path / str(part)).mkdir()
        as_csv(things(f"group{part}", 2), tmp_path / str(part))

    with DAG("rows_from_everywhere", params={"folder": str(tmp_path), "column": "name"}) as dag:

        @task
        def frame() -> pd.DataFrame:
            return pd.DataFrame(things("frame", 4))

        @task
        def dicts() -> list[dict[str, Any]]:
            return things("dicts", 4)

        @task
        def equal_parts() -> list[list[dict[str, Any]]]:
            return [things("mapped", 3), things("mapped", 3)]

        def creating(task_id: str, **arguments: Any) -> MixpeekCreateObjectsOperator:
            return MixpeekCreateObjectsOperator(task_id=task_id, **{"bucket": "things"} | arguments)

        def mapping_over(task_id: str) -> Any:
            return MixpeekCreateObjectsOperator.partial(task_id=task_id, bucket="things", batch_size=2)

        literal = creating("literal", rows=literal_rows, batch_size=100)
        creating("from_frame", rows=frame())
        creating("from_dicts", rows=dicts())
        creating(
            "from_path",
            rows="{{ params.folder }}/things.csv",
            mapping={"blobs": {"title": "{{ params.column }}"}, "metadata": ["size"]},
        )
        mapped = mapping_over("mapped").expand(rows=equal_parts())
        mapping_over("mapped_literal").expand(rows=[things("part0", 2), things("part1", 2)])
        MixpeekCreateObjectsOperator.partial(task_id="by_kwargs").expand_kwargs(
            [
                {"bucket": "things", "rows": things("kwargs0", 2)},
                {"bucket": "{{ 'things' }}", "rows": things("kwargs1", 2), "process": False},
            ]
        )

        @task_group
        def each(path: str) -> None:
            made = creating("in_group", rows=path)
            MixpeekTaskSensor(task_id="wait", task_ids=made.output["waits"], poke_interval=0.1)

        each.expand(path=[str(tmp_path / part / "things.csv") for part in "01"])
        MixpeekTaskSensor(task_id="wait", task_ids=literal.output["waits"], poke_interval=0.1)
        MixpeekTaskSensor(task_id="wait_mapped", task_ids=mapped.output["waits"], poke_interval=0.1)
    run = run_dag(dag)
    said = capfd.readouterr().out + caplog.text

    assert run.state == "success", said
    expected = Counter({"{{ 1/0 }}": 1})
    for name, rows, times in [
        *[("literal", 249, 1), ("frame", 4, 1), ("dicts", 4, 1), ("path", 5, 1), ("mapped", 3, 2)],
        *[(f"{name}{part}", 2, 1) for name in ("part", "kwargs", "group") for part in (0, 1)],
    ]:
        expected.update({row["title"]: times for row in things(name, rows)})
    assert titles(mixpeek, bucket) == expected

    rendered, xcoms = stored(dag)
    assert rendered["literal", -1]["rows"] == "<250 rows>"
    assert rendered["from_frame", -1]["rows"] == "<4 rows>"
    assert rendered["from_dicts", -1]["rows"] == "<4 rows>"
    assert rendered["mapped", 1]["rows"] == "<3 rows>"
    assert rendered["by_kwargs", 1] | {"bucket": "things", "rows": "<2 rows>"} == rendered["by_kwargs", 1]
    assert rendered["from_path", -1]["rows"] == f"{tmp_path}/things.csv"
    assert rendered["from_path", -1]["mapping"]["blobs"] == {"title": "name"}
    shown = json.dumps(list(rendered.values()))
    assert "cell-" not in shown
    assert "cell-literal" not in json.dumps(DagSerialization.serialize_dag(dag))

    ours = {key: value for key, value in xcoms.items() if key[0] not in ("frame", "dicts", "equal_parts")}
    assert [len(ours["literal", -1, key]) for key in ("waits", "return_value")] == [3, 13]
    assert [len(ours["mapped", part, "waits"]) for part in (0, 1)] == [2, 2]
    assert ours["by_kwargs", 1, "waits"] == []
    text = json.dumps([value for _, value in sorted(ours.items())])
    assert "cell-" not in text
    assert KEY not in text + shown + said
    # The sensors saw all batches of their tasks, and those in the group their own.
    looks = [
        counted["count"]
        for counted in server.state()["requests"]
        if (counted["method"], counted["path"])
        == ("GET", "/v1/buckets/{bucket_identifier}/batches/{batch_id}")
    ]
    assert sum(looks) == 3 + 4 + 2


def test_retry_ends_with_every_row_once_and_the_next_run_with_its_own(
    server: Emulator, mixpeek: MixpeekClient, bucket: str, run_dag: Callable[..., Any]
) -> None:
    with DAG("twice") as dag:
        by_content = MixpeekCreateObjectsOperator(
            task_id="by_content", bucket="things", rows=things("content", 250), retries=1, retry_delay=0
        )
        by_key = MixpeekCreateObjectsOperator(
            task_id="by_key",
            bucket="things",
            rows=things("key", 10),
            mapping=ObjectMapping(blobs={"title": "title"}, idempotency_key=["size"]),
        )
        by_content >> by_key
    # The third of three requests, when the others are stored.
    server.fault({"path": OBJECTS, "fault": "status", "status": 403, "skip": 2, "times": 1})

    first = run_dag(dag)
    assert {ti.task_id: (ti.state, ti.try_number) for ti in first.get_task_instances()} == {
        "by_content": ("success", 2),
        "by_key": ("success", 1),
    }
    once = Counter(row["title"] for row in things("content", 250) + things("key", 10))
    assert titles(mixpeek, bucket) == once
    _, xcoms = stored(dag)
    assert xcoms["by_content", -1, "replayed"] >= 100
    assert xcoms["by_content", -1, "created"] + xcoms["by_content", -1, "replayed"] == 250

    second = run_dag(dag)
    assert second.state == "success"
    assert titles(mixpeek, bucket) == once + Counter(row["title"] for row in things("content", 250))
