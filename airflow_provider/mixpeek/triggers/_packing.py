"""What a trigger waits for, as values that fit into its row: a text of 64 KB, encrypted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import WaitFor

#: What one trigger waits for at most.
MOST = 1_000

#: Characters that ids and what else is kept with them may take: encrypted they are a third more.
_LARGEST = 47_000

#: Characters that one id and one group take besides their own; a group takes most of them before Airflow 3.3.
_EACH = 4
_GROUP = 110


def packed(waits: Iterable[WaitFor]) -> list[dict[str, Any]]:
    """
    Waits as plain values, in order, the buckets of neighbours named once.

    Where the batch of a task is known the batch is judged, so the task is left out.
    """
    return [
        {"tasks": [wait.task_id for wait in group]}
        if not batches
        else {"bucket": bucket, "batches": [wait.batch_id for wait in group]}
        for (batches, bucket), group in groupby(waits, key=_place)
    ]


def unpacked(groups: Iterable[dict[str, Any]]) -> list[WaitFor]:
    """
    What :func:`packed` packed, in the same order.

    :raises MixpeekConfigError: something in it is nothing to wait for.
    """
    from airflow_provider.mixpeek.client import WaitFor

    return [
        WaitFor(task_id, batch_id, group.get("bucket"))
        for group in groups
        for task_id, batch_id in (
            *((task_id, None) for task_id in group.get("tasks", ())),
            *((None, batch_id) for batch_id in group.get("batches", ())),
        )
    ]


def first_slice(waits: Sequence[WaitFor], *, memo_size: int = 0) -> int:
    """
    How many of the first waits one trigger can hold; at least one.

    :param memo_size: Characters of what else the row has to hold.
    """
    left = _LARGEST - memo_size
    before: tuple[bool, str | None] | None = None
    for number, wait in enumerate(waits[:MOST]):
        left -= len(wait.batch_id or wait.task_id or "") + _EACH
        if _place(wait) != before:
            before = _place(wait)
            left -= len(wait.bucket or "") + _GROUP
        if left < 0 and number > 0:
            return number
    return min(len(waits), MOST)


def _place(wait: WaitFor) -> tuple[bool, str | None]:
    return (True, wait.bucket) if wait.batch_id else (False, None)
