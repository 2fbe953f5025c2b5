"""One client for all triggers of a process that talk to the same server with the same settings."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import AsyncMixpeekClient, Settings
    from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook


class _Shared:
    """A client, and how many use it."""

    def __init__(self, settings: Settings) -> None:
        self.users = 0
        # Certificates are read from files for it.
        self.opening = asyncio.ensure_future(asyncio.to_thread(open_client, settings))

    async def close(self) -> None:
        await (await self.opening).close()


#: The settings hold the key, so that connections with different keys do not share. They are never shown.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Settings, _Shared]] = (
    weakref.WeakKeyDictionary()
)


def open_client(settings: Settings) -> AsyncMixpeekClient:
    """Make a client; blocks."""
    from airflow_provider.mixpeek.client import AsyncMixpeekClient

    return AsyncMixpeekClient.from_settings(settings)


@asynccontextmanager
async def shared_client(hook: MixpeekHook) -> AsyncIterator[AsyncMixpeekClient]:
    """
    Use the client of this event loop with the settings of a hook's connection, and with it its gate.

    It is made for the first user and closed with the last.

    :raises MixpeekConfigError: the connection lacks the key, or a field of it is wrong.
    """
    settings = await hook.aget_settings()
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if settings not in clients:
        clients[settings] = _Shared(settings)
    shared = clients[settings]
    shared.users += 1
    try:
        # Whoever is cancelled here does not take the client from the others.
        yield await asyncio.shield(shared.opening)
    finally:
        shared.users -= 1
        if not shared.users:
            del clients[settings]
            await asyncio.shield(shared.close())
