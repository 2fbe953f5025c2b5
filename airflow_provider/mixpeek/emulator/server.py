"""An ASGI application behind a real socket, in a thread of its own.

Of uvicorn this takes the HTTP protocol, not the server around it: that one polls, so that every stop costs a
fifth of a second, which a test suite pays per test.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .ingress import BrokenAnswerByFault, ConnectionResetByFault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Value = TypeVar("Value")
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)
_GRACE_SECONDS = 1
_PATIENCE_SECONDS = 30


class _Protocol(H11Protocol):
    """HTTP/1.1 where an application can break its connection so that the peer's next read or write fails."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The base class writes requests, presigned URLs included, wherever the root logger leads.
        self.access_log = False
        # The base class calls this attribute for every request.
        self.app: Any = self._resetting(self.app)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Head and body of an answer are two writes: they must not wait for each other's acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _resetting(self, app: Any) -> ASGIApp:
        async def resetting(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except ConnectionResetByFault:
                self.reset()
                # The base class would answer 500 to an application that returns before its client is gone.
                await _until_gone(receive)
            except BrokenAnswerByFault as broken:
                self.transport.write(broken.content)
                self.transport.close()
                await _until_gone(receive)
            except asyncio.CancelledError:
                # The server stops, and has dropped the connection: there is nobody to answer.
                return

        return resetting

    def reset(self) -> None:
        """Break the connection; what was not sent yet is lost."""
        peer = self.transport.get_extra_info("socket")
        # Without lingering, closing sends a reset; else it would be a tidy end of stream.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
        self.transport.abort()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class ServerThread:
    """Serves an application from a thread until it is stopped.

    :param app: What is served.
    :param host: Address to bind to.
    :param port: Port to bind to; 0: a free one.
    :raises OSError: The address cannot be bound to.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            number = getattr(error, "errno", None) or errno.EINVAL
            raise OSError(number, f"The emulator cannot listen on {host}:{port}: {reason}") from error
        self.port: int = self._socket.getsockname()[1]
        self._config = uvicorn.Config(
            app, http=_Protocol, ws="none", lifespan="off", log_config=None, access_log=False
        )
        self._stop = asyncio.Event()
        listening: Future[asyncio.AbstractEventLoop] = Future()
        # A daemon, so that a test run that forgets to stop it still ends.
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name=f"mixpeek-emulator-{self.port}", daemon=True
        )
        self._thread.start()
        self._loop = listening.result(timeout=_PATIENCE_SECONDS)

    def _run(self, listening: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._serve(listening))
        except BaseException as error:
            self._socket.close()
            if listening.done():
                raise
            listening.set_exception(error)

    async def _serve(self, listening: Future[asyncio.AbstractEventLoop]) -> None:
        self._config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Protocol(config=self._config, server_state=state, app_state={}, _loop=loop),
            sock=self._socket,
        )
        listening.set_result(loop)
        await self._stop.wait()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        # Idle connections end in this turn of the loop, tidily.
        await asyncio.sleep(0)
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_GRACE_SECONDS)
        for connection in list(state.connections):
            if isinstance(connection, _Protocol):
                connection.reset()
        # One turn of the loop tells the applications that are still at work that their connections are gone.
        await asyncio.sleep(0)
        for task in state.tasks:
            task.cancel()

    def call(self, function: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Call a function in the server's loop, between two steps of requests, and answer its result."""
        return asyncio.run_coroutine_threadsafe(function(), self._loop).result(timeout=_PATIENCE_SECONDS)

    def stop(self) -> None:
        """End: idle connections at once, requests in flight after at most a second.

        :raises RuntimeError: The thread does not end.
        """
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=_PATIENCE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(
                f"The emulator's thread {self._thread.name} did not end in {_PATIENCE_SECONDS} s"
            )
