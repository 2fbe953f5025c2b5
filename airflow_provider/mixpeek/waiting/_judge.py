"""What one look at one thing means."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

#: Seconds for which a server that asks to wait before the next look is believed.
LONGEST_HINT = 300.0

#: So much of a pause is left to chance, that things waited for together are not looked at together for ever.
_CHANCE = 0.25


class Outcome(enum.StrEnum):
    """What a vendor's status word means. The tables that map words to outcomes stand beside the endpoints."""

    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    WAITS_FOR_CALLER = "waits-for-caller"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """
    A look that was answered.

    :param outcome: What the status word means.
    :param word: The vendor's status word.
    :param reason: The vendor's reason for a failure, where there is one.
    """

    outcome: Outcome
    word: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """A look that was answered with: there is no such thing (404), and there is nothing else to ask."""


@dataclass(frozen=True, slots=True)
class FailedLook:
    """
    A look that got no usable answer.

    :param reason: What went wrong, one sentence.
    :param retry_after: Seconds the server asked to wait, where it did.
    """

    reason: str
    retry_after: float | None = None


class End(enum.StrEnum):
    """How a wait can end."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    NOT_SUBMITTED = "not-submitted"
    LOST = "lost"
    GAVE_UP = "gave-up"
    LOST_CONTACT = "lost-contact"


@dataclass(frozen=True, slots=True)
class KeepWaiting:
    """
    Look again.

    :param seconds: When, for callers that have no interval of their own; never past the deadline.
    :param news: Something worth logging, said once; empty most of the time.
    """

    seconds: float
    news: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """
    The wait is over.

    :param end: How.
    :param sentence: The same for a person, without a full stop.
    """

    end: End
    sentence: str


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What a caller puts up with.

    :param deadline: Time (seconds, same clock as ``now``) after which waiting is given up; None where the
        caller's own frame ends it.
    :param max_failed_looks: Failed looks in a row that are borne before contact counts as lost; None: all.
    :param settle: Seconds after the start in which a DRAFT or a 404 is taken for lag of the server.
    :param shortest: Seconds between the first looks.
    :param longest: Seconds between later looks (the vendor's advice is 1 s to 30 s, API 0.82).
    """

    deadline: float | None = None
    max_failed_looks: int | None = 10
    settle: float = 60.0
    shortest: float = 1.0
    longest: float = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """
    What a wait remembers between looks.

    :param since: Time of its start, same clock as ``now``; of its first look, where that is earlier.
    :param looks: Looks so far.
    :param failed_looks: Failed looks in a row.
    :param word: The last status word seen.
    :param told: Words nobody knows that were told of already.
    """

    since: float
    looks: int = 0
    failed_looks: int = 0
    word: str = ""
    told: frozenset[str] = frozenset()


def judge(
    look: Seen | Gone | FailedLook, progress: Progress, *, now: float, rules: Rules, chance: float = 0.0
) -> tuple[Progress, KeepWaiting | Ended]:
    """
    Say what a look means.

    :param look: What was seen.
    :param progress: What this function returned after the look before, or a new one.
    :param now: The time of the look in seconds; wall-clock where a wait survives a restart.
    :param rules: What the caller puts up with.
    :param chance: A random number from 0 to 1.
    :return: What to remember, and what to do.
    """
    # A clock that was set back, or is another machine's, may be behind the start: lag is believed no longer.
    progress = replace(progress, since=min(progress.since, now), looks=progress.looks + 1)
    left = math.inf if rules.deadline is None else rules.deadline - now
    wait = pause(progress.looks, rules=rules, chance=chance)
    news = ""
    if isinstance(look, FailedLook):
        progress = replace(progress, failed_looks=progress.failed_looks + 1)
        ended = _lost_contact(look, progress, rules=rules)
        news = f"a look failed and is borne: {look.reason}"
        wait = max(wait, min(look.retry_after or 0.0, LONGEST_HINT))
    else:
        settling = now - progress.since < rules.settle
        word = look.word if isinstance(look, Seen) else ""
        progress = replace(progress, failed_looks=0, word=word)
        if isinstance(look, Seen) and look.outcome is Outcome.UNKNOWN and word not in progress.told:
            progress = replace(progress, told=progress.told | {word})
            news = f"status {word!r} is not known to this version: waiting on, until the deadline"
        ended = _lost(settling=settling) if isinstance(look, Gone) else _end(look, settling=settling)
    if ended is None and left <= 0:
        ended = Ended(End.GAVE_UP, _gave_up(look, progress))
    # The last look comes right after the deadline, however long the wait before it would be.
    return progress, ended or KeepWaiting(min(wait, left), news)


def pause(looks: int, *, rules: Rules, chance: float = 0.0) -> float:
    """Seconds from one look to the next: half as long again each time, within the rules."""
    whole = min(rules.longest, rules.shortest * 1.5 ** min(looks - 1, 60))
    return float(max(rules.shortest, whole * (1 - _CHANCE * chance)))


def _end(seen: Seen, *, settling: bool) -> Ended | None:
    why = f": {seen.reason}" if seen.reason else ""
    match seen.outcome:
        case Outcome.DONE:
            return Ended(End.DONE, f"done ({seen.word})")
        case Outcome.PARTIAL:
            return Ended(End.PARTIAL, f"done in part ({seen.word}){why}")
        case Outcome.FAILED:
            return Ended(End.FAILED, f"failed ({seen.word}){why}")
        case Outcome.WAITS_FOR_CALLER if not settling:
            return Ended(End.NOT_SUBMITTED, f"never submitted ({seen.word}): nothing will process it")
    return None


def _lost(*, settling: bool) -> Ended | None:
    if settling:
        return None
    return Ended(End.LOST, "lost: the server knows it no longer (404), so how it ended cannot be told")


def _lost_contact(look: FailedLook, progress: Progress, *, rules: Rules) -> Ended | None:
    if rules.max_failed_looks is None or progress.failed_looks <= rules.max_failed_looks:
        return None
    times = f"{progress.failed_looks} looks in a row failed, the last one with: {look.reason}"
    return Ended(End.LOST_CONTACT, f"lost contact, which says nothing about the work: {times}")


def _gave_up(look: Seen | Gone | FailedLook, progress: Progress) -> str:
    last = f"the last status was {progress.word}" if progress.word else "no status was seen"
    if isinstance(look, Gone):
        last = "the server did not know it yet"
    elif isinstance(look, FailedLook):
        last += f", and the last look failed: {look.reason}"
    return f"gave up waiting at the deadline, which does not mean it failed: {last}"
