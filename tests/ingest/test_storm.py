"""
Everything at once: a server that is busy, limits, breaks connections before and after it stores, and stores
late. The load is called again until it succeeds; every row is one object then, processed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, Report, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _sending as sending

from .shop import BATCH, BATCHES, CREATE, MAPPING, SCHEMA, SUBMIT, rows, stored

#: Seconds after which a late write is stored.
LATE = 0.1

#: Calls of ``ingest()`` that a storm may take.
MOST = 60

Storm = Callable[..., Emulator]


class Hours:
    """Wall-clock seconds that a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def storm(make_emulator, hours) -> Storm:
    """Starts an emulator in a storm, which is the same for the same seed; ``refused`` calls end the load."""

    def start(*paths: str, seed: int, refused: float = 0.0, **settings: Any) -> Emulator:
        emulator = make_emulator(clock=hours, **settings)
        chance = Random(seed)
        for path in paths:
            wait = {"fault": "status", "status": 429, "headers": {"Retry-After": "1"}}
            # Each makes all senders wait for a second, so there are few.
            emulator.fault({**wait, "path": path, "skip": chance.randint(1, 15), "times": 1})
            # The first rule that strikes hides the others: the shares are of all calls.
            left = 1.0
            for share, fault in [
                (refused, {"fault": "status", "status": 403}),
                (0.20, {"fault": "status", "status": 503}),
                (0.05, {"fault": "reset_after"}),
                (0.05, {"fault": "reset_before"}),
                (0.03, {"fault": "reset_late", "seconds": LATE}),
            ]:
                if share == 0:
                    continue
                rule = {"path": path, "probability": share / left, "seed": chance.randint(0, 10**6)}
                emulator.fault({**fault, **rule})
                left -= share
        return emulator

    return start


def until_it_succeeds(mixpeek: MixpeekClient, many: Any, **settings: Any) -> list[Report]:
    """Call ``ingest()`` again and again; the report of each call."""
    given = {"mapping": MAPPING, "scope": "load", "batch_size": 500}
    reports: list[Report] = []
    while len(reports) < MOST:
        try:
            reports.append(ingest(mixpeek, "products", many, **(given | settings)))
        except IngestError as error:
            reports.append(error.report)
        else:
            return reports
    raise AssertionError(f"not done after {MOST} calls: {reports[-1]}")


def check(
    emulator: Emulator, hours: Hours, mixpeek: MixpeekClient, reports: list[Report], count: int
) -> None:
    """Each row is one object, processed once, and each report counts each row once."""
    assert all(rule["fired"] for rule in emulator.faults() if rule["path"] in (BATCH, CREATE))
    # What is on its way still arrives.
    hours.ahead += 10 * LATE
    emulator.state()
    # And is processed.
    hours.ahead += 7_200
    state = emulator.state()
    assert state["objects"] == count
    assert state["objects_processed"] == {"1": count}
    emulator.clear_faults()
    assert len(stored(mixpeek, mixpeek.buckets.find("products"))) == count
    for report in reports:
        assert sum(report.counts().values()) == report.rows_read <= count
        assert report.rejected == 0
    last = reports[-1]
    assert (last.rows_read, last.unsent, last.in_doubt) == (count, 0, 0)
    assert sum(report.created - report.resumed for report in reports) <= count


@pytest.fixture(params=[True, False], ids=["checkpoint", "none"])
def checkpoint(request, tmp_path) -> FileCheckpoint | None:
    return FileCheckpoint(tmp_path / "checkpoint") if request.param else None


#: Tasks that are over when the next call looks, and tasks that run until the end.
SHORT_AND_LONG = pytest.mark.parametrize("task_seconds", [0, pytest.param(3_600, marks=pytest.mark.system)])


@SHORT_AND_LONG
@pytest.mark.parametrize(
    "refused",
    [pytest.param(0.0, id="one call"), pytest.param(0.01, id="many calls", marks=pytest.mark.system)],
)
def test_under_keys(refused, task_seconds, storm, hours, connect, checkpoint):
    emulator = storm(BATCH, BATCHES, SUBMIT, seed=7, refused=refused, task_seconds=task_seconds)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    reports = until_it_succeeds(mixpeek, rows(10_000), checkpoint=checkpoint)
    check(emulator, hours, mixpeek, reports, 10_000)
    assert len(reports) > 1 or not refused


# -- servers without keys ----------------------------------------------------------------------------------


@pytest.fixture
def short_looks(monkeypatch) -> Iterator[None]:
    """The last look comes after what is late: the server reads its clock before the client does."""
    monkeypatch.setattr(sending, "LOOKS", (LATE,))
    monkeypatch.setattr(keeping, "AHEAD", 50)


@pytest.mark.usefixtures("short_looks")
@SHORT_AND_LONG
def test_without_keys_rows_are_looked_for(task_seconds, storm, hours, connect, tmp_path):
    emulator = storm(BATCH, BATCHES, SUBMIT, seed=1, api_version="0.81", task_seconds=task_seconds)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    kept = FileCheckpoint(tmp_path)
    reports = until_it_succeeds(mixpeek, rows(10_000), checkpoint=kept)
    check(emulator, hours, mixpeek, reports, 10_000)


@pytest.mark.system
@pytest.mark.usefixtures("short_looks")
def test_one_object_a_request(storm, hours, connect, tmp_path):
    # Of this generation nobody says that a 503 has stored nothing: each makes a row be looked for.
    emulator = storm(CREATE, seed=3, generation="legacy", task_seconds=0)
    mixpeek = connect(emulator, generation="legacy")
    mixpeek.buckets.create("products", schema=SCHEMA)
    kept = FileCheckpoint(tmp_path)
    reports = until_it_succeeds(mixpeek, rows(2_000), checkpoint=kept, in_flight=16)
    check(emulator, hours, mixpeek, reports, 2_000)
