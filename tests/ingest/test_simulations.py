"""
The whole ingestion in virtual time over the real emulator application: what threads, servers, killers, second
tries and people who change things do comes from a seed. A violation names its seed, and this repeats it:

    pytest tests/ingest/test_simulations.py --seed-of-ingestion 4711
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.client._flow import Request
from airflow_provider.mixpeek.ingest import Report, SourceChangedError, _keeper, _load, _threads

from .clockwork import Clockwork
from .shop import BATCH, BATCHES, CREATE, SCHEMA, SUBMIT
from .simulated import Server, Store, Try, by_sku, objects, seeded

#: 10,000 in all, in pieces that run side by side.
PIECES, SEEDS = 100, 100
#: Of which `make test` has so many; `make system-test` has the others.
SHORT = 10

LOOK = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
SERVERS: list[dict[str, Any]] = [
    {"task_seconds": 1},
    {"task_seconds": 0, "submit_interval": 0},
    {"task_seconds": 30, "draft_seconds": 40},
    {"task_seconds": 1, "visibility_lag": 5},
    {"task_seconds": 30, "max_batch_size": 4},
    {"task_seconds": 1, "max_batch_size": 4, "visibility_lag": 5, "draft_seconds": 40},
]
#: Servers without idempotency keys: what may have been sent is looked for.
WITHOUT_KEYS: list[dict[str, Any]] = [
    {"task_seconds": 1, "generation": "legacy"},
    {"task_seconds": 1, "api_version": "0.81"},
]


class Story:
    """One load from its first try to its end."""

    servers = SERVERS
    without_keys = WITHOUT_KEYS
    #: No other task has the same rows.
    alone = True

    def __init__(self, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chance = chance = seeded(seed)
        self.clockwork = Clockwork(chance)
        monkeypatch.setattr(_threads, "threading", self.clockwork.threading)
        monkeypatch.setattr(_threads, "queue", self.clockwork.queue)
        monkeypatch.setattr(_load, "threading", self.clockwork.threading)
        monkeypatch.setattr(_keeper, "EVERY", chance.choice([0.0, 0.3, 1.0]))
        self.keyed = not self.without_keys or chance.random() < 0.8
        settings = chance.choice(self.servers if self.keyed else self.without_keys)
        self.generation = settings.get("generation", "current")
        self.server = Server.of(**settings)
        self.server.begin(self.clockwork)
        self.server.speed = chance.choice([3.0, 20.0])
        self.store = Store() if chance.random() < 0.7 or not self.keyed else None
        self.process = "new" if self.generation == "legacy" else chance.choice(["new", "new", "all", False])
        self.mode = chance.choice(["content", "content", "columns", "position"])
        self.file = folder / f"films-{seed}.jsonl"
        wrong = 0.0 if chance.random() < 0.5 else 0.1
        self.rows = [self._row(number, wrong) for number in range(chance.randint(5, 30))]
        if self.mode != "columns" and chance.random() < 0.3:
            # Equal rows are objects of their own.
            self.rows += [dict(row) for row in chance.choices(self.rows, k=3)]
        self._written: list[dict[str, Any]] = []
        self.number = 0
        self.rerun = chance.choice(["replay", "replay", "again"]) if self.store is not None else "replay"
        #: How often all rows were made anew, on request.
        self.anew = 0
        self.finished = False
        self.bucket_id = ""

    def _row(self, number: int, wrong: float = 0.0) -> dict[str, Any]:
        title = None if self.chance.random() < wrong else f"Film {number}"
        return {"title": title, "sku": f"S{number:03}", "price": number / 4, "stars": number % 5}

    # -- tries ---------------------------------------------------------------------------------------------

    def start(self) -> Try:
        """A try begins."""
        if self.finished and self.number > self.counted:
            self.anew += self.rerun == "again" and self.store is not None
            self.finished = False
        self.counted = self.number
        return Try(self.clockwork, self.server, self.generation, self._arguments)

    counted = 0

    def _arguments(self, this: Try) -> dict[str, Any]:
        mapping: dict[str, Any] = {"blobs": {"title": "title"}, "metadata": ["sku", "price", "stars"]}
        if self.mode == "columns":
            mapping["idempotency_key"] = ["sku"]
        return {
            "bucket": "products",
            "rows": self._source(),
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

    def _source(self) -> Any:
        """The rows, in the form and the order in which they come this time."""
        if self.mode == "position":
            return self.path()
        rows = list(self.rows)
        if self.keyed and self.chance.random() < 0.25:
            self.chance.shuffle(rows)
        return self.chance.choice([lambda: rows, lambda: pd.DataFrame(rows), lambda: iter(rows)])()

    def path(self) -> str:
        """The file that holds the rows."""
        if self._written != self.rows:
            pd.DataFrame(self.rows).to_json(self.file, orient="records", lines=True)
            self._written = list(self.rows)
        return str(self.file)

    def wait(self, *tries: Try, at_most: float) -> None:
        """Until the tries are over, or so many seconds."""
        until = self.clockwork.now + at_most
        self.clockwork.at(until, lambda: None)
        self.clockwork.run(lambda: all(each.over for each in tries) or self.clockwork.now >= until)

    # -- what happens --------------------------------------------------------------------------------------

    def faults(self) -> None:
        """What the server will do wrong."""
        chance, emulator = self.chance, self.server.emulator
        kinds: list[dict[str, Any]] = [
            {"fault": "reset_before"},
            {"fault": "reset_after"},
            {"fault": "reset_late", "seconds": chance.choice([1, 10, 100] if self.keyed else [1, 8])},
            {"fault": "status", "status": 500, "after": True},
            {"fault": "status", "status": 503},
            {"fault": "status", "status": 429, "headers": {"Retry-After": "3"}},
        ]
        for kind in chance.sample(kinds, chance.randint(0, 4)):
            for path in (BATCH, CREATE, BATCHES, SUBMIT, LOOK):
                if kind["fault"] == "reset_late" and path == LOOK:
                    continue
                rule = {"path": path, "probability": chance.choice([0.02, 0.1, 0.2])}
                emulator.fault({**kind, **rule, "seed": chance.randint(0, 10**6)})
        # On legacy a task is an object's own, and 0.81 does not name what failed of a batch.
        if chance.random() < 0.4 and self.keyed and self.alone:
            partly = {"status": "COMPLETED_WITH_ERRORS", "failed_objects": 2, "error_type": "transient"}
            how = chance.choice([{"status": "FAILED", "error": "GPU on fire"}, partly])
            emulator.fault({"fault": "task_outcome", **how, "times": chance.randint(1, 2)})

    def begin(self) -> None:
        """Make the bucket, and let the server begin to do wrong."""
        properties = {name: {"type": kind} for name, kind in {**SCHEMA, "metadata": "object"}.items()}
        body = {"bucket_name": "products", "bucket_schema": {"properties": properties}}
        path = "/v1/buckets/create" if self.generation == "legacy" else "/v1/buckets"
        self.bucket_id = self.server.ask("POST", path, body)["bucket_id"]
        self.faults()

    def tell(self) -> list[Report]:
        """Tries until one gets to the end, whatever happens to them."""
        chance = self.chance
        self.begin()
        reports: list[Report] = []
        for _ in range(chance.randint(0, 5)):
            tries = [self.start()]
            self.wait(*tries, at_most=chance.choice([0.3, 1, 2, 3, 5, 10, 200]))
            if self.store is not None and self.keyed and not tries[0].over and chance.random() < 0.3:
                # Everybody believes the first one dead.
                tries.append(self.start())
                self.wait(*tries, at_most=chance.choice([0.5, 2, 60]))
            for each in tries:
                if not each.over:
                    each.kill()
                if each.report:
                    reports.append(each.report)
                    self.finished = True
            if chance.random() < 0.3:
                self.clockwork.now += chance.choice([1, 70, 2_000])
            self._change()
        self.server.emulator.clear_faults()
        self.clockwork.now += 200  # what is still on its way arrives
        for _ in range(4):
            last = self.start()
            self.wait(last, at_most=10_000)
            if last.report is not None:
                self.clockwork.now += 100
                return [*reports, last.report]
        raise AssertionError(f"it never ends: {last.error}")

    def _change(self) -> None:
        """A person does something."""
        chance = self.chance
        if chance.random() < 0.3:
            self.number += 1
            if self.finished and self.rerun == "replay" and chance.random() < 0.5:
                # What somebody deleted comes back.
                path = f"/v1/buckets/{self.bucket_id}/objects"
                for one in objects(self.server, self.bucket_id, self.generation)[:2]:
                    self.server.answer(Request("DELETE", f"{path}/{one['object_id']}"))
                self.clockwork.now += 5  # on legacy a deletion takes its time
            if chance.random() < 0.3:
                # Rows may be added when the task is cleared, which accepts it.
                self.rows += [self._row(len(self.rows) + number) for number in range(3)]


# -- what must hold ----------------------------------------------------------------------------------------


def check(story: Story, reports: list[Report]) -> None:
    """Each row is one object, and each object was processed once; the last report tells all of it."""
    good = Counter(row["sku"] for row in story.rows if row["title"] is not None)
    found = by_sku(objects(story.server, story.bucket_id, story.generation))
    assert set(found) == set(good), "each row is there"
    for sku, count in good.items():
        assert count <= found[sku] <= count * (story.anew + 1), (
            "each row is one object, of each time asked for"
        )
    last = reports[-1]
    assert (last.rows_read, last.rejected) == (len(story.rows), len(story.rows) - good.total())
    assert (last.unsent, last.in_doubt) == (0, 0)
    processed = Counter(
        {int(times): n for times, n in story.server.emulator.state()["objects_processed"].items()}
    )
    if story.process is False:
        assert set(processed) <= {0}
    elif story.process == "new" or story.store is not None:
        # What failed of a load that was made anew is nobody's business any more.
        if story.store is not None and story.generation == "current" and story.alone:
            check_batches(story)
        assert not good or set(processed) - ({0} if story.anew else set()) == {1}, (
            f"each object is processed once: {processed}"
        )


def check_batches(story: Story) -> None:
    """No object is in two batches that did it, or will."""
    answer = story.server.ask("POST", f"/v1/buckets/{story.bucket_id}/batches/list", {"limit": 1000})
    done = Counter(
        object_id
        for batch in answer["results"]
        if batch["status"] not in ("DRAFT", "FAILED")
        for object_id in set(batch["object_ids"])
        - {one["object_id"] for one in batch.get("failed_objects") or ()}
    )
    twice = [object_id for object_id, count in done.items() if count > 1]
    assert not twice, f"objects are in two batches: {twice}"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("airflow_provider.mixpeek")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def run(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        story = Story(seed, folder, patched)
        try:
            check(story, story.tell())
        except (AssertionError, SourceChangedError) as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            story.clockwork.end()


@pytest.mark.parametrize(
    "piece",
    [*range(SHORT), *(pytest.param(piece, marks=pytest.mark.system) for piece in range(SHORT, PIECES))],
)
def test_whatever_happens_each_row_is_one_object_and_is_processed_once(piece, tmp_path, monkeypatch, request):
    only = request.config.getoption("--seed-of-ingestion")
    seeds = [only] if only is not None else range(piece * SEEDS, (piece + 1) * SEEDS)
    for seed in seeds:
        run(seed, tmp_path, monkeypatch)
