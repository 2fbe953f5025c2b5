"""A world for the run's state machine, without any I/O: rows, a server, and chance in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from airflow_provider.mixpeek.client import (
    MixpeekConnectionError,
    MixpeekServerError,
    MixpeekValidationError,
    ValidationIssue,
)
from airflow_provider.mixpeek.ingest._actions import (
    Action,
    CreateBatch,
    ListLive,
    LookAtObjects,
    SendObjects,
    SubmitBatch,
)
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._ledger import Lines
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._report import RejectedRow, Report
from airflow_provider.mixpeek.ingest._results import Stored
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._run import Run

#: What a row is: fit to be stored, wrong as we see it, refused by itself, or a reason to refuse its request.
KINDS = ("good", "wrong", "refused", "located", "unlocated", "large")


@dataclass
class World:
    """
    One ingestion of made-up rows.

    :param kinds: What each row is.
    :param there: Numbers of rows that were stored before this run; those in ``processed`` are processed.
    :param chance: Decides who is next.
    :param batch_limit: Objects of a batch that the server takes.
    """

    run: Run
    kinds: list[str]
    limits: Limits
    chance: Random
    in_flight: int = 4
    there: frozenset[int] = frozenset()
    processed: frozenset[int] = frozenset()
    batch_limit: int = 10**9
    names_limit: bool = True
    batches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    flying: list[Action] = field(default_factory=list)
    sent: Counter[int] = field(default_factory=Counter)
    answered: dict[int, bool] = field(default_factory=dict)
    doubted: set[int] = field(default_factory=set)
    strategies: set[str] = field(default_factory=set)
    largest_block: int = 0
    position: int = 0
    listed: bool = False
    noted: set[str] = field(default_factory=set)

    def body(self, number: int) -> bytes:
        return b"x" * (10 + number % 7)

    def read(self) -> None:
        count = self.chance.randint(1, 12)
        numbers = range(self.position, min(self.position + count, len(self.kinds)))
        if not numbers:
            self.run.end_of_source()
            return
        self.position = numbers.stop
        block = DictBlock(numbers.start, [{"number": number} for number in numbers])
        rows = [Row(number, self.body(number), block) for number in numbers if self.kinds[number] != "wrong"]
        wrong = [RejectedRow(number, "wrong") for number in numbers if self.kinds[number] == "wrong"]
        self.largest_block = max(self.largest_block, sum(len(row.body) for row in rows))
        self.run.read(Prepared(Lines(numbers.start, [f"key-{number}" for number in numbers]), rows, wrong))

    def take(self) -> bool:
        action = self.run.next_action()
        if action is None:
            return False
        if isinstance(action, SendObjects):
            numbers = [row.number for row in action.rows]
            assert len(numbers) <= self.limits.max_objects
            assert action.bytes <= self.limits.max_request_bytes
            assert numbers == sorted(set(numbers))
            for number in numbers:
                assert not self.sent[number] or action.isolating, f"row {number} is sent twice"
                assert number not in self.answered
                self.sent[number] += 1
            flying = [
                row.number for each in self.flying if isinstance(each, SendObjects) for row in each.rows
            ]
            assert not set(flying) & set(numbers), "a row is under way twice"
        self.flying.append(action)
        assert len(self.flying) <= self.in_flight
        return True

    def answer(self, action: Action | None = None) -> None:
        action = action or self.chance.choice(self.flying)
        self.flying.remove(action)
        if isinstance(action, SendObjects):
            self._store(action)
        elif isinstance(action, CreateBatch):
            self._create(action)
        elif isinstance(action, ListLive):
            assert not self.listed
            self.listed = True
            self.run.listed(action, [])
        elif isinstance(action, LookAtObjects):
            assert self.listed
            assert 0 < len(action.rows) <= 100
            # Some were done when the list was read, and PENDING before.
            done = {number for number in self.there if self.chance.random() < 0.3}
            self.processed |= done & {row.number for row, _ in action.rows}
            self.run.looked(
                action,
                [
                    replace(stored, unprocessed=row.number not in self.processed)
                    for row, stored in action.rows
                ],
            )
        else:
            assert action.batch_id in self.noted, "submitted before it was written down"
            self.submitted.append(action.batch_id)
            self.run.batch_submitted(action, f"task_{action.batch_id}")

    def fail(self, *, in_doubt: bool) -> None:
        """One of the requests under way fails for good."""
        action = self.chance.choice(self.flying)
        self.flying.remove(action)
        if isinstance(action, SendObjects) and in_doubt:
            self.doubted |= {row.number for row in action.rows}
        kind = MixpeekConnectionError if in_doubt else MixpeekServerError
        details: dict[str, Any] = {} if in_doubt else {"status": 503}
        self.run.failed(action, kind("no luck", may_be_stored=in_doubt, **details))

    def _store(self, action: SendObjects) -> None:
        numbers = [row.number for row in action.rows]
        located = [place for place, number in enumerate(numbers) if self.kinds[number] == "located"]
        if located:
            issues = [ValidationIssue(("body", "objects", place, "title"), "no") for place in located]
            # Servers name all complaints or only the first.
            shown = issues if self.chance.random() < 0.5 else issues[:1]
            self._refuse(action, status=422, validation_errors=tuple(shown))
        elif any(self.kinds[number] == "unlocated" for number in numbers):
            self._refuse(action, status=422)
        elif any(self.kinds[number] == "large" for number in numbers):
            self._refuse(action, status=413)
        else:
            results: list[Stored | RejectedRow] = []
            for number in numbers:
                if self.kinds[number] == "refused":
                    results.append(RejectedRow(number, "refused"))
                else:
                    self.answered[number] = number in self.there
                    results.append(
                        Stored(
                            f"obj_{number}",
                            replayed=number in self.there,
                            unprocessed=number not in self.processed,
                        )
                    )
            self.run.stored(action, results)

    def _refuse(self, action: SendObjects, **how: Any) -> None:
        self.run.failed(action, MixpeekValidationError("refused as a whole", **how))

    def _create(self, action: CreateBatch) -> None:
        self.strategies.add(action.dedup_strategy)
        if len(action.object_ids) > self.batch_limit:
            details = {"limit": self.batch_limit} if self.names_limit else {}
            self.run.failed(action, MixpeekValidationError("too many", status=422, details=details))
            return
        batch_id = f"btch_{len(self.batches)}"
        self.batches[batch_id] = action.object_ids
        self.run.batch_created(action, batch_id, action)

    def step(self) -> None:
        """One thing happens that can."""
        possible = []
        if self.flying:
            possible += ["answer", "answer"]
        if len(self.flying) < self.in_flight:
            possible += ["take", "take"]
        if self.run.wants_rows:
            possible += ["read"]
        noted = self.run.take_notes()
        assert not {each.batch_id for each in noted} & set(self.submitted)
        self.noted |= {each.batch_id for each in noted}
        what = self.chance.choice(possible)
        if what == "take" and not self.take() and not self.flying:
            assert self.run.wants_rows or self.run.finished, "nothing is under way and nothing will be"
        elif what == "answer":
            self.answer()
        elif what == "read":
            self.read()
        most = 4 * self.limits.max_request_bytes + self.largest_block
        assert 0 <= self.run._outbox.bytes <= most

    def until_finished(self, steps: int = 100_000) -> Report:
        while not self.run.finished:
            self.step()
            steps -= 1
            assert steps, "it never ends"
        return self.run.report(seconds=0.0)


def world(kinds: list[str], *, seed: int = 0, **settings: Any) -> World:
    """A world with small limits, so that little data meets all of them."""
    limits = Limits(
        max_objects=settings.pop("max_objects", 5),
        max_request_bytes=settings.pop("max_request_bytes", 160),
        batch_size=settings.pop("batch_size", 7),
    )
    run = Run(
        "bkt_1",
        limits=limits,
        on_error=settings.pop("on_error", "collect"),
        process=settings.pop("process", "new"),
    )
    return World(run, kinds, limits, Random(seed), **settings)


def check(found: Report, world: World) -> None:
    """Hold a report to what really happened."""
    assert sum(found.counts().values()) == found.rows_read == world.position
    created = {number for number, replayed in world.answered.items() if not replayed}
    replayed = set(world.answered) - created
    assert (found.created, found.replayed) == (len(created), len(replayed))
    rejected = [row.row for row in found.rejected_rows]
    assert rejected == sorted(set(rejected))
    assert len(rejected) == found.rejected
    assert all(world.kinds[number] != "good" for number in rejected)
    assert not set(rejected) & set(world.answered)
    assert list(found.object_ids) == [f"obj_{number}" for number in sorted(world.answered)]
    # Batches: no member twice, each in row order, and nothing that is not stored.
    members = [member for batch_id in world.batches for member in world.batches[batch_id]]
    assert len(members) == len(set(members))
    for batch in world.batches.values():
        assert 0 < len(batch) <= min(world.limits.batch_size, world.batch_limit)
        numbers = [int(member.removeprefix("obj_")) for member in batch]
        assert numbers == sorted(numbers)
    assert {each.batch_id for each in found.batches} == set(world.submitted)
    assert len(world.submitted) == len(set(world.submitted))
    assert sum(each.objects for each in found.batches) == sum(
        len(world.batches[batch_id]) for batch_id in world.submitted
    )


def check_complete(found: Report, world: World, *, process: Any) -> None:
    """Hold the report of a run that was not stopped to the rows it should have dealt with."""
    check(found, world)
    good = {number for number, kind in enumerate(world.kinds) if kind == "good"}
    assert set(world.answered) == good
    assert found.rejected == len(world.kinds) - len(good)
    assert not found.unsent
    assert not found.in_doubt
    wanted = (
        set() if process is False else good if process == "all" else good - (world.processed & world.there)
    )
    members = {member for batch_id in world.submitted for member in world.batches[batch_id]}
    assert members == {f"obj_{number}" for number in wanted}
    assert set(world.submitted) == set(world.batches)
    assert world.strategies == ({"replace" if process == "all" else "skip"} if wanted else set())


def submits(actions: list[Action]) -> list[str]:
    """The batches that are being submitted."""
    return [action.batch_id for action in actions if isinstance(action, SubmitBatch)]
