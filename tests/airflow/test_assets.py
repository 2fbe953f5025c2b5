"""Assets of buckets: their URIs, and the events of tasks that change one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider.mixpeek.assets.mixpeek import asset_uri, create_asset
from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConfigError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator
from airflow_provider.mixpeek.triggers.batches import MixpeekFinishedBatchesTrigger

from .contexts import Kept

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

KEY = "sk_assets_9d02"
ROWS = [{"title": f"Film {number}"} for number in range(3)]
SHOP = "mixpeek://shop/films"


# -- URIs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("mixpeek://shop/films", "mixpeek://shop/films"),
        ("MIXPEEK://Shop/Films/", "mixpeek://Shop/Films"),
        ("mixpeek://a shop/Spaß", "mixpeek://a%20shop/Spa%C3%9F"),
        ("mixpeek://shop/a%2Fb", "mixpeek://shop/a%2Fb"),
        ("mixpeek://ns_1/bkt_2", "mixpeek://ns_1/bkt_2"),
    ],
)
def test_airflow_keeps_one_form_of_a_uri(given: str, kept: str) -> None:
    assert Asset(uri=given).uri == kept == Asset(uri=kept).uri


@pytest.mark.parametrize(
    "wrong",
    [
        "mixpeek://shop",
        "mixpeek://shop/",
        "mixpeek:///films",
        "mixpeek://shop/films/1",
        "mixpeek://shop/films?a=b",
    ],
)
def test_airflow_refuses_a_uri_that_names_no_bucket(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"mixpeek://\{namespace\}/\{bucket\}"):
        Asset(uri=wrong)


def test_a_key_has_no_place_in_a_uri() -> None:
    with pytest.raises(ValueError, match="no key") as raised:
        Asset(uri=f"mixpeek://{KEY}@shop/films")
    assert KEY not in str(raised.value)


def test_names_of_any_kind_make_an_asset() -> None:
    for namespace, bucket in [("shop", "films"), ("a/b", "c d"), ("ü", "100%")]:
        uri = asset_uri(namespace=namespace, bucket=bucket)
        assert create_asset(namespace=namespace, bucket=bucket).uri == uri
    with pytest.raises(ValueError, match="needs the names"):
        create_asset(namespace="shop", bucket="")


def test_an_asset_has_what_it_is_given() -> None:
    watcher = AssetWatcher(name="finished", trigger=MixpeekFinishedBatchesTrigger(bucket="films"))
    asset = create_asset(namespace="shop", bucket="films", extra={"team": "web"}, watchers=[watcher])
    assert (asset.extra, list(asset.watchers)) == ({"team": "web"}, [watcher])


# -- events --------------------------------------------------------------------------------------------------


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    emulator = make_emulator(task_seconds=0)
    point_at(emulator, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=emulator.url) as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text", "poster": "image"})
    return emulator


def events_of(run: DagRun) -> list[tuple[str, dict[str, Any]]]:
    with create_session() as session:
        chosen = (
            select(AssetModel.uri, AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetEvent.source_dag_id == run.dag_id, AssetEvent.source_run_id == run.run_id)
            .order_by(AssetEvent.id)
        )
        return [(uri, dict(extra)) for uri, extra in session.execute(chosen)]


def test_operators_that_are_asked_to_tell_what_they_changed(
    server: Emulator, run_dag: Callable[..., DagRun], tmp_path: Any
) -> None:
    (tmp_path / "one.png").write_bytes(b"a picture")
    with DAG("tells_assets", schedule=None) as dag:
        stored = MixpeekCreateObjectsOperator(
            task_id="store", bucket="films", rows=ROWS, process=False, emit_asset=True
        )
        uploaded = MixpeekUploadFilesOperator(
            task_id="upload", bucket="films", files=str(tmp_path), blob_property="poster", emit_asset=True
        )
        done = MixpeekProcessObjectsOperator(
            task_id="process", bucket="films", objects=uploaded.output["object_ids"], emit_asset=True
        )
        stored >> uploaded >> done
    run = run_dag(dag)
    assert run.state == "success"
    first, second, third = events_of(run)
    assert [uri for uri, _ in (first, second, third)] == [SHOP] * 3
    assert (first[1]["created"], second[1]["stored"], third[1]["objects"]) == (3, 1, 1)
    assert first[1]["bucket_id"] == second[1]["bucket_id"] == third[1]["bucket_id"]
    assert KEY not in json.dumps([first, second, third])


def test_an_outlet_that_the_dag_declares_gets_the_counts(
    server: Emulator, run_dag: Callable[..., DagRun]
) -> None:
    other = Asset(uri="mixpeek://shop/others")
    with DAG("declares_assets", schedule=None) as dag:
        MixpeekCreateObjectsOperator(
            task_id="store",
            bucket="films",
            rows=ROWS,
            process=False,
            outlets=[create_asset(namespace="shop", bucket="films"), other],
        )
    told = dict(events_of(run_dag(dag)))
    assert told[SHOP]["created"] == 3
    assert "created" not in told[other.uri]


def test_mapped_tasks_tell_too(server: Emulator, run_dag: Callable[..., DagRun]) -> None:
    with DAG("maps_assets", schedule=None) as dag:
        MixpeekCreateObjectsOperator.partial(
            task_id="store",
            bucket="films",
            process=False,
            outlets=[create_asset(namespace="shop", bucket="films")],
        ).expand(rows=[ROWS, ROWS[:1]])
    assert sorted(extra["created"] for _, extra in events_of(run_dag(dag))) == [1, 3]


def test_nothing_is_told_of_a_task_that_fails_or_is_not_asked(
    server: Emulator, run_dag: Callable[..., DagRun]
) -> None:
    with DAG("tells_nothing", schedule=None) as dag:
        MixpeekCreateObjectsOperator(task_id="store", bucket="films", rows=ROWS, process=False)
        MixpeekCreateObjectsOperator(
            task_id="fails", bucket="films", rows=[{"no": "title"}], process=False, emit_asset=True
        )
    run = run_dag(dag)
    assert (run.state, events_of(run)) == ("failed", [])


@pytest.mark.parametrize(
    "operator",
    [
        lambda **given: MixpeekCreateObjectsOperator(rows=ROWS, **given),
        lambda **given: MixpeekUploadFilesOperator(files="*.png", **given),
    ],
)
def test_without_a_namespace_nothing_is_sent(
    operator: Callable[..., Any], server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "mixpeek", "password": KEY, "host": server.url}
    monkeypatch.setenv("AIRFLOW_CONN_MIXPEEK_DEFAULT", json.dumps(connection))
    requests = server.state()["requests"]
    with pytest.raises(MixpeekConfigError, match="names none"):
        operator(task_id="any", bucket="films", emit_asset=True).execute(Kept().context())
    assert server.state()["requests"] == requests
