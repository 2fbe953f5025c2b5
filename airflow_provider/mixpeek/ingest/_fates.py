"""What has become of each row that was read: one byte a row, and only of those that are not settled."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

#: Settled rows are counted together when so many have gathered.
_FOLD = 65_536


class Fate(IntEnum):
    """What has become of a row; it fits into a byte."""

    WAITING = 0
    SENT = 1
    CREATED = 2
    REPLAYED = 3
    STORED = 4
    REJECTED = 5


class _Window(NamedTuple):
    """
    A part of the rows.

    :param first_row: Number of the first row that still has a byte.
    :param counts: How many rows before it have which fate.
    :param bytes: The fates of the rows from there on.
    """

    first_row: int
    counts: tuple[int, ...]
    bytes: bytearray


class Fates:
    """
    The fates of all rows of a run. Every row has one at any moment, even where a transition is broken off in
    the middle, as Ctrl-C does it.

    :param first_row: Number of the first row.
    :param before: Rows that earlier tries have settled, by their fate.
    """

    def __init__(self, first_row: int = 0, before: dict[Fate, int] | None = None) -> None:
        counts = tuple((before or {}).get(fate, 0) for fate in Fate)
        self._window = _Window(first_row, counts, bytearray())

    def add(self, count: int) -> None:
        """So many more rows were read, and wait."""
        self._window.bytes.extend(bytes(count))

    def mark(self, row: int, fate: Fate) -> None:
        """A row has another fate now."""
        self._window.bytes[row - self._window.first_row] = fate

    def fold(self, before: int) -> None:
        """Rows before this one are settled: count them, and forget which is which."""
        first, counts, fates = self._window
        settled = before - first
        if settled >= _FOLD:
            gone = fates[:settled]
            counts = tuple(count + gone.count(fate) for fate, count in zip(Fate, counts, strict=True))
            # In one step, for an interruption between two would count rows twice or not at all.
            self._window = _Window(before, counts, fates[settled:])

    def count(self, fate: Fate) -> int:
        """How many rows have this fate."""
        return self._window.counts[fate] + self._window.bytes.count(fate)

    @property
    def end(self) -> int:
        """Number of the row that is read next."""
        return self._window.first_row + len(self._window.bytes)

    def __len__(self) -> int:
        return sum(self._window.counts) + len(self._window.bytes)
