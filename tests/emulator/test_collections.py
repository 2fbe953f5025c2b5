"""Collections: where they read from, and what a trigger makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider.mixpeek.emulator import Emulator

if TYPE_CHECKING:
    import httpx

BUCKET = {"bucket_schema": {"properties": {"note": {"type": "text"}}}}
NOTE = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}


def bucket(api: httpx.Client, name: str, objects: int) -> str:
    bucket_id = api.post("/v1/buckets", json={**BUCKET, "bucket_name": name}).json()["bucket_id"]
    for _ in range(objects):
        api.post(f"/v1/buckets/{bucket_id}/objects", json={"blobs": [NOTE]})
    return str(bucket_id)


def collection(api: httpx.Client, *bucket_ids: str, name: str = "captions") -> dict[str, Any]:
    source = {"type": "bucket", "bucket_ids": list(bucket_ids)}
    made = api.post("/v1/collections", json={"collection_name": name, "source": source})
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


def test_a_collection_is_found_by_id_by_name_and_in_lists(api: httpx.Client) -> None:
    made = collection(api, bucket(api, "notes", 0))
    assert api.get(f"/v1/collections/{made['collection_id']}").json() == made
    assert api.get("/v1/collections/captions").json() == made
    assert api.post("/v1/collections/list", json={"search": "capt"}).json()["results"] == [made]
    assert api.get("/v1/collections", params={"search": "other"}).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"collection_name": "ab"}, 422),
        ({"collection_name": "captions", "source": {"type": "bucket"}}, 422),
        ({"collection_name": "captions", "source": {"type": "bucket", "bucket_ids": ["bkt_0"]}}, 404),
        ({"collection_name": "captions", "source": {"type": "collection", "collection_ids": ["col_0"]}}, 404),
    ],
)
def test_one_that_reads_from_nowhere_is_refused(api: httpx.Client, body: dict[str, Any], status: int) -> None:
    assert api.post("/v1/collections", json=body).status_code == status


def test_a_name_is_taken_once(api: httpx.Client) -> None:
    bucket_id = bucket(api, "notes", 0)
    collection(api, bucket_id)
    source = {"type": "bucket", "bucket_ids": [bucket_id]}
    again = api.post("/v1/collections", json={"collection_name": "captions", "source": source})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "AlreadyExistsError")


def test_a_trigger_makes_a_batch_of_each_bucket_and_submits_it(api: httpx.Client) -> None:
    first, second = bucket(api, "first", 2), bucket(api, "second", 1)
    made = collection(api, first, second)
    answer = api.post("/v1/collections/captions/trigger", json={"dedup_strategy": "replace"})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["object_count"], told["source_bucket_ids"]) == (3, [first, second])
    assert told["batch_id"] == told["batch_ids"][0]
    batch = api.get(f"/v1/buckets/{first}/batches/{told['batch_id']}").json()
    assert (batch["task_id"], batch["collection_ids"]) == (told["task_id"], [made["collection_id"]])
    listed = api.post("/v1/batches/list", json={"collection_id": made["collection_id"]}).json()["results"]
    assert [each["batch_id"] for each in listed] == told["batch_ids"]


def test_a_trigger_takes_what_it_is_asked_for(api: httpx.Client) -> None:
    first, second = bucket(api, "first", 3), bucket(api, "second", 2)
    collection(api, first, second)
    chosen = api.post(f"/v1/buckets/{first}/objects/list", json={}).json()["results"][0]["object_id"]
    told = api.post(
        "/v1/collections/captions/trigger", json={"include_buckets": [first], "object_ids": [chosen]}
    ).json()
    assert (told["object_count"], told["source_bucket_ids"]) == (1, [first])
    assert (bool(told["batch_id"]), told["batch_ids"], told["task_ids"]) == (True, None, None)


def test_a_trigger_of_nothing_is_a_task_that_was_skipped(api: httpx.Client) -> None:
    collection(api, bucket(api, "notes", 0))
    told = api.post("/v1/collections/captions/trigger").json()
    assert (told["batch_id"], told["batch_ids"], told["object_count"]) == (None, None, 0)
    assert api.get(f"/v1/tasks/{told['task_id']}").json()["status"] == "SKIPPED"


def test_a_trigger_beside_its_own_batches_is_a_conflict(api: httpx.Client, emulator: Emulator) -> None:
    emulator.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 600})
    collection(api, bucket(api, "notes", 1))
    assert api.post("/v1/collections/captions/trigger").status_code == 202
    assert api.post("/v1/collections/captions/trigger").status_code == 409


def test_one_that_reads_from_another_takes_the_same_objects(api: httpx.Client) -> None:
    above = collection(api, bucket(api, "notes", 2))
    source = {"type": "collection", "collection_ids": [above["collection_id"]]}
    api.post("/v1/collections", json={"collection_name": "scenes", "source": source})
    assert api.post("/v1/collections/scenes/trigger").json()["object_count"] == 2


def test_collections_are_kept(connect: Any, tmp_path: Any) -> None:
    database = tmp_path / "kept.db"
    with Emulator(database=database) as emulator:
        api = connect(emulator)
        made = collection(api, bucket(api, "notes", 1))
    with Emulator(database=database) as emulator:
        api = connect(emulator)
        assert api.get("/v1/collections/captions").json() == made
        assert api.post("/v1/collections/captions/trigger").json()["object_count"] == 1
