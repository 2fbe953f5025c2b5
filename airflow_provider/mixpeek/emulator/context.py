"""What an endpoint has at hand, and what it asks of every request first: the key, the namespace, the body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyHeader, HTTPBearer

from . import json_text
from .errors import Refusal, invalid
from .records import Namespace, Outcome
from .settings import Settings
from .shapes import Problem, Shape
from .state import State


@dataclass(frozen=True, slots=True)
class Context:
    """The one emulator that an application serves.

    :param next_outcome: Says how the batch that a call submits is to end, given the call's scope.
    """

    settings: Settings
    state: State
    next_outcome: Callable[[Mapping[str, Any]], Outcome]


DEFAULT_NAMESPACE = "default"


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json_text.write(body), status_code=status, headers=headers, media_type="application/json")


_bearer = HTTPBearer(auto_error=False, scheme_name="BearerAuth")
_namespace_header = APIKeyHeader(name="X-Namespace", auto_error=False, scheme_name="NamespaceHeader")


async def _context(request: Request) -> Context:
    return context_of(request)


async def _authenticated(request: Request, _scheme: Annotated[Any, Depends(_bearer)]) -> Context:
    context = context_of(request)
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if kind.lower() != "bearer" or not key:
        raise Refusal(401, "No API key: send the header 'Authorization: Bearer <key>'")
    known = context.settings.api_keys
    if known and not any(compare_digest(key.encode(), each.encode()) for each in known):
        raise Refusal(401, "The API key is not valid")
    return context


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace that a request named.

    :param namespace: None where there is none of that name.
    :param asked: The header's value.
    """

    context: Context
    namespace: Namespace | None
    asked: str


async def _listed(
    request: Request,
    context: Annotated[Context, Depends(_authenticated)],
    _scheme: Annotated[Any, Depends(_namespace_header)],
) -> Space:
    asked = request.headers.get("x-namespace", "").strip()
    if not asked:
        raise Refusal(400, "The header X-Namespace is missing: name the namespace, or give its id")
    return Space(context, context.state.namespace(asked), asked)


@dataclass(frozen=True, slots=True)
class Inside:
    """A namespace that is there."""

    context: Context
    namespace: Namespace


async def _inside_or_default(
    request: Request,
    context: Annotated[Context, Depends(_authenticated)],
    _scheme: Annotated[Any, Depends(_namespace_header)],
) -> Inside:
    asked = request.headers.get("x-namespace", "").strip() or DEFAULT_NAMESPACE
    return _there(Space(context, context.state.namespace(asked), asked))


async def _inside(space: Annotated[Space, Depends(_listed)]) -> Inside:
    return _there(space)


def _there(space: Space) -> Inside:
    if space.namespace is None:
        raise Refusal(404, f"Namespace '{space.asked}' was not found")
    return Inside(space.context, space.namespace)


Open = Annotated[Context, Depends(_context)]
"""Of a call that needs no key."""
Keyed = Annotated[Context, Depends(_authenticated)]
"""Of a call that needs a key and no namespace."""
Listing = Annotated[Space, Depends(_listed)]
"""Of a list call: an unknown namespace is an empty list."""
Named = Annotated[Inside, Depends(_inside)]
"""Of any other call in a namespace."""
Anywhere = Annotated[Inside, Depends(_inside_or_default)]
"""Of a `legacy` call: without the header, the namespace is the default one."""


async def read_body(request: Request, shape: Shape, *, optional: bool = False) -> dict[str, Any]:
    """The JSON body of a request, right in its shape.

    :param optional: Whether no body, or null, counts as an empty object.
    :raises Refusal: 422: missing, no JSON (``NaN`` is none), of another media type, or of another shape; 413:
        too large.
    """
    raw = await request.body()
    most = context_of(request).settings.max_body_bytes
    if most is not None and len(raw) > most:
        raise Refusal(413, f"The body has {len(raw)} bytes; at most {most} are taken")
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not raw:
        if optional:
            return {}
        raise invalid([Problem("missing", ("body",), "Field required")])
    if media_type != "application/json" and not media_type.endswith("+json"):
        message = f"The content type is '{media_type}'; send application/json"
        raise invalid([Problem("model_attributes_type", ("body",), message)])
    try:
        body = json_text.read(raw, deep=False)
    except json_text.TooDeepError as error:
        raise invalid([Problem("recursion_loop", ("body",), str(error))]) from None
    except json_text.NotJson as error:
        context_of(request).state.invalid_json += 1
        raise invalid(
            [Problem("json_invalid", ("body", error.pos), f"JSON decode error: {error.msg}")]
        ) from None
    if body is None and optional:
        return {}
    problems: list[Problem] = []
    shape.check(body, ("body",), problems)
    if context_of(request).settings.is_before_82:
        # Nothing known of that version says that undeclared keys are refused.
        problems = [each for each in problems if each.type != "extra_forbidden"]
    if problems:
        raise invalid(problems)
    checked: dict[str, Any] = body
    return checked
