"""Cutting rows into requests: by objects, by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

#: Bytes that a request has around its objects, generously: ``{"objects":[]}``.
ENVELOPE = 64


class Row(NamedTuple):
    """A row ready to be sent: its number in the source, and its object as JSON bytes."""

    number: int
    body: bytes


class Cutter:
    """
    Holds rows that wait to be sent and cuts them into requests, in order.

    :param max_objects: Objects of one request at most.
    :param max_bytes: Bytes of one request's body at most; a row that is larger by itself must not come in.
    """

    def __init__(self, *, max_objects: int, max_bytes: int) -> None:
        self._max_objects = max_objects
        self._max_bytes = max_bytes
        self._rows: deque[Row] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes(self) -> int:
        """Bytes of the rows that wait."""
        return self._bytes

    def add(self, rows: Iterable[Row]) -> None:
        """Let rows wait behind those that do."""
        for row in rows:
            self._rows.append(row)
            self._bytes += len(row.body)

    def cut(self, *, rest: bool) -> tuple[Row, ...]:
        """
        Take the rows of the next request.

        :param rest: No more rows will come: take what there is, even when the request is not full.
        :return: The rows; empty while a full request cannot be made.
        """
        size = ENVELOPE
        count = 0
        for row in self._rows:
            if count == self._max_objects or size + len(row.body) + 1 > self._max_bytes:
                return self._take(count)
            size += len(row.body) + 1
            count += 1
        return self._take(count) if rest or count == self._max_objects else ()

    def clear(self) -> int:
        """Forget the rows that wait, and say how many there were."""
        count = len(self._rows)
        self._rows.clear()
        self._bytes = 0
        return count

    def _take(self, count: int) -> tuple[Row, ...]:
        taken = tuple(self._rows.popleft() for _ in range(count))
        self._bytes -= sum(len(row.body) for row in taken)
        return taken
