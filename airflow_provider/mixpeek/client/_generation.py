"""
Which generation of the API does the server speak? Found out with one read that both understand.

``POST /v1/buckets/list`` reads on the current generation and is no method of the legacy one (405). Nothing
that could write on either is ever used to find out.
"""

from __future__ import annotations

from typing import TypeVar

from airflow_provider.mixpeek.client._calls import Query
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._errors import (
    MixpeekGenerationError,
    MixpeekNamespaceError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekStatusError,
)
from airflow_provider.mixpeek.client._flow import Call, Flow, Session
from airflow_provider.mixpeek.client._flow import call as call_unchecked
from airflow_provider.mixpeek.client._legacy import LegacyApi

T = TypeVar("T")

CURRENT = CurrentApi()
LEGACY = LegacyApi()
GENERATIONS = {api.name: api for api in (CURRENT, LEGACY)}


def call(session: Session, this: Call[T]) -> Flow[T]:
    """
    Send one call; where it would do something else on a server of the other generation, only to one that is
    known not to be (which is asked once per client).

    :raises MixpeekGenerationError: it speaks the other one; nothing was sent that could write.
    """
    if session.api.same_paths_mean_other_things or this.ambiguous:
        yield from check_generation(session)
    return (yield from call_unchecked(session, this))


def check_generation(session: Session) -> Flow[None]:
    """
    Hold the server to the generation that the connection says.

    :raises MixpeekGenerationError: it speaks the other one.
    """
    spoken = yield from server_generation(session)
    if spoken != session.api.name:
        raise MixpeekGenerationError(
            f"the server speaks the {spoken} generation of the API, the connection says {session.api.name}",
            hint=f"Set the connection's generation to {spoken}.",
        )


def server_generation(session: Session) -> Flow[str]:
    """
    Find out which generation the server speaks, once per client.

    :raises MixpeekError: the server does not answer, or refuses the key.
    """
    if session.facts.generation is None:
        session.facts.generation = yield from _ask_generation(session)
    return session.facts.generation


def _ask_generation(session: Session) -> Flow[str]:
    try:
        yield from call_unchecked(session, CURRENT.list_buckets(Query(), cursor=None, size=1))
    except MixpeekNamespaceError:
        return CURRENT.name
    except MixpeekStatusError as error:
        if error.status == 405:
            return LEGACY.name
        if error.status != 404:
            raise
    else:
        return CURRENT.name
    # Neither answer: a gateway that hides routes. The health call's path differs too, and needs no key.
    try:
        yield from call_unchecked(session, CURRENT.health())
    except MixpeekNotFoundError:
        pass
    else:
        return CURRENT.name
    try:
        yield from call_unchecked(session, LEGACY.health())
    except MixpeekNotFoundError:
        raise MixpeekGenerationError(
            f"{session.settings.base_url} answers no call of either generation of the API (404)",
            hint="Check the base URL: it is the API's address, with or without /v1.",
        ) from None
    return LEGACY.name


def has_idempotency_keys(session: Session) -> Flow[bool]:
    """
    Whether creates may carry idempotency keys: since API 0.82, which is the first that knows ``GET /v1/me``.

    Found out once per client. A server of 0.81 would store the key as a field, and protect nothing.
    """
    if session.facts.has_idempotency_keys is None:
        session.facts.has_idempotency_keys = yield from _ask_for_keys(session)
    return session.facts.has_idempotency_keys


def _ask_for_keys(session: Session) -> Flow[bool]:
    if session.api.name == LEGACY.name:
        return False
    try:
        yield from call(session, session.api.whoami())
    except MixpeekNotFoundError:
        return False
    except MixpeekPermissionError:
        return True  # it knows the call, and this key may not make it
    return True
