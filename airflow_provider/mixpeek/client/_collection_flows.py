"""Calls about collections, with the checks that come before a request, once for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from airflow_provider.mixpeek.client._batch_flows import LOOK_AGAIN, SETTLE
from airflow_provider.mixpeek.client._calls import Page, Reading, present
from airflow_provider.mixpeek.client._errors import MixpeekConfigError
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep, together
from airflow_provider.mixpeek.client._generation import call, has_idempotency_keys
from airflow_provider.mixpeek.client._models import Batch, Collection, Triggered
from airflow_provider.mixpeek.client._wait_for import WaitFor
from airflow_provider.mixpeek.waiting import Outcome

DedupStrategy = Literal["skip", "replace", "force"]


def collection_page(session: Session, search: str | None, reading: Reading) -> Flow[Page[Collection]]:
    """One page of the namespace's collections."""
    return call(
        session, session.api.list_collections(search=search, cursor=reading.cursor, size=reading.size)
    )


def batch_page(session: Session, collection_id: str, reading: Reading) -> Flow[Page[Batch]]:
    """One page of the batches that go into a collection."""
    return call(
        session,
        session.api.list_batches_of_collection(collection_id, cursor=reading.cursor, size=reading.size),
    )


def trigger(
    session: Session,
    collection: str,
    *,
    buckets: Sequence[str] | None,
    object_ids: Sequence[str] | None,
    filters: Mapping[str, Any] | None,
    dedup_strategy: str | None,
) -> Flow[Triggered]:
    """Run a collection over its sources."""
    if dedup_strategy is not None and dedup_strategy not in get_args(DedupStrategy):
        raise MixpeekConfigError(
            f"dedup_strategy is {dedup_strategy!r}, and must be one of {', '.join(get_args(DedupStrategy))}"
        )
    for name, given in (("buckets", buckets), ("object_ids", object_ids)):
        if isinstance(given, str) or (given is not None and not given):
            raise MixpeekConfigError(f"{name} is {given!r}, and must be a list of ids, or left out")
    body = {
        "include_buckets": None if buckets is None else list(buckets),
        "object_ids": None if object_ids is None else list(object_ids),
        "source_filters": filters,
        "dedup_strategy": dedup_strategy,
    }
    return call(session, session.api.trigger_collection(collection, present(body)))


def waits_of(session: Session, triggered: Triggered) -> Flow[list[WaitFor]]:
    """
    What there is to wait for of a run: its batches, or its task where they are not to be had.

    :return: At least one.
    """
    buckets = triggered.source_bucket_ids or []
    one = buckets[0] if len(buckets) == 1 else None
    ids = triggered.batch_ids or ([triggered.batch_id] if triggered.batch_id else [])
    if not ids:
        ids = yield from _told_by_its_task(session, triggered.task_id)
    if ids and one is None and not (yield from has_idempotency_keys(session)):
        # API 0.81 finds no batch without its bucket, and names but the first.
        ids = []
    if not ids:
        return [WaitFor(triggered.task_id)]
    if one is not None:
        return [WaitFor(None, batch_id, one) for batch_id in ids]
    batches = yield from together([call(session, session.api.get_batch(None, each)) for each in ids])
    return [WaitFor(None, batch.batch_id, batch.bucket_id) for batch in batches]


def _told_by_its_task(session: Session, task_id: str) -> Flow[list[str]]:
    """The batches of a trigger that was answered before the server had read the bucket."""
    give_up_at = session.clock() + SETTLE
    while True:
        task = yield from call(session, session.api.get_task(task_id))
        ended = session.api.task_words.get(task.status) not in (Outcome.RUNNING, None)
        if task.triggered_batch_ids or ended or session.clock() >= give_up_at:
            return task.triggered_batch_ids
        yield Sleep(LOOK_AGAIN)
