"""
Where a run begins: at the first row, or behind what earlier tries have stored.

Their watermark is believed where it belongs to the same rows, none of their batches is gone, and the rows
before it are the same when they are read again, or come from a file that has not changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from airflow_provider.mixpeek.ingest._inherit import Inherited, LiveBatch, NotedBatch, inherit
from airflow_provider.mixpeek.ingest._journal import Journal, Progress
from airflow_provider.mixpeek.ingest._ledger import Mark, chained
from airflow_provider.mixpeek.ingest._rows import Prepared
from airflow_provider.mixpeek.ingest._world import SourceChangedError, World
from airflow_provider.mixpeek.waiting import Outcome

log = logging.getLogger("airflow_provider.mixpeek.ingest")

OnSourceChange = Literal["fail", "accept"]

#: Looks at batches, each as it is now. Members of those that end before the given row are not asked for.
Look = Callable[[list[NotedBatch], int], list[LiveBatch]]


#: Any row may have been sent.
ANY_ROW = 2**53


@dataclass(frozen=True, slots=True)
class Beginning:
    """
    Where a run begins.

    :param mark: The watermark; None: at the first row.
    :param inherited: Batches of earlier tries.
    """

    mark: Mark | None
    inherited: Inherited


def stored_progress(journal: Journal, world: World, *, on_source_change: OnSourceChange) -> Progress | None:
    """
    How far earlier tries were, if it is about this bucket; with nothing settled where the rows have changed,
    or are others.

    :raises SourceChangedError: it is about the same rows, and they or what becomes of them have changed.
    """
    found = journal.progress()
    if found is None:
        return None
    if not world.is_same_part(found.world):
        log.info("The checkpoint is about other rows or another bucket; beginning at the first row.")
        # Of a file that was cut otherwise then, they may be some of these.
        return found._replace(mark=Mark(), sent=ANY_ROW) if world.is_same_bucket(found.world) else None
    changes = world.changes(found.world)
    if not changes:
        return found
    if on_source_change == "fail":
        raise SourceChangedError(
            f"since the try before began to store rows: {'; '.join(changes)}",
            hint='If that is meant, pass on_source_change="accept" (in Airflow, clearing the task does): all '
            "rows are sent again, and those that have changed may be stored a second time.",
        )
    log.warning("%s; beginning at the first row, as is accepted.", "; ".join(changes))
    return found._replace(mark=Mark(), sent=ANY_ROW)


def take_over(journal: Journal, world: World, mark: Mark | None, *, look: Look) -> Beginning:
    """
    Look at the batches of earlier tries before their watermark is believed.

    :param mark: The watermark, where it is believed so far.
    """
    noted = journal.batches(world.bucket_id)
    if not noted:
        return Beginning(mark, Inherited())
    looks = look(noted, mark.row if mark else 0)
    if mark:
        is_gone = any(batch.outcome is None for batch in looks)
        if is_gone:
            log.warning(
                "A batch of an earlier try is gone, and only the rows can tell what it held: beginning at "
                "the first row. What is stored is found by its key and not stored again."
            )
            mark = None
        if is_gone or any(batch.failed_ids or batch.outcome is Outcome.FAILED for batch in looks):
            # What failed may be in any of the others by now, so the members of all count.
            looks = look(noted, 0)
    inherited = inherit(looks)
    log.info(
        "Earlier tries have left %d batches: %d run or are done, %d were never submitted and are now, "
        "%d objects of others are processed again.",
        len(noted),
        len(inherited.live),
        len(inherited.drafts),
        sum(len(object_ids) for object_ids, _ in inherited.again),
    )
    return Beginning(mark, inherited)


def behind(mark: Mark, blocks: Iterator[Prepared]) -> Iterator[Prepared] | None:
    """
    Read up to a watermark.

    :param blocks: The source from its first row, made ready from the watermark on.
    :return: The rows behind it; None where those before it are not what they were.
    """
    digest = ""
    for block in blocks:
        digest = chained(digest, block.skipped)
        if block.lines.keys:
            return chain([block], blocks) if digest == mark.digest else None
    return iter(()) if digest == mark.digest else None
