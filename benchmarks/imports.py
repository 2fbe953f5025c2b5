"""What importing hook, operators, sensors and triggers adds to what Airflow itself loads for a DAG."""

from __future__ import annotations

from benchmarks.measuring import Line, in_a_process

_BASE = "from airflow.sdk import BaseHook, BaseOperator"
_OURS = """
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors.batches import MixpeekBatchSensor
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor
"""
_PROGRAM = f"""
import json, time
began = time.perf_counter()
{_BASE}
base = time.perf_counter() - began
began = time.perf_counter()
{_OURS}
ours = time.perf_counter() - began
began = time.perf_counter()
from airflow.triggers.base import BaseTrigger
triggers = time.perf_counter() - began
began = time.perf_counter()
import airflow_provider.mixpeek.triggers.waits
print(json.dumps({{"base": base, "ours": ours, "trigger": time.perf_counter() - began}}))
"""


def measure(rounds: int = 9) -> list[Line]:
    """Measure in fresh processes; the fastest of each counts."""
    found = [in_a_process(_PROGRAM) for _ in range(rounds)]
    base, ours, trigger = (min(one[name] for one in found) for name in ("base", "ours", "trigger"))
    return [
        Line(
            "hook, operators, sensors on top of `BaseOperator, BaseHook`",
            f"{ours * 1_000:.0f} ms on {base * 1_000:.0f} ms: {ours / base:.1%}",
            "2 %",
            ours / base < 0.02,
        ),
        Line(
            "triggers, with the client, on top of that (the triggerer; no DAG file)",
            f"{trigger * 1_000:.0f} ms: {trigger / base:.1%}",
        ),
    ]
