"""Fixtures for every part: a Mixpeek server on loopback."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings

from airflow_provider.mixpeek.emulator import Emulator

# How long an example takes is a matter of what else the machine does.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", metavar="FOLDER", help="where the browser's tests put pictures for docs"
    )
    parser.addoption("--seed-of-ingestion", type=int, help="repeat one simulation of tests/ingest")


@pytest.fixture
def make_emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts emulators with the settings given (``Emulator``'s), and stops them after the test."""
    with ExitStack() as started:

        def make(**settings: Any) -> Emulator:
            return started.enter_context(Emulator(**settings))

        yield make


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    """A running emulator whose tasks end at once."""
    return make_emulator(task_seconds=0)


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A run started in the background inherits a SIGINT that is ignored; Ctrl-C is part of what is tested."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
