"""Lineage: what operators tell OpenLineage, what its events hold, and that nothing needs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from openlineage.client.serde import Serde

from airflow_provider.mixpeek.assets.mixpeek import convert_asset_to_openlineage, create_asset
from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConfigError, MixpeekWorkFailedError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FilesRejectedError, IngestError, RowsRejectedError, split_source
from airflow_provider.mixpeek.ingest._naming import names_of
from airflow_provider.mixpeek.operators._lineage import Told
from airflow_provider.mixpeek.operators._rows import released
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator

from .contexts import Kept
from .wait_modes import World, clock, make_world, to_the_end

__all__ = ["clock", "make_world"]

#: Has letters that look otherwise in a URL.
KEY = "sk_lineage+/=_9d2f"
BATCH = "/v1/buckets/*/objects/batch"
COUNTS = ["rows_read", "resumed", "created", "replayed", "stored", "rejected", "unsent", "in_doubt", "stale"]


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    emulator = make_emulator(task_seconds=0, namespaces=["shop"])
    point_at(emulator, key=KEY)
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Iterator[MixpeekClient]:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        yield client


@pytest.fixture
def films(mixpeek: MixpeekClient) -> str:
    """The id of a bucket."""
    return mixpeek.buckets.create("films", schema={"title": "text"}).bucket_id


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    path.write_text("title\n" + "".join(f"Film {number}\n" for number in range(5)))
    return path


def create(rows: Any, **arguments: Any) -> MixpeekCreateObjectsOperator:
    return MixpeekCreateObjectsOperator(task_id="load", bucket="films", rows=rows, **arguments)


def as_events_have_it(found: Any) -> dict[str, Any]:
    """What an operator told, as OpenLineage writes it."""

    def written(one: Any) -> Any:
        return json.loads(Serde.to_json(one))

    return {
        "in": [written(one) for one in found.inputs],
        "out": [written(one) for one in found.outputs],
        "facets": {name: written(facet) for name, facet in found.run_facets.items()},
    }


def told(operator: Any, context: Any = None, *, failing: type[Exception] | None = None) -> dict[str, Any]:
    """Execute an operator, and ask it as OpenLineage's extractor does."""
    if failing is None:
        operator.execute(context or Kept().context())
        return as_events_have_it(operator.get_openlineage_facets_on_complete(None))
    with pytest.raises(failing):
        operator.execute(context or Kept().context())
    return as_events_have_it(operator.get_openlineage_facets_on_failure(None))


def name_of(server: Emulator, bucket_id: str) -> tuple[str, str]:
    return server.url.replace("http://", "mixpeek://"), f"shop/{bucket_id}"


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["namespace"], each["name"]) for each in datasets]


def read(lineage: dict[str, Any]) -> dict[str, Any]:
    return lineage["in"][0]["inputFacets"]["inputStatistics"]


def written(lineage: dict[str, Any]) -> int:
    return lineage["out"][0]["outputFacets"]["outputStatistics"]["rowCount"]


# -- the facets --------------------------------------------------------------------------------------------


def test_load_tells_its_file_its_bucket_and_its_counts(server: Emulator, films: str, csv: Path) -> None:
    operator = create(str(csv), batch_size=2)
    kept = Kept()
    result = operator.execute(kept.context())
    lineage = as_events_have_it(operator.get_openlineage_facets_on_complete(None))
    assert names(lineage["in"]) == [("file", str(csv))]
    assert names(lineage["out"]) == [name_of(server, films)]
    assert (read(lineage)["rowCount"], written(lineage)) == (5, 5)
    work = lineage["facets"]["mixpeek_work"]
    assert work["counts"] == {name: result[name] for name in COUNTS}
    assert work["batchIds"] == [wait["batch_id"] for wait in result["waits"]]
    assert work["taskIds"] == [wait["task_id"] for wait in result["waits"]]
    assert (work["batchCount"], work["taskCount"], work["sourceCount"]) == (3, 3, 1)
    producer = f"pkg:pypi/airflow-provider-mixpeek@{version('airflow-provider-mixpeek')}"
    statistics = (read(lineage), lineage["out"][0]["outputFacets"]["outputStatistics"])
    assert {each["_producer"] for each in [work, *statistics]} == {producer}
    assert work["_schemaURL"].startswith("https://openlineage.io/spec/")


