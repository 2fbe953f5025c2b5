"""How calls about batches are carried out: as flows of the client."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider.mixpeek.client import (
    Batch,
    MixpeekNotFoundError,
    _batch_flows,
)
from airflow_provider.mixpeek.client._calls import Reading
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.ingest._actions import CreateBatch, ListLive, SubmitBatch, Tell, batch_name
from airflow_provider.mixpeek.ingest._inherit import LiveBatch, NotedBatch
from airflow_provider.mixpeek.waiting import Outcome

log = logging.getLogger("airflow_provider.mixpeek.ingest")


def create(action: CreateBatch, session: Session, bucket_id: str) -> Flow[Tell]:
    """Create a batch, and leave it a draft."""
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
    return lambda run: run.batch_created(action, batch.batch_id)


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
    while True:
        try:
            batch = yield from call(session, session.api.get_batch(noted.bucket_id, noted.batch_id))
        except MixpeekNotFoundError:
            if session.wall() - noted.noted_at >= _batch_flows.SETTLE:
                return LiveBatch(noted.batch_id, None)
            yield Sleep(_batch_flows.LOOK_AGAIN)
        else:
            seen = _seen(batch, session)
            well = seen.outcome in (Outcome.RUNNING, Outcome.DONE) and not seen.failed_ids
            if well and 0 < noted.upto_row <= before_row:
                return replace(seen, object_ids=())
            return seen


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
