"""
Two transports, and the two drivers that do what flows say.

With ``_storage_transport``, which sends files, the only module that knows the HTTP library.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx

from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekError,
    MixpeekStoppedError,
    MixpeekTimeoutError,
)
from airflow_provider.mixpeek.client._flow import Answer, FilePut, Flow, Request, Send, Together, Work
from airflow_provider.mixpeek.client._settings import is_loopback
from airflow_provider.mixpeek.client._storage_transport import Routes, asend_file, send_file
from airflow_provider.mixpeek.client._version import user_agent

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._settings import Settings

R = TypeVar("R")
C = TypeVar("C", httpx.Client, httpx.AsyncClient)

#: Bytes of one decoded answer at most. A page of 1,000 objects is far below it; a decompression bomb is not.
LARGEST_ANSWER = 64 * 1024 * 1024

#: Connections of one client at most, and seconds to open one.
_CONNECTIONS = 64
_CONNECT_TIMEOUT = 10.0

#: Flows that are done at once where a flow has many to be done together.
AT_ONCE = 16


def drive(flow: Flow[R], send: Callable[[Request], Answer], sleep: Callable[[float], None]) -> R:
    """Do what a flow says, in this thread."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                try:
                    answer = send(step.request)
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
            elif isinstance(step, Together):
                try:
                    results = _together(step.flows, send, sleep)
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(results)
            elif isinstance(step, Work):
                try:
                    step.do()
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(None)
            else:
                try:
                    sleep(step.seconds)
                except MixpeekStoppedError as stopped:
                    step = flow.throw(stopped)
                else:
                    step = flow.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        flow.close()


async def adrive(
    flow: Flow[R],
    send: Callable[[Request], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    places: asyncio.Semaphore | None = None,
) -> R:
    """
    Do what a flow says, in this event loop.

    :param places: For flows that are to be done together, shared by all who may want that at once.
    """
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                try:
                    answer = await send(step.request)
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
            elif isinstance(step, Together):
                try:
                    results = await _atogether(step.flows, send, sleep, places)
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(results)
            elif isinstance(step, Work):
                try:
                    await asyncio.to_thread(step.do)
                except MixpeekError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(None)
            else:
                await sleep(step.seconds)
                step = flow.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        flow.close()


def _together(
    flows: Sequence[Flow[Any]], send: Callable[[Request], Answer], sleep: Callable[[float], None]
) -> list[Any]:
    if len(flows) <= 1:
        return [drive(flow, send, sleep) for flow in flows]
    pool = ThreadPoolExecutor(min(AT_ONCE, len(flows)), thread_name_prefix="mixpeek-together")
    try:
        return list(pool.map(lambda flow: drive(flow, send, sleep), flows))
    finally:
        # Who is interrupted does not wait for what is under way; it ends with the timeout.
        pool.shutdown(wait=False, cancel_futures=True)


async def _atogether(
    flows: Sequence[Flow[Any]],
    send: Callable[[Request], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]],
    shared: asyncio.Semaphore | None,
) -> list[Any]:
    places = shared or asyncio.Semaphore(AT_ONCE)

    async def one(flow: Flow[Any]) -> Any:
        async with places:
            # Not the shared places: whoever has one must not wait for another.
            return await adrive(flow, send, sleep)

    tasks = [asyncio.ensure_future(one(flow)) for flow in flows]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # Nothing is left behind that would use a client which the caller may close now.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Transport:
    """
    Sends requests of threads. Thread-safe; opens no connection before the first request.

    :param clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._http = _made(httpx.Client, settings)
        self._files = Routes(httpx.HTTPTransport, settings, _trust(settings))

    def send(self, request: Request) -> Answer:
        """
        Send one request and read its answer.

        :raises MixpeekConnectionError: no answer came; says whether the request may have arrived.
        :raises MixpeekAnswerError: the answer is too large or cannot be decoded.
        """
        try:
            if isinstance(request, FilePut):
                return send_file(request, self._files, self._settings)
            with self._http.stream(**_arguments(request)) as response:
                reading = _Reading(request, response, self._settings, self._clock)
                for chunk in response.iter_bytes():
                    reading.add(chunk)
                return reading.answer()
        except httpx.HTTPError as error:
            failure = _our_error(error, request)
        # Raised here and not there: the library's error holds the request, and that the key.
        raise failure

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        for transport in self._files.made():
            transport.close()


class AsyncTransport:
    """Sends requests of one event loop. Parameters and errors are those of :class:`Transport`."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._http = _made(httpx.AsyncClient, settings)
        self._files = Routes(httpx.AsyncHTTPTransport, settings, _trust(settings))

    async def send(self, request: Request) -> Answer:
        """Send one request and read its answer."""
        try:
            if isinstance(request, FilePut):
                return await asend_file(request, self._files, self._settings)
            async with self._http.stream(**_arguments(request)) as response:
                reading = _Reading(request, response, self._settings, self._clock)
                async for chunk in response.aiter_bytes():
                    reading.add(chunk)
                return reading.answer()
        except httpx.HTTPError as error:
            failure = _our_error(error, request)
        raise failure

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        for transport in self._files.made():
            await transport.aclose()


