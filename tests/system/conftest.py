"""A wheel in an environment of its own, and Airflows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .stack import Stack, install_wheel, running_stack


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a fresh environment that has the wheel and what Airflow needs."""
    return install_wheel(tmp_path_factory.mktemp("installed"))


def keep_logs(request: pytest.FixtureRequest) -> Callable[[], bool]:
    """Says whether anything has failed by then."""
    return lambda: request.session.testsfailed > 0


@pytest.fixture(scope="session")
def stack_of(request: pytest.FixtureRequest, commands: Path) -> Iterator[Callable[[str], Stack]]:
    """Gives the Airflow of a flavour, which is started when it is first asked for."""
    running: dict[str, Stack] = {}
    with ExitStack() as stopped:

        def of(flavour: str) -> Stack:
            if flavour not in running:
                running[flavour] = stopped.enter_context(
                    running_stack(flavour, commands, keep=keep_logs(request))
                )
            return running[flavour]

        yield of


@pytest.fixture
def stack(request: pytest.FixtureRequest, stack_of: Callable[[str], Stack]) -> Iterator[Stack]:
    """The Airflow of the flavour that the test's parameter names: well, and its servers empty."""
    stack = stack_of(request.param)
    for emulator in stack.emulators.values():
        emulator.reset()
    stack.wait_until_healthy()
    yield stack
    stack.api.end_runs()


@pytest.fixture
def short_lived_stack(request: pytest.FixtureRequest, commands: Path) -> Iterator[Stack]:
    """An Airflow for one test, which is gone when other tests want the machine."""
    with running_stack(request.param, commands, keep=keep_logs(request)) as stack:
        yield stack
