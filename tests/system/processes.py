"""Processes of a test: each a session of its own that is ended by its id, with its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scripts.airflow_standalone import session_members, stop_session


class Process:
    """
    A process with everything that it starts.

    :param name: What the log and errors call it.
    :param command: Command line.
    :param environment: All of it.
    :param log: File that its output is appended to.
    :param options: More of ``subprocess.Popen``'s arguments.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, **options: Any
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._options = options
        self._started: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, perhaps again."""
        with self.log.open("ab") as output:
            self._started = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._options,
            )

    @property
    def pid(self) -> int:
        assert self._started is not None, f"{self.name} was not started"
        return self._started.pid

    @property
    def is_running(self) -> bool:
        return self._started is not None and self._started.poll() is None

    def stop(self) -> None:
        """Ask it to end, as its owner would, and leave nothing of it."""
        if self._started is not None:
            stop_session(self._started)

    def kill(self) -> None:
        """Kill it with all that it has started, without a word."""
        while members := session_members(self.pid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.is_running  # noqa: B018 - reaps it
            time.sleep(0.05)

    def tail(self, lines: int = 40) -> str:
        """The end of its output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def until(what: str, condition: Callable[[], Any], *, seconds: float = 120, every: float = 0.3) -> Any:
    """Call until the answer is true, and return it; a refused call is no answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
