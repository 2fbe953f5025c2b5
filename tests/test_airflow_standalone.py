"""``make airflow``: a whole Airflow with two emulators comes up, runs examples, leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "airflow_standalone.py"


def live_in_sessions(leaders: list[int]) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) in leaders and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with opener.open(request, timeout=30) as answer:
        return json.load(answer)


def patiently(function: Callable[[], Any], *, seconds: float = 120) -> Any:
    """Call until there is an answer that is true; SQLite makes Airflow refuse a call now and then."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(urllib.error.HTTPError):
            if found := function():
                return found
        assert time.monotonic() < deadline
        time.sleep(0.5)


def run_example(airflow: str, dag_id: str) -> str:
    """Run a DAG and return how it ended."""
    runs = f"{airflow}/api/v2/dags/{dag_id}/dagRuns"
    run_id = patiently(lambda: call(runs, {"logical_date": None})["dag_run_id"])

    def ended() -> str | None:
        state = call(f"{runs}/{run_id}")["state"]
        return state if state in ("success", "failed") else None

    return patiently(ended)


@pytest.mark.system
def test_starts_answers_without_login_and_leaves_no_process_behind() -> None:
    script = subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert script.stdout is not None
        said = []
        for line in script.stdout:
            said.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        shown = dict(line.split(": ", 1) for line in said if ": " in line)
        leaders = [child.pid for child in psutil.Process(script.pid).children()]
        assert len(leaders) == 3, said
        assert live_in_sessions(leaders)

        airflow = shown["Airflow"].split()[0]
        for generation, dag_id in (("current", "mixpeek_taskflow_hook"), ("legacy", "mixpeek_legacy")):
            emulator = shown[f"Mixpeek emulator, {generation}"].split()[0]
            assert run_example(airflow, dag_id) == "success"
            assert call(f"{emulator}/_emulator/state")["objects_processed"] == {"1": 3}

        script.send_signal(signal.SIGTERM)
        assert script.wait(timeout=60) == 0
        assert live_in_sessions(leaders) == []
        assert not Path(shown["Logs"]).exists()
    finally:
        script.send_signal(signal.SIGTERM)
        script.wait(timeout=60)
        script.stdout.close()
