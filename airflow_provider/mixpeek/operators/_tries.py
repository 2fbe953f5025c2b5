"""Which try of a task this is, and whether a person asked for it: pure decisions, no Airflow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try of a task, as Airflow counts them."""

    number: int
    #: The number of the try at which a person last cleared the task (0: never), and ``retries`` more.
    #: Nothing but a clear changes it.
    max_tries: int
    #: What the task declares now. Its author may change it between two tries.
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What the try before left behind."""

    last: Try
    rerun_number: int


def rerun_number(this: Try, before: Noted | None) -> int:
    """
    Return a number that grows whenever a person clears the task, and only then.

    Automatic retries, kills, time-outs and clears of other tasks leave it. So does a clear of a running task
    whose worker dies before it has heard of it: Airflow itself then goes on as after a failure.

    :param before: None: nobody noted anything, so the number is above 0 when the task was ever cleared.
    """
    cleared_at = max(this.max_tries - this.retries, 0)
    if before is None:
        return cleared_at
    last = before.last
    # The second is for an author who took away as many retries as there were tries before the clear, which
    # leaves the sum as it was.
    cleared = this.max_tries != last.max_tries or last.number <= cleared_at < this.number
    return before.rerun_number + cleared
