"""Waiting for tasks and batches, once for both clients and for the trigger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider.mixpeek.client._errors import (
    MixpeekConfigError,
    MixpeekWaitContactError,
    MixpeekWaitTimeoutError,
    MixpeekWorkError,
    MixpeekWorkFailedError,
    MixpeekWorkLostError,
    MixpeekWorkNotSubmittedError,
    MixpeekWorkPartialError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, Sleep, log, together
from airflow_provider.mixpeek.client._looks import look
from airflow_provider.mixpeek.client._wait_for import WaitFor, flattened
from airflow_provider.mixpeek.waiting import End, FailedLook, Gone, Report, Rules, Seen, Watch

_ERRORS: Mapping[End, type[MixpeekWorkError]] = {
    End.FAILED: MixpeekWorkFailedError,
    End.PARTIAL: MixpeekWorkPartialError,
    End.NOT_SUBMITTED: MixpeekWorkNotSubmittedError,
    End.LOST: MixpeekWorkLostError,
    End.LOST_CONTACT: MixpeekWaitContactError,
    End.GAVE_UP: MixpeekWaitTimeoutError,
}

Look = Seen | Gone | FailedLook
OnProgress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Waited:
    """
    What a wait that ended well has seen.

    :param done: What is done, in the order in which that was seen.
    :param partial: Of these, what is done in part, each with what failed of it.
    """

    done: tuple[WaitFor, ...]
    partial: Mapping[WaitFor, str]


def look_at(session: Session, waits: Sequence[WaitFor]) -> Flow[list[tuple[float, Look]]]:
    """
    Look once at many, several at once.

    :return: For each the Unix time at which its look began, and what was seen.
    :raises MixpeekError: an error that looking again will not heal, such as a wrong API key.
    """
    return (yield from together([_timed_look(session, wait) for wait in waits]))


def _timed_look(session: Session, wait: WaitFor) -> Flow[tuple[float, Look]]:
    now = session.wall()
    return now, (yield from look(session, wait))


def watch(
    session: Session,
    what: Watch[WaitFor],
    *,
    tell: Callable[[str], object],
    until: float = math.inf,
    progress: OnProgress | None = None,
) -> Flow[None]:
    """
    Look at what is due until a watch is over.

    :param tell: Called with each sentence that is worth logging.
    :param until: Unix time at which to leave off.
    :param progress: Called with how many are done and how many there are, after each round of looks.
    :raises MixpeekError: an error that looking again will not heal.
    """
    while not what.is_over and (now := session.wall()) < until:
        due = what.due(now)
        if not due:
            yield Sleep(min(what.next_look(), until) - now)
            continue
        for wait, (at, seen) in zip(due, (yield from look_at(session, due)), strict=True):
            what.saw(wait, seen, now=at, chance=session.jitter())
        for sentence in what.news():
            tell(sentence)
        if progress is not None:
            progress(len(what.done), len(what.done) + len(what.waiting))


def wait(
    session: Session,
    given: Any,
    *,
    timeout: float,
    partial_ok: bool,
    max_failed_looks: int | None,
    progress: OnProgress | None,
) -> Flow[Waited]:
    """
    Wait until all are done.

    :raises MixpeekConfigError: an argument is wrong, or there is something that cannot be waited for.
    :raises MixpeekWorkError: one did not end well.
    """
    if not 0 <= timeout < math.inf:
        raise MixpeekConfigError(f"timeout is {timeout!r}, and must be a number of seconds")
    if max_failed_looks is not None and max_failed_looks < 0:
        raise MixpeekConfigError(f"max_failed_looks is {max_failed_looks!r}, and must not be negative")
    now = session.wall()
    what = Watch(
        flattened(given),
        since=now,
        rules=Rules(deadline=now + timeout, max_failed_looks=max_failed_looks),
        partial_ok=partial_ok,
    )
    yield from watch(session, what, tell=lambda news: log.warning("%s.", news), progress=progress)
    if what.bad:
        raise _error(what)
    return Waited(what.done, dict(what.partial))


def work_error(report: Report, **more: Any) -> MixpeekWorkError:
    """One error for all that ended badly, of the worst kind among them; ``more`` is for the error."""
    return _ERRORS[report.worst](str(report).removesuffix("."), **more)


def _error(what: Watch[WaitFor]) -> MixpeekWorkError:
    return work_error(
        what.report(),
        ends={wait: ended.sentence for wait, ended in what.bad.items()},
        running=tuple(wait for wait in what.waiting if wait not in what.bad),
    )


def wait_for_batches(session: Session, bucket_id: str, batch_ids: Any, **rules: Any) -> Flow[Waited]:
    """Wait until batches are done, of one bucket where they are given by their ids; as :func:`wait`."""
    waits = flattened(batch_ids, of_id=lambda batch_id: WaitFor(None, batch_id, bucket_id))
    return wait(session, waits, **rules)
