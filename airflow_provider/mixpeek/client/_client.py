"""The synchronous client: the face of the flows for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider.mixpeek.client import _flows as flows
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._errors import MixpeekStoppedError
from airflow_provider.mixpeek.client._flow import Flow, Page, Session, call
from airflow_provider.mixpeek.client._gate import Gate
from airflow_provider.mixpeek.client._looks import look
from airflow_provider.mixpeek.client._requests import NewBlob, NewObject
from airflow_provider.mixpeek.client._settings import Settings
from airflow_provider.mixpeek.client._transport import Transport, drive
from airflow_provider.mixpeek.client._wait_for import WaitFor
from airflow_provider.mixpeek.waiting import FailedLook, Gone, Seen

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import (
        Batch,
        Bucket,
        CreatedObjects,
        DeletedBucket,
        Me,
        MixpeekObject,
        Task,
    )

T = TypeVar("T")


class _Resource:
    def __init__(self, client: MixpeekClient) -> None:
        self._client = client
        self._session = client.session

    def _run(self, flow: Flow[T]) -> T:
        return self._client.run(flow)

    def _items(self, fetch: Callable[[str | None], Flow[Page[T]]]) -> Iterator[T]:
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            page = self._run(fetch(cursor))
            yield from page.results
            cursor = flows.following(page, seen)
            if cursor is None:
                return


class Buckets(_Resource):
    """Buckets of the client's namespace."""

    def create(
        self,
        name: str,
        *,
        schema: Mapping[str, Any],
        if_exists: flows.IfExists = "fail",
        description: str | None = None,
        unique_key: Sequence[str] | Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        declare_metadata: bool = True,
    ) -> Bucket:
        """
        Create a bucket.

        :param schema: Short (``{"hero": "image", "price": "float"}``) or whole (``{"properties": {...}}``).
        :param if_exists: ``fail``, or ``reuse`` the bucket of this name if its schema has every property of
            this one with the same type, and the same unique key.
        :param unique_key: Names of scalar properties, or the vendor's
            ``{"fields": [...], "default_policy": ...}``.
        :param metadata: Data about the bucket itself.
        :param declare_metadata: Declare a property ``metadata`` of type object, which takes columns that the
            schema does not declare; since 2026-11-02 the API refuses undeclared ones.
        :raises MixpeekConfigError: the schema is wrong; nothing was sent.
        :raises MixpeekConflictError: the bucket exists, with ``fail`` or with another schema.
        """
        return self._run(
            flows.create_bucket(
                self._session,
                name,
                schema=schema,
                if_exists=if_exists,
                description=description,
                unique_key=unique_key,
                metadata=metadata,
                declare_metadata=declare_metadata,
            )
        )

    def get(self, bucket_id: str) -> Bucket:
        """Get a bucket by its id."""
        return self._run(call(self._session, self._session.api.get_bucket(bucket_id)))

    def find(self, bucket: str) -> Bucket:
        """
        Get a bucket by its id or by its name.

        :raises MixpeekNotFoundError: there is none; names that come close are named.
        :raises MixpeekConflictError: several have the name.
        """
        return self._run(flows.find_bucket(self._session, bucket))

    def list(self, *, search: str | None = None) -> Iterator[Bucket]:
        """Iterate over the buckets, page by page; ``search`` is the vendor's text search."""
        return self._items(lambda cursor: flows.bucket_page(self._session, search=search, cursor=cursor))

    def delete(self, bucket_id: str) -> DeletedBucket:
        """Delete a bucket and its objects; the server works on it in the task that the answer names."""
        return self._run(flows.delete_bucket(self._session, bucket_id))


