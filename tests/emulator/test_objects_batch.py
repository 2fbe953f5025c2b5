"""Many objects in one request: which fault sinks the request, and which only its object."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


def post(api: httpx.Client, bucket: str, objects, **query) -> httpx.Response:
    return api.post(f"{bucket}/objects/batch", json={"objects": objects}, params=query)


def test_rows_come_back_in_order_with_their_index(api: httpx.Client, bucket: str):
    answer = post(api, bucket, [{"sku": "0"}, {"sku": 1}, {"sku": "2"}, {"nope": 3}])
    assert answer.status_code == 200
    body = answer.json()
    assert [(row["object_index"], row["sku"], row["replayed"]) for row in body["succeeded"]] == [
        (0, "0", False),
        (2, "2", False),
    ]
    assert [(row["object_index"], row["error_type"]) for row in body["failed"]] == [
        (1, "ValidationError"),
        (3, "ValidationError"),
    ]
    assert "nope" in body["failed"][1]["error"]
    assert (body["total_requested"], body["succeeded_count"], body["failed_count"]) == (4, 2, 2)


def test_all_failed_is_422_with_the_same_body(emulator, api: httpx.Client, bucket: str):
    answer = post(api, bucket, [{"sku": 1}, {"sku": 2}])
    assert answer.status_code == 422
    assert "error" not in answer.json()
    assert answer.json()["failed_count"] == 2
    assert emulator.state()["objects"] == 0


def test_no_objects_at_all_is_no_failure(api: httpx.Client, bucket: str):
    assert post(api, bucket, []).json()["total_requested"] == 0


@pytest.mark.parametrize(
    ("objects", "place", "kind"),
    [
        ("text", ("objects",), "list_type"),
        (None, ("objects",), "list_type"),
        ([{"sku": "1"}, "text"], ("objects", 1), "model_attributes_type"),
        ([{"sku": str(n)} for n in range(101)], ("objects",), "too_long"),
        (
            [{"sku": "1"}, {"blobs": [{"property": "hero", "type": "IMAGE", "data": "https://a.b/c"}]}],
            ("objects", 1, "blobs", 0, "type"),
            "enum",
        ),
        ([{"idempotency_key": "k" * 256}], ("objects", 0, "idempotency_key"), "string_too_long"),
    ],
)
def test_a_wrong_shape_sinks_the_whole_request(
    emulator, api: httpx.Client, bucket: str, objects, place: tuple, kind: str
):
    answer = post(api, bucket, objects)
    assert answer.status_code == 422
    problems = answer.json()["error"]["details"]["validation_errors"]
    assert [(tuple(each["location"]), each["type"]) for each in problems] == [(("body", *place), kind)]
    assert emulator.state()["objects"] == 0


def test_the_wrapper_is_closed(api: httpx.Client, bucket: str):
    answer = api.post(f"{bucket}/objects/batch", json={"objects": [], "auto_process": True})
    assert answer.json()["error"]["details"]["validation_errors"][0]["type"] == "extra_forbidden"


def test_a_bucket_with_a_unique_key_refuses_the_whole(emulator, api: httpx.Client, new_bucket):
    keyed = {"fields": ["sku"], "default_policy": "upsert"}
    bucket = new_bucket(api, {"sku": {"type": "string"}}, unique_key=keyed)
    answer = post(api, bucket, [{"sku": "1"}])
    assert answer.status_code == 422
    assert "unique key" in answer.json()["error"]["message"]
    assert emulator.state()["objects"] == 0


def test_a_key_that_comes_twice_in_one_request_makes_one_object(emulator, api: httpx.Client, bucket: str):
    rows = post(
        api, bucket, [{"sku": "1", "idempotency_key": "k"}, {"sku": "2", "idempotency_key": "k"}]
    ).json()
    first, second = rows["succeeded"]
    assert (first["replayed"], first["replayed_by"]) == (False, None)
    assert (second["replayed"], second["replayed_by"], second["sku"]) == (True, "idempotency_key", "1")
    assert first["object_id"] == second["object_id"]
    assert emulator.state()["objects"] == 1


def test_skip_duplicates_says_what_matched(api: httpx.Client, bucket: str):
    same = {
        "blobs": [{"property": "hero", "type": "image", "data": "https://a.b/c"}],
        "skip_duplicates": True,
    }
    rows = post(api, bucket, [same, same]).json()["succeeded"]
    assert [row["replayed_by"] for row in rows] == [None, "skip_duplicates"]


def test_keys_hold_under_concurrency(emulator, api: httpx.Client, bucket: str):
    objects = [{"sku": str(number), "idempotency_key": f"k{number}"} for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(api, bucket, objects).json(), range(16)))
    assert emulator.state()["objects"] == 50
    new = sum(not row["replayed"] for answer in answers for row in answer["succeeded"])
    assert new == 50


def test_auto_process_says_nothing_and_processes_the_new_ones(emulator, api: httpx.Client, bucket: str):
    post(api, bucket, [{"sku": "1", "idempotency_key": "k"}])
    objects = [{"sku": "1", "idempotency_key": "k"}, {"sku": "2"}, {"sku": 3}]
    answer = post(api, bucket, objects, auto_process="true").json()
    assert not {"task_id", "batch_id"} & set(answer)
    one = api.post(f"{bucket}/objects?auto_process=true", json={"sku": "4"}).json()
    assert not {"task_id", "batch_id"} & set(one)
    state = emulator.state()
    assert state["batches_submitted"] == 2
    assert state["objects_processed"] == {"0": 1, "1": 2}
    listed = api.post(f"{bucket}/batches/list", json={}).json()
    assert [len(batch["object_ids"]) for batch in listed["results"]] == [1, 1]
