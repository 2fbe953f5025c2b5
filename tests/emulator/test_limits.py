from __future__ import annotations

import asyncio

import pytest

from airflow_provider.mixpeek.emulator.limits import TokenBucket, category_of


def test_a_full_bucket_lets_a_burst_through_and_then_the_rate():
    bucket = TokenBucket(2, 3)
    assert [bucket.take(100.0).allowed for _ in range(5)] == [True] * 3 + [False] * 2
    assert [bucket.take(100.0 + seconds).allowed for seconds in (0.4, 0.5, 0.9, 1.0)] == [
        False,
        True,
        False,
        True,
    ]


def test_what_a_verdict_says():
    bucket = TokenBucket(0.1, 2)
    first = bucket.take(1000.0)
    assert (first.limit, first.remaining, first.reset, first.retry_after) == (2, 1, 1010, 0)
    bucket.take(1000.0)
    refused = bucket.take(1000.0)
    assert (refused.allowed, refused.remaining, refused.reset, refused.retry_after) == (False, 0, 1020, 10)
    assert refused.headers()["Retry-After"] == "10"
    assert bucket.take(1010.0).allowed


def test_a_client_that_waits_exactly_is_served():
    bucket = TokenBucket(3, 1)
    assert all(bucket.take(number / 3).allowed for number in range(1000))


def test_a_clock_that_steps_back_costs_nothing():
    bucket = TokenBucket(1, 1)
    assert bucket.take(100.0).allowed
    assert not bucket.take(50.0).allowed
    assert bucket.take(51.0).allowed


async def test_over_the_limit_is_429_with_everything_a_client_needs(in_process, clock):
    emulator, api = await in_process(rate_limit=0.5, burst=2)
    answers = [await api.get("/v1/me") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["X-RateLimit-Remaining"] for each in answers] == ["1", "0", "0"]
    refused = answers[2]
    assert refused.headers["Retry-After"] == "2"
    assert int(refused.headers["X-RateLimit-Reset"]) == clock.now + 4
    error = refused.json()["error"]
    assert error["type"] == "TooManyRequestsError"
    assert error["details"] == {"limit": 2, "window": 4.0, "retry_after": 2}
    clock.now += 2
    assert (await api.get("/v1/me")).status_code == 200
    requests = {each["status"]: each["count"] for each in emulator.state()["requests"]}
    assert requests == {200: 3, 429: 1}


async def test_health_and_control_calls_are_not_limited(in_process):
    _, api = await in_process(rate_limit=0.01, burst=1)
    await api.get("/v1/me")
    for _ in range(3):
        assert (await api.get("/v1/health")).status_code == 200
        assert (await api.get("/_emulator/state")).status_code == 200
    assert (await api.get("/v1/me")).status_code == 429


async def test_without_a_limit_there_are_no_such_headers(in_process):
    _, api = await in_process()
    assert "X-RateLimit-Limit" not in (await api.get("/v1/me")).headers


async def test_categories_have_limits_of_their_own(in_process, clock):
    _, api = await in_process(rate_limits={"data": 1, "compute": 0.5})
    body = {"bucket_name": "b", "bucket_schema": {"properties": {}}}
    bucket = f"/v1/buckets/{(await api.post('/v1/buckets', json=body)).json()['bucket_id']}"
    stored = (await api.post(f"{bucket}/objects", json={})).json()["object_id"]
    refused = await api.post(f"{bucket}/objects", json={})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["error"]["details"]["category"] == "data"
    assert "data" in refused.json()["error"]["message"]
    batch = await api.post(f"{bucket}/batches", json={"object_ids": [stored]})
    assert (batch.status_code, batch.headers["X-RateLimit-Remaining"]) == (200, "0")
    path = f"{bucket}/batches/{batch.json()['batch_id']}"
    assert (await api.post(f"{path}/submit")).headers["Retry-After"] == "2"
    # What has no limit goes on, and says none.
    for free in (bucket, path, "/v1/me"):
        answer = await api.get(free)
        assert answer.status_code == 200
        assert "X-RateLimit-Limit" not in answer.headers
    clock.now += 2
    assert (await api.post(f"{path}/submit")).status_code == 200
    assert (await api.get("/v1/me")).json()["rate_limits"] == {"data": 60, "compute": 30}


