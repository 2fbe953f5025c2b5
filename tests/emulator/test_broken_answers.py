"""Faults that lose, break or delay what was stored or said."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider.mixpeek.emulator import BrokenAnswerByFault, ConnectionResetByFault

# --- stored late ---


async def test_a_late_write_is_stored_when_its_time_comes(in_process, clock, new_async_bucket):
    emulator, api = await in_process()
    bucket = await new_async_bucket(api)
    emulator.fault({"fault": "reset_late", "seconds": 30, "times": 2, "method": "POST"})
    for number in range(2):
        body = {"sku": str(number), "idempotency_key": str(number)}
        with pytest.raises(ConnectionResetByFault):
            await api.post(f"{bucket}/objects", json=body)
        clock.now += 10
    assert (await api.get(f"{bucket}/objects")).json()["results"] == []
    clock.now += 10
    stored = (await api.get(f"{bucket}/objects")).json()["results"]
    assert [each["sku"] for each in stored] == ["0"]
    clock.now += 10
    assert len((await api.get(f"{bucket}/objects")).json()["results"]) == 2
    # It was stored with its key, so sending it again makes nothing new.
    again = await api.post(f"{bucket}/objects", json={"sku": "0", "idempotency_key": "0"})
    assert again.json()["object_id"] == stored[0]["object_id"]
    counted = {
        each["status"]: each["count"] for each in emulator.state()["requests"] if each["method"] == "POST"
    }
    assert counted[0] == 2


async def test_a_repeat_may_come_before_the_late_write(in_process, clock, new_async_bucket):
    emulator, api = await in_process()
    bucket = await new_async_bucket(api)
    for body, expected in [({"sku": "1", "idempotency_key": "k"}, 1), ({"sku": "2"}, 2)]:
        emulator.fault({"fault": "reset_late", "seconds": 30, "times": 1, "method": "POST"})
        with pytest.raises(ConnectionResetByFault):
            await api.post(f"{bucket}/objects", json=body)
        await api.post(f"{bucket}/objects", json=body)
        clock.now += 30
        rows = (await api.get(f"{bucket}/objects")).json()["results"]
        assert sum(row["sku"] == body["sku"] for row in rows) == expected


def test_over_a_socket_the_connection_breaks_at_once(make_emulator, connect, new_bucket):
    now = [1000.0]
    emulator = make_emulator(clock=lambda: now[0])
    api = connect(emulator)
    bucket = new_bucket(api)
    emulator.fault({"fault": "reset_late", "seconds": 3600, "times": 1})
    with pytest.raises(httpx.TransportError):
        api.post(f"{bucket}/objects", json={"sku": "1"})
    assert emulator.state()["objects"] == 0
    now[0] += 3600
    assert emulator.state()["objects"] == 1


async def test_a_reset_forgets_late_writes(in_process, clock, new_async_bucket):
    emulator, api = await in_process()
    emulator.fault({"fault": "reset_late", "seconds": 1})
    body = {"bucket_name": "b", "bucket_schema": {"properties": {}}}
    with pytest.raises(ConnectionResetByFault):
        await api.post("/v1/buckets", json=body)
    emulator.reset()
    clock.now += 1
    assert (await api.get("/v1/buckets")).json()["results"] == []


# --- broken answers ---


def test_a_truncated_answer_is_broken_json_of_its_length(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "truncated", "bytes": 20, "times": 1})
    answer = api.post(f"{bucket}/objects", json={"sku": "1"})
    assert (answer.status_code, len(answer.content), answer.headers["Content-Length"]) == (200, 20, "20")
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    # What it answered is stored.
    assert emulator.state()["objects"] == 1
    emulator.fault({"fault": "truncated", "bytes": 0, "times": 1})
    assert api.get(bucket).content == b""


def test_an_answer_that_promises_more_than_comes(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "wrong_length", "extra": 10, "times": 1})
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        api.post(f"{bucket}/objects", json={"sku": "1"})
    assert emulator.state()["objects"] == 1
    assert api.get(bucket).status_code == 200


def test_an_answer_that_is_longer_than_it_says(emulator, bucket: str):
    parts = urlsplit(emulator.url)
    emulator.fault({"fault": "wrong_length", "extra": -5, "times": 1})
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        raw = b""
        while chunk := peer.recv(4096):
            raw += chunk
    head, _, content = raw.partition(b"\r\n\r\n")
    assert content == b'{"status":"OK"}'
    assert b"content-length: 10" in head.lower()


async def test_in_process_a_wrong_length_is_an_exception(in_process):
    emulator, api = await in_process()
    emulator.fault({"fault": "wrong_length", "extra": 10})
    with pytest.raises(BrokenAnswerByFault) as raised:
        await api.get("/v1/health")
    assert raised.value.content.endswith(b'{"status":"OK"}')


def test_an_answer_that_lies(emulator, api: httpx.Client, bucket: str):
    """Status 200 and no id, stored or not: what a gateway or the other generation may answer."""
    for after, stored in [(False, 0), (True, 1)]:
        emulator.fault({"fault": "status", "status": 200, "body": {}, "after": after, "times": 1})
        answer = api.post(f"{bucket}/objects", json={"sku": "1"})
        assert (answer.status_code, answer.json()) == (200, {})
        assert emulator.state()["objects"] == stored


# --- tasks ---


@pytest.fixture
def task(api: httpx.Client, bucket: str) -> str:
    stored = api.post(f"{bucket}/objects", json={"sku": "1"}).json()["object_id"]
    batch = api.post(f"{bucket}/batches?auto_submit=true", json={"object_ids": [stored]}).json()
    return f"/v1/tasks/{batch['task_id']}"


def test_a_forgotten_task_stays_forgotten(emulator, api: httpx.Client, task: str):
    emulator.fault({"fault": "task_forgotten", "path": "/v1/tasks/*", "skip": 1, "times": 1})
    assert [api.get(task).status_code for _ in range(3)] == [200, 404, 404]
    assert api.get("/v1/tasks/task_nope").json()["error"]["type"] == "NotFoundError"
    assert api.post("/v1/tasks/list", json={}).json()["results"] == []


async def test_a_word_for_a_while(shop, clock):
    shop.emulator.fault({"fault": "task_outcome", "meanwhile": "ON_HOLIDAY", "seconds": 100, "times": 1})
    batch = await shop.batch()
    task = await shop.submit(batch)
    seen = []
    for seconds in (0, 99, 1):
        clock.now += seconds
        words = [
            (await shop.get(path))["status"]
            for path in (f"/v1/tasks/{task['task_id']}", f"/v1/batches/{batch['batch_id']}")
        ]
        assert len(set(words)) == 1
        seen.append(words[0])
    assert seen == ["ON_HOLIDAY", "ON_HOLIDAY", "COMPLETED"]
    assert await shop.statuses() == ["COMPLETED"] * 4
