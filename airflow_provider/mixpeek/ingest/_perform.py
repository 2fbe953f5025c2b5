"""How the actions of a run are carried out: as flows of the client, in threads or in virtual time."""

from __future__ import annotations

from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.ingest import _batch_calls, _sending
from airflow_provider.mixpeek.ingest._actions import (
    Action,
    CreateBatch,
    LookAtObjects,
    SendObjects,
    SubmitBatch,
    Tell,
)
from airflow_provider.mixpeek.ingest._sending import Target


def carry_out(action: Action, session: Session, target: Target) -> Flow[Tell]:
    """
    Carry out an action of a run.

    :param session: The client's.
    :param target: Where to, and how.
    :return: A flow, whose result tells the run. What it raises is for :meth:`Run.failed`.
    """
    if isinstance(action, SendObjects):
        return _sending.send(action, session, target)
    if isinstance(action, CreateBatch):
        return _batch_calls.create(action, session, target.bucket_id)
    if isinstance(action, SubmitBatch):
        return _batch_calls.submit(action, session, target.bucket_id)
    if isinstance(action, LookAtObjects):
        return _sending.look(action, session, target)
    return _batch_calls.list_live(action, session, target.bucket_id)
