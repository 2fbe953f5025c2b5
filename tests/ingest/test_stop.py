"""Ctrl-C, a time-out, SIGTERM: a run ends within seconds, says what it did, and leaves no thread."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider.mixpeek.ingest import _threads as threads
from airflow_provider.mixpeek.ingest import ingest

from .shop import BATCH, MAPPING, SCHEMA, calls, rows
from .signals import TaskTimeout, ours, signalled_when, until

pytestmark = pytest.mark.usefixtures("no_collection")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TaskTimeout, SystemExit])
def test_an_interruption_while_rows_are_read(kind, emulator, mixpeek, bucket, caplog):
    def source() -> Iterator[dict[str, Any]]:
        yield from rows(4_500)
        raise kind

    with pytest.raises(kind) as raised:
        ingest(mixpeek, "products", source(), mapping=MAPPING, scope="load", process=False)
    (note,) = raised.value.__notes__
    assert note.startswith("Ingestion was interrupted. What was done: 4,000 rows read: ")
    assert f"{emulator.state()['objects']:,} created" in note
    assert "in doubt" not in note
    assert "Run it again: what is stored is not stored twice" in caplog.text
    assert not ours()
    again = ingest(mixpeek, "products", rows(4_500), mapping=MAPPING, scope="load", process=False)
    assert again.created + again.replayed == emulator.state()["objects"] == 4_500


def test_ctrl_c_while_the_server_hangs(emulator, mixpeek, bucket, monkeypatch):
    monkeypatch.setattr(threads, "GRACE", 0.2)
    emulator.fault({"fault": "latency", "seconds": 600, "path": BATCH, "skip": 3})
    helper = signalled_when(lambda: emulator.faults()[0]["fired"] == 4, signal.SIGINT)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as raised:
        ingest(mixpeek, "products", rows(2_000), mapping=MAPPING, scope="load", in_flight=4)
    helper.join()
    assert time.monotonic() - started < 10
    assert "300 created, 1,300 unsent, 400 in doubt" in raised.value.__notes__[0]
    assert emulator.state()["objects"] == 300


def test_a_time_out_while_requests_wait_for_their_next_try(emulator, connect, bucket):
    mixpeek = connect(emulator, budget=600)
    emulator.fault({"fault": "status", "status": 503, "headers": {"Retry-After": "300"}, "path": BATCH})

    def on_alarm(_number: int, _frame: object) -> None:
        raise TaskTimeout

    before = signal.signal(signal.SIGALRM, on_alarm)
    helper = signalled_when(lambda: calls(emulator, BATCH) >= 2, signal.SIGALRM)
    started = time.monotonic()
    try:
        with pytest.raises(TaskTimeout) as raised:
            ingest(mixpeek, "products", rows(500), mapping=MAPPING, scope="load", in_flight=2)
    finally:
        helper.join()
        signal.signal(signal.SIGALRM, before)
    # A 503 has stored nothing, so nothing is in doubt, and nobody waited for the five minutes.
    assert time.monotonic() - started < 4
    assert "500 rows read: 500 unsent" in raised.value.__notes__[0]
    assert not ours()


def test_an_interruption_while_objects_are_processed(emulator, mixpeek, bucket, monkeypatch):
    monkeypatch.setattr(threads, "GRACE", 0.2)
    path = "/v1/buckets/{bucket_identifier}/batches"
    emulator.fault({"fault": "latency", "seconds": 600, "path": path})
    helper = signalled_when(lambda: emulator.faults()[0]["fired"] == 1, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        ingest(mixpeek, "products", rows(10), mapping=MAPPING, scope="load")
    helper.join()
    assert "10 rows read: 10 created" in raised.value.__notes__[0]


def test_a_second_ctrl_c_does_not_wait(emulator, mixpeek, bucket, monkeypatch):
    monkeypatch.setattr(threads, "GRACE", 60.0)
    emulator.fault({"fault": "latency", "seconds": 600, "path": BATCH})
    seen: list[int] = []

    def on_signal(_number: int, _frame: object) -> None:
        seen.append(1)
        if len(seen) == 1:
            # Not at once: it would come inside this very handler.
            later = time.monotonic() + 0.3
            helpers.append(signalled_when(lambda: time.monotonic() > later, signal.SIGUSR1))
        raise TaskTimeout

    before = signal.signal(signal.SIGUSR1, on_signal)
    helpers = [signalled_when(lambda: emulator.faults()[0]["fired"] == 1, signal.SIGUSR1)]
    started = time.monotonic()
    try:
        with pytest.raises(TaskTimeout) as raised:
            ingest(mixpeek, "products", rows(10), mapping=MAPPING, scope="load")
    finally:
        for helper in helpers:
            helper.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < 10
    assert "10 in doubt" in raised.value.__notes__[0]


def test_a_process_that_is_interrupted_ends(make_emulator, connect):
    """Threads whose requests hang must not keep a worker's process alive."""
    emulator = make_emulator()
    connect(emulator).buckets.create("products", schema=SCHEMA)
    emulator.fault({"fault": "latency", "seconds": 600, "path": BATCH})
    script = (
        "from airflow_provider.mixpeek.client import MixpeekClient\n"
        "from airflow_provider.mixpeek.ingest import _threads, ingest\n"
        "_threads.GRACE = 0.2\n"
        f"with MixpeekClient('sk', namespace='shop', base_url={emulator.url!r}) as client:\n"
        f"    ingest(client, 'products', {rows(2)!r}, scope='x')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    until(lambda: emulator.faults()[0]["fired"] == 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert "2 rows read: 2 in doubt" in said
