"""The state machine without any I/O: chance decides who answers when, and every seed can be replayed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider.mixpeek.client import (
    MixpeekConnectionError,
    MixpeekError,
    MixpeekPermissionError,
    MixpeekServerError,
    MixpeekValidationError,
)
from airflow_provider.mixpeek.ingest import RejectedRow, _batching, _chunks, _fates, _ledger, _outbox, _run
from airflow_provider.mixpeek.ingest._actions import CreateBatch, SendObjects

from .machine import KINDS, check, check_complete, world

PROCESS = st.sampled_from(["new", "all", False])
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def kinds(draw, most: int = 60) -> list[str]:
    """Rows, mostly good; sometimes none is."""
    some = draw(st.sampled_from([KINDS, ("good",) * 8 + KINDS, ("good",), ("good",) * 30 + KINDS]))
    return draw(st.lists(st.sampled_from(some), max_size=most))


@MANY
@given(
    kinds=kinds(),
    seed=st.integers(0, 2**32),
    process=PROCESS,
    in_flight=st.integers(1, 6),
    batch_size=st.integers(1, 20),
    batch_limit=st.sampled_from([1, 3, 10**9]),
    names_limit=st.booleans(),
    data=st.data(),
)
def test_every_order_of_answers_ends_with_every_row_in_its_place(
    kinds, seed, process, in_flight, batch_size, batch_limit, names_limit, data
):
    there = data.draw(st.frozensets(st.integers(0, max(len(kinds), 1) - 1)))
    processed = data.draw(st.frozensets(st.sampled_from(sorted(there)))) if there else frozenset()
    made = world(
        kinds,
        seed=seed,
        process=process,
        in_flight=in_flight,
        batch_size=batch_size,
        batch_limit=batch_limit,
        names_limit=names_limit,
        there=there,
        processed=processed,
    )
    check_complete(made.until_finished(), made, process=process)
    assert made.run.failure is None


@MANY
@given(
    kinds=kinds(),
    seed=st.integers(0, 2**32),
    on_error=st.sampled_from(["fail", "collect"]),
    steps=st.integers(0, 80),
    how=st.sampled_from(["stop", "abandon", "lost", "refused"]),
    land=st.booleans(),
)
def test_a_stop_at_any_moment_leaves_a_count_that_holds(kinds, seed, on_error, steps, how, land):
    made = world(kinds, seed=seed, on_error=on_error)
    for _ in range(steps):
        if not made.run.finished:
            made.step()
    under_way = {row.number for each in made.flying if isinstance(each, SendObjects) for row in each.rows}
    complete = made.run.finished and made.run.failure is None
    if how in ("stop", "abandon") or not made.flying:
        made.run.stop(KeyboardInterrupt())
    else:
        made.fail(in_doubt=how == "lost")
    stopped = made.run.failure is not None
    if stopped:
        assert made.run.next_action() is None
        assert not made.run.wants_rows
    if how == "abandon":
        made.run.abandon()
        assert made.run.finished
        found = made.run.report(seconds=0.0)
        check(found, made)
        assert found.in_doubt == len(under_way)
        return
    while made.flying and land:
        made.answer()
    made.run.abandon()
    found = made.run.report(seconds=0.0)
    check(found, made)
    if complete:
        assert found.unsent == found.in_doubt == 0
    elif land:
        assert found.in_doubt == len(made.doubted)
    # Nothing is lost on the way to a second run: what is not stored, rejected or in doubt is unsent.
    gone = set(range(made.position)) - set(made.answered) - {row.row for row in found.rejected_rows}
    assert found.unsent + found.in_doubt == len(gone)


def interrupted_at(line: int, do: Callable[[], Any]) -> bool:
    """Raise KeyboardInterrupt at the n-th line that is executed in the machine, as Ctrl-C may."""
    files = {module.__file__ for module in (_batching, _chunks, _fates, _ledger, _outbox, _run)}
    left = line

    def tracer(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        do()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("seed", range(4))
def test_ctrl_c_in_the_middle_of_a_transition_does_not_break_the_count(seed):
    line = 0
    while True:
        line += 23  # a prime, so that over the seeds all lines are hit
        made = world(["good", "good", "wrong", "refused", "located", "good"] * 3, seed=seed)
        if not interrupted_at(line + seed, made.until_finished):
            break
        made.run.stop(KeyboardInterrupt())
        made.run.abandon()
        found = made.run.report(seconds=0.0)
        assert sum(found.counts().values()) == found.rows_read
        assert found.created <= len(made.answered)
    assert line > 500


def test_the_first_wrong_row_stops_a_run_that_is_to_fail():
    made = world(["good"] * 8 + ["wrong", "good", "wrong"], on_error="fail")
    found = made.until_finished()
    failure = made.run.failure
    assert isinstance(failure, RejectedRow)
    assert failure.row == found.rejected_rows[0].row == 8
    check(found, made)


def test_a_collecting_run_goes_on():
    made = world(["wrong"] * 30)
    check_complete(made.until_finished(), made, process="new")
    assert made.run.failure is None
    assert not made.sent


@pytest.mark.parametrize("kind", ["unlocated", "large"])
def test_one_bad_row_among_a_hundred_is_found_by_halves(kind):
    rows = ["good"] * 100
    rows[37] = kind
    made = world(rows, max_objects=100, max_request_bytes=10_000)
    found = made.until_finished()
    check_complete(found, made, process="new")
    assert [row.row for row in found.rejected_rows] == [37]
    assert found.rejected_rows[0].values == {"number": 37}
    assert found.requests <= 1 + 2 * 7 + 2 * len(found.batches)


def test_a_named_row_costs_one_more_request():
    rows = ["good"] * 100
    rows[37] = rows[99] = "located"
    made = world(rows, max_objects=100, max_request_bytes=10_000, process=False, seed=2)
    found = made.until_finished()
    assert [(row.row, row.reason, row.values) for row in found.rejected_rows] == [
        (37, "title: no", {"number": 37}),
        (99, "title: no", {"number": 99}),
    ]
    assert found.requests <= 3


def test_with_fail_the_row_to_blame_is_found_before_other_requests_are_looked_into():
    made = world(["unlocated"] * 800, max_objects=100, max_request_bytes=10**6, on_error="fail")
    made.in_flight = 1
    found = made.until_finished()
    assert found.requests == 7, "100, 50, 25, 12, 6, 3, 1"
    assert [row.row for row in found.rejected_rows] == [0]


def test_a_server_that_refuses_everything_stops_the_run():
    made = world(["unlocated"] * 10_000, max_objects=100, max_request_bytes=10**6)
    found = made.until_finished()
    check(found, made)
    assert "hardly the rows that are wrong" in str(made.run.failure)
    assert "refused as a whole" in str(made.run.failure)
    assert isinstance(made.run.failure, MixpeekError)
    assert isinstance(made.run.failure.__cause__, MixpeekValidationError)
    assert found.requests < 250
    assert found.unsent == found.rows_read - found.rejected


def test_many_bad_rows_among_good_ones_do_not():
    made = world(["unlocated", "good"] * 1_000, max_objects=10, max_request_bytes=10**6)
    found = made.until_finished()
    check_complete(found, made, process="new")
    assert (found.created, found.rejected) == (1_000, 1_000)


def test_all_rows_bad_and_named_are_all_collected():
    made = world(["located"] * 3_000, max_objects=100, max_request_bytes=10**6)
    made.chance.random = lambda: 0.0  # the server names every row
    found = made.until_finished()
    check_complete(found, made, process="new")
    assert found.requests == 30


def test_what_is_refused_after_the_stop_is_not_looked_into():
    made = world(["unlocated"] * 40, in_flight=4)
    while len(made.flying) < 3:
        made.step() if not made.run.wants_rows else made.read()
        made.take()
    under_way = sum(len(each.rows) for each in made.flying)
    made.run.stop(MixpeekServerError("down", status=500))
    found = made.until_finished()
    assert found.unsent == found.rows_read
    assert under_way
    assert not found.rejected


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [
        (MixpeekConnectionError("lost", may_be_stored=True), 5),
        (MixpeekConnectionError("unreachable"), 0),
        (MixpeekPermissionError("403", status=403), 0),
        (RuntimeError("a bug of ours"), 5),
    ],
)
def test_a_failed_request_stops_the_run_and_says_what_is_in_doubt(error, in_doubt):
    made = world(["good"] * 5)
    made.read()
    while made.position < 5:
        made.read()
    made.take()
    made.run.failed(made.flying.pop(), error)
    found = made.run.report(seconds=0.0)
    assert (made.run.failure, found.in_doubt, found.unsent) == (error, in_doubt, 5 - in_doubt)


def test_stored_objects_are_batched_in_row_order_whatever_the_order_of_the_answers():
    made = [world(["good"] * 200, seed=seed, batch_size=30) for seed in range(5)]
    for each in made:
        each.until_finished()
    batches = [set(each.batches.values()) for each in made]
    assert all(each == batches[0] for each in batches)
    assert CreateBatch(("obj_1", "obj_2"), "skip").name == CreateBatch(("obj_1", "obj_2"), "skip").name


@pytest.mark.parametrize("names_limit", [True, False])
def test_a_server_that_takes_smaller_batches_gets_them(names_limit):
    made = world(["good"] * 400, batch_size=40, batch_limit=10, names_limit=names_limit, in_flight=1)
    found = made.until_finished()
    check_complete(found, made, process="new")
    assert len(made.batches) == 40
    # What was learned holds for the batches to come: 80 requests for rows, 40 + 40 for batches.
    assert found.requests - 160 == (1 if names_limit else 3)


def test_a_server_that_refuses_even_one_object_stops_the_run_soon():
    made = world(["good"] * 512, batch_size=512, batch_limit=0, max_objects=100, max_request_bytes=10**6)
    found = made.until_finished()
    assert isinstance(made.run.failure, MixpeekValidationError)
    assert (found.created, found.batches) == (512, ())
    assert found.requests <= 6 + 2 * 10


def test_calls_about_batches_leave_room_for_rows():
    made = world(["good"] * 200, batch_size=1, in_flight=4)
    most = 0
    while not made.run.finished:
        made.step()
        most = max(most, sum(not isinstance(each, SendObjects) for each in made.flying))
    assert most == 2


def test_rows_as_large_as_a_request_are_sent_one_by_one():
    made = world(["good"] * 30, max_request_bytes=len("x" * 16) + 64)
    check_complete(made.until_finished(), made, process="new")


@pytest.mark.parametrize("kind", ["good", "wrong"])
def test_a_batch_that_does_not_fill_holds_nothing_back_for_ever(kind):
    # One new row, and then only rows that need no batch: processed already, or rejected.
    count = 2_000
    kinds = ["good", *[kind] * (count - 2), "good"]
    there = frozenset(range(1, count - 1))
    made = world(kinds, batch_size=30, there=there, processed=there)
    found = made.until_finished()
    check_complete(found, made, process="new")
    assert [len(batch) for batch in made.batches.values()] == [1, 1]


def test_rows_are_not_read_far_ahead_of_the_watermark():
    made = world(["good"] * 3_000, batch_size=30)
    while not made.run.finished:
        made.step()
        assert made.position - made.run.passed < 2 * 30 + 20 * 5 + 12 + 1
    check_complete(made.run.report(seconds=0.0), made, process="new")


def test_no_rows_are_a_run_that_ends_at_once():
    made = world([])
    found = made.until_finished()
    assert (found.rows_read, found.requests, found.object_ids) == (0, 0, ())


def test_rows_without_an_end_are_told_and_not_counted_away():
    made = world(["good"] * 3)
    made.read()
    with pytest.raises(AssertionError, match="rows unsent"):
        made.run.report(seconds=0.0)
