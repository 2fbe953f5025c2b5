"""``kill -9`` at any moment, again and again: in the end every row is one object, processed once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, NamedTuple

import pandas as pd
import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FileCheckpoint

from .shop import BATCH, BATCHES, CREATE, MAPPING, SCHEMA, SUBMIT, rows, stored

#: Run by `make system-test`.
long = pytest.mark.system

ROWS = 10_000
KILLS = 20
IN_FLIGHT = 8
BATCH_SIZE = 500

#: Rows that are under way at most; twice, for one that is slow holds the watermark back before others.
UNDER_WAY = 2 * 100 * IN_FLIGHT

#: Where rows are looked for, on either generation.
LOOKUPS = ("/v1/buckets/{bucket_identifier}/objects/list", "/v1/buckets/{bucket_identifier}/objects")

#: Seconds that the server takes for a call.
LATENCY = 0.02


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        Event().wait(0.002)


class Loader:
    """Runs loads in processes of their own, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = Path(__file__).with_name("killable.py")
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, **settings: Any) -> int:
        """Start one; the id of its process."""
        self.result.unlink(missing_ok=True)
        return self._ask(json.dumps({"result": str(self.result), **settings}))

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        return self._ask("")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture
def another_loader() -> Iterator[Callable[[Path], Loader]]:
    """Starts one that keeps its files in a folder."""
    with ExitStack() as started:

        def start(folder: Path) -> Loader:
            folder.mkdir(exist_ok=True)
            loader = Loader(folder)
            started.callback(loader.close)
            return loader

        yield start


@pytest.fixture
def loader(another_loader, tmp_path) -> Loader:
    return another_loader(tmp_path)


class Left(NamedTuple):
    """What a killed try has left behind."""

    watermark: int
    stored: int


