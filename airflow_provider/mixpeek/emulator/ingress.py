"""The outside of the emulator: everything a request meets before and after the API itself.

It wraps the application as plain ASGI, because a connection that breaks inside a framework becomes a tidy
500, and because a fault must strike a request whose endpoint knows nothing of it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from . import json_text
from .errors import Refusal
from .faults import Call, Faults
from .limits import Limits, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .state import State

CONTROL = "/_emulator/"
STORAGE = "/_storage/"
"""Where presigned URLs lead: another service than the API, with no key and no limits of its."""
CALL = "emulator.call"
"""Where a scope holds its :class:`Call`."""
RESET = 0
"""The status under which a request is counted whose connection was reset."""


class ConnectionResetByFault(ConnectionResetError):  # noqa: N818  the name says what and why
    """A fault rule broke this connection.

    The emulator's server turns it into a reset of the socket. Whoever calls the application in-process gets
    the exception itself, and may treat it as what it derives from.
    """


class BrokenAnswerByFault(ConnectionError):  # noqa: N818  the name says what and why
    """A fault rule prescribes an answer that breaks the rules of HTTP.

    :param content: The bytes that the emulator's server writes, and then ends the connection.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__("A fault rule broke the answer to this request")
        self.content = content


class Ingress:
    """An ASGI application around another: control calls, faults, latency, the rate limits, counting.

    :param app: The API.
    :param control: Answers what is under ``/_emulator/``.
    :param refusal: The body of a refusal.
    :param open_paths: Those without a rate limit.
    :param template_of: The path template of a method and path, None where no endpoint has it.
    :param latency: Seconds before every answer.
    :param in_flight: Requests under way at once, those of open paths not counted; None: any number.
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
        limits: Limits,
        in_flight: int | None,
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
        self._limits = limits
        self._in_flight = in_flight
        self._under_way = 0
        self._clock = clock
        self._sleep = sleep
        self._late: list[tuple[float, int, Scope, bytes]] = []
        self._number = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self.store_late_writes()
        if scope["path"].startswith(CONTROL):
            await self._control(scope, receive, send)
        else:
            # A client that went away before its request was whole: nothing happened.
            try:
                await self._serve(scope, receive, send)
            except ClientDisconnect:
                return

    async def store_late_writes(self) -> None:
        """Let the API see the requests whose connections are long gone and whose time has come."""
        while self._late and self._late[0][0] <= self._clock():
            _, _, scope, body = heapq.heappop(self._late)
            await self._app(scope, _receiver(body), _nowhere)

    def forget_late_writes(self) -> None:
        """Let what is on its way get lost."""
        self._late.clear()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        call = scope[CALL] = Call(method, path, self._template_of(method, path) or path)
        if self._in_flight is None or self._is_open(path):
            await self._serve_one(call, scope, receive, send)
        elif self._under_way >= self._in_flight:
            self._count(call, 429)
            await _refuse(send, Refusal(429, "Too many requests at once"), self._refusal)
        else:
            self._under_way += 1
            try:
                await self._serve_one(call, scope, receive, send)
            finally:
                self._under_way -= 1

    async def _serve_one(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        strike = self._faults.strike(call)
        if self._latency + strike.seconds > 0:
            await self._sleep(self._latency + strike.seconds)
        rule = strike.rule
        kind = rule["fault"] if rule is not None else None
        if rule is None or kind in ("task_forgotten", "url_expired"):
            if kind == "task_forgotten":
                self._forget_task(call.path)
            elif kind == "url_expired":
                self._expire_upload(call.path)
            await self._answer(call, scope, receive, send)
        elif kind == "status":
            if rule.get("after"):
                await self._app(scope, receive, _nowhere)
            self._count(call, rule["status"])
            await _send_status(send, rule, self._refusal)
        elif kind in ("truncated", "wrong_length"):
            await self._answer_broken(call, rule, scope, receive, send)
        else:
            if kind == "reset_midway":
                await _read_some(receive, rule["bytes"])
            elif kind == "reset_after":
                await self._app(scope, receive, _nowhere)
            elif kind == "reset_late":
                due = self._clock() + rule["seconds"]
                heapq.heappush(self._late, (due, next(self._number), scope, await _body(receive)))
            self._count(call, RESET)
            raise ConnectionResetByFault(f"A fault rule reset the connection of {call.method} {call.path}")

    def _forget_task(self, path: str) -> None:
        task = self._state.tasks.get(path.rpartition("/")[2])
        if task is not None:
            task.forgotten = True
            self._state.touch(task)

    def _expire_upload(self, path: str) -> None:
        for bucket in self._state.buckets.values():
            for upload_id, upload in bucket.uploads.items():
                if upload_id in path.split("/"):
                    upload.expires = 0.0
                    self._state.touch(upload)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path.startswith(STORAGE)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = None
        if not self._is_open(call.path):
            verdict = self._limits.take(call.method, call.template, self._clock())
        if verdict is not None and not verdict.allowed:
            self._count(call, 429)
            await _refuse(send, _over(verdict), self._refusal)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(call, message["status"])
                if verdict is not None:
                    message = {**message, "headers": [*message["headers"], *_raw(verdict.headers())]}
            await send(message)

        await self._app(scope, receive, counting)

    async def _answer_broken(
        self, call: Call, rule: Mapping[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer with a part of the body, or with a length that is not the body's."""
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._answer(call, scope, receive, keep)
        status = sent[0]["status"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        if rule["fault"] == "truncated":
            content = content[: rule["bytes"]]
            await _send(send, status, headers | {"content-length": str(len(content))}, content)
            return
        headers["content-length"] = str(max(0, len(content) + rule["extra"]))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raise BrokenAnswerByFault(f"HTTP/1.1 {status} Fault\r\n{head}\r\n".encode("latin-1") + content)

    def _count(self, call: Call, status: int) -> None:
        self._state.requests[call.method, call.template, status] += 1


async def _body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _read_some(receive: Receive, most: int) -> None:
    """Read a request's body until that many bytes have come, or all of it."""
    seen = 0
    while seen < most:
        message = await receive()
        seen += len(message.get("body", b""))
        if not message.get("more_body"):
            return


def _receiver(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


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
    content = body.encode() if isinstance(body, str) else json_text.write(body)
    headers = {name.lower(): value for name, value in rule.get("headers", {}).items()}
    headers.setdefault("content-type", "text/plain" if isinstance(body, str) else "application/json")
    if status in (204, 304):
        content = b""
        del headers["content-type"]
    else:
        headers["content-length"] = str(len(content))
    await _send(send, status, headers, content)


def _over(verdict: Verdict) -> Refusal:
    """The refusal of a request that is over a limit."""
    details: dict[str, Any] = {
        "limit": verdict.limit,
        "window": verdict.window,
        "retry_after": verdict.retry_after,
    }
    what = "Rate limit"
    if verdict.category is not None:
        details["category"] = verdict.category
        what = f"Rate limit of {verdict.category} calls"
    return Refusal(
        429,
        f"{what} exceeded; retry after {verdict.retry_after} s",
        details=details,
        headers=verdict.headers(),
    )


async def _refuse(send: Send, refusal: Refusal, body: Callable[[Refusal], dict[str, Any]]) -> None:
    headers = {"content-type": "application/json", **(refusal.headers or {})}
    await _send(send, refusal.status, headers, json_text.write(body(refusal)))


async def _send(send: Send, status: int, headers: Mapping[str, str], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": content})
