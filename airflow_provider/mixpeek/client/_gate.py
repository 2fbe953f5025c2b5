"""
Pacing: who may send when.

All senders of one client share one gate. It keeps no time of its own and never sleeps: a sender asks for a
reservation at a time, and is told to go or how long to wait before it asks again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal

from airflow_provider.mixpeek.client._http_date import unix_time

#: The vendor limits requests by these categories (``GET /v1/me`` -> ``rate_limits``, API 0.82).
Category = Literal["metadata", "data", "search", "upload", "compute"]

#: A closing that a header asks for is never believed for longer than this, in seconds.
LONGEST_CLOSING = 60.0


class Gate:
    """
    Shared by threads and by tasks of an event loop; every method is short and takes the caller's time.

    :param requests_per_second: Overall limit of this process; None: only what the server says.
    """

    def __init__(self, *, requests_per_second: float | None = None) -> None:
        self._lock = threading.Lock()
        self._spacing = 1.0 / requests_per_second if requests_per_second else 0.0
        self._next_free = 0.0
        self._closed_until: dict[Category, float] = {}

    def reserve(self, category: Category, now: float) -> float:
        """
        Ask to send one request.

        :param now: The caller's monotonic time in seconds.
        :return: 0 to go now; else seconds after which to ask again.
        """
        with self._lock:
            closed = self._closed_until.get(category, 0.0) - now
            if closed > 0:
                return closed
            if self._next_free > now:
                return self._next_free - now
            # A sender that was late does not earn the right to a burst.
            self._next_free = now + self._spacing
            return 0.0

    def close(self, category: Category, until: float) -> None:
        """Let nobody send in this category before ``until`` (monotonic seconds); never shortens a closing."""
        with self._lock:
            self._closed_until[category] = max(until, self._closed_until.get(category, 0.0))

    def learn(self, category: Category, headers: Mapping[str, str], *, now: float, wall: float) -> None:
        """
        Read the rate limit headers of an answer, and close the category when nothing is left of it.

        :param headers: Names in lower case.
        :param now: Monotonic time in seconds.
        :param wall: Unix time in seconds, used where the answer has no ``Date``.
        """
        if headers.get("x-ratelimit-remaining", "").strip() != "0":
            return
        try:
            reset = float(headers["x-ratelimit-reset"])
        except (KeyError, ValueError):
            return
        # The reset is a time of the server's clock, so it is held against the server's own Date.
        server_time = unix_time(headers.get("date", ""))
        wait = reset - (wall if server_time is None else server_time)
        if 0 < wait <= LONGEST_CLOSING:
            self.close(category, now + wait)
