"""
The cases that the vendor's own client answers for (Python SDK 1.3.783), played to ours.

A write that a starting writer refuses stored nothing, and is tried again for as long as such a start takes.
Ours differs in two: a date in ``Retry-After`` is heeded, and without a hint the waits begin lower.
"""

import json
from email.utils import formatdate

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekError,
    MixpeekNotFoundError,
    MixpeekServerError,
    MixpeekValidationError,
)
from airflow_provider.mixpeek.client._flow import Answer, call
from airflow_provider.mixpeek.client._generation import CURRENT, LEGACY

WRITE = CURRENT.create_object("bkt_1", b"{}", repeatable=False)
STORED = Answer(200, {}, b'{"object_id": "obj_1"}')


def refusal(status, body=None, retry_after=None):
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Answer(status, headers, json.dumps(body if body is not None else {}).encode())


STARTING = refusal(
    503,
    {
        "success": False,
        "status": 503,
        "error": {
            "message": "The write was refused and nothing was stored",
            "type": "WriterReadOnlyError",
            "details": {"retryable": True, "retry_after_seconds": 15},
        },
    },
    15,
)
HINT = {"details": {"retry_after_seconds": 7}}


@pytest.mark.parametrize(
    ("refusals", "sleeps"),
    [
        ([STARTING], [15]),
        ([STARTING] * 10, [15] * 10),
        ([refusal(503, {"error": {"details": {"retry_after_seconds": 9}}}, 4)], [4]),
        ([refusal(503, {"error": HINT})], [7]),
        ([refusal(503, {"detail": {"error": HINT}})], [7]),
        ([refusal(429, {"error": HINT})], [7]),
        ([refusal(503, {}, 90)], [30]),
        ([refusal(429, {}, 90)], [30]),
        ([refusal(503, {"error": HINT}, "soon")], [7]),
        # The vendor's takes the body's hint here; a date is a hint too.
        ([refusal(503, {"error": HINT}, formatdate(1_800_000_020, usegmt=True))], [20]),
        ([refusal(429)] * 8, [0.5, 1, 2, 4, 8, 16, 30, 30]),
    ],
    ids=[
        *("waits as told", "outlasts a start", "header wins", "hint", "older nesting", "hint of a 429"),
        *("cap", "cap of a 429", "no time", "date", "backs off"),
    ],
)
def test_what_is_refused_for_a_while_is_stored_in_the_end(world, refusals, sleeps):
    # The date is held against a clock that stood still until the answer came.
    world.wall = 1_800_000_000.0 - world.now
    world.answers = [*refusals, STORED]
    assert world.run(call(world.session, WRITE)).object_id == "obj_1"
    assert world.sleeps == sleeps
    assert len(world.sent) == len(refusals) + 1


def test_a_start_that_outlasts_the_budget_is_an_error_that_may_pass(world):
    world.answers = [STARTING] * 100
    with pytest.raises(MixpeekServerError) as caught:
        world.run(call(world.session, WRITE))
    budget = world.session.retry.budget
    assert budget - 15 <= sum(world.sleeps) <= budget
    error = caught.value
    assert (error.status, error.type) == (503, "WriterReadOnlyError")
    assert (error.retryable, error.retry_after, error.may_be_stored) == (True, 15, False)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(422, {"error": {"details": {"retryable": False}}}), MixpeekValidationError),
        (
            refusal(422, {"error": {"message": "m", "details": {"retryable": True}}}, 1),
            MixpeekValidationError,
        ),
        (refusal(503, {"error": {"details": {"retryable": False}}}, 1), MixpeekServerError),
        (refusal(404, {"detail": "not found"}, 1), MixpeekNotFoundError),
    ],
)
def test_what_no_time_will_heal_is_told_at_once(world, answer, kind):
    world.answers = [answer]
    with pytest.raises(kind) as caught:
        world.run(call(world.session, WRITE))
    assert (world.sleeps, caught.value.retryable) == ([], False)


@pytest.mark.parametrize(("status", "tries"), [(429, 2), (503, 1), (500, 1)])
def test_a_legacy_server_promises_only_of_a_429_that_nothing_was_stored(world, status, tries):
    world.answers = [refusal(status, {}, 1), Answer(200, {}, b'{"task_id": "task_1"}')]
    this = LEGACY.create_object("bkt_1", b"{}", repeatable=False)
    session = world.session_of(LEGACY)
    if tries == 1:
        with pytest.raises(MixpeekError) as caught:
            world.run(call(session, this))
        assert caught.value.may_be_stored
    else:
        assert world.run(call(session, this)).task_id == "task_1"
    assert len(world.sent) == tries
