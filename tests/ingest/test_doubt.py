"""What a lost answer, a write that comes late or a second process leave in doubt, each by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, Report, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _sending as sending
from airflow_provider.mixpeek.ingest._journal import SupersededError

from .shop import BATCH, BATCHES, MAPPING, SCHEMA, rows

LOOKUP = "/v1/buckets/{bucket_identifier}/objects/list"
FORBIDDEN = {"fault": "status", "status": 403}


@pytest.fixture
def checkpoint(tmp_path) -> FileCheckpoint:
    return FileCheckpoint(tmp_path / "checkpoint")


def load(mixpeek: MixpeekClient, many: Any, **settings: Any) -> Report:
    given = {"mapping": MAPPING, "scope": "load", "in_flight": 1, "batch_size": 100}
    return ingest(mixpeek, "products", many, **(given | settings))


def stopped(mixpeek: MixpeekClient, many: Any, **settings: Any) -> Report:
    with pytest.raises(IngestError) as raised:
        load(mixpeek, many, **settings)
    return raised.value.report


def once(emulator: Emulator, count: int) -> None:
    state = emulator.state()
    assert (state["objects"], state["objects_processed"]) == (count, {"1": count})


# -- batches -----------------------------------------------------------------------------------------------


def test_a_draft_whose_answer_was_lost_is_not_submitted_beside_the_one_that_was(make_emulator, connect):
    ahead = [0.0]
    emulator = make_emulator(task_seconds=3_600, clock=lambda: time.time() + ahead[0])
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    # The create is sent again, and its second batch submitted.
    emulator.fault({"fault": "reset_after", "path": BATCHES, "times": 1})
    first = load(mixpeek, rows(100))
    assert (emulator.state()["batches"], emulator.state()["batches_submitted"]) == (2, 1)
    again = load(mixpeek, rows(100))
    assert again.batches == first.batches
    ahead[0] = 4_000
    once(emulator, 100)


# -- the count ---------------------------------------------------------------------------------------------


def test_rows_that_are_stored_are_counted_so_where_they_cannot_be_looked_at(emulator, mixpeek, bucket):
    emulator.fault({**FORBIDDEN, "path": BATCHES, "times": 1})
    stopped(mixpeek, rows(100))
    # Answered as stored and unprocessed; the batches are listed; the look at the objects fails.
    emulator.fault({**FORBIDDEN, "path": LOOKUP, "times": 1})
    report = stopped(mixpeek, rows(100))
    assert (report.replayed, report.in_doubt, report.unsent) == (100, 0, 0)
    load(mixpeek, rows(100))
    once(emulator, 100)


# -- servers without keys ----------------------------------------------------------------------------------


@pytest.fixture
def keyless(make_emulator) -> Emulator:
    return make_emulator(api_version="0.81", task_seconds=0)


@pytest.fixture
def client(keyless, connect) -> MixpeekClient:
    client = connect(keyless)
    client.buckets.create("products", schema=SCHEMA)
    return client


@pytest.fixture
def look_after(monkeypatch) -> Callable[..., None]:
    return lambda *seconds: monkeypatch.setattr(sending, "LOOKS", seconds)


def test_a_row_that_was_found_is_not_sent_when_the_batches_have_been_listed(keyless, client, look_after):
    look_after(0.0)
    keyless.fault({"fault": "reset_after", "path": BATCH, "times": 1})
    report = load(client, rows(100))
    assert (report.created, report.replayed) == (0, 100)
    once(keyless, 100)


def test_rows_that_cannot_be_looked_for_are_in_doubt(keyless, client, look_after, checkpoint):
    look_after(0.0)
    keyless.fault({"fault": "reset_after", "path": BATCH, "times": 1}, {**FORBIDDEN, "path": LOOKUP})
    report = stopped(client, rows(300), checkpoint=checkpoint)
    assert (report.in_doubt, report.unsent) == (100, 200)
    keyless.clear_faults()
    load(client, rows(300), checkpoint=checkpoint)
    once(keyless, 300)


def test_what_is_on_its_way_when_a_try_dies_is_waited_for(keyless, client, look_after, checkpoint):
    late = 0.4
    look_after(0.0)
    keyless.fault(
        {"fault": "reset_late", "seconds": late, "path": BATCH, "times": 1}, {**FORBIDDEN, "path": LOOKUP}
    )
    stopped(client, rows(100), checkpoint=checkpoint)
    keyless.clear_faults()
    look_after(1.5 * late)
    assert load(client, rows(100), checkpoint=checkpoint).replayed == 100
    once(keyless, 100)


# -- two tries at once -------------------------------------------------------------------------------------


class Overtaken(FileCheckpoint):
    """Another try runs to its end when this one looks for it: before it sees anything, or just after."""

    def __init__(self, folder: Any, other: Callable[[], Any], *, look: int, seen: bool) -> None:
        super().__init__(folder)
        self._other = other
        self._look = look
        self._seen = seen

    def get(self, key: str) -> Any:
        found = super().get(key)
        if key == "load":
            self._look -= 1
            if self._look == 0:
                self._other()
                return super().get(key) if self._seen else found
        return found


def test_what_the_other_try_has_noted_stays(emulator, mixpeek, bucket, checkpoint, tmp_path):
    reports: list[Report] = []

    def other() -> None:
        reports.append(load(mixpeek, rows(300), checkpoint=checkpoint))

    # It looks twice when it begins, and before it creates its first batch.
    overtaken = Overtaken(tmp_path / "checkpoint", other, look=3, seen=False)
    with pytest.raises(IngestError, match="another try of this load has begun"):
        load(mixpeek, rows(300), checkpoint=overtaken)
    noted = checkpoint.get("batches-000")["items"]
    assert [each[1] for each in noted] == [each.batch_id for each in reports[0].batches]
    assert checkpoint.get("load")["finished"]
    assert load(mixpeek, rows(300), checkpoint=checkpoint).resumed == 300
    once(emulator, 300)


def test_a_try_that_ends_beside_another_one_does_not_take_the_load_back(
    emulator, mixpeek, bucket, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(keeping, "EVERY", 3_600.0)
    salts: list[str] = []

    def other() -> None:
        load(mixpeek, rows(100), checkpoint=checkpoint, process=False)
        load(mixpeek, rows(100), checkpoint=checkpoint, process=False, rerun="again")
        salts.append(checkpoint.get("load")["salt"])

    # It looks twice when it begins, twice before the last watermark, and before the end is written down.
    overtaken = Overtaken(tmp_path / "checkpoint", other, look=5, seen=True)
    with pytest.raises(SupersededError):
        load(mixpeek, rows(100), checkpoint=overtaken, process=False)
    assert checkpoint.get("load")["salt"] == salts[0] != ""


@pytest.mark.parametrize("ahead", [1, 100])
def test_without_keys_a_try_that_was_overtaken_sends_nothing_more(
    ahead, keyless, client, look_after, checkpoint, monkeypatch
):
    # With 1 it looks before it writes that more rows may be sent, else because a while has passed.
    monkeypatch.setattr(keeping, "AHEAD", ahead)
    monkeypatch.setattr(keeping, "EVERY", 0.1)
    look_after(0.2)

    def source() -> Iterator[dict[str, Any]]:
        yield from rows(1_000)
        # One request is under way; it has arrived by the time at which the other try looks for its rows.
        load(client, rows(2_000), checkpoint=checkpoint, batch_size=1_000)
        yield from rows(1_000, start=1_000)

    with pytest.raises(IngestError, match="another try of this load has begun"):
        load(client, source(), checkpoint=checkpoint, batch_size=1_000)
    assert checkpoint.get("progress")["row"] == 2_000
    once(keyless, 2_000)
