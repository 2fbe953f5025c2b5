"""The emulator as an object and as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.emulator.__main__ import main


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("mixpeek-emulator")]


def test_it_listens_while_it_is_open_and_leaves_nothing_behind():
    before = threads()
    with Emulator() as emulator:
        url = emulator.url
        port = int(url.rpartition(":")[2])
        client = httpx.Client()
        assert client.get(f"{url}/v1/health").status_code == 200
        assert len(threads()) == len(before) + 1
    assert threads() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    # The port is free again, although a client still holds its end.
    with Emulator(port=port):
        pass
    client.close()


def test_a_request_in_flight_is_dropped_after_a_moment(caplog):
    waiting = threading.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.sleep(seconds)

    emulator = Emulator(latency=600, sleep=sleep).start()
    failed: list[httpx.TransportError] = []

    def ask() -> None:
        try:
            httpx.get(f"{emulator.url}/v1/health", timeout=30)
        except httpx.TransportError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert waiting.wait(timeout=10)
    started = time.monotonic()
    emulator.stop()
    asking.join(timeout=10)
    assert time.monotonic() - started < 5
    assert len(failed) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_an_idle_connection_ends_tidily():
    with Emulator() as emulator:
        peer = socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])), timeout=10)
        peer.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        while not peer.recv(4096).endswith(b"}"):
            pass
    with peer:
        assert peer.recv(1) == b""


def test_what_is_stored_outlives_a_stop(connect, new_bucket):
    emulator = Emulator()
    with emulator:
        bucket = new_bucket(connect(emulator))
    assert emulator.state()["buckets"] == 1
    with emulator:
        assert connect(emulator).get(bucket).status_code == 200


def test_a_taken_port_is_named(emulator: Emulator):
    port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        Emulator(port=port).start()


def test_it_starts_once(emulator: Emulator):
    with pytest.raises(RuntimeError, match="started already"):
        emulator.start()


def test_without_a_start_there_is_no_url():
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    emulator.stop()


@pytest.mark.parametrize(
    "settings",
    [
        {"task_seconds": -1},
        {"latency": float("nan")},
        {"rate_limit": 0},
        {"rate_limit": 1, "burst": 0},
        {"burst": 1},
        {"max_batch_size": 0},
        {"undeclared_metadata": "ignore"},
        {"idempotency_conflict": "error"},
        {"generation": "next"},
        {"api_version": "0.83"},
        {"api_version": "0.81", "generation": "legacy"},
        {"draft_seconds": -1},
        {"rate_limits": {"reading": 1}},
        {"rate_limits": {"data": 0}},
        {"api_keys": [""]},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict):
    with pytest.raises(ValueError, match="|".join([*settings, "API key"])):
        Emulator(**settings)


def test_many_requests_at_once_on_one_server(emulator: Emulator, connect, new_bucket):
    bucket = new_bucket(connect(emulator))
    workers = [
        threading.Thread(
            target=lambda: [connect(emulator).post(f"{bucket}/objects", json={"sku": "x"}) for _ in range(20)]
        )
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert emulator.state()["objects"] == 160


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_process_it_says_where_and_ends_cleanly(number: signal.Signals, new_bucket):
    command = [
        sys.executable,
        "-m",
        "airflow_provider.mixpeek.emulator",
        "--port",
        "0",
        "--api-key",
        "sk_one",
    ]
    command += ["--namespace", "shop", "--task-seconds", "0", "--rate-limit", "100", "--burst", "5"]
    command += ["--category-limit", "metadata=3", "--category-limit", "data=2", "--max-upload-bytes", "1000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            line = process.stdout.readline()
            url = line.split()[-1]
            answer = httpx.get(f"{url}/v1/me", headers={"Authorization": "Bearer sk_one"})
            assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "3")
            assert answer.json()["rate_limits"]["data"] == 120
            assert httpx.get(f"{url}/v1/me", headers={"Authorization": "Bearer sk_two"}).status_code == 401
            headers = {"Authorization": "Bearer sk_one", "X-Namespace": "shop"}
            with httpx.Client(base_url=url, headers=headers) as api:
                uploads = f"{new_bucket(api)}/uploads"
                announced = {"filename": "a.jpg", "content_type": "image/jpeg", "blob_property": "hero"}
                for size, status in ((1000, 201), (1001, 413)):
                    answer = api.post(uploads, json=announced | {"file_size_bytes": size})
                    assert answer.status_code == status, answer.text
            process.send_signal(number)
            rest, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, rest, errors) == (0, "", "")


def test_flags_that_make_no_sense_are_explained(capsys, emulator: Emulator):
    with pytest.raises(SystemExit):
        main(["--rate-limit", "-1"])
    assert "rate_limit" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--undeclared-metadata", "ignore"])
    capsys.readouterr()
    for wrong in ("reading=1", "data=fast", "data"):
        with pytest.raises(SystemExit):
            main(["--category-limit", wrong])
        assert wrong.partition("=")[0] in capsys.readouterr().err
