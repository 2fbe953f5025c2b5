"""How much a run does at once, and bears."""

from __future__ import annotations

from dataclasses import dataclass

_BUFFERED_REQUESTS = 4
_BATCHES_AHEAD = 2
_REQUESTS_AHEAD = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How much at once.

    :param max_objects: Objects of one request.
    :param max_request_bytes: Bytes of one request's body.
    :param batch_size: Objects of one batch.
    :param max_rejected: Rejected rows that are borne: a number, or a share of the rows; None: any.
    """

    max_objects: int
    max_request_bytes: int
    batch_size: int
    max_rejected: float | None = None

    @property
    def bytes_ahead(self) -> int:
        """Bytes of rows that wait or are under way at most; a block more may come."""
        return _BUFFERED_REQUESTS * self.max_request_bytes

    @property
    def rows_ahead(self) -> int:
        """
        How far rows are read ahead of the watermark: some batches, and some requests besides.

        One answer that does not come holds the watermark back: what is known of the rows behind it is kept,
        and a try after this one sends them again.
        """
        return _BATCHES_AHEAD * self.batch_size + _REQUESTS_AHEAD * self.max_objects
