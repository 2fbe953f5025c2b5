"""What to say of waits that did not end well, or not at all: short, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from airflow_provider.mixpeek.waiting._judge import End, Ended, Progress

#: Ends that a report has in words.
NAMED = 10

#: Characters of a reason at most: vendors put whole tracebacks into one.
_LONGEST = 500

#: The worse, the earlier. What says nothing about the work comes after all that does.
_WORST_FIRST = (End.FAILED, End.PARTIAL, End.NOT_SUBMITTED, End.LOST, End.LOST_CONTACT, End.GAVE_UP)


@dataclass(frozen=True, slots=True)
class Report:
    """
    How waits ended that did not end well.

    :param counts: How many ended how; at least one.
    :param named: Some of them in words, the worst first.
    :param running: How many more were still running when the waiting ended.
    """

    counts: Mapping[End, int]
    named: tuple[str, ...] = field(default=())
    running: int = 0

    @property
    def worst(self) -> End:
        """The worst end there is among them."""
        return next(end for end in _WORST_FIRST if self.counts.get(end))

    def __str__(self) -> str:
        count = sum(self.counts.values())
        if self.worst is End.GAVE_UP:
            more = "; ..." if count > len(self.named) else ""
            return (
                f"Gave up waiting, which does not mean that anything failed: {count} not done, "
                f"last seen as: {'; '.join(self.named)}{more}."
            )
        more = f"; and {count - len(self.named)} more" if count > len(self.named) else ""
        left = f" {self.running} more were still running; they are no longer watched." if self.running else ""
        return f"{'; '.join(self.named)}{more}.{left}"

    @classmethod
    def of(cls, bad: Iterable[tuple[object, Ended, Progress]], *, running: int) -> Self:
        """Report what ended badly: what it is, how it ended, and what was seen of it."""
        worst_first = sorted(bad, key=lambda one: _WORST_FIRST.index(one[1].end))
        counts: dict[End, int] = {}
        for _, ended, _ in worst_first:
            counts[ended.end] = counts.get(ended.end, 0) + 1
        given_up = set(counts) == {End.GAVE_UP}
        named = (
            f"{what} ({_last_seen(progress)})" if given_up else f"{what} {ended.sentence}"
            for what, ended, progress in worst_first[:NAMED]
        )
        return cls(counts, tuple(map(shortened, named)), running)


def _last_seen(progress: Progress) -> str:
    word = progress.word or "no status seen"
    return f"{word}; then {progress.failed_looks} failed looks" if progress.failed_looks else word


def shortened(text: str) -> str:
    """A vendor's reason, short enough to be kept and told."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
