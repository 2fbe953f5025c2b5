"""Who may send when."""

import heapq
import itertools
import math
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airflow_provider.mixpeek.client._gate import Allowed, Gate

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
UNIX = 1_800_000_000.0


def test_an_open_gate_lets_everybody_pass():
    gate = Gate()
    gate.learn("data", {}, number=gate.reserve("data", 0.0, object()).number, now=0.1, wall=0)
    assert [gate.reserve("data", 0.2, object()).wait for _ in range(100)] == [0.0] * 100


def test_before_the_first_answer_ten_go():
    gate = Gate()
    senders = [object() for _ in range(12)]
    turns = [gate.reserve("data", 0.0, sender) for sender in senders]
    assert [turn.wait == 0 for turn in turns] == [True] * 10 + [False] * 2
    # An answer that never comes stops nobody for good: when nothing is under way, one finds out.
    for sender in senders[:10]:
        gate.leave(sender, 60.0)
    assert [gate.reserve("data", 60.0, sender).wait == 0 for sender in senders[10:]] == [True, False]


def answered(gate: Gate, left: int, count: int, now: float = 0.0, **headers: str) -> None:
    """So many requests go and are answered, the last of them with what is left."""
    senders = [object() for _ in range(count)]
    numbers = [gate.reserve("data", now, sender).number for sender in senders]
    for place, (sender, number) in enumerate(zip(senders, numbers, strict=True), 1):
        told = {"x-ratelimit-remaining": str(left + count - place), **headers}
        gate.learn("data", told, number=number, now=now, wall=UNIX)
        gate.leave(sender, now)


def test_what_is_left_is_not_spent_twice():
    gate = Gate()
    answered(gate, 3, 1)
    senders = [object() for _ in range(5)]
    assert [gate.reserve("data", 0.0, sender).wait == 0 for sender in senders] == [True] * 3 + [False] * 2
    # Two came back while the first of them was on its way; the other two are on their way still.
    gate.learn("data", {"x-ratelimit-remaining": "4"}, number=2, now=0.1, wall=UNIX)
    gate.leave(senders[0], 0.1)
    assert [gate.reserve("data", 0.1, sender).wait == 0 for sender in senders[3:]] == [True, True]
    # An older answer that was overtaken says nothing new.
    gate.learn("data", {"x-ratelimit-remaining": "90"}, number=1, now=0.2, wall=UNIX)
    assert gate.reserve("data", 0.2, object()).wait > 0


def test_a_request_that_was_overtaken_may_not_have_been_counted():
    gate = Gate()
    answered(gate, 4, 1)
    slow, fast, third = object(), object(), object()
    for sender in (slow, fast):
        gate.reserve("data", 0.0, sender)
    gate.learn("data", {"x-ratelimit-remaining": "1"}, number=3, now=0.1, wall=UNIX)
    gate.leave(fast, 0.1)
    assert gate.reserve("data", 0.1, third).wait > 0
    gate.learn("data", {"x-ratelimit-remaining": "1"}, number=2, now=0.1, wall=UNIX)
    gate.leave(slow, 0.1)
    assert gate.reserve("data", 0.2, third).wait == 0


def test_an_answer_that_does_not_tell_what_is_left_changes_nothing_that_is_known():
    gate = Gate()
    answered(gate, 1, 1)
    gate.reserve("data", 0.0, object())
    gate.learn("data", {}, number=2, now=0.1, wall=UNIX)
    assert gate.reserve("data", 0.1, object()).wait > 0


def test_who_came_first_goes_first():
    gate = Gate()
    answered(gate, 0, 1)
    first, second, third = object(), object(), object()
    gate.reserve("data", 0.0, first)
    assert gate.reserve("data", 0.0, second).wait > 0
    assert gate.reserve("data", 0.0, third).wait > gate.reserve("data", 0.0, second).wait - 1e-9
    gate.learn("data", {"x-ratelimit-remaining": "1"}, number=2, now=0.1, wall=UNIX)
    assert gate.reserve("data", 0.1, third).wait > 0
    assert gate.reserve("data", 0.1, second).wait == 0


def test_a_limit_that_comes_back_bit_by_bit_is_not_waited_for_whole():
    """Its reset is the time when all is back, and moves with each request; a window's stands still."""
    for moves, waits in ((0, True), (5, False)):
        gate = Gate()
        answered(gate, 5, 5, **{"x-ratelimit-reset": str(UNIX + 9)})
        answered(gate, 0, 5, now=0.5, **{"x-ratelimit-reset": str(UNIX + 9 + moves)})
        assert (gate.reserve("data", 0.6, object()).wait > 0) is waits


