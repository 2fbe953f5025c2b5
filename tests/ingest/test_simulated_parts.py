"""One file over many workers, in virtual time: parts fail, are killed, are cut otherwise between tries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.mixpeek.ingest import Report, split_source

from .simulated import Store, Try
from .test_simulations import SERVERS, Story, check

PIECES, SEEDS = 10, 100
#: Of which `make test` has so many; `make system-test` has the others.
SHORT = 1


class PartsStory(Story):
    """One load whose tasks have a part each, and what they remember by their number."""

    # What a task has noted another one does not know: a batch must show, and rows have keys.
    servers = [each for each in SERVERS if "visibility_lag" not in each]  # noqa: RUF012
    without_keys = []  # noqa: RUF012
    # What of a batch failed is known to the task that has noted it, which may have another part by now, or
    # none: here no batch fails.
    alone = False

    def __init__(self, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(seed, folder, monkeypatch)
        equal = len({row["sku"] for row in self.rows}) < len(self.rows)
        self.mode = "position" if equal else self.chance.choice(["position", "columns"])
        # "all" would be done again by the task that gets the row with another cut.
        self.process = self.chance.choice(["new", False])
        self.stores: list[Store] = []
        self.parts: list[dict[str, Any]] = []

    def cut(self) -> None:
        """Cut the file, perhaps in another way than before."""
        self.parts = split_source(self.path(), rows_per_part=self.chance.randint(3, 12))
        self.stores += [Store() for _ in range(len(self.parts) - len(self.stores))]

    def tries(self, *, at_most: float) -> list[Try]:
        """A try of each task, all of them side by side; what is not over in time is killed."""
        tries = []
        for part, store in zip(self.parts, self.stores, strict=False):

            def arguments(this: Try, part: Any = part, store: Store = store) -> dict[str, Any]:
                given = self._arguments(this)
                checkpoint = store.of(this.process)
                return given | {"rows": part, "checkpoint": checkpoint, "rerun": None, "rerun_number": None}

            tries.append(Try(self.clockwork, self.server, self.generation, arguments))
        self.wait(*tries, at_most=at_most)
        for each in tries:
            if not each.over:
                each.kill()
        return tries

    def tell_of_parts(self) -> list[Report]:
        """Tries of all parts until each gets to its end."""
        self.begin()
        self.cut()
        for _ in range(self.chance.randint(0, 4)):
            self.tries(at_most=self.chance.choice([0.3, 1, 2, 3, 5, 10, 200]))
            if self.chance.random() < 0.3:
                self.cut()
        self.server.emulator.clear_faults()
        self.clockwork.now += 200
        for _ in range(4):
            last = self.tries(at_most=10_000)
            if all(each.report for each in last):
                self.clockwork.now += 100
                return [each.report for each in last if each.report]
        raise AssertionError(f"it never ends: {[each.error for each in last]}")


def total(reports: list[Report]) -> Report:
    """The reports of all parts as one."""
    counts = {name: sum(getattr(each, name) for each in reports) for name in reports[0].counts()}
    return Report(bucket_id=reports[0].bucket_id, rows_read=sum(each.rows_read for each in reports), **counts)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("airflow_provider.mixpeek")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize(
    "piece",
    [*range(SHORT), *(pytest.param(piece, marks=pytest.mark.system) for piece in range(SHORT, PIECES))],
)
def test_however_a_file_is_cut_each_row_is_one_object_and_is_processed_once(piece, tmp_path, monkeypatch):
    for seed in range(piece * SEEDS, (piece + 1) * SEEDS):
        with monkeypatch.context() as patched:
            story = PartsStory(seed, tmp_path, patched)
            try:
                check(story, [total(story.tell_of_parts())])
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            finally:
                story.clockwork.end()
