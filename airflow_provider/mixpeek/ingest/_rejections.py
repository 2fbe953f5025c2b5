"""Rejected rows of a run: the first of them kept, all counted, and at some point too many."""

from __future__ import annotations

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._report import KEPT_REJECTED, RejectedRow

#: Of fewer rows a share says nothing.
_SHARE_COUNTS_FROM = 1_000


class TooManyRejectedError(MixpeekError):
    """More rows are wrong than ``max_rejected`` bears."""


class Rejections:
    """
    :param borne: Rows that may be wrong: a whole number of them, or a share (a float below 1); None: any.
    :param before: Rows that earlier tries have rejected.
    """

    def __init__(self, borne: float | None, *, before: int) -> None:
        self._borne = borne
        self._count = before
        self.kept: list[RejectedRow] = []

    def add(self, row: RejectedRow) -> None:
        """A row is wrong."""
        self._count += 1
        if len(self.kept) < KEPT_REJECTED:
            self.kept.append(row)

    def too_many(self, *, read: int, at_the_end: bool) -> TooManyRejectedError | None:
        """
        Whether it is enough, and the error that says so.

        :param read: How many rows were read.
        :param at_the_end: These are all rows there are.
        """
        borne, rejected = self._borne, self._count
        if borne is None:
            return None
        if isinstance(borne, float):
            if read < _SHARE_COUNTS_FROM and not at_the_end:
                return None
            if rejected <= borne * read:
                return None
            bearable = f"{borne:.2%} of the rows"
        elif rejected <= borne:
            return None
        else:
            bearable = f"{borne:,}"
        return TooManyRejectedError(
            f"{rejected:,} of {read:,} rows are rejected, and max_rejected bears {bearable}",
            hint="Mend the rows, or the mapping, or raise max_rejected.",
        )