@pytest.mark.parametrize("rate", [0.5, 4, 1000])
def test_requests_per_second_holds_from_the_first_request_on(rate):
    gate = Gate(requests_per_second=rate)
    now, passed = 0.0, []
    sender = object()
    while len(passed) < 50:
        wait = gate.reserve("data" if len(passed) % 2 else "compute", now, sender).wait
        if wait:
            now += wait
        else:
            passed.append(now)
            gate.leave(sender, now)
    assert passed == pytest.approx([number / rate for number in range(50)])


def test_a_late_sender_earns_no_burst():
    gate = Gate(requests_per_second=1)
    assert gate.reserve("data", 0, object()).wait == 0
    assert [gate.reserve("data", 100.0, object()).wait for _ in range(2)] == [0, 1]


def test_a_closing_is_for_one_category_and_never_shortened():
    gate = Gate()
    gate.refused("data", now=1, until=10, allowed=None)
    gate.refused("data", now=2, until=4, allowed=None)
    assert (
        gate.reserve("data", 3, object()).wait,
        gate.reserve("upload", 3, object()).wait,
        gate.reserve("data", 10, object()).wait,
    ) == (
        7,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(UNIX + 9), "date": DATE}, 9),
        # The two clocks may disagree: the reset is of the server's.
        ({"x-ratelimit-remaining": " 0 ", "x-ratelimit-reset": str(UNIX + 9)}, 9 - 1000),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(UNIX + 9), "date": DATE}, 0),
        ({"x-ratelimit-reset": str(UNIX + 9), "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon", "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "nan", "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(UNIX - 9), "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(UNIX + 3600), "date": DATE}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(UNIX + 1009), "date": "whenever"}, 9),
    ],
)
def test_rate_limit_headers_close_the_category(headers, wait):
    gate = Gate()
    gate.learn("data", headers, number=1, now=50.0, wall=UNIX + 1000)
    assert gate.reserve("data", 50.0, object()).wait == max(wait, 0)
    assert gate.reserve("compute", 50.0, object()).wait == 0


def test_threads_share_the_rate():
    gate = Gate(requests_per_second=10)
    passed = []

    def ask():
        passed.extend(
            wait for wait in (gate.reserve("data", 1.0, object()).wait for _ in range(200)) if wait == 0
        )

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1