def _made(kind: type[C], settings: Settings) -> C:
    options = _options(settings)
    try:
        return kind(**options)
    except (ValueError, ImportError, httpx.InvalidURL):
        pass
    # Not chained: the library's own message repeats the proxy's URL, password included.
    raise MixpeekConfigError(
        "the proxy is not usable",
        hint="It looks like http://proxy.example.com:3128; without one, the environment's "
        "(HTTPS_PROXY, ALL_PROXY, ...) is used.",
    )


def _options(settings: Settings) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {settings.api_key}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": user_agent(),
    }
    if settings.namespace:
        headers["X-Namespace"] = settings.namespace
    return {
        "base_url": settings.base_url,
        "headers": headers,
        # A request may wait for a free connection as long as the others take: pacing is the gate's.
        "timeout": httpx.Timeout(
            settings.timeout, connect=min(_CONNECT_TIMEOUT, settings.timeout), pool=None
        ),
        "limits": httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        "verify": _trust(settings),
        "proxy": settings.proxy,
        # The environment's proxy is for the world outside, and would be sent a key in plain http.
        "trust_env": not is_loopback(urlsplit(settings.base_url).hostname or ""),
        # A redirect would carry the key to wherever it points.
        "follow_redirects": False,
    }


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_bundle)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a PEM file"
        raise MixpeekConfigError(
            f"ca_bundle {settings.ca_bundle!r} cannot be read: {why}",
            hint="It must be the path of a PEM file with the certificates to trust.",
        ) from None


def _arguments(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {"method": request.method, "url": request.path}
    if request.query:
        arguments["params"] = request.query
    if request.body is not None:
        arguments |= {"content": request.body, "headers": {"Content-Type": "application/json"}}
    return arguments


class _Reading:
    """
    The body of one answer as it comes in, held to a size and to a time in whole.

    :raises MixpeekAnswerError: it is encoded in a way that nobody asked for.
    """

    def __init__(
        self, request: Request, response: httpx.Response, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._request = request
        self._response = response
        self._settings = settings
        self._clock = clock
        self._started = clock()
        self._chunks: list[bytes] = []
        self._size = 0
        # Encodings that nest, or that pack tighter, could make one chunk larger than memory.
        if response.headers.get("content-encoding", "identity") not in ("identity", "gzip", "deflate"):
            raise _unreadable(request, "the answer cannot be decoded (unknown content encoding)")

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > LARGEST_ANSWER:
            raise _unreadable(self._request, f"the answer is larger than {LARGEST_ANSWER:,} bytes")
        # The library's timeout is for each read: a server that drips would never run into it.
        if self._clock() - self._started > self._settings.timeout:
            raise _timed_out(
                self._request, f"the answer was still coming in after {self._settings.timeout:g} s"
            )

    def answer(self) -> Answer:
        # A header that echoes the key goes no further. The library's names are lower case already.
        headers = {name: self._settings.redact(value) for name, value in self._response.headers.items()}
        return Answer(self._response.status_code, headers, b"".join(self._chunks))


def _our_error(error: httpx.HTTPError, request: Request) -> MixpeekError:
    why = _why(error)
    where: dict[str, Any] = {"method": request.method, "path": request.path}
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        distrusted = "CERTIFICATE_VERIFY_FAILED" in why
        return MixpeekConnectionError(
            f"the server cannot be reached ({why})",
            hint="If the server's certificate is your own, set ca_bundle."
            if distrusted
            else "Check the base URL, the network and any proxy.",
            retryable=not distrusted,
            **where,
        )
    if isinstance(error, httpx.TimeoutException):
        return _timed_out(request, f"no answer in time ({why})")
    if isinstance(error, httpx.DecodingError):
        return _unreadable(request, f"the answer cannot be decoded ({why})")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return MixpeekConfigError(f"the request cannot be sent ({why})", **where)
    return MixpeekConnectionError(
        f"the connection broke ({why})",
        hint="What was sent may have arrived all the same." if request.writes else "",
        retryable=True,
        may_be_stored=request.writes,
        **where,
    )


def _timed_out(request: Request, what: str) -> MixpeekTimeoutError:
    arrived = "; what was sent may have arrived" if request.writes else ""
    return MixpeekTimeoutError(
        what,
        hint=f"Raise the connection's timeout if the server needs longer{arrived}.",
        retryable=True,
        may_be_stored=request.writes,
        method=request.method,
        path=request.path,
    )


def _unreadable(request: Request, what: str) -> MixpeekAnswerError:
    return MixpeekAnswerError(
        what,
        hint="Check the base URL: something else than the API seems to answer there.",
        may_be_stored=request.writes,
        method=request.method,
        path=request.path,
    )


def _why(error: Exception) -> str:
    # The library's messages name hosts and causes, never headers.
    return str(error) or type(error).__name__
