"""A load that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.ingest import IngestError, _batch_calls, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest._inherit import NotedBatch

from .counted import Counted
from .resumed import checkpoint, load, once, sent, stopped, written_at_once
from .shop import BATCH, BATCHES, MAPPING, SCHEMA, SUBMIT, calls, rows

__all__ = ["checkpoint", "load", "stopped", "written_at_once"]

# -- going on ----------------------------------------------------------------------------------------------


def test_rows_that_are_stored_and_batched_are_not_sent_again(emulator, load, stopped):
    first = stopped(rows(1_000), after=6)
    assert first.created == 600
    report = load(rows(1_000))
    assert (report.rows_read, report.created, report.replayed) == (1_000, 1_000, 0)
    assert (report.resumed, len(report.object_ids)) == (600, 400)
    assert sent(emulator) == 10
    assert len(report.batches) == 10
    once(emulator, 1_000)


def test_rows_of_a_batch_that_is_still_open_are_sent_again_under_their_keys(emulator, load, stopped):
    stopped(rows(1_000), after=6, batch_size=250)
    report = load(rows(1_000), batch_size=250)
    assert (report.resumed, report.created, report.replayed) == (500, 900, 100)
    assert sent(emulator) == 11
    once(emulator, 1_000)


def test_a_finished_load_sends_nothing(emulator, load):
    before = load(rows(300))
    requests = emulator.state()["requests"]
    again = load(rows(300))
    assert (again.rows_read, again.created, again.resumed) == (300, 300, 300)
    assert again.batches == before.batches
    assert {each["path"] for each in emulator.state()["requests"]} == {each["path"] for each in requests} | {
        "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
    }
    assert sent(emulator) == 3


def test_rows_that_come_in_another_order_are_all_sent_and_stored_once(emulator, load, stopped, caplog):
    stopped(rows(1_000), after=6)
    report = load(pd.DataFrame(rows(1_000)).sample(frac=1, random_state=1))
    assert (report.resumed, report.created, report.replayed) == (0, 400, 600)
    assert "not the same, or not in the same order" in caplog.text
    once(emulator, 1_000)


def test_rows_that_are_fewer_now_are_not_taken_for_the_same(emulator, load, stopped):
    stopped(rows(1_000), after=6)
    report = load(rows(300))
    assert (report.rows_read, report.resumed, report.replayed) == (300, 0, 300)


def test_an_iterator_is_never_skipped_blind(emulator, load, stopped):
    stopped(iter(rows(1_000)), after=6)
    report = load(iter(rows(1_000)))
    assert (report.resumed, report.created, report.replayed) == (0, 400, 600)
    once(emulator, 1_000)


def test_business_keys_that_came_before_the_watermark_are_remembered(emulator, load, stopped):
    many = rows(1_000)
    many[900]["sku"] = many[5]["sku"]
    mapping = MAPPING | {"idempotency_key": ["sku"]}
    stopped(many, after=6, mapping=mapping, on_error="collect")
    report = load(many, mapping=mapping, on_error="collect")
    assert (report.resumed, report.rejected) == (600, 1)
    assert [(row.row, row.reason) for row in report.rejected_rows] == [
        (900, "its key came before, in row 5; a key names one row of a run")
    ]
    once(emulator, 999)


def test_rejected_rows_of_earlier_tries_stay_counted_and_are_not_tried_again(emulator, load, stopped):
    many = rows(1_000)
    many[50]["title"] = many[950]["title"] = None
    stopped(many, after=6, on_error="collect")
    report = load(many, on_error="collect")
    assert (report.rejected, [row.row for row in report.rejected_rows]) == (2, [950])
    once(emulator, 998)


def test_a_row_that_failed_the_load_fails_it_again_until_it_is_mended(emulator, load):
    many = rows(1_000)
    many[510]["title"] = None
    for _ in range(2):
        with pytest.raises(IngestError, match="row 510"):
            load(many)
    many[510]["title"] = "mended"
    assert load(many).created == 1_000
    once(emulator, 1_000)


# -- batches of earlier tries ------------------------------------------------------------------------------


def test_a_draft_that_was_left_behind_is_submitted(emulator, load, stopped):
    stopped(rows(300), after=1, path=SUBMIT)
    assert emulator.state()["batches"] == 2
    report = load(rows(300))
    assert len(report.batches) == emulator.state()["batches"] == 3
    once(emulator, 300)


def test_a_draft_that_nobody_noted_is_never_submitted(emulator, load, stopped, checkpoint, monkeypatch):
    # The process dies between the answer of the create and the note.
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(keeping.Journal, "note_batch", die)
        with pytest.raises(Killed):
            load(rows(300))
    assert emulator.state()["batches_submitted"] == 0
    report = load(rows(300))
    once(emulator, 300)
    assert len(report.batches) == emulator.state()["batches_submitted"]


def test_objects_of_a_failed_batch_are_processed_again_in_another(emulator, load, stopped):
    emulator.fault({"fault": "task_outcome", "status": "FAILED", "error": "GPU on fire", "times": 1})
    stopped(rows(600), after=3)
    assert emulator.state()["objects_processed"] == {"0": 100, "1": 200}
    report = load(rows(600))
    assert sent(emulator) == 6
    assert sum(each.objects for each in report.batches) == 600
    once(emulator, 600)
    # And are not batched a third time by a third try.
    load(rows(600))
    once(emulator, 600)


def test_failed_objects_of_a_partial_batch_are_processed_again(emulator, load, stopped):
    emulator.fault(
        {"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "failed_objects": 30, "times": 1}
    )
    stopped(rows(600), after=3)
    load(rows(600))
    once(emulator, 600)
    load(rows(600))
    once(emulator, 600)


def test_a_batch_that_is_gone_makes_all_rows_come_again(emulator, mixpeek, load, stopped, checkpoint, caplog):
    first = stopped(rows(600), after=3, path=BATCH)
    noted = checkpoint.get("batches-000")
    noted["items"][1][1] = "btch_unknown"
    noted["items"][1][3] -= 61
    checkpoint.set("batches-000", noted)
    report = load(rows(600))
    assert "is gone" in caplog.text
    assert (report.resumed, report.replayed, report.created) == (0, first.created, 600 - first.created)
    once(emulator, 600)


def test_a_batch_that_was_noted_by_a_clock_ahead_of_ours_is_gone_after_a_minute(mixpeek, bucket):
    began = mixpeek.session.clock()  # the gate knows what time it is
    now = [began]
    session = replace(mixpeek.session, wall=lambda: 1_800_000_000.0 + now[0], clock=lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    mixpeek._face(session, mixpeek._transport, sleep)
    noted = NotedBatch(bucket.bucket_id, "btch_unknown", 100, session.wall() + 3_600)
    seen = mixpeek.run(_batch_calls.look(noted, session, before_row=0))
    assert seen.outcome is None
    assert 60 <= now[0] - began < 70


@pytest.mark.parametrize("kept", [True, False], ids=["checkpoint", "none"])
def test_what_runs_in_a_batch_already_is_not_put_into_another(kept, make_emulator, connect, checkpoint):
    now = [1_800_000_000.0]
    emulator = make_emulator(task_seconds=3_600, clock=lambda: now[0])
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    given = {
        "mapping": MAPPING,
        "scope": "load",
        "checkpoint": checkpoint if kept else None,
        "batch_size": 20,
    }
    first = ingest(mixpeek, "products", rows(50), **given)
    report = ingest(mixpeek, "products", rows(70), **given)
    assert {each.batch_id for each in first.batches} < {each.batch_id for each in report.batches}
    assert emulator.state()["batches_submitted"] == 4
    now[0] += 4_000
    once(emulator, 70)


def test_without_a_checkpoint_a_draft_of_ours_is_found_by_its_members(emulator, load, stopped):
    stopped(rows(300), after=0, path=SUBMIT, checkpoint=None)
    assert (emulator.state()["batches"], emulator.state()["batches_submitted"]) == (1, 0)
    report = load(rows(300), checkpoint=None)
    assert len(report.batches) == emulator.state()["batches"] == 3
    once(emulator, 300)


def test_a_draft_of_somebody_else_is_left_alone(emulator, mixpeek, bucket, load):
    stored = load(rows(100), process=False, checkpoint=None)
    theirs = mixpeek.batches.create(bucket.bucket_id, list(stored.object_ids), name="mine, for later")
    load(rows(100), checkpoint=None)
    assert mixpeek.batches.get(bucket.bucket_id, theirs.batch_id).status == "DRAFT"
    once(emulator, 100)


def test_batches_are_listed_only_where_an_object_may_be_in_one(emulator, load):
    load(rows(300))
    assert calls(emulator, f"{BATCHES}/list") == 0
    load(rows(300), checkpoint=None)  # all done: nothing to look for
    assert calls(emulator, f"{BATCHES}/list") == 0


def test_a_draft_that_was_removed_meanwhile_is_made_again(make_emulator, connect):
    # The plan's limit on compute can make a submission wait longer than the vendor keeps drafts.
    emulator = make_emulator(task_seconds=0)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    emulator.fault({"fault": "status", "status": 404, "path": SUBMIT, "times": 1})
    report = ingest(mixpeek, "products", rows(100), mapping=MAPPING, scope="load")
    assert len(report.batches) == 1
    once(emulator, 100)


# -- two tries at once -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [BATCH, BATCHES, SUBMIT])
def test_a_try_that_lives_on_stops_when_another_has_begun(path, emulator, load):
    def source(steps: Iterator[Any]) -> Iterator[dict[str, Any]]:
        yield from rows(100)
        next(steps)
        yield from rows(900, start=100)

    def other_try() -> Iterator[Any]:
        yield load(rows(1_000))

    with pytest.raises(IngestError, match="another try of this load has begun") as raised:
        load(source(other_try()))
    assert "Nothing is to be done" in str(raised.value.__cause__)
    once(emulator, 1_000)


# -- again -------------------------------------------------------------------------------------------------


def test_replay_sends_everything_of_a_finished_load_under_the_old_keys(emulator, mixpeek, bucket, load):
    many = rows(300)
    many[7]["title"] = None
    first = load(many, on_error="collect")
    for object_id in first.object_ids[:3]:
        mixpeek.objects.delete(bucket.bucket_id, object_id)
    many[7]["title"] = "mended"
    report = load(many, on_error="collect", rerun="replay")
    assert (report.resumed, report.created, report.replayed, report.rejected) == (0, 4, 296, 0)
    once(emulator, 300)


def test_again_makes_everything_anew_and_retries_of_it_do_not(emulator, load, stopped):
    load(rows(300))
    stopped(rows(300), after=1, rerun="again")
    report = load(rows(300), rerun="again")  # not finished: this goes on
    assert (report.rows_read, report.created) == (300, 300)
    assert emulator.state()["objects"] == 600
    report = load(rows(300))
    assert report.resumed == 300
    once(emulator, 600)


@pytest.mark.parametrize("rerun", ["replay", "again"])
def test_a_rerun_needs_a_number_that_has_grown_where_there_is_one(rerun, emulator, load):
    load(rows(100), rerun=rerun, rerun_number=2)
    assert load(rows(100), rerun=rerun, rerun_number=2).resumed == 100
    assert load(rows(100), rerun=rerun, rerun_number=3).resumed == 0
    assert load(rows(100), rerun=rerun, rerun_number=3).resumed == 100
    assert emulator.state()["objects"] == (100 if rerun == "replay" else 200)


@pytest.mark.parametrize("rerun", ["replay", "again"])
def test_an_unfinished_load_is_gone_on_with_whatever_the_rerun(rerun, emulator, load, stopped):
    stopped(rows(1_000), after=6, rerun_number=2)
    report = load(rows(1_000), rerun=rerun, rerun_number=3)
    assert report.resumed == 600
    once(emulator, 1_000)


# -- what is written ---------------------------------------------------------------------------------------


def test_a_checkpoint_is_small_and_rarely_written(emulator, load, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "EVERY", 3_600.0)
    checkpoint = Counted(tmp_path / "counted")
    load(rows(25_000), batch_size=100, in_flight=8, checkpoint=checkpoint)
    assert max(size for _, size in checkpoint.written) < 10_000
    names = checkpoint.names
    assert names.count("progress") == 2, "at the beginning and at the end"
    assert names.count("load") == 2
    assert len(names) == 4 + 250
    assert {name for name in names if name.startswith("batches")} == {
        "batches-000",
        "batches-001",
        "batches-002",
    }
