"""
How many requests of one client may be under way at once.

The vendor's plans allow five or fifty, and no call tells which. So there is no bound before the server
refuses a request among others and does not say why: then it was one too many. The bound falls below what was
under way, and grows again slowly: several clients under one limit come to share it, as connections share a
line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: What a refusal leaves of the bound, and in how many rounds of answers it grows by one: some two requests in
#: a hundred find out again where a limit of five is.
_AFTER_REFUSAL = 0.75
_ROUNDS = 8

#: Seconds after which somebody in line asks again, at least and at most: nobody is woken, and nobody spins.
_SOONEST = 0.01
_LATEST = 1.0

#: Of the time between two answers, the first in line lets this part pass before it asks again.
IMPATIENCE = 0.25

#: Who has an answer may go on at once, since a place left to a sleeper is idle; but the first in line, when
#: it has waited so many times as long as a strict line would take, is given the next place.
_PATIENCE = 2

#: Weight of one answer in the mean time until an answer.
_NEWEST = 1 / 8


class Place(NamedTuple):
    """
    A place that was taken.

    :param number: Counted over all places ever taken.
    :param under_way: Places taken at that moment, this one included.
    :param since: Monotonic seconds.
    """

    number: int
    under_way: int
    since: float


class Places:
    """The places, and the line of those who wait for one. Not locked; the gate is."""

    def __init__(self) -> None:
        self._bound = math.inf
        self._taken: dict[object, Place] = {}
        self._line: dict[object, float] = {}
        self._number = 0
        self._number_at_refusal = 0
        self.answer_time = 0.0

    def wait(self, sender: object, now: float) -> float:
        """
        Ask for a place, and stand in line where there is none.

        :return: Seconds after which to ask again; 0: there is one.
        """
        self._line.setdefault(sender, now)
        ahead = list(self._line).index(sender)
        between_answers = self.answer_time / self._bound
        waited = now - next(iter(self._line.values()))
        owed = ahead > 0 and waited > _PATIENCE * len(self._line) * between_answers
        if len(self._taken) + owed + 1 <= self._bound:
            return 0.0
        return min(_LATEST, max(_SOONEST, (ahead + 1) * IMPATIENCE * between_answers))

    def take(self, sender: object, now: float) -> Place:
        """Take a place; there must be one."""
        self.leave(sender, now)
        self._number += 1
        place = self._taken[sender] = Place(self._number, len(self._taken) + 1, now)
        return place

    def leave(self, sender: object, now: float) -> None:
        """Give a place back, or go out of the line."""
        place = self._taken.pop(sender, None)
        if place is not None:
            self.answer_time += (now - place.since - self.answer_time) * _NEWEST
            self._bound += 1 / (_ROUNDS * self._bound)
        self._line.pop(sender, None)

    def was_one_too_many(self, place: Place) -> None:
        """A request was refused that others were under way beside."""
        # Those that were on their way when a refusal was heard say nothing new by being refused too.
        if place.number > self._number_at_refusal:
            self._number_at_refusal = self._number
            # Requests overtake each other: one of the first to leave may be the last to arrive.
            under_way = max(place.under_way, len(self._taken) + 1)
            self._bound = max(1.0, under_way * _AFTER_REFUSAL)