class Bucket:
    """A server that allows so many requests a second, and so many at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.seen = float(burst), 0.0
        self.passed = self.refused = 0

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens < 1:
            self.refused += 1
            return False, {}
        self.tokens -= 1
        self.passed += 1
        full_at = math.ceil(now + (self.burst - self.tokens) / self.rate)
        return True, {"x-ratelimit-remaining": str(int(self.tokens)), "x-ratelimit-reset": str(full_at)}


#: Seconds that a request takes each way, and that a client is busy with one.
WAY, BUSY = 0.025, 0.001


def simulate(gates: list[Gate], server: Bucket, seconds: float, *, senders: int = 1) -> int:
    """Each sender of each gate sends whenever it may, for so long; return how often a gate was asked."""
    chance = random.Random(7)
    order = itertools.count()
    due: list[tuple[float, int, Any]] = []
    idle_at = dict.fromkeys(gates, 0.0)
    asked = 0

    def at(now: float, then: Callable[[float], None]) -> None:
        heapq.heappush(due, (now, next(order), then))

    def ask(gate: Gate, sender: object, now: float) -> None:
        nonlocal asked
        asked += 1
        turn = gate.reserve("data", now, sender)
        if turn.wait:
            at(now + turn.wait + chance.random() / 1000, partial(ask, gate, sender))
            return
        idle_at[gate] = max(idle_at[gate], now) + BUSY
        arrives = idle_at[gate] + WAY * chance.uniform(0.8, 1.2)
        at(arrives, partial(serve, gate, sender, turn.number))

    def serve(gate: Gate, sender: object, number: int, now: float) -> None:
        answer = server.take(now)
        at(now + WAY * chance.uniform(0.8, 1.2), partial(hear, gate, sender, number, *answer))

    def hear(
        gate: Gate, sender: object, number: int, allowed: bool, headers: dict[str, str], now: float
    ) -> None:
        gate.learn("data", headers, number=number, now=now, wall=now)
        gate.leave(sender, now)
        if not allowed:
            limit = Allowed(server.burst, server.burst / server.rate)
            gate.refused("data", now=now, until=now + max(1, math.ceil(1 / server.rate)), allowed=limit)
        ask(gate, object(), now)

    for gate in gates:
        for _ in range(senders):
            at(chance.random() / 1000, partial(ask, gate, object()))
    while due[0][0] < seconds:
        now, _, then = heapq.heappop(due)
        then(now)
    return asked


@pytest.mark.parametrize(
    ("rate", "burst", "used"),
    # Of a limit that saves up little, what is on its way a little longer is lost.
    [(100, 200, 0.95), (10, 10, 0.95), (2, 60, 0.95), (50, 10, 0.85), (10, 1, 0.7)],
)
@pytest.mark.parametrize("senders", [8, 50])
def test_a_limit_is_used_and_hardly_met(rate: float, burst: int, used: float, senders: int):
    server = Bucket(rate, burst)
    asked = simulate([Gate()], server, 120, senders=senders)
    assert server.passed >= used * (burst + 120 * rate - rate)
    # What goes before the first answer may be too much; after that a refusal is rare.
    assert server.refused <= 0.02 * server.passed + 10
    # Those who wait do not spin.
    assert asked < 7 * (server.passed + server.refused) + 100 * senders


def test_the_vendors_plan_is_used_to_97_percent_from_the_start_with_next_to_no_refusal():
    server = Bucket(100, 200)
    simulate([Gate()], server, 17, senders=50)
    assert server.passed >= 0.97 * (200 + 17 * 100)
    assert server.refused <= 2


@pytest.mark.parametrize("processes", [2, 8])
def test_several_processes_come_to_share_one_limit(processes: int):
    server = Bucket(100, 50)
    gates = [Gate() for _ in range(processes)]
    simulate(gates, server, 120, senders=8)
    assert server.passed >= 0.95 * 120 * 100
    assert server.refused <= 0.05 * server.passed
    sent = [gate.reserve("data", 1e6, object()).number for gate in gates]
    assert min(sent) > 0.3 * max(sent)


def test_a_window_that_is_used_up_is_waited_for():
    gate = Gate()
    answered(gate, 51, 10)
    # Somebody else sends too.
    answered(gate, 1, 20)
    for _ in range(2):
        gate.reserve("data", 0, sender := object())
    gate.refused("data", now=0, until=30, allowed=Allowed(60, 60))
    gate.leave(sender, 0)
    assert gate.reserve("data", 29, sender).wait == pytest.approx(1)
    # And is not run into by all at once when it opens.
    now = 30.0
    while wait := gate.reserve("data", now, sender).wait:
        now += wait
    assert 31 <= now < 36


@pytest.mark.parametrize(
    ("ours", "refused", "share"), [(8, 6, 0.125), (20, 5, 0.75), (40, 10, 1.0), (3, 3, 0.125)]
)
def test_what_the_server_let_through_of_ours_is_our_share_of_its_limit(ours, refused, share):
    gate = Gate()
    gate.learn("data", {}, number=0, now=0, wall=0)
    for _ in range(9):
        gate.reserve("data", 0, object())  # of an earlier window
    for _ in range(ours):
        gate.reserve("data", 10, object())
    for _ in range(refused):
        gate.refused("data", now=10, until=11, allowed=Allowed(20, 1))
    assert gate._lanes["data"].share == share
    # From then on it changes with what happens.
    gate.refused("data", now=11, until=12, allowed=Allowed(20, 1))
    assert gate._lanes["data"].share == pytest.approx(share * 0.8)


def test_a_share_that_grows_is_looked_at_again():
    gate = Gate()
    gate.reserve("data", 0, sender := object())
    gate.refused("data", now=0, until=1, allowed=Allowed(60, 60))
    gate.leave(sender, 0)
    now = 1.0
    while (wait := gate.reserve("data", now, sender).wait) > 0:
        assert wait <= 1
        now += wait
    assert now < 1 + 1 / 0.125


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"limit": 10},
        {"limit": 0, "window": 60},
        {"limit": "x", "window": None},
        {"limit": True, "window": 1},
    ],
)
def test_a_limit_that_is_not_named_is_none(details):
    assert Allowed.of(details) is None
    assert Allowed.of({"limit": 600, "window": "60"}) == Allowed(600, 60)
