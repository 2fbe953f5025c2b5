"""Clients and buckets of a running emulator."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from airflow_provider.mixpeek.client import Bucket, MixpeekClient
from airflow_provider.mixpeek.client._flow import RetryRules
from airflow_provider.mixpeek.emulator import Emulator

from .flaky import Flaky
from .ranges import Counting
from .shop import SCHEMA


@pytest.fixture
def connect() -> Iterator[Callable[..., MixpeekClient]]:
    """Opens clients; ``budget`` is how many seconds a call is tried."""
    with ExitStack() as opened:

        def open_client(emulator: Emulator | str, *, budget: float = 20.0, **settings: Any) -> MixpeekClient:
            url = emulator if isinstance(emulator, str) else emulator.url
            client = MixpeekClient("sk_test", namespace="shop", base_url=url, **settings)
            opened.enter_context(client)
            rules = RetryRules(budget=budget, longest=1.0, first=0.01)
            client._face(replace(client.session, retry=rules), client._transport, client._sleep)
            return client

        yield open_client


@pytest.fixture
def mixpeek(emulator: Emulator, connect: Callable[..., MixpeekClient]) -> MixpeekClient:
    return connect(emulator)


@pytest.fixture
def bucket(mixpeek: MixpeekClient) -> Bucket:
    return mixpeek.buckets.create("products", schema=SCHEMA)


@pytest.fixture
def memory_url() -> Iterator[str]:
    """The URL of a directory in memory that is not there yet."""
    # All of a process share one memory.
    memory, root = fsspec.filesystem("memory"), uuid4().hex
    yield f"memory://{root}/parts"
    for path in memory.find(root):
        memory.rm_file(path)


@pytest.fixture(params=["local", "memory"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path or the URL of a directory that is not there yet."""
    if request.param == "local":
        return str(tmp_path / "a load" / "parts")
    url: str = request.getfixturevalue("memory_url")
    return url


@pytest.fixture
def counting() -> Iterator[list[int]]:
    """Bytes of each fetch from URLs of ``counting://``, whose files are gone after the test."""
    fsspec.register_implementation("counting", Counting, clobber=True)
    Counting.fetched.clear()
    yield Counting.fetched
    Counting.store.clear()


@pytest.fixture
def flaky() -> Iterator[type[Flaky]]:
    """The file system of URLs of ``flaky://``, whose files are gone after the test."""
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    yield Flaky
    Flaky.store.clear()
    Flaky.failures.clear()
    Flaky.error = OSError


@pytest.fixture
def no_collection() -> Iterator[None]:
    """What a signal raises inside a finalizer is lost, whoever's it is; so none runs meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
