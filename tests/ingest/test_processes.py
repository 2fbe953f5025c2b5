"""Eight processes that fill one bucket under one limit: all finish, and few requests are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from .shop import BATCH, BATCHES, MAPPING, SCHEMA, SUBMIT, calls

PROCESSES = 8
ROWS = 5_000

#: One process: its number, the server's address, and whether to process.
SCRIPT = f"""
import json, logging, sys
from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.ingest import ingest

logging.basicConfig(level=logging.ERROR)
number, url, process = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
rows = [
    {{"title": f"Film {{n}}", "sku": f"S{{n:06}}", "price": n / 4, "stars": n % 5}}
    for n in range(number * {ROWS}, (number + 1) * {ROWS})
]
with MixpeekClient("sk_test", namespace="shop", base_url=url) as mixpeek:
    report = ingest(mixpeek, "products", rows, mapping={MAPPING!r}, scope="load", process=process)
print(json.dumps(report.counts()))
"""


@pytest.mark.system
def test_eight_processes_share_a_limit_and_finish(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, rate_limits={"data": 40, "compute": 10})
    connect(emulator).buckets.create("products", schema=SCHEMA)
    command = [sys.executable, "-c", SCRIPT]
    # Every other one only stores.
    running = [
        subprocess.Popen(
            [*command, str(number), emulator.url, '"new"' if number % 2 else "false"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        said = [each.communicate(timeout=100)[0] for each in running]
    finally:
        for each in running:
            each.kill()
            each.wait()
    counts: list[dict[str, Any]] = [json.loads(each) for each in said]
    assert [each["created"] for each in counts] == [ROWS] * PROCESSES
    half = PROCESSES // 2 * ROWS
    assert emulator.state()["objects_processed"] == {"0": half, "1": half}
    # Before a limit is met nobody knows it, so some are refused at the start.
    everything = sum(calls(emulator, path) for path in (BATCH, BATCHES, SUBMIT))
    refused = sum(calls(emulator, path, 429) for path in (BATCH, BATCHES, SUBMIT))
    assert refused < 0.15 * everything
