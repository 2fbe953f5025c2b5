"""Batches and tasks, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Shop


async def test_batch_task_and_objects_move_together(shop: Shop, clock):
    batch = await shop.batch(batch_name="first", metadata={"tags": ["a"]})
    assert (batch["status"], batch["task_id"], batch["object_ids"]) == ("DRAFT", None, shop.ids)
    assert batch["batch_id"].startswith("btch_")
    assert len(batch["batch_id"]) == len("btch_") + 12
    clock.now += 1700
    assert (await shop.get(f"/v1/batches/{batch['batch_id']}"))["status"] == "DRAFT"
    task = await shop.submit(batch)
    assert task["status"] == "PENDING"
    assert task["additional_data"]["batch_id"] == batch["batch_id"]
    assert task["additional_data"]["object_count"] == 4
    seen = []
    for seconds in (0, 2, 4, 3.9, 0.1):
        clock.now += seconds
        words = [
            (await shop.get(f"/v1/tasks/{task['task_id']}"))["status"],
            (await shop.get(f"/v1/batches/{batch['batch_id']}"))["status"],
            (await shop.get(f"{shop.path}/batches/{batch['batch_id']}"))["status"],
        ]
        assert len(set(words)) == 1
        seen.append((words[0], set(await shop.statuses())))
    assert seen == [
        ("PENDING", {"PENDING"}),
        ("QUEUED", {"PENDING"}),
        ("IN_PROGRESS", {"PENDING"}),
        ("IN_PROGRESS", {"PENDING"}),
        ("COMPLETED", {"COMPLETED"}),
    ]
    ended = await shop.get(f"/v1/batches/{batch['batch_id']}")
    assert ended["documents_written"] == 4
    path = f"{shop.path}/objects/{shop.ids[0]}"
    assert (await shop.get(path))["document_count"] == 1
    assert (await shop.get(f"{path}?include_document_count=false"))["document_count"] is None
    assert ended["tier_tasks"][0]["task_id"] == ended["task_id"] == task["task_id"]
    assert (ended["batch_name"], ended["metadata"]) == ("first", {"tags": ["a"]})


async def test_only_a_draft_can_be_submitted(shop: Shop, clock):
    batch = await shop.batch()
    await shop.submit(batch, force="true")
    for _ in range(2):
        answer = await shop.api.post(f"{shop.path}/batches/{batch['batch_id']}/submit?force=true")
        assert (answer.status_code, answer.json()["error"]["type"]) == (409, "ConflictError")
        clock.now += 60
    assert shop.emulator.state()["batches_submitted"] == 1


@pytest.mark.parametrize(("query", "body"), [({"auto_submit": "true"}, {}), ({}, {"auto_submit": True})])
async def test_a_batch_can_be_submitted_as_it_is_made(shop: Shop, query: dict, body: dict):
    answer = await shop.api.post(f"{shop.path}/batches", json={"object_ids": shop.ids, **body}, params=query)
    assert answer.json()["status"] == "PENDING"
    assert answer.json()["task_id"]


async def test_the_query_wins_over_the_body(shop: Shop):
    body = {"object_ids": shop.ids, "auto_submit": True}
    answer = await shop.api.post(f"{shop.path}/batches?auto_submit=false", json=body)
    assert answer.json()["status"] == "DRAFT"


async def test_processed_objects_are_skipped_unless_told_otherwise(shop: Shop, clock):
    for strategy, expected in [("skip", 1), (None, 1), ("replace", 2), ("force", 3), ("skip", 3)]:
        await shop.submit(await shop.batch(dedup_strategy=strategy))
        clock.now += 10
        assert shop.emulator.state()["objects_processed"] == {str(expected): 4}, strategy


async def test_overlapping_batches_process_an_object_once(shop: Shop, clock):
    for ids in (shop.ids[:3], shop.ids[1:]):
        await shop.submit(await shop.batch(ids), force=True)
        clock.now += 1
    clock.now += 10
    assert shop.emulator.state()["objects_processed"] == {"1": 4}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"field": "size", "operator": "gte", "value": 2}, [2, 3]),
        (
            {
                "AND": [
                    {"field": "metadata.even", "value": True},
                    {"field": "size", "operator": "gt", "value": 0},
                ]
            },
            [2],
        ),
        ({"OR": [{"field": "sku", "value": "0"}, {"field": "sku", "value": "3"}]}, [0, 3]),
        ({"NOT": [{"field": "sku", "operator": "in", "value": ["0", "1"]}]}, [2, 3]),
        ({"status": "PENDING"}, [0, 1, 2, 3]),
    ],
)
async def test_a_batch_by_filters(shop: Shop, filters: dict, expected: list[int]):
    answer = await shop.api.post(f"{shop.path}/batches", json={"filters": filters})
    assert answer.json()["object_ids"] == [shop.ids[index] for index in expected]
    one = await shop.api.post(f"{shop.path}/batches", json={"filters": filters, "limit": 1})
    assert one.json()["object_ids"] == [shop.ids[expected[0]]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"object_ids": []},
        {"object_ids": "obj_1"},
        {"object_ids": ["a"], "filters": {"status": "PENDING"}},
        {"filters": {"sku": "nope"}},
        {"filters": {"field": "sku", "operator": "like", "value": "1"}},
        {"object_ids": ["a"], "dedup_strategy": "SKIP"},
        {"object_ids": ["a"], "batch_name": "x" * 257},
        {"object_ids": ["a"], "collections": ["c"]},
        {"object_ids": ["a"], "limit": 0},
    ],
)
async def test_what_a_batch_may_not_be(shop: Shop, body: dict):
    answer = await shop.api.post(f"{shop.path}/batches", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["details"]["validation_errors"]
    assert shop.emulator.state()["batches"] == 0


async def test_unknown_objects_are_named(shop: Shop):
    answer = await shop.api.post(f"{shop.path}/batches", json={"object_ids": [*shop.ids, "obj_nope"]})
    assert answer.status_code == 404
    assert answer.json()["error"]["details"]["missing_object_ids"] == ["obj_nope"]


async def test_unchecked_objects_that_are_not_there_fail(shop: Shop, clock):
    body = {"object_ids": [shop.ids[0], "obj_nope"]}
    batch = (await shop.api.post(f"{shop.path}/batches?skip_validation=true", json=body)).json()
    await shop.submit(batch)
    clock.now += 10
    ended = await shop.get(f"/v1/batches/{batch['batch_id']}")
    assert ended["status"] == "COMPLETED_WITH_ERRORS"
    assert [each["object_id"] for each in ended["failed_objects"]] == ["obj_nope"]


async def test_repeated_ids_count_once(shop: Shop):
    assert (await shop.batch(shop.ids[:2] * 2))["object_ids"] == shop.ids[:2]


async def test_a_batch_has_a_greatest_size(make_shop):
    shop = await make_shop(max_batch_size=3)
    for body in ({"object_ids": shop.ids}, {"filters": {"status": "PENDING"}}):
        answer = await shop.api.post(f"{shop.path}/batches", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (422, "ValidationError")
        assert (error["details"]["limit"], error["details"]["requested"]) == (3, 4)
        assert error["details"]["validation_errors"]
    assert len((await shop.batch(shop.ids[:3]))["object_ids"]) == 3


async def test_batches_are_listed_by_status_and_page(shop: Shop, clock):
    batches = [await shop.batch(shop.ids[:1]) for _ in range(5)]
    await shop.submit(batches[1])
    clock.now += 10

    async def listed(**body: Any) -> dict:
        return (await shop.api.post(f"{shop.path}/batches/list", json=body)).json()

    everything = await listed()
    assert [each["batch_id"] for each in everything["results"]] == [each["batch_id"] for each in batches]
    assert everything["total_count"] == 5
    assert [each["batch_id"] for each in (await listed(status="COMPLETED"))["results"]] == [
        batches[1]["batch_id"]
    ]
    seen, cursor = [], None
    while True:
        page = await listed(limit=2, cursor=cursor)
        seen += [each["batch_id"] for each in page["results"]]
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
    assert seen == [each["batch_id"] for each in batches]


async def test_a_batch_is_of_its_bucket(shop: Shop):
    batch = await shop.batch()
    body = {"bucket_name": "other", "bucket_schema": {"properties": {}}}
    other = (await shop.api.post("/v1/buckets", json=body)).json()["bucket_id"]
    assert (await shop.api.get(f"/v1/buckets/{other}/batches/{batch['batch_id']}")).status_code == 404


# --- how tasks end when they are told to ---


async def test_a_task_that_fails_says_why(shop: Shop, clock):
    rule = {"fault": "task_outcome", "status": "FAILED", "error": "GPU on fire", "times": 1}
    shop.emulator.fault(rule)
    batch = await shop.batch()
    task = await shop.submit(batch)
    clock.now += 10
    ended = await shop.get(f"/v1/tasks/{task['task_id']}")
    assert (ended["status"], ended["error"]) == ("FAILED", "GPU on fire")
    assert ended["additional_data"]["error"] == "GPU on fire"
    stored = await shop.get(f"/v1/batches/{batch['batch_id']}")
    assert (stored["status"], stored["failure_reason"], stored["failed_object_count"]) == (
        "FAILED",
        "GPU on fire",
        4,
    )
    assert await shop.statuses() == ["FAILED"] * 4
    assert shop.emulator.state()["objects_processed"] == {"0": 4}
    # The rule is used up, and what failed is processed when it is submitted again.
    await shop.submit(await shop.batch())
    clock.now += 10
    assert await shop.statuses() == ["COMPLETED"] * 4


@pytest.mark.parametrize(("more", "failing"), [({}, 1), ({"failed_objects": 3}, 3)])
async def test_a_task_that_ends_partial_names_the_objects(shop: Shop, clock, more: dict, failing: int):
    shop.emulator.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", **more})
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 10
    stored = await shop.get(f"/v1/batches/{batch['batch_id']}")
    assert stored["status"] == "COMPLETED_WITH_ERRORS"
    assert [each["object_id"] for each in stored["failed_objects"]] == shop.ids[:failing]
    assert (await shop.statuses()).count("FAILED") == failing
    assert shop.emulator.state()["objects_processed"] == {"0": failing, "1": 4 - failing}


@pytest.mark.parametrize("word", ["CANCELED", "INTERRUPTED", "ON_HOLIDAY"])
async def test_other_words_leave_the_objects_alone(shop: Shop, clock, word: str):
    shop.emulator.fault({"fault": "task_outcome", "status": word})
    batch = await shop.batch()
    task = await shop.submit(batch)
    clock.now += 10
    assert (await shop.get(f"/v1/tasks/{task['task_id']}"))["status"] == word
    assert (await shop.get(f"/v1/batches/{batch['batch_id']}"))["status"] == word
    assert await shop.statuses() == ["PENDING"] * 4


async def test_an_outcome_can_be_meant_for_one_submit(shop: Shop, clock):
    first, second = await shop.batch(shop.ids[:2]), await shop.batch(shop.ids[2:])
    path = f"{shop.path}/batches/{second['batch_id']}/submit"
    shop.emulator.fault({"fault": "task_outcome", "status": "FAILED", "path": path})
    for batch in (first, second):
        await shop.submit(batch, force=True)
    clock.now += 10
    assert await shop.statuses() == ["COMPLETED"] * 2 + ["FAILED"] * 2
