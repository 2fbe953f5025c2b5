"""A process that is told to stop says what it did, is gone within seconds, and sends no more."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import ingest

from .shop import BATCH, MAPPING, SCHEMA, calls, rows
from .test_stop import until

#: SIGTERM and SIGALRM as Airflow takes them: a handler raises what nobody is to swallow.
SCRIPT = f"""
import logging, signal, sys
from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.ingest import ingest

class TaskTimeout(BaseException):
    pass

def on_alarm(number, frame):
    raise TaskTimeout("execution_timeout")

def on_term(number, frame):
    sys.exit(143)

logging.basicConfig(level=logging.INFO, format="%(message)s")
signal.signal(signal.SIGALRM, on_alarm)
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGINT, signal.default_int_handler)
rows = [
    {{"title": f"Film {{n}}", "sku": f"S{{n:06}}", "price": n / 4, "stars": n % 5}} for n in range(5_000)
]
with MixpeekClient("sk_test", namespace="shop", base_url=sys.argv[1]) as mixpeek:
    ingest(mixpeek, "products", rows, mapping={MAPPING!r}, scope="load", in_flight=4)
"""


def stopped(emulator: Emulator, number: int, *, when: Callable[[], bool]) -> tuple[int, str, float]:
    """Start ingesting, send a signal when something holds: the exit code, the log, the seconds it took."""
    command = [sys.executable, "-c", SCRIPT, emulator.url]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        until(when)
        process.send_signal(number)
        started = time.monotonic()
        _, said = process.communicate(timeout=30)
        return process.returncode, said, time.monotonic() - started
    finally:
        process.kill()
        process.wait()


def counted(said: str, count: str) -> int:
    """A count of the report in a log; a traceback repeats it."""
    (report,) = set(re.findall(r"What was done: (.*? s\))", said))
    found = re.search(rf"([\d,]+) {count}", report)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.parametrize(
    ("number", "exit_code", "raised"),
    [
        (signal.SIGTERM, 143, None),
        (signal.SIGINT, -signal.SIGINT, "KeyboardInterrupt"),
        (signal.SIGALRM, 1, "TaskTimeout: execution_timeout"),
    ],
)
def test_a_signal_ends_a_process_that_ingests(number, exit_code, raised, make_emulator, connect):
    emulator = make_emulator(task_seconds=0, latency=0.1)
    connect(emulator).buckets.create("products", schema=SCHEMA)
    code, said, seconds = stopped(emulator, number, when=lambda: calls(emulator, BATCH) >= 6)
    assert code == exit_code
    assert raised is None or raised in said
    assert seconds < 10
    assert "Run it again: what is stored is not stored twice" in said
    # What is under way is answered; only of an answer that came with the signal may the run not know.
    created, in_doubt = counted(said, "created"), counted(said, "in doubt")
    there = emulator.state()["objects"]
    assert 0 < created <= there <= created + in_doubt < 5_000
    # Nothing comes afterwards.
    assert calls(emulator, BATCH) == there / 100
    report = ingest(connect(emulator), "products", rows(5_000), mapping=MAPPING, scope="load")
    assert (report.created, report.replayed) == (5_000 - there, there)
    assert emulator.state()["objects_processed"] == {"1": 5_000}


def test_a_process_whose_requests_hang_is_gone_within_seconds(make_emulator, connect):
    emulator = make_emulator(task_seconds=0)
    connect(emulator).buckets.create("products", schema=SCHEMA)
    emulator.fault({"fault": "latency", "seconds": 600, "path": BATCH, "skip": 3})
    code, said, seconds = stopped(emulator, signal.SIGTERM, when=lambda: emulator.faults()[0]["fired"] == 4)
    assert code == 143
    assert (counted(said, "created"), counted(said, "in doubt")) == (300, 400)
    assert seconds < 10
    assert (calls(emulator, BATCH), emulator.state()["objects"]) == (3, 300)


def test_rows_that_wait_for_a_limit_are_not_in_doubt(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, rate_limits={"data": 0.05})
    connect(emulator).buckets.create("products", schema=SCHEMA)
    code, said, seconds = stopped(emulator, signal.SIGTERM, when=lambda: calls(emulator, BATCH, 429) >= 1)
    assert code == 143
    # One request passed and the others wait; of one the run may not know that it was just handed over.
    assert 100 <= counted(said, "created") + counted(said, "in doubt") <= 200
    assert counted(said, "unsent") > 0
    assert seconds < 10
    assert emulator.state()["objects"] == 100
