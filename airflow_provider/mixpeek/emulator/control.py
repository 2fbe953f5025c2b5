"""The emulator's own calls under ``/_emulator/``: for tests, outside the vendor's paths, on loopback only."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from . import json_text
from .errors import Refusal, invalid
from .seen import summary
from .shapes import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .faults import Faults
    from .state import State

    _Handle = Callable[[Any], Any]


def control_app(state: State, faults: Faults, forget: Callable[[], None]) -> ASGIApp:
    """The control calls as an ASGI application.

    ``GET state`` counts, ``POST faults`` takes a rule or a list of them, ``GET`` and ``DELETE faults`` show
    and drop them, ``POST reset`` forgets everything. No key is needed, and none is ever shown.

    :param forget: Forgets everything.
    """

    def show_faults(_body: Any) -> list[dict[str, Any]]:
        return faults.as_json()

    def add_faults(body: Any) -> list[dict[str, Any]]:
        faults.add(body)
        return faults.as_json()

    def drop_faults(_body: Any) -> list[dict[str, Any]]:
        faults.clear()
        return []

    def reset(_body: Any) -> dict[str, Any]:
        forget()
        return summary(state)

    calls: dict[str, dict[str, _Handle]] = {
        "/_emulator/state": {"GET": lambda _body: summary(state)},
        "/_emulator/faults": {"GET": show_faults, "POST": add_faults, "DELETE": drop_faults},
        "/_emulator/reset": {"POST": reset},
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check_peer(scope)
            handle = _find(calls, scope["path"], scope["method"])
            status, answer = 200, handle(await _read_json(receive) if handle is add_faults else None)
        except Refusal as refusal:
            status, answer = refusal.status, refusal.envelope()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json_text.write(answer)})

    return app


def _find(calls: dict[str, dict[str, _Handle]], path: str, method: str) -> _Handle:
    methods = calls.get(path)
    if methods is None:
        raise Refusal(404, f"No control call {path}; there are: {', '.join(calls)}")
    handle = methods.get(method)
    if handle is None:
        raise Refusal(405, f"{path} takes {', '.join(methods)}")
    return handle


def _check_peer(scope: Scope) -> None:
    peer = scope.get("client")
    try:
        local = peer is not None and ipaddress.ip_address(peer[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        raise Refusal(403, "The control calls answer loopback peers only")


async def _read_json(receive: Receive) -> Any:
    raw = b""
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    try:
        return json_text.read(raw)
    except json_text.NotJson as error:
        raise invalid(
            [Problem("json_invalid", ("body", error.pos), f"JSON decode error: {error.msg}")]
        ) from None
