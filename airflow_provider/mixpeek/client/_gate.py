"""
Pacing: who may send when.

All senders of one client share one gate. It keeps no time of its own and never sleeps: a sender asks for a
reservation at a time, and is told to go or how long to wait before it asks again.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from airflow_provider.mixpeek.client._http_date import unix_time
from airflow_provider.mixpeek.client._places import IMPATIENCE, Place, Places

#: The vendor limits requests by these categories (``GET /v1/me`` -> ``rate_limits``, API 0.82).
Category = Literal["metadata", "data", "search", "upload", "compute"]

#: A closing that a header asks for is never believed for longer than this, in seconds.
LONGEST_CLOSING = 60.0


#: Of a known limit so much is used, that two clocks which differ a little do not make a 429.
_USED = 0.98

#: How a share of a limit changes: with a refusal, and with each second without one. Several processes under
#: one limit come to share it like this, as connections share a line.
_AFTER_REFUSAL = 0.8
_EACH_SECOND = 0.03
_LEAST_SHARE = 0.02

#: The least share that the first refusals leave: who came too late for anything knows no more than that.
_LEAST_AT_FIRST = 0.125

#: While a share grows, the time until it allows a request is asked for so often, in seconds.
_LOOK_AGAIN = 1.0

#: Who waits for an answer to tell what is left asks so soon again, at least, in seconds.
_SOONEST = 0.01

#: Requests that go before the first answer says what is left: the vendor's least limit of a category (``GET
#: /v1/me`` -> ``rate_limits``, API 0.82).
_AT_FIRST = 10


@dataclass(slots=True)
class _Lane:
    """
    One category as far as it is known.

    :param line: Those who wait, first come first.
    :param under_way: Those whose request has no answer yet, and its number, in order.
    :param passed: Requests that were let go so far.
    :param tokens: Requests that may be sent at once, as far as we know; of no meaning without a rate.
    :param rate: Requests a second that the server allows for good; None until it says so.
    :param share: Which part of that we take: the others are not asked.
    :param settling: Until the limit is met a second time: the share follows from what the server let through.
    :param sent_at: While settling, when those requests of the last minute were let go that were not refused.
    :param told_by: Number of the newest request whose answer told what was left.
    :param allowed: Up to which number requests may be let go, by that answer; without a rate.
    :param reset: What the server last called the time of its reset, and ``reset_at`` when that is for us.
    :param refills: That time moves with what is sent: what is used comes back bit by bit, not all at once.
    """

    line: dict[object, None] = field(default_factory=dict)
    under_way: dict[object, int] = field(default_factory=dict)
    closed_until: float = 0.0
    passed: int = 0
    limit: float = 0.0
    rate: float | None = None
    share: float = 1.0
    tokens: float = 0.0
    filled_at: float = 0.0
    settling: bool = True
    sent_at: deque[float] = field(default_factory=deque)
    told_by: int = 0
    allowed: float = _AT_FIRST
    reset: float = 0.0
    reset_at: float = 0.0
    refills: bool = False

    def fill(self, now: float) -> None:
        """Let the tokens come back that came back since the last time."""
        passed = now - self.filled_at
        if passed <= 0:
            return
        if self.rate is not None:
            back = passed * self.rate * self.share * _USED
            self.tokens = min(max(self.limit, 1.0), self.tokens + back)
            self.share = min(1.0, self.share + passed * _EACH_SECOND)
        self.filled_at = now

    def settle(self, allowed: Allowed, now: float) -> None:
        """One of the first refusals: what the server let through of ours in its window is our share."""
        # One that is still under way counts until it is refused too.
        self.sent_at.pop()
        let_through = sum(sent > now - allowed.window for sent in self.sent_at)
        self.share = min(1.0, max(_LEAST_AT_FIRST, let_through / allowed.limit))

    def wait(self, sender: object, now: float, answer_time: float) -> float:
        """
        Stand in line; say in how many seconds to ask again, or 0: the request may be sent now.

        :param answer_time: Seconds until an answer, at present.
        """
        if now < self.closed_until:
            return self.closed_until - now
        ahead = len(self.line)
        if sender in self.line:
            ahead = list(self.line).index(sender)
        else:
            self.line[sender] = None
        if self.rate is None:
            if self.passed + ahead + 1 <= self.allowed or not (ahead or self.under_way):
                return 0.0
            # The answers to those under way say more; when there are none, the first in line finds out.
            between_answers = answer_time / max(1, len(self.under_way))
            return min(_LOOK_AGAIN, max(_SOONEST, (ahead / 2 + IMPATIENCE) * between_answers))
        missing = ahead + 1.0 - self.tokens
        # The last bits of a token are rounding, and would be waited for in ever smaller steps.
        if missing <= 1e-6:
            return 0.0
        wait = missing / (self.rate * self.share * _USED)
        return wait if self.share == 1.0 else min(wait, _LOOK_AGAIN)

    def learn(self, left: float, number: int, reset: float | None, until_reset: float, now: float) -> None:
        """What an answer says is left, before the server has named a rate."""
        if reset is not None:
            self.refills |= now < self.reset_at and reset > self.reset
            self.reset, self.reset_at = reset, now + until_reset
        if number < self.told_by:
            return
        # Requests overtake each other: one that left before this one may not have been counted yet.
        overtaken = sum(1 for _ in takewhile(number.__gt__, self.under_way.values()))
        self.told_by, self.allowed = number, number + left - overtaken
        if left == 0 and not self.refills:
            self.closed_until = max(self.closed_until, now + until_reset)


class Turn(NamedTuple):
    """
    What a sender is told.

    :param wait: 0 to go now; else seconds after which to ask again.
    :param number: Of the request, counted in its category, when it is let go.
    :param place: Among the requests under way, likewise.
    """

    wait: float
    number: int = 0
    place: Place | None = None

    @property
    def alone(self) -> bool:
        """Whether nothing else was under way when the request was let go."""
        return self.place is None or self.place.under_way == 1


class Gate:
    """
    Shared by threads and by tasks of an event loop; every method is short and takes the caller's time.

    Nothing is held back before the server says what it allows: ``X-RateLimit-Remaining`` counts down to a
    closing, and a refusal names the limit and its window, from which the rate follows. From then on requests
    are let through at that rate, corrected by what each answer says is left. A refusal that names no rate is
    taken for a request too many at once, and from then on so many are under way that it hardly happens again.

    :param requests_per_second: Overall limit of this process; None: only what the server says.
    """

    def __init__(self, *, requests_per_second: float | None = None) -> None:
        self._lock = threading.Lock()
        self._spacing = 1.0 / requests_per_second if requests_per_second else 0.0
        self._next_free = 0.0
        self._lanes: defaultdict[Category, _Lane] = defaultdict(_Lane)
        self._places = Places()

    def reserve(self, category: Category, now: float, sender: object) -> Turn:
        """
        Ask to send one request.

        :param now: The caller's monotonic time in seconds.
        :param sender: Whoever asks, the same when it asks again. It must :meth:`leave` in the end.
        """
        with self._lock:
            lane = self._lanes[category]
            lane.fill(now)
            wait = lane.wait(sender, now, self._places.answer_time)
            if wait > 0:
                # Who may not go anyway keeps nobody of another category waiting.
                self._places.leave(sender, now)
            else:
                wait = self._places.wait(sender, now)
            wait = max(wait, self._next_free - now)
            if wait > 0:
                return Turn(wait)
            # A sender that was late does not earn the right to a burst.
            self._next_free = now + self._spacing
            lane.line.pop(sender, None)
            lane.tokens -= 1.0
            lane.passed += 1
            lane.under_way[sender] = lane.passed
            if lane.settling:
                lane.sent_at.append(now)
                while lane.sent_at[0] < now - LONGEST_CLOSING:
                    lane.sent_at.popleft()
            return Turn(0.0, lane.passed, self._places.take(sender, now))

    def leave(self, sender: object, now: float) -> None:
        """
        A sender has its answer, or waits no longer: somebody else may go in its place.

        :param now: Monotonic time in seconds.
        """
        with self._lock:
            self._places.leave(sender, now)
            for lane in self._lanes.values():
                lane.line.pop(sender, None)
                lane.under_way.pop(sender, None)

    def was_one_too_many(self, turn: Turn) -> None:
        """A request was refused, and nothing says why: let fewer be under way at once."""
        if turn.place is not None and not turn.alone:
            with self._lock:
                self._places.was_one_too_many(turn.place)

    def refused(self, category: Category, *, now: float, until: float, allowed: Allowed | None) -> None:
        """
        A request met the limit: let nobody send in this category before ``until``.

        :param now: Monotonic time in seconds.
        :param until: Likewise; a closing is never shortened.
        :param allowed: What the refusal says of the limit.
        """
        with self._lock:
            lane = self._lanes[category]
            lane.fill(now)
            if lane.rate is not None and now >= lane.closed_until:
                # One refusal rarely comes alone; those of one closing are one.
                lane.share = max(_LEAST_SHARE, lane.share * _AFTER_REFUSAL)
                lane.settling = False
            if allowed is not None:
                if lane.settling and lane.sent_at:
                    lane.settle(allowed, now)
                lane.limit, lane.rate = allowed.limit, allowed.limit / allowed.window
            lane.refills = False
            lane.closed_until = max(until, lane.closed_until)
            # What comes back during a closing is for everybody: all at once they would meet the limit again.
            alone = lane.settling and lane.share == 1.0
            lane.tokens, lane.filled_at = 0.0, now if alone else lane.closed_until

    def learn(
        self, category: Category, headers: Mapping[str, str], *, number: int, now: float, wall: float
    ) -> None:
        """
        Read what an answer says is left of the limit.

        :param headers: Names in lower case.
        :param number: Of the request that was answered, as its turn had it.
        :param now: Monotonic time in seconds.
        :param wall: Unix time in seconds, used where the answer has no ``Date``.
        """
        left = _number(headers.get("x-ratelimit-remaining"))
        with self._lock:
            lane = self._lanes[category]
            lane.fill(now)
            if left is None:
                if not lane.told_by:
                    # A server that tells nothing holds nobody back.
                    lane.allowed = math.inf
            elif lane.rate is not None:
                # The server has not counted those that went after this one, and it tells whole requests, so
                # that up to one more is left. What is left besides our own share may be somebody else's.
                lane.tokens = min(lane.tokens, left - (lane.passed - number) + 1.0)
            else:
                reset = _number(headers.get("x-ratelimit-reset"))
                lane.learn(left, number, reset, _until_reset(headers, wall), now)


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    A limit as a 429 names it (``details``, API 0.81 prose).

    :param limit: Requests.
    :param window: Seconds in which so many are allowed.
    """

    limit: float
    window: float

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Allowed | None:
        """Read it; None where it is not named."""
        limit, window = _number(details.get("limit")), _number(details.get("window"))
        return cls(limit, window) if limit and window else None


def names_rate(details: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether a 429 is about requests in a time: it names a limit or a window, or says that none is left."""
    return "limit" in details or "window" in details or _number(headers.get("x-ratelimit-remaining")) == 0


def _until_reset(headers: Mapping[str, str], wall: float) -> float:
    """Seconds until the server's limit is reset; 0 where it does not say, or what cannot be believed."""
    reset = _number(headers.get("x-ratelimit-reset"))
    if reset is None:
        return 0.0
    # The reset is a time of the server's clock, so it is held against the server's own Date.
    server_time = unix_time(headers.get("date", ""))
    wait = reset - (wall if server_time is None else server_time)
    return wait if 0 < wait <= LONGEST_CLOSING else 0.0


def _number(value: Any) -> float | None:
    """A finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None
