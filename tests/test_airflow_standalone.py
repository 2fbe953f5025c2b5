"""``make airflow``: a whole Airflow with the emulator comes up, needs no login, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "airflow_standalone.py"


def live_in_sessions(leaders: list[int]) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) in leaders and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_starts_answers_without_login_and_leaves_no_process_behind() -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
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
        assert len(leaders) == 2, said
        assert live_in_sessions(leaders)

        airflow, emulator = shown["Airflow"].split()[0], shown["Mixpeek emulator"].split()[0]
        with opener.open(f"{airflow}/api/v2/dags", timeout=30) as answer:
            assert "dags" in json.load(answer)
        with opener.open(f"{emulator}/_emulator/state", timeout=30) as answer:
            assert answer.status == 200

        script.send_signal(signal.SIGTERM)
        assert script.wait(timeout=60) == 0
        assert live_in_sessions(leaders) == []
        assert not Path(shown["Logs"]).exists()
    finally:
        script.send_signal(signal.SIGTERM)
        script.wait(timeout=60)
        script.stdout.close()
