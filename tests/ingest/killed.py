"""Kills a load when its files are written, and the checkpoint does not know that yet, or just does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest  # noqa: TC002 - as everywhere in the tests

from airflow_provider.mixpeek.ingest import Report
from airflow_provider.mixpeek.ingest._journal import Journal


class Killed(BaseException):
    """The process is gone: nothing that it would do after this gets done."""


def kill_at(patch: pytest.MonkeyPatch, write: int, *, written: bool) -> None:
    """
    Kill loads when they write their watermark.

    :param write: At which of the times, from 1.
    :param written: Right after it is there, and not right before.
    """
    real, count = Journal.write, 0

    def write_or_die(journal: Journal, *given: Any, **more: Any) -> None:
        nonlocal count
        count += 1
        if count < write or (written and count == write):
            real(journal, *given, **more)
        if count >= write:
            raise Killed

    patch.setattr(Journal, "write", write_or_die)


def killed_again_and_again(
    patch: pytest.MonkeyPatch, load: Callable[[], Report], *, written: bool
) -> tuple[Report, int]:
    """
    Run a load until it gets to its end. Each try is killed when it has passed some more rows.

    :param written: See :func:`kill_at`.

    :return: The last report, and how many tries were killed.
    """
    kills = 0
    while True:
        with patch.context() as patched:
            # The first time is before anything is sent, the next one lets the load get on.
            kill_at(patched, 2 if written else 3, written=written)
            try:
                return load(), kills
            except Killed:
                kills += 1
