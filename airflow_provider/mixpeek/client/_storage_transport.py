"""
Sends files to presigned URLs, with nothing of the API's connection: no key, no namespace, no cookie.

A presigned URL is a secret. The HTTP library's clients write the addresses of their requests into the log, so
its transports are used here without a client: they log none, keep no cookies and follow no redirects.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from airflow_provider.mixpeek.client._errors import MixpeekConfigError
from airflow_provider.mixpeek.client._flow import Answer, FilePut
from airflow_provider.mixpeek.client._settings import is_loopback
from airflow_provider.mixpeek.client._version import user_agent

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._settings import Settings

T = TypeVar("T", bound=httpx.HTTPTransport | httpx.AsyncHTTPTransport)

#: Bytes of a storage's answer that are read; it says "ETag" in a header, and why not in a few lines of XML.
_ENOUGH = 16 * 1024


class Routes(Generic[T]):
    """
    The transports that files go through, one for each proxy, made when they are needed.

    :param verify: What certificates are trusted.
    """

    def __init__(self, kind: type[T], settings: Settings, verify: Any) -> None:
        self._kind: type[T] = kind
        self._settings = settings
        self._verify = verify
        self._made: dict[str | None, T] = {}
        self._lock = threading.Lock()

    def to(self, put: FilePut) -> T:
        """
        The transport for a request.

        :raises MixpeekConfigError: its URL is none that a file may be sent to, or the proxy is not usable.
        """
        proxy = self._proxy(put)
        with self._lock:
            if proxy not in self._made:
                self._made[proxy] = self._new(proxy)
            return self._made[proxy]

    def _new(self, proxy: str | None) -> T:
        try:
            return self._kind(verify=self._verify, proxy=proxy, limits=httpx.Limits(max_connections=64))
        except (ValueError, ImportError, httpx.InvalidURL):
            pass
        # Not chained: the library's own message repeats the proxy's URL, password included.
        raise MixpeekConfigError(
            "the proxy is not usable", hint="It looks like http://proxy.example.com:3128."
        )

    def _proxy(self, put: FilePut) -> str | None:
        parts = urlsplit(put.url)
        host = parts.hostname or ""
        secure = parts.scheme == "https" or is_loopback(host) or self._settings.base_url.startswith("http:")
        if parts.scheme not in ("http", "https") or not host or not secure:
            raise MixpeekConfigError(
                "the server gave an upload URL that is not https, which would send the file and the URL "
                "readable by everyone",
                hint="Tell the vendor; nothing was sent.",
            )
        if self._settings.proxy is not None or is_loopback(host):
            return self._settings.proxy
        if proxy_bypass(host):
            return None
        found = getproxies()
        return found.get(parts.scheme) or found.get("all")

    def made(self) -> list[T]:
        """All of them, to be closed."""
        return list(self._made.values())


def wire_request(put: FilePut, settings: Settings, content: Iterator[bytes] | AsyncIterator[bytes]) -> Any:
    """The library's request; its headers are these and no others."""
    return httpx.Request(
        "PUT",
        put.url,
        content=content,
        headers={
            "Content-Type": put.content_type,
            "Content-Length": str(put.size),
            "User-Agent": user_agent(),
            "Accept": "*/*",
        },
        extensions={"timeout": httpx.Timeout(settings.timeout, pool=None).as_dict()},
    )


def send_file(put: FilePut, routes: Routes[httpx.HTTPTransport], settings: Settings) -> Answer:
    """Send a file and read the storage's answer; raises the library's errors."""
    response = routes.to(put).handle_request(wire_request(put, settings, put.chunks()))
    content = b""
    try:
        for piece in response.iter_raw():
            content += piece
            if len(content) > _ENOUGH:
                break
    finally:
        response.close()
    return _answer(response, content)


async def asend_file(put: FilePut, routes: Routes[httpx.AsyncHTTPTransport], settings: Settings) -> Answer:
    """Send a file and read the storage's answer; the file is read in threads."""
    request = wire_request(put, settings, _in_threads(put.chunks()))
    response = await routes.to(put).handle_async_request(request)
    content = b""
    try:
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > _ENOUGH:
                break
    finally:
        await response.aclose()
    return _answer(response, content)


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _answer(response: httpx.Response, content: bytes) -> Answer:
    return Answer(response.status_code, dict(response.headers), content)
