"""What one emulator is told once, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Generation = Literal["current", "legacy"]
ApiVersion = Literal["0.82", "0.81"]
Undeclared = Literal["refuse", "accept"]
IdempotencyConflict = Literal["replay", "refuse"]

CATEGORIES = ("metadata", "data", "search", "upload", "compute")
_SECONDS = ("task_seconds", "latency", "draft_seconds", "submit_interval", "visibility_lag", "task_memory")
_CHOICES = {
    "generation": ("current", "legacy"),
    "api_version": ("0.82", "0.81"),
    "undeclared_metadata": (None, "refuse", "accept"),
    "idempotency_conflict": ("replay", "refuse"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The behaviour of one emulator.

    :param generation: Which generation of the API it speaks.
    :param api_version: Of the current generation, which version.
    :param api_keys: Keys that pass. Empty: any non-empty key does.
    :param namespaces: Names that exist. Empty: every name does.
    :param task_seconds: From the start of a task to its end.
    :param draft_seconds: How long a batch stays that nobody submits.
    :param submit_interval: Seconds between two submissions of one batch; 0: any.
    :param visibility_lag: Seconds after a write in which a look at a batch or a task does not show it.
    :param task_memory: Seconds after the end of a task in which the server knows of it.
    :param latency: Seconds added before every answer.
    :param rate_limit: Requests a second; None: no limit.
    :param burst: Requests at once before the rate counts; None: one second's worth, at least 1.
    :param rate_limits: Requests a second of a category (``CATEGORIES``), besides ``rate_limit``.
    :param in_flight: Requests under way at once; None: any number.
    :param max_batch_size: Most objects of one processing batch; None: the vendor gives no maximum.
    :param max_body_bytes: Bytes of one request's body; None: any number.
    :param max_upload_bytes: Bytes of one uploaded file; None: any number.
    :param quota: Objects that the plan allows in all; None: any number.
    :param undeclared_metadata: What a root key that the bucket's schema does not declare gets: a 422, or
        storage and a warning; None: what the API version does, which is to refuse since 0.82.
    :param idempotency_conflict: What another body under a used key gets: the first object, or a 409.
    :param database: The file in which everything is kept; None: nothing outlives the process.
    :ivar is_before_82: Whether it speaks the current generation as it was before 0.82.
    :ivar accepts_undeclared: Whether root keys that no schema declares are stored.
    :raises ValueError: A number is out of range, or a word is none of those it may be.
    """

    generation: Generation = "current"
    api_version: ApiVersion = "0.82"
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    namespaces: tuple[str, ...] = ()
    task_seconds: float = 1.0
    draft_seconds: float = 1800.0
    submit_interval: float = 60.0
    visibility_lag: float = 0.0
    task_memory: float = 86_400.0
    latency: float = 0.0
    rate_limit: float | None = None
    burst: int | None = None
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    in_flight: int | None = None
    max_batch_size: int | None = None
    max_body_bytes: int | None = None
    max_upload_bytes: int | None = None
    quota: int | None = None
    undeclared_metadata: Undeclared | None = None
    idempotency_conflict: IdempotencyConflict = "replay"
    database: str | Path | None = None

    # Plain attributes, because they are asked for every object.
    is_before_82: bool = field(init=False)
    accepts_undeclared: bool = field(init=False)

    @property
    def version(self) -> str:
        """What it speaks, in one word."""
        return "legacy" if self.generation == "legacy" else self.api_version

    def __post_init__(self) -> None:
        self._check()
        before_82 = self.generation == "current" and self.api_version == "0.81"
        accepts = before_82 if self.undeclared_metadata is None else self.undeclared_metadata == "accept"
        object.__setattr__(self, "is_before_82", before_82)
        object.__setattr__(self, "accepts_undeclared", accepts)

    def _check(self) -> None:
        for name in _SECONDS:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; give seconds, 0 or more")
        if self.rate_limit is not None and not self.rate_limit > 0:
            raise ValueError(f"rate_limit is {self.rate_limit!r}; give requests a second above 0, or None")
        for category, rate in self.rate_limits.items():
            if category not in CATEGORIES or not rate > 0:
                raise ValueError(
                    f"rate_limits has {category!r}: {rate!r}; give requests a second above 0 for "
                    f"{', '.join(CATEGORIES)}"
                )
        for name in ("burst", "in_flight", "max_batch_size", "max_body_bytes", "max_upload_bytes", "quota"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value!r}; give a whole number from 1, or None")
        if self.burst is not None and self.rate_limit is None:
            raise ValueError("burst limits nothing without rate_limit; give both")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                allowed = " or ".join(repr(choice) for choice in choices if choice)
                raise ValueError(f"{name} is {getattr(self, name)!r}; give {allowed}")
        if self.generation == "legacy" and self.api_version != "0.82":
            raise ValueError(f"api_version {self.api_version!r} is of the current generation, not of legacy")
        if "" in self.api_keys or "" in self.namespaces:
            raise ValueError("an API key or a namespace is empty")