@pytest.mark.parametrize("form", [list, iter, pd.DataFrame])
def test_rows_in_memory_have_no_dataset(films: str, form: Callable[..., Any]) -> None:
    lineage = told(create(form([{"title": "One"}, {"title": "Two"}])))
    assert (lineage["in"], written(lineage)) == ([], 2)


def test_rows_that_were_there_are_not_written(films: str, csv: Path) -> None:
    first = told(create(csv), Kept(store=None).context())
    again = told(create(csv), Kept(store=None).context())
    assert (written(first), written(again)) == (5, 0)
    assert again["facets"]["mixpeek_work"]["counts"]["replayed"] == 5


def test_failed_load_tells_what_was_done(server: Emulator, films: str) -> None:
    server.fault({"fault": "status", "path": BATCH, "status": 401, "times": 1})
    lineage = told(create([{"title": "One"}]), failing=IngestError)
    assert (names(lineage["out"]), written(lineage)) == ([name_of(server, films)], 0)
    assert lineage["facets"]["mixpeek_work"]["counts"]["unsent"] == 1
    lineage = told(create([{"title": "One"}, {"title": 7.5}, {"title": None}]), failing=RowsRejectedError)
    assert lineage["facets"]["mixpeek_work"]["counts"]["rejected"] == 1


def test_what_fails_before_it_begins_tells_nothing(films: str, csv: Path) -> None:
    operator = create(csv, mapping={"blobs": {"title": "no such column"}})
    with pytest.raises(MixpeekConfigError):
        operator.execute(Kept().context())
    assert operator.get_openlineage_facets_on_failure(None) is None


def test_legacy_tells_its_tasks(
    make_emulator: Callable[..., Emulator], point_at: Callable[..., None], csv: Path
) -> None:
    server = make_emulator(generation="legacy", task_seconds=0)
    point_at(server, key=KEY, generation="legacy")
    with MixpeekClient(KEY, namespace="shop", base_url=server.url, generation="legacy") as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text"})
    lineage = told(create(csv))
    work = lineage["facets"]["mixpeek_work"]
    assert (written(lineage), work["counts"]["stored"]) == (5, 5)
    assert (work["batchCount"], work["taskCount"], len(work["taskIds"])) == (0, 5, 5)


def test_uploads_tell_files_and_which_of_them_were_there(
    server: Emulator, mixpeek: MixpeekClient, tmp_path: Path
) -> None:
    shoes = mixpeek.buckets.create("shoes", schema={"hero": "image"}, declare_metadata=False).bucket_id
    for number in range(3):
        (tmp_path / f"shoe-{number}.png").write_bytes(b"picture %d" % number)
    upload = MixpeekUploadFilesOperator(task_id="upload", bucket="shoes", files=f"{tmp_path}/*.png")
    lineage = told(upload)
    assert names(lineage["in"]) == [("file", str(tmp_path))]
    assert names(lineage["out"]) == [name_of(server, shoes)]
    assert (read(lineage)["fileCount"], written(lineage)) == (3, 3)
    (tmp_path / "empty.png").touch()
    failed = told(upload, failing=FilesRejectedError)
    assert (read(failed)["fileCount"], written(failed)) == (4, 0)
    counts = {"files": 4, "stored": 3, "duplicates": 3, "rejected": 1}
    assert failed["facets"]["mixpeek_work"]["counts"] == counts


def test_processing_reads_the_bucket(server: Emulator, mixpeek: MixpeekClient, films: str) -> None:
    create([{"title": "One"}, {"title": "Two"}], process=False).execute(Kept().context())
    ids = [one.object_id for one in mixpeek.objects.list(films)]
    lineage = told(MixpeekProcessObjectsOperator(task_id="process", objects=ids, bucket="films"))
    assert (names(lineage["in"]), lineage["out"]) == ([name_of(server, films)], [])
    assert read(lineage)["rowCount"] == 2
    work = lineage["facets"]["mixpeek_work"]
    assert work["counts"] == {"objects": 2, "missing": 0, "failed": 0}
    assert (work["batchCount"], work["sourceCount"]) == (1, 0)


