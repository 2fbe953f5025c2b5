"""Who may send when."""

import heapq
import random
import threading

import pytest

from airflow_provider.mixpeek.client._gate import Allowed, Gate

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
UNIX = 1_800_000_000.0


def test_an_open_gate_lets_everybody_pass():
    gate = Gate()
    assert [gate.reserve("data", 0.0, object()).wait for _ in range(100)] == [0.0] * 100


@pytest.mark.parametrize("rate", [0.5, 4, 1000])
def test_requests_per_second_holds_from_the_first_request_on(rate):
    gate = Gate(requests_per_second=rate)
    now, passed = 0.0, []
    while len(passed) < 50:
        wait = gate.reserve("data" if len(passed) % 2 else "compute", now, object()).wait
        if wait:
            now += wait
        else:
            passed.append(now)
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


def send(gate: Gate, server: "Bucket", category: str, now: float) -> float:
    """One request by one sender: asks the gate, and the server; answers what to wait before asking again."""
    turn = gate.reserve(category, now, object())
    if turn.wait:
        return turn.wait
    allowed, headers = server.take(now)
    if allowed:
        gate.learn(category, headers, number=turn.number, now=now, wall=now)
    else:
        limit = Allowed(server.burst, server.burst / server.rate)
        gate.refused(category, now=now, until=now + 1, allowed=limit)
    return 0.0


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
        return True, {"x-ratelimit-remaining": str(int(self.tokens))}


def simulate(gates: list[Gate], server: Bucket, seconds: float) -> None:
    """Each gate's sender asks whenever it may, for so long; time passes with the waits alone."""
    chance = random.Random(7)
    due = [(0.0, number) for number in range(len(gates))]
    while due:
        now, number = heapq.heappop(due)
        if now < seconds:
            heapq.heappush(
                due,
                (now + (send(gates[number], server, "data", now) or 0.001) + chance.random() / 1000, number),
            )


@pytest.mark.parametrize(("rate", "burst"), [(100, 200), (50, 10), (10, 1), (2, 60)])
def test_a_limit_that_was_met_once_is_used_and_hardly_met_again(rate, burst):
    server = Bucket(rate, burst)
    simulate([Gate()], server, 120)
    assert server.passed >= 0.95 * (burst + 120 * rate - rate)
    assert server.refused <= 0.01 * server.passed + 1


@pytest.mark.parametrize("senders", [2, 8])
def test_several_processes_come_to_share_one_limit(senders):
    server = Bucket(100, 50)
    gates = [Gate() for _ in range(senders)]
    simulate(gates, server, 120)
    assert server.passed >= 0.8 * 120 * 100
    assert server.refused <= 0.1 * server.passed
    sent = [gate.reserve("data", 1e6, object()).number for gate in gates]
    assert min(sent) > 0.3 * max(sent)


def test_a_window_that_is_used_up_is_waited_for():
    gate = Gate()
    for _ in range(61):
        assert gate.reserve("data", 0, object()).wait == 0
    gate.refused("data", now=0, until=30, allowed=Allowed(60, 60))
    assert gate.reserve("data", 29, object()).wait == pytest.approx(1)
    # And is not run into by all at once when it opens.
    assert 1 <= gate.reserve("data", 30, object()).wait < 1.1
    assert gate.reserve("data", 31.1, object()).wait == 0


@pytest.mark.parametrize(
    ("ours", "refused", "share"), [(8, 6, 0.125), (20, 5, 0.75), (40, 10, 1.0), (3, 3, 0.125)]
)
def test_what_the_server_let_through_of_ours_is_our_share_of_its_limit(ours, refused, share):
    gate = Gate()
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
    gate.reserve("data", 0, object())
    gate.refused("data", now=0, until=1, allowed=Allowed(60, 60))
    now = 1.0
    while (wait := gate.reserve("data", now, object()).wait) > 0:
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
