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


class Shop:
    """A bucket with some objects in an emulator of its own."""

    def __init__(self, emulator, api: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self.api = api
        self.path = ""
        self.ids: list[str] = []

    async def fill(self, count: int) -> None:
        properties = {
            "sku": {"type": "string"},
            "size": {"type": "integer"},
            "metadata": {"type": "object"},
        }
        body = {"bucket_name": "shop", "bucket_schema": {"properties": properties}}
        self.path = f"/v1/buckets/{(await self.api.post('/v1/buckets', json=body)).json()['bucket_id']}"
        objects = [{"sku": str(n), "size": n, "metadata": {"even": n % 2 == 0}} for n in range(count)]
        rows = (await self.api.post(f"{self.path}/objects/batch", json={"objects": objects})).json()[
            "succeeded"
        ]
        self.ids = [row["object_id"] for row in rows]

    async def batch(self, ids: list[str] | None = None, **more: Any) -> dict:
        body = {"object_ids": self.ids if ids is None else ids, **more}
        answer = await self.api.post(f"{self.path}/batches", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submit(self, batch: dict, **query: Any) -> dict:
        answer = await self.api.post(f"{self.path}/batches/{batch['batch_id']}/submit", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str) -> dict:
        return (await self.api.get(path)).json()

    async def statuses(self) -> list[str]:
        rows = (await self.get(f"{self.path}/objects?limit=1000"))["results"]
        return [row["status"] for row in rows]


@pytest.fixture
def make_shop(in_process) -> Callable[..., Any]:
    """Makes a bucket with some objects in an emulator of its own, whose tasks take ten seconds."""

    async def make(count: int = 4, **settings: Any) -> Shop:
        shop = Shop(*await in_process(**{"task_seconds": 10, **settings}))
        await shop.fill(count)
        return shop

    return make


@pytest.fixture
async def shop(make_shop) -> Shop:
    return await make_shop()


@pytest.fixture
def new_async_bucket() -> Callable[..., Any]:
    """Makes a bucket through an async client and answers its path."""

    async def make(api: httpx.AsyncClient) -> str:
        body = {"bucket_name": "products", "bucket_schema": {"properties": PROPERTIES}}
        return f"/v1/buckets/{(await api.post('/v1/buckets', json=body)).json()['bucket_id']}"

    return make
