"""A retry policy on a real scheduler: the task is put off as long as Mixpeek's server says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stack import Stack
from .test_chaos import OBJECTS, written

pytestmark = pytest.mark.system


@pytest.mark.parametrize("stack", ["postgres"], indirect=True)
def test_task_is_put_off_as_long_as_the_server_says(stack: Stack, tmp_path: Path) -> None:
    busy = {"fault": "status", "status": 429, "headers": {"Retry-After": "900"}}
    stack.emulator.fault({**busy, "path": OBJECTS})
    run_id = stack.api.trigger("system_policy", rows=written(tmp_path / "rows.csv", 10))
    stack.api.until_task("system_policy", run_id, "load", "up_for_retry")
    kept = stack.sql(
        "SELECT retry_delay_override, retry_reason FROM task_instance "
        f"WHERE run_id = '{run_id}' AND task_id = 'load'"
    )
    assert kept.split("|")[0].strip() == "900"
    assert "the server asks for 900 s" in kept
