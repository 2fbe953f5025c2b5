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

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "airflow_standalone.py"


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


def said_until_it_runs(process: subprocess.Popen[str]) -> dict[str, str]:
    """What is printed before everything runs: name -> address or folder."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    shown = dict(line.split(": ", 1) for line in said if ": " in line)
    assert "Logs" in shown, said
    return shown


@pytest.mark.system
def test_starts_answers_without_login_and_leaves_no_process_behind() -> None:
    script = subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        shown = said_until_it_runs(script)
        leaders = [child.pid for child in psutil.Process(script.pid).children()]
        assert len(leaders) == 3, shown
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


@pytest.mark.system
def test_ctrl_c_ends_make_airflow_and_leaves_no_process_behind() -> None:
    """A terminal's Ctrl-C goes to all of a process group: to make, and to what make has started."""
    # The environment is the one that runs this, whether make would renew it or not.
    command = ["make", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed", "airflow"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    make = subprocess.Popen(
        command,
        cwd=ROOT,
        env=inherited,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        shown = said_until_it_runs(make)
        (script,) = psutil.Process(make.pid).children()
        leaders = [make.pid, *(child.pid for child in script.children())]
        assert len(leaders) == 4, shown

        os.killpg(make.pid, signal.SIGINT)
        said, _ = make.communicate(timeout=90)
        assert said.split() == ["Stopping..."]
        # What the script has returned make does not tell: it ends as whatever is interrupted does.
        assert make.returncode == -signal.SIGINT
        assert live_in_sessions(leaders) == []
        assert not Path(shown["Logs"]).exists()
    finally:
        if make.poll() is None:
            os.killpg(make.pid, signal.SIGTERM)
            make.communicate(timeout=90)