@pytest.mark.parametrize("fails", [False, True])
def test_deferred_load_tells_in_its_last_process_what_the_first_did(
    make_world: Callable[..., World], csv: Path, fails: bool
) -> None:
    world = make_world()
    world.mixpeek.buckets.create("films", schema={"title": "text"})
    if fails:
        world.server.fault({"fault": "task_outcome", "status": "FAILED"})
    made: list[MixpeekCreateObjectsOperator] = []

    def make() -> MixpeekCreateObjectsOperator:
        made.append(create(str(csv), wait_for_completion=True, deferrable=True))
        return made[-1]

    if fails:
        with pytest.raises(MixpeekWorkFailedError):
            to_the_end(world, make)
        found = made[-1].get_openlineage_facets_on_failure(None)
    else:
        to_the_end(world, make)
        found = made[-1].get_openlineage_facets_on_complete(None)
    lineage = as_events_have_it(found)
    assert len(made) > 1
    assert (names(lineage["in"]), written(lineage)) == ([("file", str(csv))], 5)
    work = lineage["facets"]["mixpeek_work"]
    assert (work["batchCount"], work["counts"]["created"]) == (1, 5)
    assert ("failed" in work["counts"]) is not fails


def test_ids_and_sources_are_named_in_part_and_counted_in_whole(tmp_path: Path) -> None:
    operator = MixpeekUploadFilesOperator(
        task_id="upload", bucket="films", files=[f"/films/{number}" for number in range(250)]
    )
    waits = [{"task_id": f"t{n}", "batch_id": f"b{n}", "bucket": "bkt"} for n in range(250)]
    counts = dict.fromkeys(["files", "stored", "duplicates", "rejected"], 0)
    operator._told = Told("https://mix.test/prefix", None, {"bucket_id": "bkt", "waits": waits} | counts)
    lineage = as_events_have_it(operator.get_openlineage_facets_on_complete(None))
    work = lineage["facets"]["mixpeek_work"]
    assert (len(work["batchIds"]), work["batchCount"]) == (100, 250)
    assert (len(work["taskIds"]), work["taskCount"]) == (100, 250)
    assert (len(lineage["in"]), work["sourceCount"]) == (100, 250)
    assert all("inputStatistics" not in each.get("inputFacets", {}) for each in lineage["in"])
    assert names(lineage["out"]) == [("mixpeek://mix.test", "bkt")]


@pytest.mark.parametrize(
    ("files", "datasets"),
    [
        (["/films/*.png", "/films/*.jpg"], [("file", "/films")]),
        (["/films/*.png", "/shoes/*.png"], [("file", "/films"), ("file", "/shoes")]),
        ([], []),
    ],
)
def test_patterns_of_one_folder_are_one_dataset(files: list[str], datasets: list[tuple[str, str]]) -> None:
    operator = MixpeekUploadFilesOperator(task_id="upload", bucket="films", files=files)
    wait = {"task_id": "t", "batch_id": "b", "bucket": "bkt"}
    counts = dict.fromkeys(["files", "stored", "duplicates", "rejected"], 0)
    operator._told = Told("https://mix.test", "", {"bucket_id": "bkt", "waits": [wait, wait]} | counts)
    lineage = as_events_have_it(operator.get_openlineage_facets_on_complete(None))
    work = lineage["facets"]["mixpeek_work"]
    assert (names(lineage["in"]), work["sourceCount"]) == (datasets, len(datasets))
    assert (work["batchIds"], work["taskCount"]) == (["b"], 1)
    assert names(lineage["out"]) == [("mixpeek://mix.test", "bkt")]


# -- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/films.csv", ("file", "/data/films.csv")),
        ("file:///data/a%20b.csv", ("file", "/data/a b.csv")),
        ("/data/2026/*/films?.csv", ("file", "/data/2026")),
        ("/*.csv", ("file", "/")),
        ("s3://shop/in/films.csv", ("s3://shop", "in/films.csv")),
        ("s3a://shop/in/*.csv", ("s3://shop", "in")),
        ("s3://shop/*.csv", ("s3://shop", "/")),
        ("s3://my_connection@shop/in/films.csv", ("s3://shop", "in/films.csv")),
        ("abfs://my_connection@films/in/films.csv", ("abfss://films", "in/films.csv")),
        ("https://ada:sesame@data.test:8443/f.csv?sig=sesame", ("https://data.test:8443", "f.csv")),
        ("filecache::s3://shop/films.csv", ("s3://shop", "films.csv")),
    ],
)
def test_source_is_named_as_openlineage_says_and_without_credentials(
    path: str, name: tuple[str, str]
) -> None:
    assert names_of(released(path)) == [name]


def test_file_that_looks_like_a_glob_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / "films[1].csv"
    path.touch()
    assert names_of(path) == [("file", str(path))]


def test_part_of_a_source_is_named_by_its_file(csv: Path) -> None:
    (part, *_) = split_source(str(csv), parts=2, source_name="another name")
    assert names_of(part) == [("file", str(csv))]


