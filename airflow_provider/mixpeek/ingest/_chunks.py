"""Cutting rows into requests: by objects, by bytes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from airflow_provider.mixpeek.ingest._sources import Block

#: Bytes that a request has around its objects, generously: ``{"objects":[]}``.
ENVELOPE = 64


class Row(NamedTuple):
    """
    A row ready to be sent.

    :param number: Its number in the source, from 0.
    :param body: Its object as JSON bytes.
    :param block: Where it comes from: should the server refuse it, the row is told as it came.
    :param blob_columns: Property of each blob -> the column that fills it.
    :param key: What identifies it; None where nothing does.
    :param hash: Of all its values, where the object keeps one to be told from other values later.
    :param unique: Its unique key, as text: rows of one such key are sent one after another.
    """

    number: int
    body: bytes
    block: Block
    blob_columns: Mapping[str, str] = MappingProxyType({})
    key: str | None = None
    hash: str | None = None
    unique: str | None = None

    def values(self) -> dict[str, Any]:
        """The whole row as it came, column to cell."""
        return self.block.row(self.number - self.block.first_row)

    def column_at(self, location: Sequence[str | int]) -> str | None:
        """
        The column to blame for what is wrong at a place.

        :param location: The place in the row's object, such as ``("blobs", 0, "data")`` or ``("price",)``.
        :return: None where the place is no column's.
        """
        match list(location):
            case ["blobs", int(number), *_]:
                blobs = json.loads(self.body)["blobs"]
                return self.blob_columns.get(blobs[number]["property"]) if number < len(blobs) else None
            case ["metadata", str(name), *_] | [str(name), *_] if name in self.values():
                return name  # outside of blobs a column has the name of what it fills
        return None


class Cutter:
    """
    Holds rows that wait to be sent and cuts them into requests, in order.

    Of rows that have the same unique key one is under way at a time: the last one is to win.

    :param max_objects: Objects of one request at most.
    :param max_bytes: Bytes of one request's body at most; a row that is larger by itself must not come in.
    """

    def __init__(self, *, max_objects: int, max_bytes: int) -> None:
        self._max_objects = max_objects
        self._max_bytes = max_bytes
        self._rows: deque[Row] = deque()
        self._bytes = 0
        # Unique keys that are under way, and the rows that wait behind each.
        self._behind: dict[str, deque[Row]] = {}
        self._free: deque[Row] = deque()

    def __len__(self) -> int:
        return len(self._rows) + len(self._free) + sum(map(len, self._behind.values()))

    @property
    def bytes(self) -> int:
        """Bytes of the rows that wait."""
        return self._bytes

    def add(self, rows: Sequence[Row]) -> None:
        """Let rows wait behind those that do."""
        self._bytes += sum(len(row.body) for row in rows)
        self._rows.extend(rows)

    def settle(self, row: Row) -> None:
        """A row with a unique key is no longer under way, and will not be again."""
        if row.unique is not None:
            behind = self._behind.pop(row.unique)
            if behind:
                self._free.append(behind.popleft())
                self._behind[row.unique] = behind

    def cut(self, *, rest: bool) -> tuple[Row, ...]:
        """
        Take the rows of the next request.

        :param rest: No more rows will come: take what there is, even when the request is not full.
        :return: The rows; empty while a full request cannot be made.
        """
        if self._free:
            return self._taken((self._free.popleft(),))
        self._put_behind()
        size = ENVELOPE
        count = 0
        for row in self._rows:
            # A row is taken in any case: one that fits nowhere would make everybody wait for ever.
            full = count == self._max_objects or size + len(row.body) + 1 > self._max_bytes
            if full and count:
                return self._take(count)
            size += len(row.body) + 1
            count += 1
        return self._take(count) if rest or count == self._max_objects else ()

    def _put_behind(self) -> None:
        """Set the first row aside as long as one of its unique key is under way."""
        while self._rows and self._rows[0].unique in self._behind:
            row = self._rows.popleft()
            assert row.unique is not None  # noqa: S101 - it is in the dict
            self._behind[row.unique].append(row)

    def _take(self, count: int) -> tuple[Row, ...]:
        return self._taken(tuple(self._rows.popleft() for _ in range(count)))

    def _taken(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        self._bytes -= sum(len(row.body) for row in rows)
        for row in rows:
            if row.unique is not None:
                self._behind.setdefault(row.unique, deque())
        return rows
