"""What a caller can do with batches, collections and tasks: resources of the synchronous client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import _batch_flows, _collection_flows, _waits
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._resources import Resource
from airflow_provider.mixpeek.client._wait_for import A_DAY
from airflow_provider.mixpeek.client._waits import OnProgress, Waited

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import Batch, Collection, Task, Triggered


class Batches(Resource):
    """
    Batches of a bucket: objects are processed when a batch with them is submitted.

    The legacy generation has none: there, objects are processed because they are created.
    """

    def create(
        self,
        bucket_id: str,
        object_ids: Sequence[str] | None = None,
        *,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = None,
        collection_ids: Sequence[str] | None = None,
        name: str | None = None,
        dedup_strategy: str | None = None,
    ) -> Batch:
        """
        Create a DRAFT batch; nothing happens before it is submitted.

        :param object_ids: Its objects; or ``filters`` that select them, and how many at most (``limit``).
        :param collection_ids: Only these collections and what follows them.
        :param dedup_strategy: ``skip`` (the vendor's default), ``replace`` or ``force``: what happens to
            objects that have documents already.
        """
        return self._run(
            _batch_flows.create_batch(
                self._session,
                bucket_id,
                object_ids,
                filters=filters,
                limit=limit,
                collection_ids=collection_ids,
                name=name,
                dedup_strategy=dedup_strategy,
            )
        )

    def add_objects(self, bucket_id: str, batch_id: str, object_ids: Sequence[str]) -> Batch:
        """Add objects to a DRAFT batch."""
        return self._run(_batch_flows.add_to_batch(self._session, bucket_id, batch_id, object_ids))

    def submit(self, bucket_id: str, batch_id: str, *, force: bool = False) -> Task:
        """
        Submit a DRAFT batch, once: after an unclear answer the batch itself is asked what became of it.

        :param force: Do not let the server refuse because another batch of the bucket is running.
        """
        return self._run(_batch_flows.submit_batch(self._session, bucket_id, batch_id, force=force))

    def get(self, bucket_id: str, batch_id: str) -> Batch:
        """Get a batch by its id."""
        return self._run(call(self._session, self._session.api.get_batch(bucket_id, batch_id)))

    def list(self, bucket_id: str, *, status: str | None = None, limit: int | None = None) -> Iterator[Batch]:
        """Iterate over a bucket's batches, page by page; ``status`` is a status word of the vendor."""
        return self._items(
            lambda reading: _batch_flows.batch_page(self._session, bucket_id, status, reading), limit
        )

    def cancel(self, bucket_id: str, batch_id: str, *, reason: str | None = None) -> Task:
        """Cancel a submitted batch; the answer's ``cancellation`` says whether work may still run."""
        return self._run(
            call(self._session, self._session.api.cancel_batch(bucket_id, batch_id, reason=reason))
        )

    def delete(self, bucket_id: str, batch_id: str) -> None:
        """Delete a batch that was not submitted."""
        self._run(call(self._session, self._session.api.delete_batch(bucket_id, batch_id)))

    def retry(
        self, bucket_id: str, batch_id: str, *, mode: _batch_flows.RetryMode = "transient_only"
    ) -> dict[str, Any]:
        """Process again what failed of a batch: what may pass by itself, or ``all``."""
        return self._run(_batch_flows.retry_batch(self._session, bucket_id, batch_id, mode=mode))

    def resubmit(
        self, bucket_id: str, batch_id: str, *, from_tier: int | None = None, auto_submit: bool = True
    ) -> dict[str, Any]:
        """
        Put a finished batch back to DRAFT, and submit it again.

        :param from_tier: First tier to run again, from 0.
        :param auto_submit: Submit it; False leaves the DRAFT.
        """
        return self._run(
            call(
                self._session,
                self._session.api.resubmit_batch(
                    bucket_id, batch_id, from_tier=from_tier, auto_submit=auto_submit
                ),
            )
        )

    def failed_documents(
        self, bucket_id: str, batch_id: str, *, limit: int = 100, offset: int = 0
    ) -> dict[str, Any]:
        """Documents of a batch that failed, as the server tells them."""
        return self._run(
            call(
                self._session,
                self._session.api.failed_documents(bucket_id, batch_id, limit=limit, offset=offset),
            )
        )

    def queue(self) -> dict[str, Any]:
        """Running and waiting batches of the account, as the server tells them."""
        return self._run(call(self._session, self._session.api.batch_queue()))

    def wait(
        self,
        bucket_id: str,
        batch_ids: Any,
        *,
        timeout: float = A_DAY,
        partial_ok: bool = False,
        max_failed_looks: int | None = 10,
        progress: OnProgress | None = None,
    ) -> Waited:
        """
        Wait until batches are done.

        :param bucket_id: The bucket of those that are given by their ids.
        :param batch_ids: Ids, or what :meth:`Tasks.wait` takes, which also says what the others mean.
        :raises MixpeekWorkError: as there.
        """
        return self._run(
            _waits.wait_for_batches(
                self._session,
                bucket_id,
                batch_ids,
                timeout=timeout,
                partial_ok=partial_ok,
                max_failed_looks=max_failed_looks,
                progress=progress,
            )
        )


class Collections(Resource):
    """
    Collections of the client's namespace: what documents are made of which objects.

    On the current generation only. They are made with the vendor's own tools.
    """

    def get(self, collection: str) -> Collection:
        """Get a collection by its name or id."""
        return self._run(call(self._session, self._session.api.get_collection(collection)))

    def list(self, *, search: str | None = None, limit: int | None = None) -> Iterator[Collection]:
        """
        Iterate over the collections, page by page.

        :param search: Text to find in names.
        """
        return self._items(
            lambda reading: _collection_flows.collection_page(self._session, search, reading), limit
        )

    def batches(self, collection_id: str, *, limit: int | None = None) -> Iterator[Batch]:
        """Iterate over the batches that go into a collection and name it (API 0.82), page by page."""
        return self._items(
            lambda reading: _collection_flows.batch_page(self._session, collection_id, reading), limit
        )

    def trigger(
        self,
        collection: str,
        *,
        buckets: Sequence[str] | None = None,
        object_ids: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        dedup_strategy: _collection_flows.DedupStrategy | None = None,
    ) -> Triggered:
        """
        Run a collection over its sources: the server makes batches of their objects and submits them.

        After an unclear answer it is not tried again, since a second run makes other batches; see
        :meth:`batches` for what came of the first.

        :param collection: Name or id.
        :param buckets: Ids or names of the source buckets whose objects are taken; None: all.
        :param object_ids: These objects only (API 0.82).
        :param filters: Those objects only for which they hold.
        :param dedup_strategy: ``skip`` (the vendor's default), ``replace`` or ``force``: what happens to
            objects that have documents already (API 0.82).
        :raises MixpeekConfigError: an argument is wrong; nothing was sent.
        """
        return self._run(
            _collection_flows.trigger(
                self._session,
                collection,
                buckets=buckets,
                object_ids=object_ids,
                filters=filters,
                dedup_strategy=dedup_strategy,
            )
        )


class Tasks(Resource):
    """Asynchronous jobs. The server forgets them after about a day (API 0.82)."""

    def get(self, task_id: str) -> Task:
        """Get a task by its id."""
        return self._run(call(self._session, self._session.api.get_task(task_id)))

    def list(self, *, status: str | None = None, limit: int | None = None) -> Iterator[Task]:
        """Iterate over the tasks, page by page; ``legacy`` tells only those that have not finished."""
        return self._items(lambda reading: _batch_flows.task_page(self._session, status, reading), limit)

    def cancel(self, task_id: str) -> None:
        """Stop a task; succeeds for one that the server does not know."""
        self._run(call(self._session, self._session.api.cancel_task(task_id)))

    def wait(
        self,
        tasks: Any,
        *,
        timeout: float = A_DAY,
        partial_ok: bool = False,
        max_failed_looks: int | None = 10,
        progress: OnProgress | None = None,
    ) -> Waited:
        """
        Wait until tasks are done; where the batch of one is known, the batch is judged.

        The first that does not end well ends the wait. Works in a notebook too, and blocks its cell.

        :param tasks: Ids, tasks, batches, or the ``waits`` of a load: one or many, nested or not. Nothing to
            wait for is done at once.
        :param timeout: Seconds, after which there is a last look. The default is a day.
        :param partial_ok: Take work of which a part failed for done.
        :param max_failed_looks: Looks at one in a row that may fail, because the server is down or
            overloaded; None: all, until the timeout.
        :param progress: Called after each round of looks with how many are done and how many there are.
        :raises MixpeekWorkError: one did not end well, or was not seen to end; which it was is in the type.
            What runs on is in its ``running``.
        :raises MixpeekConfigError: something in ``tasks`` cannot be waited for.
        """
        return self._run(
            _waits.wait(
                self._session,
                tasks,
                timeout=timeout,
                partial_ok=partial_ok,
                max_failed_looks=max_failed_looks,
                progress=progress,
            )
        )
