"""Loads that are stopped and gone on with: a checkpoint, and a server that stops them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FileCheckpoint, IngestError, Report, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping

from .shop import BATCH, MAPPING, calls


@pytest.fixture
def checkpoint(tmp_path) -> FileCheckpoint:
    return FileCheckpoint(tmp_path / "checkpoint")


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch):
    """The watermark is written whenever it moves, and not once a second."""
    monkeypatch.setattr(keeping, "EVERY", 0.0)


@pytest.fixture
def load(mixpeek, bucket, checkpoint) -> Callable[..., Report]:
    def load(many: Any, **settings: Any) -> Report:
        given = {
            "mapping": MAPPING,
            "scope": "load",
            "checkpoint": checkpoint,
            "in_flight": 1,
            "batch_size": 100,
        }
        return ingest(mixpeek, "products", many, **(given | settings))

    return load


@pytest.fixture
def stopped(emulator, load) -> Callable[..., Report]:
    """A load that the server stops after so many requests for objects, and then lets go on."""

    def stopped(many: Any, *, after: int, path: str = BATCH, **settings: Any) -> Report:
        emulator.fault({"fault": "status", "status": 403, "path": path, "skip": after})
        with pytest.raises(IngestError) as raised:
            load(many, **settings)
        emulator.clear_faults()
        return raised.value.report

    return stopped


def sent(emulator: Emulator) -> int:
    return calls(emulator, BATCH, 200)


def once(emulator: Emulator, count: int) -> None:
    state = emulator.state()
    assert state["objects"] == count
    assert state["objects_processed"] == {"1": count}
