"""What depends on time: when a batch may be submitted, what does not show yet, what is known no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Shop


def path_of(shop: Shop, batch: dict) -> str:
    return f"{shop.path}/batches/{batch['batch_id']}"


# --- one submission in 60 s ---


async def test_a_batch_is_submitted_once_a_minute(shop: Shop, clock):
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 20
    draft = await shop.api.post(f"{path_of(shop, batch)}/resubmit?auto_submit=false")
    assert draft.json()["status"] == "DRAFT"
    refused = await shop.api.post(f"{path_of(shop, batch)}/submit")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    assert refused.json()["error"]["type"] == "TooManyRequestsError"
    assert refused.json()["error"]["details"]["retry_after"] == 40
    assert (await shop.get(path_of(shop, batch)))["status"] == "DRAFT"
    clock.now += 40
    assert (await shop.submit(batch))["status"] == "PENDING"


async def test_a_resubmit_too_early_changes_nothing(shop: Shop, clock):
    batch = await shop.batch()
    task = await shop.submit(batch)
    clock.now += 20
    assert (await shop.api.post(f"{path_of(shop, batch)}/resubmit")).status_code == 429
    stored = await shop.get(path_of(shop, batch))
    assert (stored["status"], stored["task_id"]) == ("COMPLETED", task["task_id"])


async def test_the_interval_is_a_setting(make_shop, clock):
    shop = await make_shop(submit_interval=0)
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 10
    assert (await shop.api.post(f"{path_of(shop, batch)}/resubmit")).status_code == 200


# --- overlapping submits ---


async def test_one_batch_of_a_bucket_runs_unless_forced(shop: Shop, clock):
    first, second = await shop.batch(shop.ids[:2]), await shop.batch(shop.ids[2:])
    await shop.submit(first)
    refused = await shop.api.post(f"{path_of(shop, second)}/submit")
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "ConflictError")
    assert refused.json()["error"]["details"]["running_batch_id"] == first["batch_id"]
    assert (await shop.get(path_of(shop, second)))["status"] == "DRAFT"
    await shop.submit(second, force=True)
    third = await shop.batch(shop.ids[:1])
    clock.now += 10
    await shop.submit(third)


async def test_another_bucket_does_not_hinder(shop: Shop):
    await shop.submit(await shop.batch())
    body = {"bucket_name": "other", "bucket_schema": {"properties": {}}}
    path = f"/v1/buckets/{(await shop.api.post('/v1/buckets', json=body)).json()['bucket_id']}"
    stored = (await shop.api.post(f"{path}/objects", json={})).json()["object_id"]
    answer = await shop.api.post(f"{path}/batches?auto_submit=true", json={"object_ids": [stored]})
    assert answer.json()["status"] == "PENDING"


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [(["a"], ["b"], 200), (["a", "b"], ["b"], 409), (["a"], None, 409), (None, ["a"], 409), ([], ["a"], 409)],
)
async def test_collections_tell_batches_apart(shop: Shop, one, other, status: int):
    first, second = await shop.batch(**_collections(one)), await shop.batch(**_collections(other))
    await shop.submit(first)
    assert (await shop.api.post(f"{path_of(shop, second)}/submit")).status_code == status


def _collections(chosen: list[str] | None) -> dict:
    return {} if chosen is None else {"collection_ids": chosen}


async def test_a_batch_that_was_to_be_submitted_at_once_stays_a_draft(shop: Shop):
    await shop.submit(await shop.batch(shop.ids[:1]))
    answer = await shop.api.post(f"{shop.path}/batches?auto_submit=true", json={"object_ids": shop.ids[1:]})
    assert answer.status_code == 409
    left = answer.json()["error"]["details"]["batch_id"]
    assert (await shop.get(f"/v1/batches/{left}"))["status"] == "DRAFT"


# --- the reaper ---


async def test_a_draft_goes_after_half_an_hour(shop: Shop, clock):
    batch = await shop.batch()
    clock.now += 1799
    assert (await shop.get(path_of(shop, batch)))["status"] == "DRAFT"
    clock.now += 1
    for path in (path_of(shop, batch), f"/v1/batches/{batch['batch_id']}"):
        assert (await shop.api.get(path)).status_code == 404
    assert (await shop.api.post(f"{path_of(shop, batch)}/submit")).status_code == 404
    assert shop.emulator.state()["batches"] == 0


async def test_what_was_submitted_stays(shop: Shop, clock):
    batch = await shop.batch()
    clock.now += 1799
    await shop.submit(batch)
    clock.now += 100_000
    assert (await shop.get(path_of(shop, batch)))["status"] == "COMPLETED"
    # A draft again, with the whole time again.
    await shop.api.post(f"{path_of(shop, batch)}/resubmit?auto_submit=false")
    clock.now += 1799
    assert (await shop.get(path_of(shop, batch)))["status"] == "DRAFT"
    clock.now += 1
    assert (await shop.api.get(path_of(shop, batch))).status_code == 404


async def test_a_draft_again_is_not_taken_at_its_first_hour(shop: Shop, clock):
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 100
    await shop.api.post(f"{path_of(shop, batch)}/resubmit?auto_submit=false")
    clock.now += 1750
    assert (await shop.get(path_of(shop, batch)))["status"] == "DRAFT"
    clock.now += 50
    assert (await shop.api.get(path_of(shop, batch))).status_code == 404


async def test_the_reapers_patience_is_a_setting(make_shop, clock):
    shop = await make_shop(draft_seconds=5)
    batch = await shop.batch()
    clock.now += 5
    assert (await shop.api.get(path_of(shop, batch))).status_code == 404


# --- what lags ---


async def test_looks_lag_behind_writes(make_shop, clock):
    shop = await make_shop(visibility_lag=3, task_seconds=0)
    batch = await shop.batch()
    path = path_of(shop, batch)
    looks = [path, f"/v1/batches/{batch['batch_id']}"]
    assert [(await shop.api.get(look)).status_code for look in looks] == [404, 404]
    assert (await shop.api.post(f"{shop.path}/batches/list", json={})).json()["results"] == []
    # Writes find it.
    task = await shop.submit(batch)
    assert (await shop.api.get(f"/v1/tasks/{task['task_id']}")).status_code == 404
    assert (await shop.api.post("/v1/tasks/list", json={})).json()["results"] == []
    assert (await shop.api.post(f"{path}/submit")).status_code == 409
    clock.now += 3
    assert [(await shop.get(look))["status"] for look in looks] == ["COMPLETED"] * 2
    assert (await shop.get(f"/v1/tasks/{task['task_id']}"))["status"] == "COMPLETED"


async def test_a_batch_looks_like_a_draft_for_a_while(make_shop, clock):
    shop = await make_shop(visibility_lag=3)
    batch = await shop.batch()
    clock.now += 100
    await shop.submit(batch)
    seen = await shop.get(path_of(shop, batch))
    assert (seen["status"], seen["task_id"], seen["tier_tasks"]) == ("DRAFT", None, [])
    drafts = (await shop.api.post(f"{shop.path}/batches/list", json={"status": "DRAFT"})).json()
    assert [each["batch_id"] for each in drafts["results"]] == [batch["batch_id"]]
    clock.now += 3
    assert (await shop.get(path_of(shop, batch)))["status"] == "IN_PROGRESS"


# --- what is forgotten ---


@pytest.mark.parametrize(("settings", "hours"), [({}, 24), ({"task_memory": 7200}, 2)])
async def test_a_task_is_forgotten_some_time_after_its_end(make_shop, clock, settings: dict, hours: int):
    shop = await make_shop(**settings)
    batch = await shop.batch()
    path = f"/v1/tasks/{(await shop.submit(batch))['task_id']}"
    clock.now += 10 + hours * 3600 - 1
    assert (await shop.get(path))["status"] == "COMPLETED"
    clock.now += 1
    assert (await shop.api.get(path)).json()["error"]["type"] == "NotFoundError"
    assert (await shop.api.post("/v1/tasks/list", json={})).json()["results"] == []
    # The batch still says it.
    assert (await shop.get(path_of(shop, batch)))["status"] == "COMPLETED"


async def test_a_task_that_runs_is_not_forgotten(make_shop, clock):
    shop = await make_shop(task_seconds=100_000, task_memory=0)
    path = f"/v1/tasks/{(await shop.submit(await shop.batch()))['task_id']}"
    clock.now += 99_999
    assert (await shop.get(path))["status"] == "IN_PROGRESS"
    clock.now += 1
    assert (await shop.api.get(path)).status_code == 404
