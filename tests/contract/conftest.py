"""The vendor's SDK in an environment of its own, made once per machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"


def sdk_python(requirements: Path) -> Path:
    """The interpreter of an environment with these requirements; makes it where there is none.

    Safe when several test processes ask at once. Its name holds what went in, so another interpreter or pin
    makes another environment.
    """
    made_of = f"{sys.version} {sys.prefix} {requirements.read_text()}"
    home = CACHE / f"{requirements.stem}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    python, ready = home / "bin" / "python", home / "ready"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(home))
            # The file names everything: a resolver could only make two machines differ.
            _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(requirements))
            _run(str(python), "-m", "pip", "check")
            ready.touch()
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


class Sdk:
    """A process with an SDK loaded, that takes commands (``sdk_talk.py``)."""

    def __init__(self, python: Path, script: Path) -> None:
        self._process = subprocess.Popen(
            # Neither our packages nor the environment of the tests reach it.
            [str(python), "-E", "-s", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("MIXPEEK")},
        )

    def ask(self, command: dict[str, Any], *, seconds: float = 120) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        overdue = threading.Timer(seconds, self._process.kill)
        overdue.start()
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        finally:
            overdue.cancel()
        assert answer, f"the SDK's process ended without an answer to {command['do']} (its errors are above)"
        return json.loads(answer)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def sdk() -> Iterator[Sdk]:
    """The SDK 1.3.783 of the current generation."""
    process = Sdk(sdk_python(HERE / "sdk-current.txt"), HERE / "sdk_current.py")
    yield process
    process.close()


@pytest.fixture(scope="session")
def legacy_sdk() -> Iterator[Sdk]:
    """The SDK 0.22.0 of the legacy generation."""
    process = Sdk(sdk_python(HERE / "sdk-legacy.txt"), HERE / "sdk_legacy.py")
    yield process
    process.close()


Accept = Callable[[list[dict[str, Any]]], list[str]]


@pytest.fixture(scope="session")
def models_accept(sdk: Sdk) -> Accept:
    """Holds request bodies to the request models of SDK 1.3.783.

    Takes ``[{"method", "path", "body"}]`` with the body as JSON, answers the refusals, empty where all are
    accepted. The models drop keys they do not declare; here these are refused, as the API does.
    """
    return _judged_by(sdk)


@pytest.fixture(scope="session")
def legacy_models_accept(legacy_sdk: Sdk) -> Accept:
    """Holds request bodies to the request models of SDK 0.22.0, like ``models_accept``."""
    return _judged_by(legacy_sdk)


def _judged_by(sdk: Sdk) -> Accept:
    def accept(bodies: list[dict[str, Any]]) -> list[str]:
        verdicts = sdk.ask({"do": "models", "bodies": bodies})
        return [
            f"{each['method']} {each['path']}: {verdict}"
            for each, verdict in zip(bodies, verdicts, strict=True)
            if verdict
        ]

    return accept
