"""Faults over real sockets, and in-process."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider.mixpeek.emulator import ConnectionResetByFault, Refusal


def count(emulator, status: int) -> int:
    return sum(each["count"] for each in emulator.state()["requests"] if each["status"] == status)


def test_a_status_before_the_app_stores_nothing(emulator, api: httpx.Client, bucket: str):
    emulator.fault(
        {"method": "POST", "path": "/v1/buckets/*/objects", "fault": "status", "status": 503, "times": 2}
    )
    body = {"sku": "1"}
    for _ in range(2):
        answer = api.post(f"{bucket}/objects", json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (
            503,
            "InferenceServiceUnavailableError",
        )
    assert emulator.state()["objects"] == 0
    assert api.post(f"{bucket}/objects", json=body).status_code == 200
    assert count(emulator, 503) == 2


def test_a_status_after_the_app_has_stored(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "status", "status": 500, "after": True, "times": 1})
    assert api.post(f"{bucket}/objects", json={"sku": "1"}).status_code == 500
    assert emulator.state()["objects"] == 1


def test_a_status_with_body_and_headers(emulator, api: httpx.Client):
    emulator.fault(
        {"fault": "status", "status": 429, "body": {"a": 1}, "headers": {"Retry-After": "7"}, "times": 1},
        {
            "fault": "status",
            "status": 200,
            "body": "<html>",
            "headers": {"Content-Type": "text/html"},
            "times": 1,
        },
        {"fault": "status", "status": 204, "times": 1},
    )
    first, second, third = (api.get("/v1/me") for _ in range(3))
    assert (first.status_code, first.headers["Retry-After"], first.json()) == (429, "7", {"a": 1})
    assert (second.text, second.headers["Content-Type"]) == ("<html>", "text/html")
    assert (third.status_code, third.content) == (204, b"")


def test_a_template_and_a_pattern_both_name_a_call(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"path": "/v1/buckets/{bucket_identifier}", "fault": "status", "status": 500, "times": 1})
    emulator.fault({"path": "/v1/b*/bkt_*", "fault": "status", "status": 502, "times": 1})
    assert [api.get(bucket).status_code for _ in range(3)] == [500, 502, 200]
    assert api.get("/v1/me").status_code == 200


def test_the_first_calls_can_be_spared(emulator, api: httpx.Client):
    emulator.fault({"fault": "status", "status": 500, "skip": 2, "times": 1})
    assert [api.get("/v1/me").status_code for _ in range(4)] == [200, 200, 500, 200]
    assert emulator.faults() == [
        {"fault": "status", "status": 500, "skip": 2, "times": 1, "matched": 4, "fired": 1}
    ]


def test_a_probability_is_seeded(make_emulator, connect):
    def struck(seed: int) -> list[int]:
        emulator = make_emulator()
        emulator.fault({"fault": "status", "status": 500, "probability": 0.5, "seed": seed})
        api = connect(emulator)
        return [api.get("/v1/health").status_code for _ in range(20)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert set(struck(1)) == {200, 500}


def test_a_reset_before_stores_nothing(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "reset_before", "times": 1})
    with pytest.raises(httpx.TransportError):
        api.post(f"{bucket}/objects", json={"sku": "1"})
    assert emulator.state()["objects"] == 0
    assert api.post(f"{bucket}/objects", json={"sku": "1"}).status_code == 200
    assert count(emulator, 0) == 1


def test_a_reset_after_has_stored(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "reset_after", "times": 1})
    body = {"sku": "1", "idempotency_key": "k"}
    with pytest.raises(httpx.TransportError):
        api.post(f"{bucket}/objects", json=body)
    assert emulator.state()["objects"] == 1
    rows = api.post(f"{bucket}/objects/batch", json={"objects": [body]}).json()["succeeded"]
    assert rows[0]["replayed"] is True
    assert emulator.state()["objects"] == 1


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_reset_is_one_on_the_wire(emulator, fault: str):
    emulator.fault({"fault": fault})
    parts = urlsplit(emulator.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_a_reset_in_the_middle_of_a_large_body(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "reset_before", "times": 1})
    with pytest.raises(httpx.TransportError):
        api.post(f"{bucket}/objects", content=b" " * 20_000_000)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
async def test_in_process_a_reset_is_an_exception(in_process, fault: str):
    emulator, api = await in_process()
    emulator.fault({"fault": fault})
    with pytest.raises(ConnectionResetByFault, match="/v1/buckets"):
        await api.post("/v1/buckets", json={"bucket_name": "a", "bucket_schema": {"properties": {}}})
    assert emulator.state()["buckets"] == (1 if fault == "reset_after" else 0)


async def test_latencies_add_up_and_take_no_real_time(in_process, clock):
    emulator, api = await in_process(latency=0.5)
    emulator.fault({"fault": "latency", "seconds": 100}, {"fault": "latency", "seconds": 7, "path": "/v1/me"})
    await api.get("/v1/me")
    await api.get("/v1/health")
    assert clock.slept == [107.5, 100.5]


async def test_a_latency_and_a_fault_strike_the_same_call(in_process, clock):
    emulator, api = await in_process()
    emulator.fault({"fault": "latency", "seconds": 3}, {"fault": "status", "status": 500})
    assert (await api.get("/v1/me")).status_code == 500
    assert clock.slept == [3]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({}, ("fault",)),
        ({"fault": "explode"}, ("fault",)),
        ({"fault": "latency"}, ("seconds",)),
        ({"fault": "latency", "seconds": -1}, ("seconds",)),
        ({"fault": "latency", "seconds": "1"}, ("seconds",)),
        ({"fault": "status"}, ("status",)),
        ({"fault": "status", "status": 99}, ("status",)),
        ({"fault": "status", "status": "500"}, ("status",)),
        ({"fault": "status", "status": 500, "headers": {"A": 1}}, ("headers", "A")),
        ({"fault": "reset_before", "status": 500}, ("status",)),
        ({"fault": "reset_after", "after": True}, ("after",)),
        ({"fault": "task_outcome"}, ()),
        ({"fault": "task_outcome", "error_type": "odd"}, ("error_type",)),
        ({"fault": "task_outcome", "meanwhile": ""}, ("meanwhile",)),
        ({"fault": "reset_late"}, ("seconds",)),
        ({"fault": "truncated"}, ("bytes",)),
        ({"fault": "truncated", "bytes": -1}, ("bytes",)),
        ({"fault": "wrong_length"}, ("extra",)),
        ({"fault": "wrong_length", "extra": 0}, ("extra",)),
        ({"fault": "task_forgotten", "seconds": 1}, ("seconds",)),
        ({"fault": "task_outcome", "status": 7}, ("status",)),
        ({"fault": "task_outcome", "status": "FAILED", "failed_objects": -1}, ("failed_objects",)),
        ({"fault": "reset_before", "method": "get"}, ("method",)),
        ({"fault": "reset_before", "times": 0}, ("times",)),
        ({"fault": "reset_before", "times": 1, "probability": 0.5}, ("times",)),
        ({"fault": "reset_before", "probability": 1.5}, ("probability",)),
        ({"fault": "reset_before", "seed": 1}, ("seed",)),
        ({"fault": "reset_before", "tmies": 1}, ("tmies",)),
    ],
)
def test_a_rule_that_is_none_is_refused_with_the_rest(emulator, rule: dict, place: tuple):
    good = {"fault": "reset_before"}
    answer = httpx.post(f"{emulator.url}/_emulator/faults", json=[good, rule])
    problems = answer.json()["error"]["details"]["validation_errors"]
    assert [tuple(each["location"]) for each in problems] == [("body", 1, *place)]
    assert problems[0]["message"]
    with pytest.raises(Refusal):
        emulator.fault(good, rule)
    assert emulator.faults() == []
