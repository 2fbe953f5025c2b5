"""
The asynchronous client: the face of the flows for an event loop.

Its methods take what those of :class:`MixpeekClient` take, raise what they raise, and are described there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider.mixpeek.client._async_processing import Batches, Collections, Tasks
from airflow_provider.mixpeek.client._async_resources import Buckets, Namespaces, Objects
from airflow_provider.mixpeek.client._async_uploads import Uploads
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._gate import Gate
from airflow_provider.mixpeek.client._generation import (
    GENERATIONS,
    call,
    has_idempotency_keys,
    server_generation,
)
from airflow_provider.mixpeek.client._introduction import Introduction, introduce
from airflow_provider.mixpeek.client._looks import look
from airflow_provider.mixpeek.client._settings import Settings
from airflow_provider.mixpeek.client._transport import AT_ONCE, AsyncTransport, adrive
from airflow_provider.mixpeek.client._wait_for import WaitFor
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Seen

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import Me

T = TypeVar("T")


class AsyncMixpeekClient:
    """A client of one server, key and namespace, for an event loop."""

    def __init__(
        self,
        api_key: str | None,
        *,
        namespace: str | None = None,
        base_url: str | None = None,
        generation: str | None = None,
        timeout: float | None = None,
        requests_per_second: float | None = None,
        allow_insecure_http: bool = False,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._open(
            Settings.of(
                api_key=api_key,
                namespace=namespace,
                base_url=base_url,
                generation=generation,
                timeout=timeout,
                requests_per_second=requests_per_second,
                allow_insecure_http=allow_insecure_http,
                ca_bundle=ca_bundle,
                proxy=proxy,
            )
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client of settings that are checked already."""
        client = cls.__new__(cls)
        client._open(settings)  # noqa: SLF001 - its own class
        return client

    @classmethod
    def from_env(cls, **overrides: Any) -> Self:
        """A client of ``MIXPEEK_API_KEY``, ``MIXPEEK_NAMESPACE``, ``MIXPEEK_BASE_URL``; arguments win."""
        return cls.from_settings(Settings.from_env(**overrides))

    def _open(self, settings: Settings) -> None:
        gate = Gate(requests_per_second=settings.requests_per_second)
        session = Session(settings, GENERATIONS[settings.generation], gate)
        self._face(session, AsyncTransport(settings), asyncio.sleep)

    def _face(
        self, session: Session, transport: AsyncTransport, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.session = session
        self._transport = transport
        self._sleep = sleep
        # Shared by all looks of all triggers: each connection more costs every request of the pool.
        self._places = asyncio.Semaphore(AT_ONCE)
        self.buckets = Buckets(self)
        self.objects = Objects(self)
        self.batches = Batches(self)
        self.tasks = Tasks(self)
        self.uploads = Uploads(self)
        self.collections = Collections(self)
        self.namespaces = Namespaces(self)

    async def run(self, flow: Flow[T]) -> T:
        """Do what a flow of this client's session says."""
        return await adrive(flow, self._transport.send, self._sleep, self._places)

    async def whoami(self) -> Me:
        """Who the key belongs to, and what it may do."""
        return await self.run(call(self.session, self.session.api.whoami()))

    async def health(self) -> dict[str, Any]:
        """What the server says of its health."""
        return await self.run(call(self.session, self.session.api.health()))

    async def server_generation(self) -> str:
        """Which generation of the API the server speaks, found out with reads only, once per client."""
        return await self.run(server_generation(self.session))

    async def introduce(self) -> Introduction:
        """Which server this is, and whether it knows us and our namespace; never waits."""
        return await self.run(introduce(self.session))

    async def has_idempotency_keys(self) -> bool:
        """Whether creates may carry idempotency keys (since API 0.82), found out once per client."""
        return await self.run(has_idempotency_keys(self.session))

    async def look(self, wait: WaitFor) -> Seen | Gone | FailedLook:
        """Look once at what somebody waits for."""
        return await self.run(look(self.session, wait))

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        settings = self.session.settings
        return f"{type(self).__name__}(base_url={settings.base_url!r}, namespace={settings.namespace!r})"