async def test_the_tighter_limit_speaks(in_process, clock):
    _, api = await in_process(rate_limit=1, burst=3, rate_limits={"metadata": 2})
    answers = [await api.get("/v1/me") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["X-RateLimit-Limit"] for each in answers] == ["2", "2", "2"]
    # A refusal of the category cost nothing of the whole.
    clock.now += 0.5
    answer = await api.get("/v1/me")
    assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "2")
    clock.now += 0.5
    assert (await api.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "category"),
    [
        ("POST", "/v1/buckets/{b}/objects/batch", "data"),
        ("GET", "/v1/buckets/{b}/objects/{o}", "data"),
        ("POST", "/v1/buckets/{b}/batches", "compute"),
        ("POST", "/v1/buckets/{b}/batches/{x}/submit", "compute"),
        ("POST", "/v1/buckets/{b}/batches/list", "metadata"),
        ("GET", "/v1/batches/{x}", "metadata"),
        ("POST", "/v1/buckets/{b}/uploads/{u}/confirm", "upload"),
        ("GET", "/v1/tasks/{t}", "metadata"),
        ("POST", "/v1/buckets/{b}/objects/create", "data"),
    ],
)
def test_what_belongs_to_which_category(method: str, path: str, category: str):
    assert category_of(method, path) == category


# --- at once, too large, used up ---


async def test_one_request_too_many_at_once_is_a_bare_429(in_process):
    emulator, api = await in_process(in_flight=2)
    answering = asyncio.Event()
    emulator.app._sleep = lambda _seconds: answering.wait()
    emulator.fault({"fault": "latency", "seconds": 1})
    under_way = [asyncio.create_task(api.get("/v1/me")) for _ in range(2)]
    await asyncio.sleep(0)
    refused = await api.get("/v1/buckets")
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "TooManyRequestsError")
    assert "details" not in refused.json()["error"]
    assert not [name for name in refused.headers if name.startswith(("x-ratelimit", "retry-after"))]
    answering.set()
    assert [(await each).status_code for each in under_way] == [200, 200]
    # Their places are free again, and health calls and control calls never took one.
    for path in ("/v1/health", "/_emulator/state", "/v1/me"):
        assert (await api.get(path)).status_code == 200
    assert [each["count"] for each in emulator.state()["requests"] if each["status"] == 429] == [1]


async def test_a_request_that_breaks_gives_its_place_back(in_process):
    emulator, api = await in_process(in_flight=1)
    emulator.fault({"fault": "reset_before", "times": 1})
    with pytest.raises(ConnectionResetError):
        await api.get("/v1/me")
    assert (await api.get("/v1/me")).status_code == 200


def test_a_body_that_is_too_large_is_a_413(make_emulator, connect, new_bucket):
    emulator = make_emulator(max_body_bytes=300)
    api = connect(emulator)
    bucket = new_bucket(api, {"sku": {"type": "string"}})
    body = b'{"sku": "%s"}'
    fits, too_large = (body % (b"x" * (length - len(body) + 2)) for length in (300, 301))
    headers = {"Content-Type": "application/json"}
    refused = api.post(f"{bucket}/objects", content=too_large, headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (413, "PayloadTooLargeError")
    assert api.post(f"{bucket}/objects", content=fits, headers=headers).status_code == 200
    assert emulator.state()["objects"] == 1


def test_a_quota_refuses_creates_and_reads_go_on(make_emulator, connect, new_bucket):
    emulator = make_emulator(quota=5)
    api = connect(emulator)
    bucket = new_bucket(api, {"sku": {"type": "string"}})
    many = {"objects": [{"sku": str(number)} for number in range(4)]}
    assert api.post(f"{bucket}/objects/batch", json=many).json()["failed"] == []
    crossing = api.post(f"{bucket}/objects/batch", json=many)
    assert (crossing.status_code, crossing.json()["succeeded_count"]) == (200, 1)
    assert {row["error_type"] for row in crossing.json()["failed"]} == {"QuotaExceededError"}
    for path, body in (("/objects/batch", many), ("/objects", {"sku": "9"})):
        refused = api.post(bucket + path, json=body)
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "QuotaExceededError")
        assert refused.json()["error"]["details"] == {
            "resource": "objects",
            "current": 5,
            "limit": 5,
            "tier": "free",
        }
    assert len(api.get(f"{bucket}/objects").json()["results"]) == 5
    emulator.set_quota(6)
    assert [api.post(f"{bucket}/objects", json={"sku": "9"}).status_code for _ in range(2)] == [200, 403]


def test_a_quota_holds_on_legacy_too(make_emulator, connect):
    api = connect(make_emulator(generation="legacy", quota=1))
    body = {"bucket_name": "b", "bucket_schema": {"properties": {"t": {"type": "text"}}}}
    bucket = f"/v1/buckets/{api.post('/v1/buckets/create', json=body).json()['bucket_id']}"
    new = {"blobs": [{"property": "t", "type": "text", "data": "x"}]}
    statuses = [api.post(f"{bucket}/objects/create", json=new).status_code for _ in range(2)]
    assert statuses == [200, 403]
