"""The emulated API as one ASGI application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from .context import Context, answer
from .control import control_app
from .errors import Refusal, invalid
from .faults import Faults
from .generations import GENERATIONS, Generation
from .ingress import CALL, Ingress
from .limits import Limits
from .openapi import refusals
from .shapes import Problem
from .state import State
from .storage import Storage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .settings import Settings


@dataclass(frozen=True, slots=True)
class Built:
    """An emulator that is not yet behind a socket.

    :param app: The whole of it, faults and control calls included.
    :param storage: Where it is kept; None: nowhere.
    """

    app: Ingress
    state: State
    faults: Faults
    storage: Storage | None

    def reset(self) -> None:
        """Forget everything stored and counted, the fault rules, and what is on its way."""
        self.state.clear()
        self.faults.clear()
        self.app.forget_late_writes()


def build(
    settings: Settings, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
) -> Built:
    """Put an emulator together.

    :param clock: Wall-clock seconds; everything that takes time reads it.
    :param sleep: Waits for latencies.
    :raises ValueError: The database cannot be used.
    """
    generation = GENERATIONS[settings.version]
    storage = None if settings.database is None else Storage(settings.database, version=settings.version)
    state = State(settings, clock=clock, words=generation.words, storage=storage)
    faults = Faults()
    api = FastAPI(
        title="Mixpeek emulator",
        version=settings.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in generation.routers:
        api.include_router(router, responses=refusals(settings.generation))
    api.state.context = Context(settings, state, lambda scope: faults.outcome(scope[CALL]))
    _answer_errors(api, generation)
    ingress = Ingress(
        api if storage is None else _saving(api, state),
        control=control_app(state, faults, lambda: built.reset()),
        state=state,
        faults=faults,
        refusal=generation.refusal,
        open_paths=generation.open_paths,
        template_of=_templates([route for route in api.routes if isinstance(route, APIRoute)]),
        latency=settings.latency,
        limits=Limits(settings),
        in_flight=settings.in_flight,
        clock=clock,
        sleep=sleep,
    )
    built = Built(ingress, state, faults, storage)
    return built


def _saving(app: ASGIApp, state: State) -> ASGIApp:
    """An application of whose answers none leaves before what it says is kept."""

    async def saving(scope: Scope, receive: Receive, send: Send) -> None:
        async def save_first(message: Message) -> None:
            if message["type"] == "http.response.start":
                state.save()
            await send(message)

        await app(scope, receive, save_first)

    return saving


def _templates(routes: Sequence[APIRoute]) -> Callable[[str, str], str | None]:
    """Finds the path template of a request: of the endpoint that answers it, else of one with that path."""

    def template_of(method: str, path: str) -> str | None:
        other = None
        for route in routes:
            if route.path_regex.match(path):
                if method in route.methods:
                    return route.path_format
                other = other or route.path_format
        return other

    return template_of


def _answer_errors(api: FastAPI, generation: Generation) -> None:
    """Give every error the form that the generation has for it."""

    def refused(refusal: Refusal) -> Response:
        return answer(generation.refusal(refusal), status=refusal.status, headers=refusal.headers)

    async def refuse(_request: Request, error: Any) -> Response:
        return refused(error)

    async def refuse_parameters(_request: Request, error: Any) -> Response:
        return refused(
            invalid([Problem(each["type"], tuple(each["loc"]), each["msg"]) for each in error.errors()])
        )

    async def refuse_route(request: Request, error: Any) -> Response:
        refusal = Refusal(
            error.status_code,
            f"{error.detail}: {request.method} {request.url.path}",
            headers=error.headers,
        )
        return refused(refusal)

    async def fail(_request: Request, _error: Any) -> Response:
        return refused(Refusal(500, "The emulator itself failed; its log has the traceback"))

    api.add_exception_handler(Refusal, refuse)
    api.add_exception_handler(RequestValidationError, refuse_parameters)
    api.add_exception_handler(HTTPException, refuse_route)
    api.add_exception_handler(Exception, fail)
