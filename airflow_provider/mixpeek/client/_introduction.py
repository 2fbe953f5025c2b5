"""What a test of a connection asks: which server is this, does it know us, does it know our namespace?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from airflow_provider.mixpeek.client._calls import Query
from airflow_provider.mixpeek.client._errors import MixpeekNotFoundError
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._generation import CURRENT, call, check_generation
from airflow_provider.mixpeek.client._models import Me


@dataclass(frozen=True, slots=True)
class Introduction:
    """
    What a server said of itself and of us.

    :param generation: Generation of the API it speaks.
    :param namespace: The namespace it knows; None where none was named.
    :param me: Who the key belongs to; None where the server cannot tell (legacy, and API 0.81).
    """

    generation: str
    namespace: str | None
    me: Me | None

    def __str__(self) -> str:
        where = f"in namespace {self.namespace!r}" if self.namespace else "without a namespace"
        server = f"a server of the {self.generation} generation"
        if self.me is None:
            return f"Connected to {server}, which cannot tell who the key belongs to, {where}."
        who = self.me.organization_name or self.me.organization_id or "an unnamed organization"
        plan = f" (plan {self.me.account_type})" if self.me.account_type else ""
        key = self.me.key
        may = ", ".join(key.permissions) if key and key.permissions else "unknown permissions"
        return f"Connected to {who}{plan} with {may}, {where}, on {server}."


def introduce(session: Session) -> Flow[Introduction]:
    """
    Ask, with reads only.

    :raises MixpeekGenerationError: the server speaks the other generation.
    :raises MixpeekError: it does not answer, refuses the key, or does not know the namespace.
    """
    # Somebody waits for the answer, so a server that is down is not given time to come back.
    session = session.impatient()
    yield from check_generation(session)
    yield from call(session, session.api.list_buckets(Query(), cursor=None, size=1))
    me = None
    if session.api is CURRENT:
        with suppress(MixpeekNotFoundError):  # API 0.81
            me = yield from call(session, session.api.whoami())
    return Introduction(session.api.name, session.settings.namespace, me)
