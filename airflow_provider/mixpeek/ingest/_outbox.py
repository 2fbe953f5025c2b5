"""Rows that wait to be sent, and the requests that they are sent in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airflow_provider.mixpeek.client import MixpeekError, MixpeekStatusError
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._actions import SendObjects
from airflow_provider.mixpeek.ingest._chunks import Cutter, Row
from airflow_provider.mixpeek.ingest._report import RejectedRow

#: A server that refuses so many requests in a row while rows to blame are looked for, and stores none in
#: between, refuses everything.
SYSTEMIC = 200


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
        self._refused_in_a_row = 0

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

    def isolate(self, action: SendObjects, error: MixpeekStatusError) -> list[RejectedRow]:
        """Find the rows to blame for a refusal; those of which it does not tell are sent by themselves."""
        self._refused_in_a_row += action.isolating
        verdict = blame.judge(error, len(action.rows))
        for group in reversed(verdict.again):
            part = tuple(action.rows[position] for position in group)
            self._again.append(self._taken(SendObjects(part, isolating=True)))
        guilty = []
        for position, complaint in verdict.guilty.items():
            row = action.rows[position]
            self.settle(row)
            column = row.column_at(complaint.location)
            guilty.append(
                RejectedRow(row.number, complaint.reason, column, error_type=error.type, values=row.values())
            )
        return guilty

    def was_taken(self) -> None:
        """The server has taken a row."""
        self._refused_in_a_row = 0

    def refuses_everything(self, last: MixpeekStatusError) -> MixpeekError | None:
        """The error that says so, where it is hardly the rows that are wrong."""
        if self._refused_in_a_row < SYSTEMIC:
            return None
        error = MixpeekError(
            f"{SYSTEMIC} requests in a row were refused, smaller and smaller ones, and no row was stored in "
            f"between, so it is hardly the rows that are wrong; the last refusal: {last.message}",
            method=last.method,
            path=last.path,
            request_id=last.request_id,
            hint=last.hint,
        )
        error.__cause__ = last
        return error

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