# -- events, and their absence -----------------------------------------------------------------------------

DAG_FILE = """
import json, os, sys
from pathlib import Path
from airflow.sdk import DAG
from airflow.utils.db import initdb
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from tests.airflow.airflows import put_into_database

folder = sys.argv[1]
with DAG("lineage") as dag:
    for name, arguments in json.loads(sys.argv[2]).items():
        MixpeekCreateObjectsOperator(task_id=name, bucket="films", **arguments)
initdb()
put_into_database(dag, Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]))
run = dag.test()
Path(folder, "ended.json").write_text(json.dumps({
    "states": {ti.task_id: ti.state for ti in run.get_task_instances()},
    "loaded": sorted(name for name in sys.modules if "openlineage" in name),
}))
"""

#: Neither its provider nor its client can be imported, and Airflow's plugins do not find them.
WITHOUT = """
import importlib.metadata, importlib_metadata, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("openlineage", "airflow.providers.openlineage")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
def left(distributions):
    return lambda **given: [
        one for one in distributions(**given) if "openlineage" not in one.metadata["Name"]
    ]
for metadata in (importlib.metadata, importlib_metadata):
    metadata.distributions = left(metadata.distributions)
"""


def run_apart(program: str, tmp_path: Path, tasks: dict[str, Any], **more: str) -> tuple[dict[str, Any], str]:
    """Run the tasks in an Airflow of its own; return how they ended, and everything that was said."""
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **more,
    }
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), json.dumps(tasks)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    return json.loads((tmp_path / "ended.json").read_text()), ran.stdout + ran.stderr


def test_events_of_a_real_run_tell_it_and_hold_no_secret(
    server: Emulator, films: str, csv: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    server.fault({"fault": "status", "path": BATCH, "status": 401, "times": 1, "body": {"detail": KEY}})
    tasks = {
        "fails": {"rows": [{"title": "One"}]},
        "loads": {"rows": f"{csv.parent}/*.csv", "trigger_rule": "all_done"},
    }
    program = DAG_FILE.replace("initdb()\n", 'dag.get_task("fails") >> dag.get_task("loads")\ninitdb()\n', 1)
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    ended, _ = run_apart(program, tmp_path, tasks, AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps(transport))
    assert ended["states"] == {"fails": "failed", "loads": "success"}

    text = events.read_text()
    last = {}
    for event in map(json.loads, text.splitlines()):
        last[event["job"]["name"], event["eventType"]] = event
    done, failed = last["lineage.loads", "COMPLETE"], last["lineage.fails", "FAIL"]
    assert names(done["inputs"]) == [("file", str(csv.parent))]
    assert names(done["outputs"]) == names(failed["outputs"]) == [name_of(server, films)]
    assert done["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 5
    assert done["run"]["facets"]["mixpeek_work"]["counts"]["created"] == 5
    assert failed["run"]["facets"]["mixpeek_work"]["counts"]["unsent"] == 1
    assert failed["run"]["facets"]["errorMessage"]["message"]
    forms = [KEY, quote(KEY, safe=""), quote(KEY), base64.b64encode(KEY.encode()).decode()]
    assert [form for form in forms if form in text] == []


def test_nothing_needs_openlineage(server: Emulator, films: str, csv: Path, tmp_path: Path) -> None:
    ended, said = run_apart(WITHOUT + DAG_FILE, tmp_path, {"loads": {"rows": str(csv)}})
    assert ended["states"] == {"loads": "success"}
    # Other providers have modules of that name, which do without it too.
    ours = ("openlineage", "airflow.providers.openlineage", "airflow_provider.")
    assert [name for name in ended["loaded"] if name.startswith(ours)] == []
    assert "No module named 'openlineage" not in said


def test_asked_without_openlineage_an_operator_has_no_answer(
    monkeypatch: pytest.MonkeyPatch, films: str, csv: Path
) -> None:
    operator = create(csv)
    operator.execute(Kept().context())
    monkeypatch.delitem(sys.modules, "airflow_provider.mixpeek.operators._openlineage", raising=False)
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)
    assert operator.get_openlineage_facets_on_complete(None) is None


def test_an_asset_is_called_after_its_uri() -> None:
    dataset = convert_asset_to_openlineage(create_asset(namespace="a shop", bucket="c d"), None)
    assert (dataset.namespace, dataset.name) == ("mixpeek://a%20shop", "c d")
