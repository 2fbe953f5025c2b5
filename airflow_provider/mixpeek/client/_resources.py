"""What a caller can do with namespaces, buckets and objects: resources of the synchronous client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider.mixpeek.client import _bucket_flows, _object_flows
from airflow_provider.mixpeek.client._calls import Page, Query, Reading
from airflow_provider.mixpeek.client._generation import call

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._client import MixpeekClient
    from airflow_provider.mixpeek.client._flow import Flow
    from airflow_provider.mixpeek.client._models import (
        Bucket,
        CreatedObjects,
        DeletedBucket,
        MixpeekObject,
        Namespace,
        Task,
    )
    from airflow_provider.mixpeek.client._requests import NewBlob, NewObject, Policy

T = TypeVar("T")


class Resource:
    """What the resources of a client share."""

    def __init__(self, client: MixpeekClient) -> None:
        self._client = client
        self._session = client.session

    def _run(self, flow: Flow[T]) -> T:
        return self._client.run(flow)

    def _items(self, fetch: Callable[[Reading], Flow[Page[T]]], limit: int | None = None) -> Iterator[T]:
        reading = Reading(limit)
        while not reading.ended:
            yield from reading.turn(self._run(fetch(reading)))


class Namespaces(Resource):
    """Namespaces of the account: worlds of buckets of their own."""

    def create(
        self,
        name: str,
        *,
        description: str | None = None,
        feature_extractors: Sequence[Mapping[str, Any]] = (),
    ) -> Namespace:
        """
        Create a namespace.

        :param feature_extractors: What its collections extract, as the vendor describes extractors; the
            legacy generation wants at least one.
        """
        return self._run(
            call(
                self._session,
                self._session.api.create_namespace(
                    name, description=description, feature_extractors=feature_extractors
                ),
            )
        )

    def get(self, namespace: str) -> Namespace:
        """Get a namespace by its name or id."""
        return self._run(call(self._session, self._session.api.get_namespace(namespace)))

    def list(self) -> Iterator[Namespace]:
        """Iterate over the namespaces, page by page."""
        return self._items(lambda reading: _bucket_flows.namespace_page(self._session, reading))


class Buckets(Resource):
    """Buckets of the client's namespace."""

    def create(
        self,
        name: str,
        *,
        schema: Mapping[str, Any],
        if_exists: _bucket_flows.IfExists = "fail",
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
            ``{"fields": [...], "default_policy": ...}``. The legacy generation has none.
        :param metadata: Data about the bucket itself.
        :param declare_metadata: Declare a property ``metadata`` of type object, which takes columns that the
            schema does not declare; since 2026-11-02 the API refuses undeclared ones. Of no effect on the
            legacy generation, where every object has ``metadata``.
        :raises MixpeekConfigError: the schema is wrong; nothing was sent.
        :raises MixpeekConflictError: the bucket exists, with ``fail`` or with another schema.
        """
        return self._run(
            _bucket_flows.create_bucket(
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
        return self._run(_bucket_flows.find_bucket(self._session, bucket))

    def list(
        self,
        *,
        search: str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Bucket]:
        """
        Iterate over the buckets, page by page.

        :param search: The vendor's text search.
        :param filters: ``{"AND" | "OR" | "NOT": [{"field", "operator", "value"}, ...]}``.
        :param sort: ``{"field", "direction"}``.
        :param limit: Buckets in all; None: every one.
        :param offset: Buckets to skip.
        """
        query = Query(filters, sort, search, offset)
        return self._items(lambda reading: _bucket_flows.bucket_page(self._session, query, reading), limit)

    def update(
        self,
        bucket_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        unique_key: Mapping[str, Any] | None = None,
    ) -> Bucket:
        """
        Change what is given of a bucket.

        :param schema: Short or whole; the legacy generation fixes it at creation.
        :param unique_key: ``{"fields": [...], "default_policy": ...}``; only the policy may change.
        """
        return self._run(
            _bucket_flows.update_bucket(
                self._session,
                bucket_id,
                name=name,
                description=description,
                metadata=metadata,
                schema=schema,
                unique_key=unique_key,
            )
        )

    def delete(self, bucket_id: str) -> DeletedBucket:
        """Delete a bucket and its objects; the server works on it in the task that the answer names."""
        return self._run(_bucket_flows.delete_bucket(self._session, bucket_id))


class Objects(Resource):
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
        policy: Policy | None = None,
        auto_process: bool = False,
    ) -> MixpeekObject | Task:
        """
        Store one object: the object itself on ``current``, the task that makes it on ``legacy``.

        Without an ``idempotency_key`` (or the policy ``upsert``) an unclear answer is not tried again.

        :param fields: Values of properties that the bucket's schema declares.
        :param metadata: Values of the nested property ``metadata``.
        :param policy: What happens when the unique key exists; for buckets that have one.
        :param auto_process: Have the server make a batch and submit it. Its answer names neither the batch
            nor a task (API 0.82); to wait for the end, make the batch yourself. ``legacy`` always processes.
        :raises MixpeekConfigError: an argument is wrong; nothing was sent.
        """
        new = _object_flows.new_object(
            blobs=blobs,
            fields=fields,
            metadata=metadata,
            key_prefix=key_prefix,
            idempotency_key=idempotency_key,
            skip_duplicates=skip_duplicates,
        )
        return self._run(
            _object_flows.create_object(
                self._session, bucket_id, new, policy=policy, auto_process=auto_process
            )
        )

    def create_many(
        self,
        bucket_id: str,
        objects: Sequence[NewObject | Mapping[str, Any]],
        *,
        auto_process: bool = False,
    ) -> CreatedObjects:
        """
        Store up to 100 objects with one request.

        Returns even when objects were refused, all of them included: read ``failed``. Buckets with a unique
        key refuse the call as a whole (API 0.82). The legacy generation has no such call.
        """
        return self._run(
            _object_flows.create_objects(self._session, bucket_id, objects, auto_process=auto_process)
        )

    def create_encoded(self, bucket_id: str, bodies: Sequence[bytes], *, repeatable: bool) -> CreatedObjects:
        """
        Store up to 100 objects whose bodies are JSON bytes already, as the generation wants them.

        :param repeatable: Each of them has an idempotency key, so that an unclear answer may be tried again.
        """
        return self._run(
            _object_flows.create_encoded_objects(self._session, bucket_id, bodies, repeatable=repeatable)
        )

    def create_one_encoded(self, bucket_id: str, body: bytes, *, repeatable: bool) -> MixpeekObject | Task:
        """
        Store one object whose body is JSON bytes already, as the generation wants it.

        :param repeatable: Sending it twice does no more than once.
        """
        return self._run(
            _object_flows.create_encoded_object(self._session, bucket_id, body, repeatable=repeatable)
        )

    def get(self, bucket_id: str, object_id: str) -> MixpeekObject:
        """Get an object by its id."""
        return self._run(call(self._session, self._session.api.get_object(bucket_id, object_id)))

    def list(
        self,
        bucket_id: str,
        *,
        search: str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[MixpeekObject]:
        """
        Iterate over a bucket's objects, page by page; without ``sort`` the oldest come first.

        :param search: The vendor's text search.
        :param filters: ``{"AND" | "OR" | "NOT": [{"field", "operator", "value"}, ...]}``.
        :param sort: ``{"field", "direction"}``.
        :param limit: Objects in all; None: every one.
        :param offset: Objects to skip.
        """
        query = Query(filters, sort, search, offset)
        return self._items(
            lambda reading: _object_flows.object_page(self._session, bucket_id, query, reading), limit
        )

    def update(
        self,
        bucket_id: str,
        object_id: str,
        *,
        fields: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        key_prefix: str | None = None,
        blobs: Sequence[NewBlob | Mapping[str, Any]] | None = None,
    ) -> MixpeekObject | Task:
        """
        Change what is given of an object: at once on ``current``, in a task on ``legacy``.

        :param fields: Values at the object's root.
        :param metadata: Merged into the nested ``metadata``; on ``current`` a name that is not in it yet goes
            to the root, and must be declared.
        :param blobs: New or changed blobs; ``legacy`` only.
        """
        return self._run(
            _object_flows.update_object(
                self._session,
                bucket_id,
                object_id,
                fields=fields,
                metadata=metadata,
                key_prefix=key_prefix,
                blobs=blobs,
            )
        )

    def delete(self, bucket_id: str, object_id: str) -> Task | None:
        """Delete an object: at once on ``current``, in the task that is returned on ``legacy``."""
        return self._run(_object_flows.delete_object(self._session, bucket_id, object_id))