class Objects(_Resource):
    """Objects of a bucket. Buckets are named by their ids here."""

    def create(
        self,
        bucket_id: str,
        *,
        blobs: Sequence[NewBlob | Mapping[str, Any]] = (),
        fields: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        key_prefix: str | None = None,
        idempotency_key: str | None = None,
        skip_duplicates: bool = False,
    ) -> MixpeekObject:
        """
        Store one object. Without an ``idempotency_key`` an unclear answer is not tried again.

        :param fields: Values of properties that the bucket's schema declares.
        :param metadata: Values of the nested property ``metadata``.
        :raises MixpeekConfigError: an argument is wrong; nothing was sent.
        """
        new = flows.new_object(
            blobs=blobs,
            fields=fields,
            metadata=metadata,
            key_prefix=key_prefix,
            idempotency_key=idempotency_key,
            skip_duplicates=skip_duplicates,
        )
        return self._run(flows.create_object(self._session, bucket_id, new))

    def create_many(self, bucket_id: str, objects: Sequence[NewObject | Mapping[str, Any]]) -> CreatedObjects:
        """
        Store up to 100 objects with one request.

        Returns even when objects were refused, all of them included: read ``failed``. Buckets with a unique
        key refuse the call as a whole (API 0.82).
        """
        return self._run(flows.create_objects(self._session, bucket_id, objects))

    def create_encoded(self, bucket_id: str, bodies: Sequence[bytes], *, repeatable: bool) -> CreatedObjects:
        """
        Store up to 100 objects whose bodies are JSON bytes already, as the generation wants them.

        :param repeatable: Each of them has an idempotency key, so that an unclear answer may be tried again.
        """
        return self._run(
            flows.create_encoded_objects(self._session, bucket_id, bodies, repeatable=repeatable)
        )

    def get(self, bucket_id: str, object_id: str) -> MixpeekObject:
        """Get an object by its id."""
        return self._run(call(self._session, self._session.api.get_object(bucket_id, object_id)))

    def list(self, bucket_id: str, *, filters: Mapping[str, Any] | None = None) -> Iterator[MixpeekObject]:
        """Iterate over a bucket's objects, oldest first; ``filters`` is the vendor's (AND, OR, NOT)."""
        return self._items(
            lambda cursor: flows.object_page(self._session, bucket_id, filters=filters, cursor=cursor)
        )


class Batches(_Resource):
    """Batches of a bucket: objects are processed when a batch with them is submitted."""

    def create(
        self,
        bucket_id: str,
        object_ids: Sequence[str],
        *,
        name: str | None = None,
        dedup_strategy: str | None = None,
    ) -> Batch:
        """
        Create a DRAFT batch; nothing happens before it is submitted.

        :param dedup_strategy: ``skip`` (the vendor's default), ``replace`` or ``force``: what happens to
            objects that have documents already.
        """
        return self._run(
            flows.create_batch(self._session, bucket_id, object_ids, name=name, dedup_strategy=dedup_strategy)
        )

    def submit(self, bucket_id: str, batch_id: str, *, force: bool = False) -> Task:
        """
        Submit a DRAFT batch, once: after an unclear answer the batch itself is asked what became of it.

        :param force: Do not let the server refuse because another batch of the bucket is running.
        """
        return self._run(flows.submit_batch(self._session, bucket_id, batch_id, force=force))

    def get(self, bucket_id: str, batch_id: str) -> Batch:
        """Get a batch by its id."""
        return self._run(call(self._session, self._session.api.get_batch(bucket_id, batch_id)))


class Tasks(_Resource):
    """Asynchronous jobs. The server forgets them after about a day (API 0.82)."""

    def get(self, task_id: str) -> Task:
        """Get a task by its id."""
        return self._run(call(self._session, self._session.api.get_task(task_id)))


class MixpeekClient:
    """
    A client of one server, key and namespace, for threads.

    :param api_key: The API key.
    :param namespace: Name or id of the namespace.
    :param base_url: Address of the API, with or without ``/v1``.
    :param generation: ``current``.
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
        self._face(Session(settings, CurrentApi(), gate), Transport(settings), time.sleep)

    def _face(self, session: Session, transport: Transport, sleep: Callable[[float], None]) -> None:
        self.session = session
        self._transport = transport
        self._sleep = sleep
        self.buckets = Buckets(self)
        self.objects = Objects(self)
        self.batches = Batches(self)
        self.tasks = Tasks(self)

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
