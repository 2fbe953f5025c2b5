"""What is measured, and how: best of several rounds, taken in turn, so that the machine's moods hit both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of the table.

    :param what: What was measured.
    :param value: What came out, in words.
    :param target: What was to be reached, in words; empty where nothing was set.
    :param reached: Whether it was; None where nothing was set.
    """

    what: str
    value: str
    target: str = ""
    reached: bool | None = None


def in_turn(rounds: int, *things: Callable[[], object]) -> list[float]:
    """The fastest round of each, in seconds."""
    best = [float("inf")] * len(things)
    for _ in range(rounds):
        for place, thing in enumerate(things):
            began = time.perf_counter()
            thing()
            best[place] = min(best[place], time.perf_counter() - began)
    return best


def in_a_process(program: Path | str, *arguments: str, python: str = sys.executable, **more: str) -> Any:
    """Run a Python program, whose last line of output is JSON, in a process of its own."""
    command = [python, *(["-c", program] if isinstance(program, str) else [str(program)]), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | more
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def server(*command: str) -> Iterator[str]:
    """Run a server that prints its address first; give that."""
    with subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def bare_server(latency: float = 0.0) -> Any:
    """A server that stores nothing and answers at once, or after so many seconds; it gives its port."""
    return server(str(ROOT / "tests" / "ingest" / "bare_server.py"), str(latency))


def growth(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """How much more each unit costs at the last size than at the first: 1 is linear."""
    return (seconds[-1] / sizes[-1]) / (seconds[0] / sizes[0])
