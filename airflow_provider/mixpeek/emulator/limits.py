"""Rate limits as token buckets: one for everything, one for each of the vendor's categories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limit says about one request.

    :param allowed: Whether it passes.
    :param limit: Requests that pass at once when nothing was sent for a while.
    :param remaining: How many more pass now.
    :param reset: Unix time, in whole seconds, at which ``remaining`` is ``limit`` again if nothing is sent.
    :param window: Seconds in which ``limit`` tokens come back.
    :param retry_after: Whole seconds, at least 1, after which one passes; 0 where this one did.
    :param category: What it is the limit of; None: of everything.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    window: float
    retry_after: int
    category: str | None = None

    def headers(self) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class TokenBucket:
    """Tokens that come back at a steady rate; each request takes one.

    :param rate: Tokens a second.
    :param burst: Tokens it holds; None: one second's worth, at least 1.
    :param category: What it limits; None: everything.
    """

    def __init__(self, rate: float, burst: int | None = None, *, category: str | None = None) -> None:
        self.rate = rate
        self.category = category
        self.burst = burst or max(1, math.ceil(rate))
        self._tokens = float(self.burst)
        self._seen: float | None = None

    def take(self, now: float) -> Verdict:
        """Take a token if there is one.

        :param now: Wall-clock seconds.
        """
        elapsed = 0.0 if self._seen is None else max(0.0, now - self._seen)
        self._seen = now
        # The last bits are rounding: a client that waits exactly 1/rate must find its token there.
        self._tokens = min(float(self.burst), self._tokens + elapsed * self.rate + 1e-9)
        allowed = self._tokens >= 1
        if allowed:
            self._tokens -= 1
        return Verdict(
            allowed=allowed,
            limit=self.burst,
            remaining=int(self._tokens),
            reset=math.ceil(now + (self.burst - self._tokens) / self.rate),
            window=self.burst / self.rate,
            retry_after=0 if allowed else max(1, math.ceil((1 - self._tokens) / self.rate)),
            category=self.category,
        )


class Limits:
    """All limits of one emulator."""

    def __init__(self, settings: Settings) -> None:
        self._whole = TokenBucket(settings.rate_limit, settings.burst) if settings.rate_limit else None
        self._parts = {
            category: TokenBucket(rate, category=category) for category, rate in settings.rate_limits.items()
        }

    def take(self, method: str, path: str, now: float) -> Verdict | None:
        """Let a request pass, or not; None where nothing limits it.

        A request that its category refuses does not count for the whole.

        :param path: With or without names for ids.
        :returns: Of the limits that hold for it, what the one says of which least is left.
        """
        part = self._parts.get(category_of(method, path))
        verdict = part.take(now) if part else None
        if self._whole is None or (verdict is not None and not verdict.allowed):
            return verdict
        whole = self._whole.take(now)
        if verdict is None or not whole.allowed or whole.remaining < verdict.remaining:
            return whole
        return verdict


def category_of(method: str, path: str) -> str:
    """The vendor's category of a request. Known: submits are compute, objects data; the rest is a guess."""
    if "/uploads" in path:
        return "upload"
    if "/batches" in path:
        return "compute" if method == "POST" and not path.endswith("/list") else "metadata"
    return "data" if "/objects" in path else "metadata"
