from __future__ import annotations

import httpx
import pytest

from airflow_provider.mixpeek.emulator.settings import Settings


def test_state_counts_requests_by_template_and_status(emulator, api: httpx.Client, bucket: str):
    for _ in range(2):
        api.get(bucket)
    api.get("/v1/buckets/nope")
    api.get("/v1/nowhere")
    api.post("/v1/buckets/create", json={})
    state = httpx.get(f"{emulator.url}/_emulator/state").json()
    assert state == emulator.state()
    counted = {(each["method"], each["path"], each["status"]): each["count"] for each in state["requests"]}
    assert counted == {
        ("POST", "/v1/buckets", 200): 1,
        ("GET", "/v1/buckets/{bucket_identifier}", 200): 2,
        ("GET", "/v1/buckets/{bucket_identifier}", 404): 1,
        ("GET", "/v1/nowhere", 404): 1,
        ("POST", "/v1/buckets/{bucket_identifier}", 405): 1,
    }


def test_state_counts_what_is_stored(emulator, api: httpx.Client, bucket: str):
    ids = [api.post(f"{bucket}/objects", json={"sku": str(n)}).json()["object_id"] for n in range(3)]
    api.post(f"{bucket}/batches", json={"object_ids": ids[:2], "auto_submit": True})
    api.post(f"{bucket}/batches", json={"object_ids": ids})
    state = emulator.state()
    del state["requests"]
    assert state == {
        "invalid_json": 0,
        "objects_received": {"/v1/buckets/{bucket_identifier}/objects": 3},
        "buckets": 1,
        "objects": 3,
        "files": {},
        "batches": 2,
        "tasks": 1,
        "batches_submitted": 1,
        "objects_processed": {"0": 1, "1": 2},
    }


def test_objects_that_come_again_are_counted_again(emulator, api: httpx.Client, bucket: str):
    both = {"objects": [{"sku": str(n), "idempotency_key": f"key-{n}"} for n in range(2)]}
    emulator.fault(
        {"fault": "reset_before", "path": "/v1/buckets/*/objects/batch", "times": 1},
        {"fault": "reset_after", "path": "/v1/buckets/*/objects/batch", "times": 1},
    )
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            api.post(f"{bucket}/objects/batch", json=both)
    api.post(f"{bucket}/objects/batch", json=both)
    api.post(f"{bucket}/objects/batch", json={"objects": "no list"})
    state = emulator.state()
    assert state["objects"] == 2
    assert state["objects_received"] == {"/v1/buckets/{bucket_identifier}/objects/batch": 4}


def test_reset_forgets_everything(emulator, api: httpx.Client, bucket: str):
    emulator.fault({"fault": "status", "status": 500})
    httpx.post(f"{emulator.url}/_emulator/reset")
    assert emulator.faults() == []
    assert emulator.state() == {
        "requests": [],
        "invalid_json": 0,
        "objects_received": {},
        "buckets": 0,
        "objects": 0,
        "files": {},
        "batches": 0,
        "tasks": 0,
        "batches_submitted": 0,
        "objects_processed": {},
    }
    assert api.get(bucket).status_code == 404
    emulator.reset()
    assert emulator.state()["requests"] == []


def test_faults_are_posted_shown_and_dropped(emulator):
    url = f"{emulator.url}/_emulator/faults"
    rule = {"fault": "status", "status": 500}
    assert httpx.post(url, json=rule).json() == [{**rule, "matched": 0, "fired": 0}]
    httpx.post(url, json=[rule, rule])
    assert len(httpx.get(url).json()) == 3
    # Control calls are never struck.
    assert httpx.get(f"{emulator.url}/_emulator/state").status_code == 200
    assert httpx.delete(url).json() == []
    assert httpx.get(url).json() == []
    emulator.fault(rule)
    emulator.clear_faults()
    assert emulator.faults() == []


def test_wrong_control_calls_say_what_there_is(emulator):
    assert "/_emulator/state" in httpx.get(f"{emulator.url}/_emulator/nope").json()["error"]["message"]
    assert httpx.get(f"{emulator.url}/_emulator/reset").status_code == 405
    assert httpx.post(f"{emulator.url}/_emulator/faults", content=b"{").status_code == 422


async def test_only_loopback_peers_are_answered(in_process):
    emulator, _ = await in_process()
    for peer, status in [(("127.0.0.1", 1), 200), (("::1", 1), 200), (("192.0.2.7", 1), 403), (("", 1), 403)]:
        transport = httpx.ASGITransport(emulator.app, client=peer)
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as client:
            for path in ("/_emulator/state", "/_emulator/faults"):
                assert (await client.get(path)).status_code == status


def test_keys_are_never_shown(make_emulator, connect):
    emulator = make_emulator(api_keys=["sk_secret"])
    api = connect(emulator, Authorization="Bearer sk_secret")
    api.get("/v1/me")
    shown = [
        api.get(path).text for path in ("/_emulator/state", "/_emulator/faults", "/v1/me", "/openapi.json")
    ]
    assert not any(
        "sk_secret" in each for each in [*shown, repr(emulator), repr(Settings(api_keys=("sk_secret",)))]
    )
