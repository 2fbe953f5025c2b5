"""The only module that knows the HTTP library: two transports, and the two drivers that do what flows say."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekStoppedError,
    MixpeekTimeoutError,
)
from airflow_provider.mixpeek.client._flow import Answer, Flow, Request, Send
from airflow_provider.mixpeek.client._version import user_agent

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._settings import Settings

R = TypeVar("R")

#: Bytes of one decoded answer at most. A page of 1,000 objects is far below it; a decompression bomb is not.
LARGEST_ANSWER = 64 * 1024 * 1024

#: Connections of one client at most, and seconds to open one.
_CONNECTIONS = 64
_CONNECT_TIMEOUT = 10.0


def drive(flow: Flow[R], send: Callable[[Request], Answer], sleep: Callable[[float], None]) -> R:
    """Do what a flow says, in this thread."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                try:
                    answer = send(step.request)
                except (MixpeekConnectionError, MixpeekAnswerError) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
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
) -> R:
    """Do what a flow says, in this event loop."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                try:
                    answer = await send(step.request)
                except (MixpeekConnectionError, MixpeekAnswerError) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
            else:
                await sleep(step.seconds)
                step = flow.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        flow.close()


class Transport:
    """
    Sends requests of threads. Thread-safe; opens no connection before the first request.

    :param clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = settings.timeout
        self._clock = clock
        with _checked_settings():
            self._http = httpx.Client(**_options(settings))

    def send(self, request: Request) -> Answer:
        """
        Send one request and read its answer.

        :raises MixpeekConnectionError: no answer came; says whether the request may have arrived.
        :raises MixpeekAnswerError: the answer is too large or cannot be decoded.
        """
        reading = _Reading(request, self._timeout, self._clock)
        with _our_errors(request), self._http.stream(**_arguments(request)) as response:
            for chunk in response.iter_bytes():
                reading.add(chunk)
            return reading.answer(response)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class AsyncTransport:
    """Sends requests of one event loop. Parameters and errors are those of :class:`Transport`."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = settings.timeout
        self._clock = clock
        with _checked_settings():
            self._http = httpx.AsyncClient(**_options(settings))

    async def send(self, request: Request) -> Answer:
        """Send one request and read its answer."""
        reading = _Reading(request, self._timeout, self._clock)
        with _our_errors(request):
            async with self._http.stream(**_arguments(request)) as response:
                async for chunk in response.aiter_bytes():
                    reading.add(chunk)
                return reading.answer(response)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _options(settings: Settings) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {settings.api_key}",
        "Accept": "application/json",
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
        # A redirect would carry the key to wherever it points.
        "follow_redirects": False,
    }


@contextmanager
def _checked_settings() -> Iterator[None]:
    try:
        yield
    except (ValueError, httpx.InvalidURL) as error:
        if isinstance(error, MixpeekConfigError):
            raise
        # The library's own message would repeat the proxy's URL, password included.
        raise MixpeekConfigError(
            "the proxy is not usable", hint="It looks like http://proxy.example.com:3128."
        ) from None


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise MixpeekConfigError(
            f"ca_bundle {settings.ca_bundle!r} cannot be read: {error.strerror or 'not a PEM file'}",
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
    """One answer as it comes in, held to a size and a time in whole."""

    def __init__(self, request: Request, timeout: float, clock: Callable[[], float]) -> None:
        self._request = request
        self._timeout = timeout
        self._clock = clock
        self._started = clock()
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > LARGEST_ANSWER:
            raise _unreadable(self._request, f"the answer is larger than {LARGEST_ANSWER // 2**20} MiB")
        # The library's timeout is for each read: a server that drips would never run into it.
        if self._clock() - self._started > self._timeout:
            raise _timed_out(self._request, f"the answer was still coming in after {self._timeout:g} s")

    def answer(self, response: httpx.Response) -> Answer:
        # httpx's header keys are lower case already.
        return Answer(response.status_code, dict(response.headers), b"".join(self._chunks))


@contextmanager
def _our_errors(request: Request) -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise MixpeekConnectionError(
            f"the server cannot be reached ({_why(error)})",
            hint="Check the base URL, the network and any proxy.",
            retryable=True,
            method=request.method,
            path=request.path,
        ) from error
    except httpx.TimeoutException as error:
        raise _timed_out(request, f"no answer in time ({_why(error)})") from error
    except httpx.TransportError as error:
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            raise MixpeekConfigError(
                f"the request cannot be sent ({_why(error)})", method=request.method, path=request.path
            ) from error
        raise MixpeekConnectionError(
            f"the connection broke ({_why(error)})",
            hint="What was sent may have arrived all the same.",
            retryable=True,
            may_be_stored=_writes(request),
            method=request.method,
            path=request.path,
        ) from error
    except httpx.DecodingError as error:
        raise _unreadable(request, f"the answer cannot be decoded ({_why(error)})") from error


def _timed_out(request: Request, what: str) -> MixpeekTimeoutError:
    return MixpeekTimeoutError(
        what,
        hint="Raise the connection's timeout if the server needs longer; what was sent may have arrived.",
        retryable=True,
        may_be_stored=_writes(request),
        method=request.method,
        path=request.path,
    )


def _unreadable(request: Request, what: str) -> MixpeekAnswerError:
    return MixpeekAnswerError(
        what,
        hint="Check the base URL: something else than the API seems to answer there.",
        may_be_stored=_writes(request),
        method=request.method,
        path=request.path,
    )


def _writes(request: Request) -> bool:
    return request.method != "GET"


def _why(error: Exception) -> str:
    # The library's messages name hosts and causes, never headers.
    return str(error) or type(error).__name__
