"""
The whole ingestion in virtual time over the real emulator application: threads, faults, kills, second writers,
clears and changes come from a seed. A violation prints the seed, which repeats it:

    pytest tests/ingest/test_simulations.py --seed-of-ingestion 4711
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.ingest import Report, SourceChangedError, _load, _threads

from .clockwork import Clockwork
from .shop import BATCH, BATCHES, SCHEMA, SUBMIT
from .simulated import Server, Store, Try, by_sku, objects, seeded

SEEDS = 200
LOOK = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"


@dataclass
class Story:
    """One load from its first try to its end."""

    seed: int
    monkeypatch: pytest.MonkeyPatch
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = chance = seeded(self.seed)
        self.clockwork = Clockwork(chance)
        self.monkeypatch.setattr(_threads, "threading", self.clockwork.threading)
        self.monkeypatch.setattr(_threads, "queue", self.clockwork.queue)
        self.monkeypatch.setattr(_load, "threading", self.clockwork.threading)
        self.kept = chance.random() < 0.7
        self.store = Store() if self.kept else None
        self.process = chance.choice(["new", "new", "all", False])
        self.mode = chance.choice(["content", "content", "columns"])
        self.server = Server(
            self.clockwork,
            task_seconds=chance.choice([0, 1, 30]),
            draft_seconds=chance.choice([1800, 1800, 40]),
            submit_interval=chance.choice([0, 60]),
            visibility_lag=chance.choice([0, 0, 0, 5]),
            max_batch_size=chance.choice([None, None, 4]),
        )
        self.count = chance.randint(5, 60)
        self.rows = [self.row(number) for number in range(self.count)]
        self.number = 0
        self.rerun = "replay"
        self.salts = 1

    def row(self, number: int) -> dict[str, Any]:
        wrong = self.chance.random() < 0.03
        return {
            "title": None if wrong else f"Film {number}",
            "sku": f"S{number:03}",
            "price": number / 4,
            "stars": number % 5,
        }

    def arguments(self, this: Try) -> dict[str, Any]:
        mapping = {"blobs": {"title": "title"}, "metadata": ["sku", "price", "stars"]}
        if self.mode == "columns":
            mapping["idempotency_key"] = ["sku"]
        given: Any = self.rows
        if self.chance.random() < 0.2:
            given = pd.DataFrame(self.rows)
        elif self.chance.random() < 0.2:
            given = iter(list(self.rows))
        return {
            "bucket": "products",
            "rows": given,
            "mapping": mapping,
            "scope": "load",
            "on_error": "collect",
            "process": self.process,
            "batch_size": 7,
            "max_request_bytes": 1_200,
            "in_flight": 4,
            "checkpoint": None if self.store is None else self.store.of(this.process),
            "rerun": self.rerun,
            "rerun_number": self.number,
        }

    def start(self) -> Try:
        return Try(self.clockwork, self.server, "current", self.arguments)

    def faults(self) -> None:
        chance = self.chance
        kinds: list[dict[str, Any]] = [
            {"fault": "reset_before"},
            {"fault": "reset_after"},
            {"fault": "reset_late", "seconds": chance.choice([1, 10, 100])},
            {"fault": "status", "status": 500, "after": True},
            {"fault": "status", "status": 503},
            {"fault": "status", "status": 429, "headers": {"Retry-After": "3"}},
        ]
        for kind in chance.sample(kinds, chance.randint(0, 4)):
            for path in (BATCH, BATCHES, SUBMIT, LOOK):
                if kind["fault"] == "reset_late" and path == LOOK:
                    continue
                rule = {"path": path, "probability": chance.choice([0.02, 0.1, 0.2])}
                self.server.emulator.fault({**kind, **rule, "seed": chance.randint(0, 10**6)})
        if chance.random() < 0.3:
            how = chance.choice(
                [
                    {"status": "FAILED", "error": "GPU on fire"},
                    {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 2, "error_type": "transient"},
                ]
            )
            self.server.emulator.fault({"fault": "task_outcome", **how, "times": chance.randint(1, 2)})

    def wait(self, this: Try, *, at_most: float) -> None:
        until = self.clockwork.now + at_most
        self.clockwork.at(until, lambda: None)
        self.clockwork.run(lambda: this.over or self.clockwork.now >= until)

    def tell(self) -> list[Report]:
        """Tries until one gets to the end, whatever happens to them."""
        chance = self.chance
        properties = {name: {"type": kind} for name, kind in {**SCHEMA, "metadata": "object"}.items()}
        created = self.server.ask(
            "POST", "/v1/buckets", {"bucket_name": "products", "bucket_schema": {"properties": properties}}
        )
        self.bucket_id = created["bucket_id"]
        self.faults()
        reports: list[Report] = []
        for _ in range(chance.randint(0, 5)):
            this = self.start()
            self.wait(this, at_most=chance.choice([0.3, 1, 3, 10, 200]))
            second = None
            if self.kept and not this.over and chance.random() < 0.3:
                # Everybody believes the first one dead.
                second = self.start()
                self.wait(second, at_most=chance.choice([0.5, 2, 60]))
            for each in (this, second):
                if each is not None:
                    if not each.over:
                        each.kill()
                    reports += [each.report] if each.report else []
            if chance.random() < 0.3:
                self.clockwork.now += chance.choice([1, 70, 2_000])
            if reports and self.kept and chance.random() < 0.5:
                self.number += 1  # a person clears the task
        self.server.emulator.clear_faults()
        # What still is on its way arrives.
        self.clockwork.now += 200
        for _ in range(4):
            last = self.start()
            self.wait(last, at_most=10_000)
            if last.report is not None:
                reports.append(last.report)
                self.clockwork.now += 100
                return reports
            if isinstance(last.error, SourceChangedError):
                raise last.error
        raise AssertionError(f"it never ends: {last.error}")


@pytest.fixture(autouse=True)
def quiet():
    logger = logging.getLogger("airflow_provider.mixpeek")
    before, logger.level = logger.level, logging.CRITICAL
    yield
    logger.setLevel(before)


def check(story: Story, reports: list[Report]) -> None:
    wrong = {row["sku"] for row in story.rows if row["title"] is None}
    found = by_sku(objects(story.server, story.bucket_id, "current"))
    good = {row["sku"] for row in story.rows} - wrong
    assert found == Counter(dict.fromkeys(good, story.salts)), "each row is one object"
    last = reports[-1]
    assert last.rows_read == len(story.rows)
    assert (last.rejected, last.unsent, last.in_doubt) == (len(wrong), 0, 0)
    processed = story.server.emulator.state()["objects_processed"]
    if story.process is False:
        assert set(processed) <= {"0"}
    elif story.process == "new" or story.kept:
        assert processed in ({}, {"1": len(good)}), f"each object is processed once: {processed}"


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_whatever_happens_each_row_is_one_object_and_is_processed_once(first, monkeypatch):
    for seed in range(first, first + 50):
        with monkeypatch.context() as patched:
            story = Story(seed, patched)
            try:
                check(story, story.tell())
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
            finally:
                story.server.close()
