"""How much a run does at once, and bears."""

from __future__ import annotations

from dataclasses import dataclass


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
