"""Clients of the emulator: over a real socket, and in-process in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator

HEADERS = {"Authorization": "Bearer sk_test", "X-Namespace": "shop"}
PROPERTIES = {
    "title": {"type": "text"},
    "hero": {"type": "image"},
    "sku": {"type": "string"},
    "price": {"type": "float"},
    "metadata": {"type": "object"},
}


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect() -> Iterator[Callable[..., httpx.Client]]:
    """Opens clients with a key and a namespace; headers may be changed."""
    opened: list[httpx.Client] = []

    def open_client(emulator: Emulator, **headers: str) -> httpx.Client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        opened.append(httpx.Client(base_url=emulator.url, headers=HEADERS | named))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def api(emulator: Emulator, connect: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of a running emulator."""
    return connect(emulator)


@pytest.fixture
def bucket(api: httpx.Client) -> str:
    """The path of a bucket with the usual properties."""
    return make_bucket(api)


@pytest.fixture
def new_bucket() -> Callable[..., str]:
    """Makes a bucket through a client and answers its path."""
    return make_bucket


def make_bucket(
    api: httpx.Client, properties: dict[str, Any] | None = None, name: str = "products", **more: Any
) -> str:
    body = {"bucket_name": name, "bucket_schema": {"properties": properties or PROPERTIES}, **more}
    answer = api.post("/v1/buckets", json=body)
    assert answer.status_code == 200, answer.text
    return f"/v1/buckets/{answer.json()['bucket_id']}"


@pytest.fixture
async def in_process(clock: Clock) -> AsyncIterator[Callable[..., tuple[Emulator, httpx.AsyncClient]]]:
    """Makes emulators that are called without a socket, in the time of ``clock``."""
    async with AsyncExitStack() as opened:

        async def make(**settings: Any) -> tuple[Emulator, httpx.AsyncClient]:
            emulator = Emulator(clock=clock, sleep=clock.sleep, **settings)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(emulator.app), base_url="http://emulator", headers=HEADERS
            )
            return emulator, await opened.enter_async_context(client)

        yield make
