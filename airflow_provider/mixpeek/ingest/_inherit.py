"""
What earlier tries have left behind: batches that run, are done, failed, are drafts still, or are gone.

Pure: the looks are somebody else's. An object counts as batched only if a live batch of ours holds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider.mixpeek.ingest._report import SubmittedBatch
from airflow_provider.mixpeek.waiting import Outcome

if TYPE_CHECKING:
    from airflow_provider.mixpeek.ingest._actions import SubmitBatch


class NotedBatch(NamedTuple):
    """
    A batch as the checkpoint has it.

    :param bucket_id: Its bucket.
    :param upto_row: Number of the row after its last one; 0 where its objects belong to no rows of the run.
    :param noted_at: Unix seconds.
    :param given_up: It was cancelled, or somebody is about to: what it has not done by now counts as failed.
    """

    bucket_id: str
    batch_id: str
    upto_row: int
    noted_at: float
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """
    A batch as the server shows it.

    :param outcome: What its status word means; None where it is gone.
    :param task_id: Its task; None as long as it is a draft.
    :param objects: How many members it has.
    :param object_ids: Its members, where they were asked for.
    :param failed_ids: Members that could not be processed, of a batch that is done in part.
    :param is_ours: Its name is the one that we give a batch of these members.
    """

    batch_id: str
    outcome: Outcome | None
    task_id: str | None = None
    objects: int = 0
    object_ids: tuple[str, ...] = ()
    failed_ids: tuple[str, ...] = ()
    dedup_strategy: str = "skip"
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Inherited:
    """
    What a run takes over.

    :param taken: Objects that are not to be batched by their rows, and the live batch that holds each, where
        there is one.
    :param live: Batches that run or are done: there is nothing to do but to wait for them.
    :param drafts: Batches that were never submitted.
    :param again: Objects that failed, or whose batch did, and the strategy of a batch of them.
    :param gone: Batches that the server does not know any more: what they held, only the rows can tell.
    """

    taken: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    live: Sequence[SubmittedBatch] = ()
    drafts: Sequence[SubmitBatch] = ()
    again: Sequence[tuple[tuple[str, ...], str]] = ()
    gone: Collection[str] = ()


def inherit(looks: Iterable[LiveBatch]) -> Inherited:
    """
    Say what to do about batches of earlier tries.

    :param looks: Each as it is now, in the order in which they were made.
    """
    from airflow_provider.mixpeek.ingest._actions import CreateBatch, SubmitBatch

    # Submitted ones first: a draft that shares an object with one of them is of no use.
    looks = sorted(looks, key=lambda batch: batch.outcome is Outcome.WAITS_FOR_CALLER)
    taken: dict[str, str | None] = {}
    live: list[SubmittedBatch] = []
    drafts: list[SubmitBatch] = []
    failed: list[tuple[tuple[str, ...], str]] = []
    gone: list[str] = []
    for batch in looks:
        match batch.outcome:
            case None:
                gone.append(batch.batch_id)
                continue
            case Outcome.WAITS_FOR_CALLER if not taken.keys().isdisjoint(batch.object_ids):
                continue
            case Outcome.WAITS_FOR_CALLER:
                drafts.append(
                    SubmitBatch(batch.batch_id, CreateBatch(batch.object_ids, batch.dedup_strategy))
                )
            case Outcome.FAILED:
                failed.append((batch.object_ids, batch.dedup_strategy))
                continue
            case _:
                # A word nobody knows is taken for work that goes on: doing it twice cannot be undone.
                live.append(SubmittedBatch(batch.batch_id, batch.task_id or "", batch.objects))
                if batch.failed_ids:
                    failed.append((batch.failed_ids, batch.dedup_strategy))
        failures = set(batch.failed_ids)
        taken |= {each: batch.batch_id for each in batch.object_ids if each not in failures}
    again: list[tuple[tuple[str, ...], str]] = []
    for object_ids, strategy in failed:
        # A batch of an earlier try may have taken them up already, and failed objects come once.
        left = tuple(each for each in object_ids if each not in taken)
        taken |= dict.fromkeys(left)
        if left:
            again.append((left, strategy))
    return Inherited(taken, live, drafts, again, gone)
