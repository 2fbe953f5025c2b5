"""Both clients driven alike, a clock that costs no time, and servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from airflow_provider.mixpeek.client import AsyncMixpeekClient, MixpeekClient, Settings
from airflow_provider.mixpeek.client import _async_client as async_module
from airflow_provider.mixpeek.client import _client as sync_module
from airflow_provider.mixpeek.client._api import Api
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._flow import Answer, Flow, Request, Session
from airflow_provider.mixpeek.client._gate import Gate
from airflow_provider.mixpeek.client._transport import AsyncTransport, Transport, drive

KEY = "sk_live_do_not_tell_0123456789"


@pytest.fixture
def key() -> str:
    """The API key of every client here: whatever shows it leaks."""
    return KEY


@pytest.fixture
def settings() -> Settings:
    """Settings of a client whose server does not matter."""
    return Settings.of(api_key=KEY, namespace="shop", base_url="localhost:1")


# --- both faces ---


ASYNC_MODULES = "airflow_provider.mixpeek.client._async_"


class _Awaited:
    """Calls an async client as if it were the sync one."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return (
                _Awaited(found, self._runner) if type(found).__module__.startswith(ASYNC_MODULES) else found
            )

        def called(*arguments: Any, **named: Any) -> Any:
            result = found(*arguments, **named)
            if hasattr(result, "__aiter__"):
                return self._each(result)
            return self._runner.run(result) if inspect.isawaitable(result) else result

        return called

    def _each(self, items: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._runner.run(anext(items))
            except StopAsyncIteration:
                return


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes clients of either kind, called alike; waits before retries last no time."""
    for module in (sync_module, async_module):
        monkeypatch.setattr(module, "Session", partial(Session, jitter=lambda: 0.0))
    with contextlib.ExitStack() as open_ones:
        runner = open_ones.enter_context(asyncio.Runner()) if request.param == "async" else None

        def make(url: str, **given: Any) -> Any:
            given = {"api_key": KEY, "namespace": "shop", "base_url": url} | given
            if runner is None:
                return open_ones.enter_context(MixpeekClient(**given))
            client = AsyncMixpeekClient(**given)
            open_ones.callback(lambda: runner.run(client.close()))
            return _Awaited(client, runner)

        yield make


@pytest.fixture
def mixpeek(connect: Callable[..., Any], emulator: Any) -> Any:
    """A client of the emulator, of either kind."""
    return connect(emulator.url)


@pytest.fixture
def count(emulator: Any) -> Callable[..., int]:
    """How many requests the emulator got of a method and a path template, whatever it answered."""

    def counted(method: str, path: str) -> int:
        rows = emulator.state()["requests"]
        return sum(row["count"] for row in rows if (row["method"], row["path"]) == (method, path))

    return counted


# --- flows without a network ---


@dataclass
class World:
    """Plays the server and the clock for a flow.

    :param answers: What each request gets in turn: an answer, an error, or a function of the request.
    """

    answers: list[Any] = field(default_factory=list)
    now: float = 1_000.0
    wall: float = 1_800_000_000.0
    jitter: float = 1.0
    sent: list[tuple[float, Request]] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)

    @property
    def session(self) -> Session:
        return self.session_of(CurrentApi())

    def session_of(self, api: Api) -> Session:
        settings = Settings.of(api_key=KEY, namespace="shop", base_url="localhost:1")
        return Session(
            settings,
            api,
            self.gate,
            clock=lambda: self.now,
            wall=lambda: self.wall + self.now,
            jitter=lambda: self.jitter,
        )

    def send(self, request: Request) -> Answer:
        self.sent.append((self.now, request))
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def run(self, flow: Flow[Any]) -> Any:
        return drive(flow, self.send, self.sleep)


@pytest.fixture
def world() -> World:
    """A server and a clock without either."""
    return World()


# --- servers that misbehave ---


@dataclass
class RawServer:
    """Answers each request with whatever a function of its socket writes.

    :param handle: Is given the socket after the request was read, and its number from 0.
    :param read: Whether the request is read first.
    """

    handle: Callable[[socket.socket, int], None]
    read: bool = True
    requests: list[bytes] = field(default_factory=list)

    def __enter__(self) -> RawServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing a listener does not wake its accept on every system.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(5)
            with peer, contextlib.suppress(OSError):
                number = len(self.requests)
                self.requests.append(_read_request(peer) if self.read else b"")
                self.handle(peer, number)


def _read_request(peer: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += peer.recv(65536) or b"\r\n\r\n"
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length and (more := peer.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Starts servers that answer what a test says: bytes for every request, or a function."""
    with contextlib.ExitStack() as running:

        def start(answer: bytes | Callable[[socket.socket, int], None], *, read: bool = True) -> RawServer:
            handle = answer if callable(answer) else lambda peer, number: peer.sendall(answer)
            return running.enter_context(RawServer(handle, read))

        yield start


@pytest.fixture(params=["sync", "async"])
def fetch(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    """Sends one request through the transport of either kind, without retries."""

    def fetched(
        url: str, asked: Request, *, clock: Callable[[], float] | None = None, **given: Any
    ) -> Answer:
        settings = Settings.of(**({"api_key": KEY, "base_url": url, "timeout": 5} | given))
        timed = {} if clock is None else {"clock": clock}
        if request.param == "sync":
            transport = Transport(settings, **timed)
            try:
                return transport.send(asked)
            finally:
                transport.close()

        async def send() -> Answer:
            transport = AsyncTransport(settings, **timed)
            try:
                return await transport.send(asked)
            finally:
                await transport.close()

        return asyncio.run(send())

    return fetched


def http(
    body: bytes,
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    headers: str = "",
    length: int = -1,
) -> bytes:
    """A whole HTTP answer as bytes."""
    size = len(body) if length < 0 else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n"
    return f"{head}{headers}\r\n".encode() + body


@pytest.fixture(name="http")
def http_fixture() -> Callable[..., bytes]:
    """Makes whole HTTP answers."""
    return http
