"""Who may send when."""

import threading

import pytest

from airflow_provider.mixpeek.client._gate import Gate

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
UNIX = 1_800_000_000.0


def test_an_open_gate_lets_everybody_pass():
    gate = Gate()
    assert [gate.reserve("data", 0.0) for _ in range(100)] == [0.0] * 100


@pytest.mark.parametrize("rate", [0.5, 4, 1000])
def test_requests_per_second_holds_from_the_first_request_on(rate):
    gate = Gate(requests_per_second=rate)
    now, passed = 0.0, []
    while len(passed) < 50:
        wait = gate.reserve("data" if len(passed) % 2 else "compute", now)
        if wait:
            now += wait
        else:
            passed.append(now)
    assert passed == pytest.approx([number / rate for number in range(50)])


def test_a_late_sender_earns_no_burst():
    gate = Gate(requests_per_second=1)
    assert gate.reserve("data", 0) == 0
    assert [gate.reserve("data", 100.0) for _ in range(2)] == [0, 1]


def test_a_closing_is_for_one_category_and_never_shortened():
    gate = Gate()
    gate.close("data", 10)
    gate.close("data", 4)
    assert (gate.reserve("data", 3), gate.reserve("upload", 3), gate.reserve("data", 10)) == (7, 0, 0)


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
    gate.learn("data", headers, now=50.0, wall=UNIX + 1000)
    assert gate.reserve("data", 50.0) == max(wait, 0)
    assert gate.reserve("compute", 50.0) == 0


def test_threads_share_the_rate():
    gate = Gate(requests_per_second=10)
    passed = []

    def ask():
        passed.extend(wait for wait in (gate.reserve("data", 1.0) for _ in range(200)) if wait == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1
