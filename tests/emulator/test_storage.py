"""A database: everything that was answered outlives the process."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator

from .conftest import HEADERS, PROPERTIES, Clock

BLOB = {"property": "title", "type": "text", "data": {"text": "red"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mixpeek.db"


def serve(emulator: Emulator) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(emulator.app), base_url="http://emulator", headers=HEADERS
    )


async def post(api: httpx.AsyncClient, path: str, body: dict | None = None, status: int = 200) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def snapshot(api: httpx.AsyncClient, paths: list[str]) -> list[Any]:
    return [(await api.get(path)).json() for path in paths]


@pytest.mark.parametrize("api_version", ["0.82", "0.81"])
async def test_everything_is_there_after_a_restart(path: Path, clock: Clock, api_version: str):
    settings = {"database": path, "clock": clock, "task_seconds": 10, "api_version": api_version}
    emulator = Emulator(**settings)
    async with serve(emulator) as api:
        body = {"bucket_name": "b", "bucket_schema": {"properties": PROPERTIES}, "metadata": {"a": 1}}
        bucket = f"/v1/buckets/{(await post(api, '/v1/buckets', body))['bucket_id']}"
        objects = [
            {"sku": str(n), "metadata": {"n": 10**30 + n}, "blobs": [BLOB], "key_prefix": "/a"}
            for n in range(3)
        ]
        rows = (await post(api, f"{bucket}/objects/batch", {"objects": objects}))["succeeded"]
        ids = [row["object_id"] for row in rows]
        await api.delete(f"{bucket}/objects/{ids[2]}")
        await api.patch(f"{bucket}/objects/{ids[1]}", json={"price": 1.5})
        batches = [await post(api, f"{bucket}/batches", {"object_ids": ids[:1]}) for _ in range(2)]
        task = await post(api, f"{bucket}/batches/{batches[0]['batch_id']}/submit")
        paths = [
            bucket,
            "/v1/namespaces/shop",
            *(f"{bucket}/objects/{each}" for each in ids[:2]),
            *(f"{bucket}/batches/{each['batch_id']}" for each in batches),
            f"/v1/tasks/{task['task_id']}",
        ]
        before = await snapshot(api, paths)
    emulator.stop()
    again = Emulator(**settings)
    async with serve(again) as api:
        assert await snapshot(api, paths) == before
        assert before[2]["metadata"] == {"n": 10**30}
        assert (await api.get(f"{bucket}/objects/{ids[2]}")).status_code == 404
        page = await post(api, f"{bucket}/objects/list", {})
        assert [row["object_id"] for row in page["results"]] == ids[:2]
        # Time went on while nobody served.
        clock.now += 10
        assert (await api.get(paths[-1])).json()["status"] == "COMPLETED"
        assert (await api.get(f"{bucket}/objects/{ids[0]}")).json()["status"] == "COMPLETED"
        clock.now += 1800
        assert (await api.get(f"{bucket}/batches/{batches[1]['batch_id']}")).status_code == 404
        assert again.state()["objects_processed"] == {"0": 1, "1": 1}
    again.stop()


async def test_what_finds_objects_again_is_there_too(path: Path, clock: Clock):
    settings = {"database": path, "clock": clock, "idempotency_conflict": "refuse"}
    emulator = Emulator(**settings)
    one = {"sku": "1", "idempotency_key": "k", "blobs": [BLOB]}
    async with serve(emulator) as api:
        body = {"bucket_name": "b", "bucket_schema": {"properties": PROPERTIES}}
        bucket = f"/v1/buckets/{(await post(api, '/v1/buckets', body))['bucket_id']}"
        keyed = {**body, "bucket_name": "k", "unique_key": {"fields": ["sku"], "default_policy": "insert"}}
        unique = f"/v1/buckets/{(await post(api, '/v1/buckets', keyed))['bucket_id']}"
        first = await post(api, f"{bucket}/objects", one)
        await post(api, f"{unique}/objects", {"sku": "1"})
    emulator.stop()
    again = Emulator(**settings)
    async with serve(again) as api:
        assert (await post(api, f"{bucket}/objects", one))["object_id"] == first["object_id"]
        await post(api, f"{bucket}/objects", {**one, "sku": "2"}, 409)
        twin = await post(api, f"{bucket}/objects", {"blobs": [BLOB], "skip_duplicates": True})
        assert twin["object_id"] == first["object_id"]
        await post(api, f"{unique}/objects", {"sku": "1"}, 409)
        await post(api, "/v1/buckets", body, 409)
        assert (await api.get(bucket)).json()["total_size_bytes"] == 3
    again.stop()


async def test_legacy_tasks_and_objects_go_on(path: Path, clock: Clock):
    settings = {"database": path, "clock": clock, "task_seconds": 10, "generation": "legacy"}
    emulator = Emulator(**settings)
    async with serve(emulator) as api:
        body = {"bucket_name": "b", "bucket_schema": {"properties": {"title": {"type": "text"}}}}
        bucket = f"/v1/buckets/{(await post(api, '/v1/buckets/create', body))['bucket_id']}"
        emulator.fault({"fault": "task_outcome", "status": "FAILED", "error": "no GPU"})
        task = await post(api, f"{bucket}/objects/create", {"metadata": {"a": 1}})
        clock.now += 5
    emulator.stop()
    again = Emulator(**settings)
    async with serve(again) as api:
        stored = (await post(api, f"{bucket}/objects"))["results"][0]
        assert (stored["status"], stored["task_id"]) == ("PROCESSING", task["task_id"])
        clock.now += 5
        # How it ends was settled when it started.
        assert (await api.get(f"/v1/tasks/{task['task_id']}")).json()["status"] == "FAILED"
        stored = (await api.get(f"{bucket}/objects/{stored['object_id']}")).json()
        assert (stored["error"], stored["metadata"]) == ("no GPU", {"a": 1})
    again.stop()


def test_a_reset_empties_the_file(path: Path, connect, new_bucket):
    with Emulator(database=path) as emulator:
        new_bucket(connect(emulator))
        emulator.reset()
    with Emulator(database=path) as emulator:
        assert emulator.state()["buckets"] == 0


def test_a_stop_and_a_start_keep_the_file(path: Path, connect, new_bucket):
    emulator = Emulator(database=path)
    with emulator:
        bucket = new_bucket(connect(emulator))
    # While it does not serve, another may.
    with Emulator(database=path) as other:
        assert connect(other).get(bucket).status_code == 200
    with emulator:
        assert connect(emulator).get(bucket).status_code == 200


def test_one_file_one_emulator(path: Path):
    with Emulator(database=path), pytest.raises(ValueError, match="another emulator"):
        Emulator(database=path)


def test_a_file_is_of_one_version(path: Path):
    with Emulator(database=path):
        pass
    for settings in ({"generation": "legacy"}, {"api_version": "0.81"}):
        with pytest.raises(ValueError, match=r"is of API 0\.82"):
            Emulator(database=path, **settings)


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind " * 100)
    with pytest.raises(ValueError, match=r"notes\.txt"):
        Emulator(database=path)
    with pytest.raises(ValueError, match="nowhere"):
        Emulator(database=tmp_path / "nowhere" / "x.db")
    assert path.read_text().startswith("nothing")


# --- kill -9 ---

COMMAND = [sys.executable, "-m", "airflow_provider.mixpeek.emulator", "--port", "0", "--task-seconds", "0.5"]


class Process:
    """The emulator as a process of its own."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "--database", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        self.url = line.split()[-1]

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._process.kill()
        self._process.communicate()


