"""
Triggers in an event loop, as a triggerer has them.

Arguments: URL, ids, ids of a trigger, seconds. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time

from benchmarks.memory import resident


async def run(url: str, ids: int, of_one: int, seconds: float) -> dict[str, float]:
    """Wait for ids that never end; say what that took."""
    connection = {
        "conn_type": "mixpeek",
        "password": "sk_bench",
        "host": url,
        "extra": {"namespace": "bench", "requests_per_second": 2_000},
    }
    os.environ["AIRFLOW_CONN_MIXPEEK_DEFAULT"] = json.dumps(connection)
    from airflow_provider.mixpeek.client import WaitFor
    from airflow_provider.mixpeek.triggers._packing import packed
    from airflow_provider.mixpeek.triggers.waits import MixpeekWaitTrigger

    waits = [WaitFor(f"task_{number:032}") for number in range(ids)]
    before = resident()
    now = time.time()
    triggers = [
        MixpeekWaitTrigger(waits=packed(waits[start : start + of_one]), since=now, deadline=now + 86_400)
        for start in range(0, ids, of_one)
    ]

    async def first(trigger: MixpeekWaitTrigger) -> None:
        async for _ in trigger.run():
            return

    cpu = time.process_time()
    running = [asyncio.create_task(first(trigger)) for trigger in triggers]
    await asyncio.sleep(seconds)
    cpu = time.process_time() - cpu
    memory = resident() - before
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return {"cpu": cpu, "memory": memory, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))))
