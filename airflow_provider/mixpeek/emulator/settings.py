"""What one emulator is told once, before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Generation = Literal["current", "legacy"]
Undeclared = Literal["refuse", "accept"]
IdempotencyConflict = Literal["replay", "refuse"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The behaviour of one emulator.

    :param generation: Which generation of the API it speaks.
    :param api_keys: Keys that pass. Empty: any non-empty key does.
    :param namespaces: Names that exist. Empty: every name does.
    :param task_seconds: From the start of a task to its end.
    :param latency: Seconds added before every answer.
    :param rate_limit: Requests a second; None: no limit.
    :param burst: Requests at once before the rate counts; None: one second's worth, at least 1.
    :param max_batch_size: Most objects of one processing batch; None: the vendor gives no maximum.
    :param undeclared_metadata: What a root key that the bucket's schema does not declare gets: a 422, or
        storage and a warning.
    :param idempotency_conflict: What another body under a used key gets: the first object, or a 409.
    :raises ValueError: A number is out of range or a word is not one of the two it may be.
    """

    generation: Generation = "current"
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    namespaces: tuple[str, ...] = ()
    task_seconds: float = 1.0
    latency: float = 0.0
    rate_limit: float | None = None
    burst: int | None = None
    max_batch_size: int | None = None
    undeclared_metadata: Undeclared = "refuse"
    idempotency_conflict: IdempotencyConflict = "replay"

    def __post_init__(self) -> None:
        if self.generation not in ("current", "legacy"):
            raise ValueError(f"generation is {self.generation!r}; give 'current' or 'legacy'")
        for name in ("task_seconds", "latency"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; give seconds, 0 or more")
        if self.rate_limit is not None and not self.rate_limit > 0:
            raise ValueError(f"rate_limit is {self.rate_limit!r}; give requests a second above 0, or None")
        for name in ("burst", "max_batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value!r}; give a whole number from 1, or None")
        if self.burst is not None and self.rate_limit is None:
            raise ValueError("burst limits nothing without rate_limit; give both")
        if self.undeclared_metadata not in ("refuse", "accept"):
            raise ValueError(
                f"undeclared_metadata is {self.undeclared_metadata!r}; give 'refuse' or 'accept'"
            )
        if self.idempotency_conflict not in ("replay", "refuse"):
            raise ValueError(
                f"idempotency_conflict is {self.idempotency_conflict!r}; give 'replay' or 'refuse'"
            )
        if "" in self.api_keys or "" in self.namespaces:
            raise ValueError("an API key or a namespace is empty")
