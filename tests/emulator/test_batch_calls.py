"""What else is done with batches and tasks: change, stop, run again, list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Shop


async def call(shop: Shop, method: str, path: str, status: int = 200, **more: Any) -> Any:
    answer = await shop.api.request(method, path, **more)
    assert answer.status_code == status, answer.text
    return answer.json()


def path_of(shop: Shop, batch: dict) -> str:
    return f"{shop.path}/batches/{batch['batch_id']}"


# --- drafts ---


async def test_a_draft_takes_more_objects(shop: Shop):
    batch = await shop.batch(shop.ids[:2])
    changed = await call(
        shop, "POST", f"{path_of(shop, batch)}/objects", json={"object_ids": [shop.ids[1], shop.ids[3]]}
    )
    assert changed["object_ids"] == [shop.ids[0], shop.ids[1], shop.ids[3]]
    assert (await shop.get(path_of(shop, batch)))["object_ids"] == changed["object_ids"]
    body = {"object_ids": ["obj_nope"]}
    error = await call(shop, "POST", f"{path_of(shop, batch)}/objects", 404, json=body)
    assert error["error"]["details"]["missing_object_ids"] == ["obj_nope"]
    unchecked = await call(shop, "POST", f"{path_of(shop, batch)}/objects?skip_validation=true", json=body)
    assert unchecked["object_ids"][-1] == "obj_nope"
    await call(shop, "POST", f"{path_of(shop, batch)}/objects", 422, json={"object_ids": []})


async def test_a_draft_takes_no_more_than_a_batch_may_hold(make_shop):
    shop = await make_shop(max_batch_size=3)
    batch = await shop.batch(shop.ids[:3])
    await call(shop, "POST", f"{path_of(shop, batch)}/objects", 422, json={"object_ids": shop.ids[3:]})


async def test_drafts_are_deleted_and_nothing_else_is(shop: Shop):
    batch = await shop.batch()
    assert (await call(shop, "DELETE", path_of(shop, batch)))["success"] is True
    await call(shop, "GET", path_of(shop, batch), 404)
    running = await shop.batch()
    await shop.submit(running)
    for verb, path in [("DELETE", ""), ("POST", "/objects")]:
        body = None if verb == "DELETE" else {"object_ids": shop.ids}
        error = await call(shop, verb, path_of(shop, running) + path, 409, json=body)
        assert error["error"]["details"]["status"] == "PENDING"


# --- stopping ---


@pytest.mark.parametrize("with_bucket", [True, False])
async def test_a_batch_that_runs_is_canceled(shop: Shop, clock, with_bucket: bool):
    batch = await shop.batch()
    path = path_of(shop, batch) if with_bucket else f"/v1/batches/{batch['batch_id']}"
    error = await call(shop, "POST", f"{path}/cancel", 409)
    assert "deleted, not cancelled" in error["error"]["message"]
    task = await shop.submit(batch)
    clock.now += 5
    for _ in range(2):
        stopped = await call(shop, "POST", f"{path}/cancel?reason=enough")
        assert (stopped["task_id"], stopped["status"]) == (task["task_id"], "CANCELED")
        assert stopped["cancellation"]["ray_jobs_refused"] == 0
    clock.now += 10
    assert (await shop.get(path))["status"] == "CANCELED"
    assert (await shop.get(f"/v1/tasks/{task['task_id']}"))["status"] == "CANCELED"
    assert await shop.statuses() == ["PENDING"] * 4


async def test_what_is_done_is_not_canceled(shop: Shop, clock):
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 10
    error = await call(shop, "POST", f"{path_of(shop, batch)}/cancel", 409)
    assert error["error"]["details"]["status"] == "COMPLETED"


async def test_killing_a_task_stops_its_batch_and_unknown_ones_are_no_error(shop: Shop, clock):
    batch = await shop.batch()
    task = await shop.submit(batch)
    for path in (f"/v1/tasks/{task['task_id']}", "/v1/tasks/task_nope"):
        assert (await call(shop, "DELETE", path))["success"] is True
    clock.now += 10
    assert (await shop.get(path_of(shop, batch)))["status"] == "CANCELED"
    assert shop.emulator.state()["objects_processed"] == {"0": 4}


# --- running again ---


async def end_partial(shop: Shop, clock, **rule: Any) -> dict:
    shop.emulator.fault(
        {"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "failed_objects": 2, "times": 1, **rule}
    )
    batch = await shop.batch()
    await shop.submit(batch)
    clock.now += 70
    return batch


@pytest.mark.parametrize(
    ("error_type", "mode", "taken"),
    [
        ("transient", {}, 2),
        ("transient", {"retry_mode": "all"}, 2),
        ("permanent", {}, 0),
        ("resource", {}, 0),
        ("permanent", {"retry_mode": "all"}, 2),
        ("transient", {"tier_nums": [1]}, 0),
    ],
)
async def test_a_retry_takes_up_what_failed(shop: Shop, clock, error_type: str, mode: dict, taken: int):
    batch = await end_partial(shop, clock, error_type=error_type)
    stored = await shop.get(path_of(shop, batch))
    assert [each["error_type"] for each in stored["failed_objects"]] == [error_type] * 2
    assert stored["error_summary"] == {error_type: 2}
    retried = await call(shop, "POST", f"{path_of(shop, batch)}/retry", json=mode)
    assert retried["retried_count"] == taken
    assert (retried["task_id"] is not None) == bool(taken)
    assert retried["status"] == ("PENDING" if taken else "COMPLETED_WITH_ERRORS")
    clock.now += 10
    ended = await shop.get(path_of(shop, batch))
    assert ended["status"] == ("COMPLETED" if taken else "COMPLETED_WITH_ERRORS")
    assert ended["failed_object_count"] == 2 - taken
    assert ended["documents_written"] == 2 + taken
    # Those that were done are left alone.
    assert shop.emulator.state()["objects_processed"] == ({"1": 4} if taken else {"0": 2, "1": 2})


async def test_a_retry_may_fail_again(shop: Shop, clock):
    batch = await end_partial(shop, clock, error_type="transient")
    shop.emulator.fault({"fault": "task_outcome", "failed_objects": 1, "times": 1})
    await call(shop, "POST", f"{path_of(shop, batch)}/retry", json={})
    clock.now += 10
    ended = await shop.get(path_of(shop, batch))
    assert (ended["status"], ended["failed_object_count"]) == ("COMPLETED_WITH_ERRORS", 1)


@pytest.mark.parametrize("verb", ["retry", "resubmit"])
async def test_only_what_is_over_runs_again(shop: Shop, verb: str):
    batch = await shop.batch()
    for word in ("DRAFT", "PENDING"):
        error = await call(shop, "POST", f"{path_of(shop, batch)}/{verb}", 409, json={})
        assert error["error"]["details"]["status"] == word
        if word == "DRAFT":
            await shop.submit(batch)


async def test_a_retry_needs_a_body_of_its_shape(shop: Shop):
    path = f"{path_of(shop, await shop.batch())}/retry"
    for body in ({"retry_mode": "some"}, {"max_retry_count": 11}, {"mode": "all"}):
        await call(shop, "POST", path, 422, json=body)
    await call(shop, "POST", path, 422)


async def test_a_resubmit_runs_the_whole_batch_once_more(shop: Shop, clock):
    batch = await end_partial(shop, clock)
    again = await call(shop, "POST", f"{path_of(shop, batch)}/resubmit")
    assert (again["previous_status"], again["status"]) == ("COMPLETED_WITH_ERRORS", "PENDING")
    clock.now += 10
    ended = await shop.get(path_of(shop, batch))
    assert (ended["status"], ended["task_id"]) == ("COMPLETED", again["task_id"])
    assert (ended["failed_objects"], ended["progress"]["objects_skipped"]) == ([], 2)
    assert shop.emulator.state()["objects_processed"] == {"1": 4}


@pytest.mark.parametrize(("query", "body"), [("?auto_submit=false", {}), ("", {"auto_submit": False})])
async def test_a_resubmit_may_leave_the_submit_to_the_caller(shop: Shop, clock, query: str, body: dict):
    batch = await end_partial(shop, clock)
    again = await call(shop, "POST", f"{path_of(shop, batch)}/resubmit{query}", json=body)
    assert (again["status"], again["task_id"]) == ("DRAFT", None)
    draft = await shop.get(path_of(shop, batch))
    assert (draft["status"], draft["failed_objects"]) == ("DRAFT", [])
    await shop.submit(batch)
    await call(shop, "POST", f"{path_of(shop, batch)}/resubmit?from_tier=1", 409)


async def test_a_batch_has_one_tier(shop: Shop, clock):
    batch = await end_partial(shop, clock)
    error = await call(shop, "POST", f"{path_of(shop, batch)}/resubmit?from_tier=1", 422)
    assert error["error"]["details"]["validation_errors"][0]["location"] == ["query", "from_tier"]


# --- looking ---


async def test_failed_documents_come_in_pages(shop: Shop, clock):
    batch = await end_partial(shop, clock, error="no GPU")
    path = f"{path_of(shop, batch)}/failed-documents"
    page = await call(shop, "GET", f"{path}?limit=1&offset=1")
    assert page["total_count"] == 2
    assert [(each["object_id"], each["error"]) for each in page["results"]] == [(shop.ids[1], "no GPU")]
    assert (await call(shop, "GET", f"{path}?tier_num=1"))["results"] == []
    assert (await call(shop, "GET", f"{path}?collection_id=x"))["results"] == []


async def test_batches_of_all_buckets_and_namespaces(shop: Shop, clock):
    here = await shop.batch()
    body = {"bucket_name": "b", "bucket_schema": {"properties": {}}}
    elsewhere = {"X-Namespace": "lab"}
    made = await call(shop, "POST", "/v1/buckets", json=body, headers=elsewhere)
    lab = f"/v1/buckets/{made['bucket_id']}"
    stored = await call(shop, "POST", f"{lab}/objects", json={}, headers=elsewhere)
    there = await call(
        shop, "POST", f"{lab}/batches", json={"object_ids": [stored["object_id"]]}, headers=elsewhere
    )

    async def listed(named: str | None, **wanted: Any) -> list[str]:
        del shop.api.headers["X-Namespace"]
        headers = {"X-Namespace": named} if named else {}
        page = await call(shop, "POST", "/v1/batches/list", json=wanted, headers=headers)
        shop.api.headers["X-Namespace"] = "shop"
        return [each["batch_id"] for each in page["results"]]

    both = [here["batch_id"], there["batch_id"]]
    assert await listed(None) == both
    assert await listed("lab") == both[1:]
    assert await listed(None, namespace_id="shop") == both[:1]
    assert await listed(None, bucket_id=made["bucket_id"]) == both[1:]
    assert await listed(None, limit=1) == both[:1]
    await shop.submit(here)
    clock.now += 10
    assert await listed(None, status="COMPLETED") == both[:1]


async def test_the_queue_shows_what_waits_and_runs(shop: Shop, clock):
    first = await shop.batch(shop.ids[:2])
    await shop.batch(shop.ids[2:])
    await shop.submit(first)
    assert [each["batch_id"] for each in (await shop.get("/v1/batches/queue"))["waiting"]] == [
        first["batch_id"]
    ]
    clock.now += 5
    queue = await shop.get("/v1/batches/queue")
    assert ([each["status"] for each in queue["running"]], queue["waiting"]) == (["IN_PROGRESS"], [])
    clock.now += 5
    assert (await shop.get("/v1/batches/queue"))["total_count"] == 0


async def test_tasks_are_listed(shop: Shop, clock):
    first = await shop.submit(await shop.batch(shop.ids[:2]))
    clock.now += 10
    second = await shop.submit(await shop.batch(shop.ids[2:]))

    async def listed(query: str = "", **body: Any) -> list[str]:
        page = await call(shop, "POST", f"/v1/tasks/list{query}", json=body)
        return [each["task_id"] for each in page["results"]]

    both = [first["task_id"], second["task_id"]]
    assert await listed() == both
    assert await listed(status="COMPLETED") == both[:1]
    assert await listed(task_type="api_buckets_delete") == []
    assert await listed(filters={"field": "status", "operator": "ne", "value": "COMPLETED"}) == both[1:]
    assert await listed(sort={"field": "status", "direction": "desc"}) == both[::-1]
    assert await listed("?limit=1&page=2") == both[1:]
    await call(shop, "POST", "/v1/tasks/list", 422, json={"task_type": "nope"})
    await call(shop, "POST", "/v1/tasks/list", 422, json={"status": "DONE"})
