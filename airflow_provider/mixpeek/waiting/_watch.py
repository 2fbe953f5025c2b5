"""Many things waited for at once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Generic, TypeVar

from airflow_provider.mixpeek.waiting._judge import (
    End,
    Ended,
    FailedLook,
    Gone,
    Progress,
    Rules,
    Seen,
    judge,
)
from airflow_provider.mixpeek.waiting._report import NAMED, Report

W = TypeVar("W", bound=Hashable)


class Watch(Generic[W]):
    """
    What is waited for, what became of it, and when to look again.

    Whoever has an interval of its own looks at all of :attr:`waiting` each time; whoever has none looks at
    what is :meth:`due`. What was seen is told to :meth:`saw`. What is done is never looked at again. The
    first bad end ends the watch: the others run on, and nobody looks.

    :param waits: What to wait for; what comes twice is waited for once.
    :param since: Time of the start in seconds: of the wait as a whole, where this is a part of it.
    :param rules: What the caller puts up with.
    :param partial_ok: Take work of which a part failed for done.
    :param failed_looks: Failed looks in a row that another process saw before.
    """

    def __init__(
        self,
        waits: Iterable[W],
        *,
        since: float,
        rules: Rules | None = None,
        partial_ok: bool = False,
        failed_looks: Mapping[W, int] | None = None,
    ) -> None:
        before = failed_looks or {}
        self._rules = rules or Rules()
        self._partial_ok = partial_ok
        self._waiting = {wait: Progress(since=since, failed_looks=before.get(wait, 0)) for wait in waits}
        self._due = dict.fromkeys(self._waiting, -math.inf)
        self._looked = dict.fromkeys(self._waiting, -math.inf)
        self._bad: dict[W, Ended] = {}
        self._done: list[W] = []
        self._partial: dict[W, str] = {}
        self._told: frozenset[str] = frozenset()
        self._news: list[str] = []
        self._failed: list[tuple[W, str]] = []
        self._new_partial: list[str] = []

    @property
    def waiting(self) -> Mapping[W, Progress]:
        """What is not done yet, and what was seen of it; with what ended badly."""
        return MappingProxyType(self._waiting)

    @property
    def done(self) -> tuple[W, ...]:
        """What is done, in the order in which that was seen; with what is done in part, if that is taken."""
        return tuple(self._done)

    @property
    def partial(self) -> Mapping[W, str]:
        """What is done in part and was taken, and what is to be said of it."""
        return MappingProxyType(self._partial)

    @property
    def bad(self) -> Mapping[W, Ended]:
        """What ended badly."""
        return MappingProxyType(self._bad)

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be looked at any more."""
        return bool(self._bad) or not self._waiting

    def due(self, now: float) -> list[W]:
        """What is to be looked at now; all that was looked at later than now, by a clock since set back."""
        return [wait for wait, at in self._due.items() if at <= now or now < self._looked[wait]]

    def next_look(self) -> float:
        """Time at which something is due; never past the deadline."""
        return min(self._due.values(), default=math.inf)

    def saw(
        self, wait: W, look: Seen | Gone | FailedLook, *, now: float, chance: float = 0.0
    ) -> Ended | None:
        """
        Take note of a look.

        :param wait: One of :attr:`waiting`.
        :param now: The time at which the look began.
        :param chance: A random number from 0 to 1, anew for each look.
        :return: How its wait ended; None while it goes on.
        """
        # Whoever looks again at what ended badly wants to know how it is now.
        self._bad.pop(wait, None)
        progress, verdict = judge(
            look,
            replace(self._waiting[wait], told=self._told),
            now=now,
            rules=self._rules,
            chance=chance,
        )
        self._waiting[wait], self._told = progress, progress.told
        if not isinstance(verdict, Ended):
            self._due[wait], self._looked[wait] = now + verdict.seconds, now
            if isinstance(look, FailedLook):
                self._failed.append((wait, look.reason))
            elif verdict.news:
                self._news.append(f"{wait}: {verdict.news}")
            return None
        if verdict.end is End.DONE or (verdict.end is End.PARTIAL and self._partial_ok):
            del self._waiting[wait], self._due[wait], self._looked[wait]
            self._done.append(wait)
            if verdict.end is End.PARTIAL:
                self._partial[wait] = verdict.sentence
                self._new_partial.append(f"{wait}: {verdict.sentence}")
        else:
            self._bad[wait] = verdict
        return verdict

    def news(self) -> list[str]:
        """
        What is worth logging since the last time this was asked: a few sentences, without full stops.

        Words nobody knows, once each; what is done in part; and looks that failed, in one sentence however
        many there were: a server that is down fails all of them.
        """
        news, self._news = self._news, []
        news += self._new_partial[:NAMED]
        if len(self._new_partial) > NAMED:
            news.append(f"{len(self._new_partial) - NAMED} more are done in part")
        if self._failed:
            count, (wait, reason) = len(self._failed), self._failed[-1]
            news.append(
                f"{wait}: a look failed and is borne: {reason}"
                if count == 1
                else f"{count} looks failed and are borne, the last of them at {wait}: {reason}"
            )
        self._new_partial, self._failed = [], []
        return news

    def report(self) -> Report:
        """What to say of the bad ends; there must be one."""
        bad = [(wait, ended, self._waiting[wait]) for wait, ended in self._bad.items()]
        return Report.of(bad, running=len(self._waiting) - len(bad))

    def given_up(self) -> Report:
        """What to say where the caller's own frame ends the waiting; there must be something left."""
        gave_up = Ended(End.GAVE_UP, "")
        return Report.of([(wait, gave_up, seen) for wait, seen in self._waiting.items()], running=0)