class Shop:
    """A slow server, and a load that is killed again and again."""

    def __init__(self, emulator: Emulator, mixpeek: MixpeekClient, loader: Loader) -> None:
        self.emulator = emulator
        self.mixpeek = mixpeek
        self.bucket = mixpeek.buckets.create("products", schema=SCHEMA)
        self.loader = loader
        self.settings: dict[str, Any] = {
            "url": emulator.url,
            "generation": mixpeek.session.settings.generation,
            "mapping": MAPPING,
            "scope": "load",
            "in_flight": IN_FLIGHT,
            "batch_size": BATCH_SIZE,
            "order": None,
            "checkpoint": str(loader.folder / "checkpoint"),
            "every": 0.0,
            "ahead": 10,
            "looks": [0.1],
        }
        self.checkpoint = FileCheckpoint(self.settings["checkpoint"])
        for path in (BATCH, CREATE, BATCHES, SUBMIT, *LOOKUPS):
            emulator.fault({"fault": "latency", "seconds": LATENCY, "path": path})

    @property
    def calls(self) -> int:
        """Calls about objects and batches that have come so far."""
        return sum(rule["matched"] for rule in self.emulator.faults())

    @property
    def received(self) -> int:
        """Objects that have come so far, in whatever request."""
        return sum(self.emulator.state()["objects_received"].values())

    def start(self, **settings: Any) -> int:
        """Start a try; the id of its process."""
        return self.loader.start(**(self.settings | settings))

    @property
    def watermark(self) -> int:
        """Of the checkpoint."""
        progress = self.checkpoint.get("progress") or {"row": 0}
        return int(progress["row"])

    def kill(self, pid: int, *, when: Callable[[], bool], later: float = 0.0) -> bool:
        """
        Kill a try so many seconds after something holds.

        :return: Whether it was not over before.
        """
        until(lambda: when() or self.loader.result.exists())
        Event().wait(later)
        os.kill(pid, signal.SIGKILL)
        return self.loader.wait() == signal.SIGKILL

    def killed_on_the_way(self, seed: int, count: int, **settings: Any) -> list[Left]:
        """
        Kill tries when the watermark has come to random rows, and let the last one run to its end.

        :return: What each kill has left behind.
        """
        chance = Random(seed)
        left: list[Left] = []
        for row in sorted(chance.choices(range(count * 4 // 5), k=KILLS)):
            pid = self.start(**settings)
            # One that has come so far already is killed while it finds out where to go on.
            if self.kill(pid, when=lambda row=row: self.watermark >= row, later=chance.uniform(0, 0.1)):
                left.append(Left(self.watermark, self.emulator.state()["objects"]))
        self.finish(**settings)
        # On a busy machine one may be over before it is killed, and those after it have nothing to do.
        assert len(left) > KILLS // 2
        assert len({each.watermark for each in left if 0 < each.watermark < count}) > 3
        return left

    def killed_anywhere(self, seed: int, **settings: Any) -> None:
        """Kill tries, each of which does everything again, and let the last one run to its end."""
        chance = Random(seed)
        for number in range(KILLS):
            order = {"order": number} if settings.get("order") is not None else {}
            pid = self.start(**(settings | order))
            calls = self.calls + chance.randint(0, 60)
            assert self.kill(pid, when=lambda calls=calls: self.calls >= calls, later=chance.uniform(0, 0.04))
        self.finish(**settings)

    def finish(self, **settings: Any) -> dict[str, int]:
        """Let a try run to its end; the counts of its report."""
        self.start(**settings)
        status = self.loader.wait()
        found: dict[str, int] = json.loads(self.loader.result.read_text())
        assert status == 0, found
        return found

    def once(self, count: int, *, processed: int = 1) -> None:
        """Each row is one object, processed so often."""
        state = self.emulator.state()
        assert state["objects"] == count
        assert state["objects_processed"] == {str(processed): count}
        assert len(stored(self.mixpeek, self.bucket)) == count


@pytest.fixture
def shop(make_emulator, connect, loader) -> Callable[..., Shop]:
    def shop(*, generation: str = "current", **settings: Any) -> Shop:
        emulator = make_emulator(generation=generation, **settings)
        return Shop(emulator, connect(emulator, generation=generation), loader)

    return shop


@pytest.mark.parametrize("process", [pytest.param("new", marks=long), False])
@pytest.mark.parametrize("kept", [True, False], ids=["checkpoint", "none"])
def test_rows_of_a_list(kept, process, shop):
    ahead = [0.0]
    # What runs in a batch while the next try looks is unprocessed still: only the list of batches tells.
    it = shop(task_seconds=0 if kept else 3_600, clock=lambda: time.time() + ahead[0])
    settings: dict[str, Any] = {"rows": rows(ROWS), "process": process}
    if not kept:
        settings["checkpoint"] = None
    if kept:
        left = it.killed_on_the_way(1, ROWS, **settings)
    else:
        it.killed_anywhere(1, **settings)
    ahead[0] = 4_000
    it.once(ROWS, processed=1 if process else 0)
    if kept:
        # Nothing but what is under way is sent again, and what the open batches hold back.
        ahead_of_it = UNDER_WAY if not process else 2 * BATCH_SIZE + 20 * 100 + 1_000
        assert max(each.stored - each.watermark for each in left) <= ahead_of_it
        assert it.received - ROWS <= KILLS * ahead_of_it


def write(kind: str, folder: Path, count: int) -> str:
    """A file of rows."""
    path = folder / f"films.{kind}"
    frame = pd.DataFrame(rows(count))
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=3_000)
    return str(path)


@long
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_of_a_file(kind, shop, tmp_path):
    it = shop(task_seconds=0)
    it.killed_on_the_way(2, ROWS, rows=write(kind, tmp_path, ROWS))
    it.once(ROWS)


@long
def test_rows_of_a_frame_that_come_in_another_order_each_time(shop):
    it = shop(task_seconds=0)
    it.killed_anywhere(3, rows=rows(ROWS), order=99)
    it.once(ROWS)


@long
def test_rows_of_business_keys(shop):
    it = shop(task_seconds=0)
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    it.killed_on_the_way(4, ROWS, rows=rows(ROWS), mapping=mapping)
    it.once(ROWS)


def test_a_watermark_that_is_written_once_a_second(shop):
    count, in_flight, seconds = 3_000, 2, 0.2
    it = shop(task_seconds=0)
    it.emulator.fault({"fault": "latency", "seconds": seconds, "path": BATCH})
    settings: dict[str, Any] = {"rows": rows(count), "in_flight": in_flight, "process": False, "every": 1.0}
    pid = it.start(**settings)
    # Each call about objects is counted twice, by the two rules for its path.
    assert it.kill(pid, when=lambda: it.calls >= 2 * 22)
    there = it.received
    assert it.finish(**settings)["resumed"] > 0
    it.once(count, processed=0)
    under_way = 100 * in_flight
    assert it.received - count <= 2 * under_way + under_way / seconds < there


# -- servers without keys ----------------------------------------------------------------------------------


def test_without_keys(shop):
    count = 2_000
    it = shop(task_seconds=0, api_version="0.81")
    # So few rows would be over before a killer sees the watermark move.
    it.emulator.fault({"fault": "latency", "seconds": 0.1, "path": BATCH})
    it.killed_on_the_way(5, count, rows=rows(count), in_flight=4, batch_size=200, ahead=2)
    it.once(count)
    assert it.received == count


def test_one_object_a_request(shop):
    count = 400
    it = shop(generation="legacy", task_seconds=0)
    it.killed_on_the_way(6, count, rows=rows(count), ahead=50)
    it.once(count)
    assert it.received == count


# -- a second process --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "every"),
    [(3, 0.0), pytest.param(60, 1.0, marks=long), pytest.param(120, 0.0, marks=long)],
)
def test_a_try_that_was_stopped_and_wakes_up_beside_another_one(
    after, every, shop, loader, another_loader, tmp_path
):
    it = shop(task_seconds=0)
    settings: dict[str, Any] = it.settings | {"rows": rows(ROWS), "every": every}
    pid = loader.start(**settings)
    until(lambda: it.calls >= after)
    os.kill(pid, signal.SIGSTOP)
    other = another_loader(tmp_path / "other")
    other.start(**settings)
    assert other.wait() == 0
    it.once(ROWS)
    os.kill(pid, signal.SIGCONT)
    loader.wait()
    result = json.loads(loader.result.read_text())
    assert "another try of this load has begun" in result.get("error", "") or result["rows_read"] == ROWS
    it.once(ROWS)
    # And the next try finds the work of both.
    assert it.finish(**settings)["rows_read"] == ROWS
    it.once(ROWS)
