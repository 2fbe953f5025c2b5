"""The synchronous client: the face of the flows for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider.mixpeek.client._errors import MixpeekStoppedError
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._gate import Gate
from airflow_provider.mixpeek.client._generation import (
    GENERATIONS,
    call,
    has_idempotency_keys,
    server_generation,
)
from airflow_provider.mixpeek.client._introduction import Introduction, introduce
from airflow_provider.mixpeek.client._looks import look
from airflow_provider.mixpeek.client._processing import Batches, Collections, Tasks
from airflow_provider.mixpeek.client._resources import Buckets, Namespaces, Objects
from airflow_provider.mixpeek.client._settings import Settings
from airflow_provider.mixpeek.client._transport import Transport, drive
from airflow_provider.mixpeek.client._uploads import Uploads
from airflow_provider.mixpeek.client._wait_for import WaitFor
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Seen

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import Me

T = TypeVar("T")


class MixpeekClient:
    """
    A client of one server, key and namespace, for threads.

    :param api_key: The API key.
    :param namespace: Name or id of the namespace.
    :param base_url: Address of the API, with or without ``/v1``.
    :param generation: Generation of the API that the server speaks: ``current`` (default) or ``legacy``.
    :param timeout: Seconds for one whole answer.
    :param requests_per_second: Limit of this process, besides the server's own.
    :param allow_insecure_http: Send the key over plain http to other machines.
    :param ca_bundle: Path of a PEM file with the certificates to trust.
    :param proxy: URL of an HTTP proxy.
    :raises MixpeekConfigError: a setting is wrong.
    """

    def __init__(
        self,
        api_key: str | None,
        *,
        namespace: str | None = None,
        base_url: str | None = None,
        generation: str | None = None,
        timeout: float | None = None,
        requests_per_second: float | None = None,
        allow_insecure_http: bool = False,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._open(
            Settings.of(
                api_key=api_key,
                namespace=namespace,
                base_url=base_url,
                generation=generation,
                timeout=timeout,
                requests_per_second=requests_per_second,
                allow_insecure_http=allow_insecure_http,
                ca_bundle=ca_bundle,
                proxy=proxy,
            )
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client of settings that are checked already."""
        client = cls.__new__(cls)
        client._open(settings)  # noqa: SLF001 - its own class
        return client

    @classmethod
    def from_env(cls, **overrides: Any) -> Self:
        """A client of ``MIXPEEK_API_KEY``, ``MIXPEEK_NAMESPACE``, ``MIXPEEK_BASE_URL``; arguments win."""
        return cls.from_settings(Settings.from_env(**overrides))

    def _open(self, settings: Settings) -> None:
        gate = Gate(requests_per_second=settings.requests_per_second)
        self._face(Session(settings, GENERATIONS[settings.generation], gate), Transport(settings), time.sleep)

    def _face(self, session: Session, transport: Transport, sleep: Callable[[float], None]) -> None:
        self.session = session
        self._transport = transport
        self._sleep = sleep
        self.buckets = Buckets(self)
        self.objects = Objects(self)
        self.batches = Batches(self)
        self.tasks = Tasks(self)
        self.uploads = Uploads(self)
        self.collections = Collections(self)
        self.namespaces = Namespaces(self)

    def run(self, flow: Flow[T]) -> T:
        """Do what a flow of this client's session says."""
        return drive(flow, self._transport.send, self._sleep)

    def stopped_by(self, stop: threading.Event) -> Self:
        """
        The same client, with the same gate and connections, whose waits end when the event is set.

        Its calls then raise :class:`MixpeekStoppedError` instead of trying again.
        """
        face = type(self).__new__(type(self))

        def sleep(seconds: float) -> None:
            if stop.wait(seconds):
                raise MixpeekStoppedError("stopped while waiting to try again")

        face._face(  # noqa: SLF001 - its own class
            self.session, self._transport, sleep
        )
        return face

    def whoami(self) -> Me:
        """Who the key belongs to, and what it may do."""
        return self.run(call(self.session, self.session.api.whoami()))

    def health(self) -> dict[str, Any]:
        """What the server says of its health."""
        return self.run(call(self.session, self.session.api.health()))

    def server_generation(self) -> str:
        """Which generation of the API the server speaks, found out with reads only, once per client."""
        return self.run(server_generation(self.session))

    def introduce(self) -> Introduction:
        """
        Which server this is, and whether it knows us and our namespace; never waits.

        :raises MixpeekGenerationError: it speaks the other generation.
        """
        return self.run(introduce(self.session))

    def has_idempotency_keys(self) -> bool:
        """Whether creates may carry idempotency keys (since API 0.82), found out once per client."""
        return self.run(has_idempotency_keys(self.session))

    def look(self, wait: WaitFor) -> Seen | Gone | FailedLook:
        """Look once at what somebody waits for."""
        return self.run(look(self.session, wait))

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        settings = self.session.settings
        return f"{type(self).__name__}(base_url={settings.base_url!r}, namespace={settings.namespace!r})"
