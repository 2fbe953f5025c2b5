"""Rows that wait to be sent, and the requests that they are sent in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airflow_provider.mixpeek.ingest._actions import SendObjects
from airflow_provider.mixpeek.ingest._chunks import Cutter, Row


class Outbox:
    """
    Rows of one run on their way.

    :param max_objects: Objects of one request at most.
    :param max_bytes: Bytes of one request's body at most.
    """

    def __init__(self, *, max_objects: int, max_bytes: int) -> None:
        self._new_cutter = partial(Cutter, max_objects=max_objects, max_bytes=max_bytes)
        self._cutter = self._new_cutter()
        # A stack: one refused request is looked through before the next one is.
        self._again: list[SendObjects] = []
        self._bytes_taken = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Rows came, the next ones."""
        self._cutter.add(rows)

    def take(self, *, rest: bool) -> SendObjects | None:
        """
        The next request, if there is one.

        :param rest: No more rows will come: take what there is, even when the request is not full.
        """
        if self._again:
            return self._again.pop()
        rows = self._cutter.cut(rest=rest)
        return self._taken(SendObjects(rows)) if rows else None

    def answered(self, action: SendObjects) -> None:
        """A request was answered, or failed."""
        self._bytes_taken -= action.bytes

    def settle(self, row: Row) -> None:
        """It is known what became of a row."""
        self._cutter.settle(row)

    def send_again(self, rows: Sequence[Row]) -> None:
        """Rows are to be sent once more."""
        again = self._new_cutter()
        again.add(sorted(rows, key=lambda row: row.number))
        while part := again.cut(rest=True):
            self._again.append(self._taken(SendObjects(part)))

    def isolate(self, action: SendObjects, groups: Sequence[range | tuple[int, ...]]) -> None:
        """Send parts of a refused request by themselves."""
        for group in reversed(groups):
            part = tuple(action.rows[position] for position in group)
            self._again.append(self._taken(SendObjects(part, isolating=True)))

    @property
    def bytes(self) -> int:
        """Bytes of the rows that wait or are under way."""
        return self._cutter.bytes + self._bytes_taken

    def __bool__(self) -> bool:
        """Whether a row waits."""
        return bool(self._cutter or self._again)

    def _taken(self, action: SendObjects) -> SendObjects:
        self._bytes_taken += action.bytes
        return action