class Writer(threading.Thread):
    """Creates objects and batches until the connection breaks, and remembers every answer."""

    def __init__(self, url: str, bucket: str, number: int, enough: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._bucket, self._number, self._enough = url, bucket, number, enough
        self.objects: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.tasks: dict[str, str] = {}

    def run(self) -> None:
        with httpx.Client(base_url=self._url, headers=HEADERS, timeout=10) as api:
            try:
                for turn in itertools.count():
                    self._write(api, turn)
                    if turn >= 40:
                        self._enough.set()
            except httpx.TransportError:
                return

    def _write(self, api: httpx.Client, turn: int) -> None:
        sku = f"{self._number}-{turn}"
        answer = api.post(f"{self._bucket}/objects", json={"sku": sku, "idempotency_key": sku}).json()
        self.objects[answer["object_id"]] = sku
        if turn % 5 == 1:
            body = {"object_ids": [answer["object_id"]]}
            batch = api.post(f"{self._bucket}/batches", json=body).json()["batch_id"]
            task = api.post(f"{self._bucket}/batches/{batch}/submit?force=true").json()["task_id"]
            self.tasks[task] = batch
        elif turn % 5 == 2:
            # Until it is answered, either may be so.
            del self.objects[answer["object_id"]]
            api.delete(f"{self._bucket}/objects/{answer['object_id']}")
            self.deleted.add(answer["object_id"])


def test_what_was_answered_outlives_kill_9(path: Path, new_bucket):
    server = Process(path)
    enough = threading.Event()
    try:
        with httpx.Client(base_url=server.url, headers=HEADERS) as api:
            bucket = new_bucket(api)
        writers = [Writer(server.url, bucket, number, enough) for number in range(4)]
        for writer in writers:
            writer.start()
        assert enough.wait(timeout=60)
    finally:
        server.kill()
    for writer in writers:
        writer.join(timeout=20)
    objects = {key: value for writer in writers for key, value in writer.objects.items()}
    deleted = set().union(*(writer.deleted for writer in writers))
    tasks = {key: value for writer in writers for key, value in writer.tasks.items()}
    assert len(objects) > 20
    assert deleted
    assert tasks
    again = Process(path)
    try:
        with httpx.Client(base_url=again.url, headers=HEADERS) as api:
            listed = {}
            cursor = None
            while True:
                page = api.get(
                    f"{bucket}/objects", params={"limit": 1000} | ({"cursor": cursor} if cursor else {})
                )
                listed |= {row["object_id"]: row["sku"] for row in page.json()["results"]}
                cursor = page.json()["pagination"]["next_cursor"]
                if cursor is None:
                    break
            assert objects.items() <= listed.items()
            assert not deleted & set(listed)
            # At most the one request in flight of each writer is there beyond what was answered.
            assert len(listed) <= len(objects) + len(writers)
            for task, batch in tasks.items():
                assert api.get(f"/v1/tasks/{task}").status_code == 200
                assert api.get(f"/v1/batches/{batch}").json()["task_id"] == task
            # Nothing is made twice by sending it again, and what ran ends.
            sku = next(iter(objects.values()))
            replayed = api.post(f"{bucket}/objects", json={"sku": sku, "idempotency_key": sku}).json()
            assert objects[replayed["object_id"]] == sku
            last = list(tasks)[-1]
            for _ in range(100):
                if api.get(f"/v1/tasks/{last}").json()["status"] == "COMPLETED":
                    break
                threading.Event().wait(0.05)
            assert api.get(f"/v1/tasks/{last}").json()["status"] == "COMPLETED"
    finally:
        again.kill()


async def test_nothing_is_kept_that_was_refused(path: Path):
    emulator = Emulator(database=path)
    async with serve(emulator) as api:
        body = {"bucket_name": "b", "bucket_schema": {"properties": {"a": {"type": "string"}}}}
        bucket = f"/v1/buckets/{(await post(api, '/v1/buckets', body))['bucket_id']}"
        await post(api, f"{bucket}/objects", {"a": 1}, 422)
    emulator.stop()
    again = Emulator(database=path)
    assert again.state()["objects"] == 0
    again.stop()
