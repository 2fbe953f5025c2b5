"""
One wait over several deferrals: what a task hands its trigger, and what it takes from the trigger's event.

Everything travels through the trigger and back, because ``dag.test()`` drops the arguments of ``defer``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from airflow_provider.mixpeek.client._errors import from_json
from airflow_provider.mixpeek.exceptions import MixpeekTriggerError
from airflow_provider.mixpeek.triggers._event import WaitEvent
from airflow_provider.mixpeek.triggers._marks import marked, read_marks
from airflow_provider.mixpeek.triggers._packing import first_slice, packed

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import WaitFor
    from airflow_provider.mixpeek.triggers.waits import MixpeekWaitTrigger
    from airflow_provider.mixpeek.waiting import Report

#: Seconds after the deadline at which Airflow ends a deferral by itself: its triggerer is down then.
BACKSTOP = 900.0

NOTHING_HEARD = (
    "Gave up waiting, which does not mean that anything failed: nothing was heard of the trigger, which "
    "should have told of the deadline. Is the triggerer running?"
)


class Standing(BaseModel):
    """
    Where a wait stands, as it travels.

    :param left: Which of all waits are not done, as ``marked`` marks them.
    :param partial: Likewise those that are done in part.
    :param slice: How many of those left, from the first, the trigger waits for.
    :param since: Unix time of the start.
    :param deadline: Unix time after which there is a last look.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: str
    partial: str
    slice: PositiveInt
    since: float
    deadline: float

    @classmethod
    def of(cls, memo: Mapping[str, Any]) -> Self:
        """
        Take what came back.

        :raises MixpeekTriggerError: it is something else.
        """
        try:
            return cls.model_validate(memo)
        except ValidationError:
            raise MixpeekTriggerError(
                "The trigger did not hand back where the wait stands. Do the triggerer and the workers run "
                "the same version of this package? The work itself is not touched by this."
            ) from None


@dataclass(frozen=True, slots=True)
class Taken:
    """
    What there is to go on with after a deferral.

    :param left: What is not done.
    :param partial: What is done in part.
    :param since: Unix time of the start.
    :param deadline: Unix time after which there is a last look.
    """

    left: Sequence[WaitFor]
    partial: Sequence[WaitFor]
    since: float
    deadline: float


def trigger_for(
    waits: Sequence[WaitFor],
    left: Sequence[WaitFor],
    *,
    kind: type[MixpeekWaitTrigger],
    partial: Collection[WaitFor],
    since: float,
    deadline: float,
    now: float,
    **arguments: Any,
) -> tuple[MixpeekWaitTrigger, timedelta, int]:
    """
    Make the trigger that waits for the first slice of what is left.

    :param waits: All there is to wait for.
    :param partial: What of it is done in part.
    :param arguments: More of the trigger's.
    :return: The trigger, when Airflow is to give it up, and for how many it waits.
    """
    marks, partial_marks = marked(waits, set(left)), marked(waits, set(partial))
    size = first_slice(left, memo_size=len(marks) + len(partial_marks))
    stands = Standing(left=marks, partial=partial_marks, slice=size, since=since, deadline=deadline)
    trigger = kind(
        waits=packed(left[:size]), since=since, deadline=deadline, memo=stands.model_dump(), **arguments
    )
    return trigger, timedelta(seconds=max(0.0, deadline - now) + BACKSTOP), size


def take(event: Any, waits: Sequence[WaitFor], *, tell: Callable[[str], object]) -> Taken | Report:
    """
    Take what a trigger tells.

    :param waits: All there is to wait for.
    :param tell: Called with each sentence that is worth logging.
    :return: What to go on with, or how the wait ended badly.
    :raises MixpeekTriggerError: the trigger failed by itself, or its event is not understood.
    :raises MixpeekError: what the trigger ended with.
    """
    told = WaitEvent.of(event)
    if told.partial:
        tell(f"{len(told.partial)} done in part; the trigger's log names them.")
    if told.error is not None:
        raise from_json(told.error) or MixpeekTriggerError(
            f"The trigger ended with {told.error.get('kind')}, and its log says why. The work may be "
            "going on; a retry waits anew."
        )
    if told.bad is not None:
        return told.bad.report()
    stands = Standing.of(told.memo)
    left, partial = read_marks(waits, stands.left), read_marks(waits, stands.partial)
    if left is None or partial is None:
        tell("There is something else to wait for than before the deferral: looking anew.")
        return Taken(waits, (), stands.since, stands.deadline)
    of_slice = left[: stands.slice]
    return Taken(
        [*_at(told.left, of_slice), *left[stands.slice :]],
        [*partial, *_at(told.partial, of_slice)],
        stands.since,
        stands.deadline,
    )


def _at(places: Iterable[int], waits: Sequence[WaitFor]) -> list[WaitFor]:
    return [waits[place] for place in places if place < len(waits)]
