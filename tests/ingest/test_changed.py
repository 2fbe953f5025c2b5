"""What is not as it was when an earlier try began: the source, the mapping, the server, what is wanted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.ingest import IngestError, Report, SourceChangedError, ingest
from airflow_provider.mixpeek.ingest import _sending as sending

from .resumed import checkpoint, load, once, sent, stopped, written_at_once
from .shop import BATCH, MAPPING, SCHEMA, rows

__all__ = ["checkpoint", "load", "stopped", "written_at_once"]


def write(path, many):
    pd.DataFrame(many).to_json(path, orient="records", lines=True)
    return path


def test_a_file_is_read_on_from_where_it_was(emulator, load, stopped, tmp_path):
    path = write(tmp_path / "films.jsonl", rows(1_000))
    stopped(path, after=6)
    report = load(path)
    assert (report.resumed, report.created, report.rows_read) == (600, 1_000, 1_000)
    assert sent(emulator) == 10
    once(emulator, 1_000)


def test_a_changed_file_is_refused_and_nothing_is_sent(emulator, load, stopped, tmp_path):
    path = write(tmp_path / "films.jsonl", rows(1_000))
    stopped(path, after=6)
    before = emulator.state()["requests"]
    write(path, rows(1_001))
    with pytest.raises(SourceChangedError, match=r"films\.jsonl has changed") as raised:
        load(path)
    assert "on_source_change" in str(raised.value)
    assert sent(emulator) == sum(
        each["count"] for each in before if each["path"] == BATCH and each["status"] == 200
    )
    report = load(path, on_source_change="accept")
    assert (report.resumed, report.created, report.replayed) == (0, 401, 600)
    once(emulator, 1_001)


def test_a_changed_mapping_is_refused(emulator, load, stopped):
    stopped(rows(1_000), after=6)
    with pytest.raises(SourceChangedError, match="the mapping"):
        load(rows(1_000), mapping={"blobs": {"title": "title"}, "metadata": ["sku"]})


def test_objects_that_were_only_to_be_stored_are_not_passed_over_when_they_are_to_be_processed(
    emulator, load, stopped
):
    stopped(rows(1_000), after=6, process=False)
    with pytest.raises(SourceChangedError, match=r"process was False, is 'new'"):
        load(rows(1_000), process="new")
    load(rows(1_000), process="new", on_source_change="accept")
    once(emulator, 1_000)


def test_less_to_do_is_no_change(load, stopped):
    stopped(rows(1_000), after=6, process="all")
    assert load(rows(1_000), process=False).resumed == 600


@pytest.mark.parametrize("keyed", [True, False])
def test_a_server_that_takes_keys_now_and_did_not_or_the_other_way_round_is_told(
    emulator, connect, checkpoint, bucket, monkeypatch, keyed
):
    monkeypatch.setattr(sending, "LOOKS", (0.02, 0.1, 0.4))

    def become(*, keyed: bool) -> None:
        emulator.clear_faults()
        if not keyed:
            # What knows no such call is of before the keys.
            emulator.fault({"fault": "status", "status": 404, "path": "/v1/me"})

    def again(**settings: Any) -> Report:
        given = {"mapping": MAPPING, "scope": "load", "checkpoint": checkpoint, "in_flight": 1}
        return ingest(connect(emulator), "products", rows(1_000), **(given | settings))

    become(keyed=not keyed)
    emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": 6})
    with pytest.raises(IngestError):
        again()
    become(keyed=keyed)
    words = "takes idempotency keys, and took none then" if keyed else "takes no idempotency keys"
    with pytest.raises(SourceChangedError, match=words):
        again()
    become(keyed=not keyed)
    assert again().rows_read == 1_000
    assert emulator.state()["objects"] == 1_000


def test_a_person_who_asks_again_accepts_a_change(emulator, load, stopped):
    stopped(rows(1_000), after=6, rerun_number=2)
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku"]}
    with pytest.raises(SourceChangedError):
        load(rows(1_000), mapping=mapping, rerun_number=2)
    assert load(rows(1_000), mapping=mapping, rerun_number=3).rows_read == 1_000


def test_another_bucket_begins_at_the_first_row(mixpeek, checkpoint, stopped):
    stopped(rows(300), after=2)
    mixpeek.buckets.create("others", schema=SCHEMA)
    report = ingest(mixpeek, "others", rows(300), mapping=MAPPING, scope="load", checkpoint=checkpoint)
    assert (report.resumed, report.created) == (0, 300)
