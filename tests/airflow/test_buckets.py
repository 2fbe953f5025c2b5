"""The operators that create and delete buckets."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.utils.session import create_session

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekNamespaceError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.operators.buckets import (
    MixpeekCreateBucketOperator,
    MixpeekDeleteBucketOperator,
)
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .airflows import XComModel
from .contexts import Kept

KEY = "sk_buckets_91d2"
SCHEMA = {"hero": "image", "title": "text", "price": "float"}


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    """An emulator with one namespace, which the connection ``mixpeek_default`` points at."""
    emulator = make_emulator(task_seconds=0, namespaces=["shop"])
    point_at(emulator, key=KEY)
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Iterator[MixpeekClient]:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        yield client


def create(**arguments: Any) -> dict[str, str]:
    return MixpeekCreateBucketOperator(
        task_id="create", **{"bucket": "products", "schema": SCHEMA} | arguments
    ).execute({})


def delete(**arguments: Any) -> dict[str, Any]:
    return MixpeekDeleteBucketOperator(task_id="delete", **arguments).execute(Kept().context())


# -- create ------------------------------------------------------------------------------------------------


def test_create_answers_what_the_server_then_has(mixpeek: MixpeekClient) -> None:
    made = create(description="What we sell.", unique_key=["price"])
    bucket = mixpeek.buckets.get(made["bucket_id"])
    assert made == {"bucket_id": bucket.bucket_id, "bucket_name": "products"}
    assert {name: kind.type for name, kind in bucket.bucket_schema.properties.items()} == {
        **SCHEMA,
        "metadata": "object",
    }
    assert list(bucket.unique_key.fields_) == ["price"]


def test_create_declares_no_metadata_when_told_not_to(mixpeek: MixpeekClient) -> None:
    made = create(declare_metadata=False)
    assert "metadata" not in mixpeek.buckets.get(made["bucket_id"]).bucket_schema.properties


def test_second_run_takes_the_bucket_of_the_first(mixpeek: MixpeekClient) -> None:
    assert create() == create()
    assert len(list(mixpeek.buckets.list())) == 1


def test_create_refuses_a_bucket_with_another_schema_and_says_what_differs(server: Emulator) -> None:
    create(schema={"title": "image", "price": "float"})
    with pytest.raises(MixpeekConflictError) as caught:
        create()
    said = str(caught.value)
    assert "'title'" in said
    assert "'hero'" in said
    assert "'price'" not in said
    assert server.state()["buckets"] == 1


def test_create_fails_on_a_bucket_that_is_there_when_told_to(server: Emulator) -> None:
    made = create(if_exists="fail")
    with pytest.raises(MixpeekConflictError, match=made["bucket_id"]):
        create(if_exists="fail")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"schema": {"hero": "IMAGE"}}, "'IMAGE'"),
        ({"schema": {"hero": "picture"}}, "'picture'"),
        ({"bucket": " "}, "not a bucket name"),
        ({"if_exists": "perhaps"}, "if_exists is 'perhaps'"),
        ({"unique_key": ["sku"]}, "sku"),
    ],
)
def test_create_refuses_wrong_arguments_before_anything_is_sent(
    server: Emulator, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(MixpeekConfigError, match=named):
        create(**arguments)
    assert server.state()["requests"] == []


def test_create_in_a_namespace_that_is_none_creates_nothing(
    server: Emulator, point_at: Callable[..., None]
) -> None:
    point_at(server, key=KEY, conn_id="other", namespace="shpo")
    with pytest.raises(MixpeekNamespaceError, match="'shpo'"):
        create(mixpeek_conn_id="other")
    assert server.state()["buckets"] == 0


# -- delete ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named_by", ["bucket_name", "bucket_id"])
def test_delete_takes_a_name_or_an_id_and_says_what_to_wait_for(server: Emulator, named_by: str) -> None:
    made = create()
    deleted = delete(bucket=made[named_by])
    assert deleted["bucket_id"] == made["bucket_id"]
    (wait,) = deleted["waits"]
    assert wait["task_id"].startswith("task_")
    assert MixpeekTaskSensor(task_id="wait", task_ids=deleted["waits"]).poke({}) is True
    assert server.state()["buckets"] == 0


def test_delete_of_nothing_is_a_success_with_nothing_to_wait_for(server: Emulator) -> None:
    nothing = delete(bucket="products")
    assert nothing == {"bucket_id": None, "waits": []}
    assert MixpeekTaskSensor(task_id="wait", task_ids=nothing["waits"]).poke({}) is True


def test_delete_of_a_bucket_that_goes_between_two_calls_is_a_success(server: Emulator) -> None:
    create()
    server.fault({"method": "DELETE", "fault": "status", "status": 404})
    assert delete(bucket="products")["waits"] == []


def test_delete_of_nothing_fails_when_told_to(server: Emulator) -> None:
    create()
    with pytest.raises(MixpeekNotFoundError, match="Did you mean 'products'"):
        delete(bucket="produtcs", if_missing="fail")
    assert server.state()["buckets"] == 1


def test_delete_refuses_another_word_when_the_dag_is_parsed() -> None:
    with pytest.raises(ValueError, match="if_missing is 'explode'"):
        MixpeekDeleteBucketOperator(task_id="delete", bucket="products", if_missing="explode")


# -- in a DAG ----------------------------------------------------------------------------------------------


def test_buckets_come_and_go_in_a_dag(
    server: Emulator,
    run_dag: Callable[..., Any],
    point_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point_at(server, key=KEY, conn_id="shop_eu")
    monkeypatch.delenv("AIRFLOW_CONN_MIXPEEK_DEFAULT")
    of_region = {"mixpeek_conn_id": "shop_{{ params.region }}"}
    with DAG("buckets_come_and_go", params={"region": "eu"}) as dag:
        made = MixpeekCreateBucketOperator(
            task_id="create",
            bucket="products_{{ params.region }}",
            schema={"properties": {"title": {"type": "text", "description": "In {{ params.region }}"}}},
            description="For {{ params.region }}",
            **of_region,
        )
        gone = MixpeekDeleteBucketOperator(task_id="delete", bucket=made.output["bucket_id"], **of_region)
        MixpeekTaskSensor(task_id="wait", task_ids=gone.output["waits"], poke_interval=0.1, **of_region)
    run = run_dag(dag)

    assert run.state == "success"
    assert server.state()["buckets"] == 0
    with create_session() as session:
        xcoms = {
            (row.task_id, row.key): XComModel.deserialize_value(row)
            for row in session.query(XComModel).filter_by(dag_id=dag.dag_id)
        }
    assert set(xcoms) == {
        ("create", "return_value"),
        ("create", "bucket_id"),
        ("create", "bucket_name"),
        ("delete", "return_value"),
        ("delete", "bucket_id"),
        ("delete", "waits"),
    }
    assert xcoms["create", "bucket_name"] == "products_eu"
    assert xcoms["create", "bucket_id"] == xcoms["delete", "bucket_id"]
    assert [set(wait) for wait in xcoms["delete", "waits"]] == [{"task_id", "batch_id", "bucket"}]
