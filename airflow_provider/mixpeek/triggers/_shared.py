"""One client for all triggers of a process that talk to the same server with the same settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from airflow_provider.mixpeek.client import MixpeekError

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
        """Close the client, if it came to be."""
        try:
            client = await self.opening
        except MixpeekError:
            return
        await client.close()


#: The settings hold the key, so that connections with different keys do not share. They are never shown.
_clients: dict[tuple[asyncio.AbstractEventLoop, Settings], _Shared] = {}


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
    key = asyncio.get_running_loop(), settings
    if key not in _clients:
        _clients[key] = _Shared(settings)
    shared = _clients[key]
    shared.users += 1
    try:
        # Whoever is cancelled here does not take the client from the others.
        yield await asyncio.shield(shared.opening)
    finally:
        shared.users -= 1
        if not shared.users:
            del _clients[key]
            await asyncio.shield(shared.close())
