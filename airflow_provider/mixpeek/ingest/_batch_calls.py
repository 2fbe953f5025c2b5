"""How calls about batches are carried out: as flows of the client."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from airflow_provider.mixpeek.client import (
    Batch,
    MixpeekClient,
    MixpeekNotFoundError,
    WaitFor,
    _batch_flows,
)
from airflow_provider.mixpeek.client._calls import Reading
from airflow_provider.mixpeek.client._cancelling import cancel_all
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.ingest._actions import CreateBatch, ListLive, SubmitBatch, Tell, batch_name
from airflow_provider.mixpeek.ingest._inherit import LiveBatch, NotedBatch
from airflow_provider.mixpeek.ingest._lookup import by_ids
from airflow_provider.mixpeek.waiting import Outcome

log = logging.getLogger("airflow_provider.mixpeek.ingest")


def create(action: CreateBatch, session: Session, bucket_id: str) -> Flow[Tell]:
    """Create a batch, and leave it a draft. Objects that somebody has deleted meanwhile are left out."""
    try:
        batch_id = yield from _create(action, session, bucket_id)
    except MixpeekNotFoundError:
        there = yield from by_ids(session, bucket_id, action.object_ids)
        left = action.only(there)
        if len(left.object_ids) == len(action.object_ids):
            raise
        log.warning(
            "%d objects were deleted meanwhile: they go into no batch", len(action.object_ids) - len(there)
        )
        if not left.object_ids:
            return lambda run: run.batch_needless(action)
        batch_id = yield from _create(left, session, bucket_id)
        return lambda run: run.batch_created(action, batch_id, left)
    return lambda run: run.batch_created(action, batch_id, action)


def _create(action: CreateBatch, session: Session, bucket_id: str) -> Flow[str]:
    batch = yield from _batch_flows.create_batch(
        session,
        bucket_id,
        action.object_ids,
        filters=None,
        limit=None,
        collection_ids=None,
        name=action.name,
        dedup_strategy=action.dedup_strategy,
    )
    return batch.batch_id


def submit(action: SubmitBatch, session: Session, bucket_id: str) -> Flow[Tell]:
    """Submit a batch. Ours have no member in common, so that another one runs is no reason to refuse it."""
    task = yield from _batch_flows.submit_batch(session, bucket_id, action.batch_id, force=True)
    log.info(
        "Batch %s (%d objects) is submitted: %s", action.batch_id, len(action.of.object_ids), task.task_id
    )
    return lambda run: run.batch_submitted(action, task.task_id)


def list_live(action: ListLive, session: Session, bucket_id: str) -> Flow[Tell]:
    """
    List the batches of a bucket that run or are drafts.

    By status, and in the order in which a batch has them: one that goes on while the lists are read is seen
    in one of them.
    """
    found: dict[str, LiveBatch] = {}
    for word, outcome in session.api.batch_words.items():
        if outcome not in (Outcome.WAITS_FOR_CALLER, Outcome.RUNNING):
            continue
        reading = Reading()
        while not reading.ended:
            page = yield from _batch_flows.batch_page(session, bucket_id, word, reading)
            for batch in reading.turn(page):
                found[batch.batch_id] = _seen(batch, session)
    return lambda run: run.listed(action, list(found.values()))


def look(noted: NotedBatch, session: Session, *, before_row: int) -> Flow[LiveBatch]:
    """
    Look at a batch that an earlier try has noted.

    One that is not there, right after it was made, may only not show yet.

    :param before_row: Of a batch that ends before this row, and that went well, members are not kept.
    """
    started = session.clock()
    while True:
        try:
            batch = yield from call(session, session.api.get_batch(noted.bucket_id, noted.batch_id))
        except MixpeekNotFoundError:
            if _batch_flows.has_settled(session, noted_at=noted.noted_at, started=started):
                return LiveBatch(noted.batch_id, None)
            yield Sleep(_batch_flows.LOOK_AGAIN)
        else:
            seen = _seen(batch, session)
            if noted.given_up and seen.outcome not in (Outcome.DONE, Outcome.PARTIAL):
                return replace(seen, outcome=Outcome.FAILED)
            well = seen.outcome in (Outcome.RUNNING, Outcome.DONE) and not seen.failed_ids
            if well and 0 < noted.upto_row <= before_row:
                return replace(seen, object_ids=())
            return seen


def cancel(mixpeek: MixpeekClient, noted: Sequence[NotedBatch]) -> None:
    """
    Cancel those batches of earlier tries that still run.

    :raises MixpeekError: one could not be cancelled.
    """
    waits = [WaitFor(None, batch.batch_id, batch.bucket_id) for batch in noted]
    if waits:
        log.info("The task was asked for anew: cancelling what still runs of its %d batches.", len(waits))
    for sentence in mixpeek.run(cancel_all(mixpeek.session, waits, reason="the Airflow task was cleared")):
        log.warning("%s.", sentence)


def _seen(batch: Batch, session: Session) -> LiveBatch:
    outcome = session.api.batch_words.get(batch.status, Outcome.UNKNOWN)
    has_ended = outcome in (Outcome.DONE, Outcome.PARTIAL)
    members = tuple(batch.object_ids)
    return LiveBatch(
        batch.batch_id,
        outcome,
        task_id=None if outcome is Outcome.WAITS_FOR_CALLER else (batch.task_id or ""),
        objects=len(members),
        object_ids=members,
        # Of one that has not ended, they may yet be done.
        failed_ids=tuple(failed.object_id for failed in batch.failed_objects) if has_ended else (),
        dedup_strategy=str((batch.model_extra or {}).get("dedup_strategy") or "skip"),
        is_ours=batch.batch_name == batch_name(members),
    )
