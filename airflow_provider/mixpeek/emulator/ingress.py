"""The outside of the emulator: everything a request meets before and after the API itself.

It wraps the application as plain ASGI, because a connection that breaks inside a framework becomes a tidy
500, and because a fault must strike a request whose endpoint knows nothing of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect

from .errors import Refusal
from .faults import Call, Faults
from .limits import TokenBucket, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .state import State

CONTROL = "/_emulator/"
CALL = "emulator.call"
"""Where a scope holds its :class:`Call`."""
RESET = 0
"""The status under which a request is counted whose connection was reset."""


class ConnectionResetByFault(ConnectionResetError):  # noqa: N818  the name says what and why
    """A fault rule broke this connection.

    The emulator's server turns it into a reset of the socket. Whoever calls the application in-process gets
    the exception itself, and may treat it as what it derives from.
    """


class Ingress:
    """An ASGI application around another: control calls, faults, latency, the rate limit, counting.

    :param app: The API.
    :param control: Answers what is under ``/_emulator/``.
    :param refusal: The body of a refusal.
    :param open_paths: Those without a rate limit.
    :param template_of: The path template of a method and path, None where no endpoint has it.
    :param latency: Seconds before every answer.
    :param limit: The rate limit; None: there is none.
    :param clock: Wall-clock seconds.
    :param sleep: Waits that many seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        control: ASGIApp,
        state: State,
        faults: Faults,
        refusal: Callable[[Refusal], dict[str, Any]],
        open_paths: frozenset[str],
        template_of: Callable[[str, str], str | None],
        latency: float,
        limit: TokenBucket | None,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._app = app
        self._control = control
        self._state = state
        self._faults = faults
        self._refusal = refusal
        self._open_paths = open_paths
        self._template_of = template_of
        self._latency = latency
        self._limit = limit
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(CONTROL):
            await self._control(scope, receive, send)
        else:
            # A client that went away before its request was whole: nothing happened.
            try:
                await self._serve(scope, receive, send)
            except ClientDisconnect:
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        call = scope[CALL] = Call(method, path, self._template_of(method, path) or path)
        strike = self._faults.strike(call)
        if self._latency + strike.seconds > 0:
            await self._sleep(self._latency + strike.seconds)
        rule = strike.rule
        if rule is None:
            await self._answer(call, scope, receive, send)
        elif rule["fault"] == "reset_before":
            self._break(call)
        elif rule["fault"] == "reset_after":
            await self._app(scope, receive, _nowhere)
            self._break(call)
        else:
            if rule.get("after"):
                await self._app(scope, receive, _nowhere)
            self._count(call, rule["status"])
            await _send_status(send, rule, self._refusal)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = None
        if self._limit is not None and call.path not in self._open_paths:
            verdict = self._limit.take(self._clock())
        if verdict is not None and not verdict.allowed:
            self._count(call, 429)
            await _refuse(send, verdict)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(call, message["status"])
                if verdict is not None:
                    message = {**message, "headers": [*message["headers"], *_raw(verdict.headers())]}
            await send(message)

        await self._app(scope, receive, counting)

    def _break(self, call: Call) -> None:
        self._count(call, RESET)
        raise ConnectionResetByFault(f"A fault rule reset the connection of {call.method} {call.path}")

    def _count(self, call: Call, status: int) -> None:
        self._state.requests[call.method, call.template, status] += 1


async def _nowhere(_message: Message) -> None:
    """Where an answer goes that its client is not to see."""


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _send_status(
    send: Send, rule: Mapping[str, Any], refusal: Callable[[Refusal], dict[str, Any]]
) -> None:
    """Send the answer that a rule prescribes; without a body of its own, the vendor's refusal."""
    status = rule["status"]
    body = rule.get("body", refusal(Refusal(status, "A fault rule answered this request")))
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    headers = {name.lower(): value for name, value in rule.get("headers", {}).items()}
    headers.setdefault("content-type", "text/plain" if isinstance(body, str) else "application/json")
    if status in (204, 304):
        content = b""
        del headers["content-type"]
    else:
        headers["content-length"] = str(len(content))
    await _send(send, status, headers, content)


async def _refuse(send: Send, verdict: Verdict) -> None:
    details = {"limit": verdict.limit, "window": verdict.window, "retry_after": verdict.retry_after}
    refusal = Refusal(429, f"Rate limit exceeded; retry after {verdict.retry_after} s", details=details)
    headers = {"content-type": "application/json", **verdict.headers()}
    await _send(send, 429, headers, orjson.dumps(refusal.envelope()))


async def _send(send: Send, status: int, headers: Mapping[str, str], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": content})
