"""
The resources of the asynchronous client.

Their methods take what those of the synchronous client take, raise what they raise, and are described there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider.mixpeek.client import _bucket_flows, _object_flows
from airflow_provider.mixpeek.client._calls import Page, Query, Reading
from airflow_provider.mixpeek.client._generation import call

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._async_client import AsyncMixpeekClient
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

    def __init__(self, client: AsyncMixpeekClient) -> None:
        self._client = client
        self._session = client.session

    async def _run(self, flow: Flow[T]) -> T:
        return await self._client.run(flow)

    async def _items(
        self, fetch: Callable[[Reading], Flow[Page[T]]], limit: int | None = None
    ) -> AsyncIterator[T]:
        reading = Reading(limit)
        while not reading.ended:
            for item in reading.turn(await self._run(fetch(reading))):
                yield item


class Namespaces(Resource):
    """Namespaces of the account: worlds of buckets of their own."""

    async def create(
        self,
        name: str,
        *,
        description: str | None = None,
        feature_extractors: Sequence[Mapping[str, Any]] = (),
    ) -> Namespace:
        """Create a namespace."""
        return await self._run(
            call(
                self._session,
                self._session.api.create_namespace(
                    name, description=description, feature_extractors=feature_extractors
                ),
            )
        )

    async def get(self, namespace: str) -> Namespace:
        """Get a namespace by its name or id."""
        return await self._run(call(self._session, self._session.api.get_namespace(namespace)))

    def list(self) -> AsyncIterator[Namespace]:
        """Iterate over the namespaces, page by page."""
        return self._items(lambda reading: _bucket_flows.namespace_page(self._session, reading))


class Buckets(Resource):
    """Buckets of the client's namespace."""

    async def create(
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
        """Create a bucket."""
        return await self._run(
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

    async def get(self, bucket_id: str) -> Bucket:
        """Get a bucket by its id."""
        return await self._run(call(self._session, self._session.api.get_bucket(bucket_id)))

    async def find(self, bucket: str) -> Bucket:
        """Get a bucket by its id or by its name."""
        return await self._run(_bucket_flows.find_bucket(self._session, bucket))

    def list(
        self,
        *,
        search: str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> AsyncIterator[Bucket]:
        """Iterate over the buckets, page by page."""
        query = Query(filters, sort, search, offset)
        return self._items(lambda reading: _bucket_flows.bucket_page(self._session, query, reading), limit)

    async def update(
        self,
        bucket_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        unique_key: Mapping[str, Any] | None = None,
    ) -> Bucket:
        """Change what is given of a bucket."""
        return await self._run(
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

    async def delete(self, bucket_id: str) -> DeletedBucket:
        """Delete a bucket and its objects; the server works on it in the task that the answer names."""
        return await self._run(_bucket_flows.delete_bucket(self._session, bucket_id))


class Objects(Resource):
    """Objects of a bucket. Buckets are named by their ids here."""

    async def create(
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
        """Store one object: the object itself on ``current``, the task that makes it on ``legacy``."""
        new = _object_flows.new_object(
            blobs=blobs,
            fields=fields,
            metadata=metadata,
            key_prefix=key_prefix,
            idempotency_key=idempotency_key,
            skip_duplicates=skip_duplicates,
        )
        return await self._run(
            _object_flows.create_object(
                self._session, bucket_id, new, policy=policy, auto_process=auto_process
            )
        )

    async def create_many(
        self,
        bucket_id: str,
        objects: Sequence[NewObject | Mapping[str, Any]],
        *,
        auto_process: bool = False,
    ) -> CreatedObjects:
        """Store up to 100 objects with one request."""
        return await self._run(
            _object_flows.create_objects(self._session, bucket_id, objects, auto_process=auto_process)
        )

    async def create_encoded(
        self, bucket_id: str, bodies: Sequence[bytes], *, repeatable: bool
    ) -> CreatedObjects:
        """Store up to 100 objects whose bodies are JSON bytes already, as the generation wants them."""
        return await self._run(
            _object_flows.create_encoded_objects(self._session, bucket_id, bodies, repeatable=repeatable)
        )

    async def create_one_encoded(
        self, bucket_id: str, body: bytes, *, repeatable: bool
    ) -> MixpeekObject | Task:
        """Store one object whose body is JSON bytes already, as the generation wants it."""
        return await self._run(
            _object_flows.create_encoded_object(self._session, bucket_id, body, repeatable=repeatable)
        )

    async def get(self, bucket_id: str, object_id: str) -> MixpeekObject:
        """Get an object by its id."""
        return await self._run(call(self._session, self._session.api.get_object(bucket_id, object_id)))

    def list(
        self,
        bucket_id: str,
        *,
        search: str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> AsyncIterator[MixpeekObject]:
        """Iterate over a bucket's objects, page by page; without ``sort`` the oldest come first."""
        query = Query(filters, sort, search, offset)
        return self._items(
            lambda reading: _object_flows.object_page(self._session, bucket_id, query, reading), limit
        )

    async def update(
        self,
        bucket_id: str,
        object_id: str,
        *,
        fields: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        key_prefix: str | None = None,
        blobs: Sequence[NewBlob | Mapping[str, Any]] | None = None,
    ) -> MixpeekObject | Task:
        """Change what is given of an object: at once on ``current``, in a task on ``legacy``."""
        return await self._run(
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

    async def delete(self, bucket_id: str, object_id: str) -> Task | None:
        """Delete an object: at once on ``current``, in the task that is returned on ``legacy``."""
        return await self._run(_object_flows.delete_object(self._session, bucket_id, object_id))
