"""An ASGI application behind a real socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .ingress import ConnectionResetByFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

Value = TypeVar("Value")
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)
_GRACE_SECONDS = 1
_PATIENCE_SECONDS = 30


class _ResettingProtocol(H11Protocol):
    """HTTP/1.1 where an application can break its connection so that the peer's next read or write fails."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The base class calls this attribute for every request.
        self.app: Any = self._resetting(self.app)

    def _resetting(self, app: Any) -> ASGIApp:
        async def resetting(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except ConnectionResetByFault:
                self._reset()
                # The server would answer 500 to an application that returns before its client is gone.
                while (await receive())["type"] != "http.disconnect":
                    pass

        return resetting

    def _reset(self) -> None:
        peer = self.transport.get_extra_info("socket")
        # Without lingering, closing sends a reset; else it would be a tidy end of stream.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
        self.transport.abort()


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Future[asyncio.AbstractEventLoop]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._listening.set_result(asyncio.get_running_loop())


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
        except OSError as error:
            raise OSError(
                error.errno, f"The emulator cannot listen on {host}:{port}: {error.strerror or error}"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        listening: Future[asyncio.AbstractEventLoop] = Future()
        config = uvicorn.Config(
            app,
            http=_ResettingProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
        self._server = _Server(config, listening)
        # A daemon, so that a test run that forgets to stop it still ends.
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name=f"mixpeek-emulator-{self.port}", daemon=True
        )
        self._thread.start()
        try:
            self._loop = listening.result(timeout=_PATIENCE_SECONDS)
        except BaseException:
            self.stop()
            raise

    def _run(self, listening: Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:
            if listening.done():
                raise
            listening.set_exception(error)

    def call(self, function: Callable[[], Value]) -> Value:
        """Call a function in the server's loop, between two steps of requests, and answer its result."""

        async def called() -> Value:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(timeout=_PATIENCE_SECONDS)

    def stop(self) -> None:
        """End: idle connections at once, requests in flight after at most a second.

        :raises RuntimeError: The thread does not end.
        """
        self._server.should_exit = True
        self._thread.join(timeout=_PATIENCE_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.close()
        if self._thread.is_alive():
            raise RuntimeError(
                f"The emulator's thread {self._thread.name} did not end in {_PATIENCE_SECONDS} s"
            )
