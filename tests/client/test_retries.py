"""When a call is tried again, when not, and what is known of it in the end; no test here waits."""

import contextlib

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekConnectionError,
    MixpeekError,
    MixpeekNamespaceError,
    MixpeekRateLimitError,
    MixpeekServerError,
    MixpeekStoppedError,
    MixpeekTimeoutError,
)
from airflow_provider.mixpeek.client._calls import Query
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._flow import Answer, call
from airflow_provider.mixpeek.client._transport import drive

API = CurrentApi()
TASK = Answer(200, {}, b'{"task_id": "task_1", "status": "COMPLETED"}')
OBJECT = Answer(200, {}, b'{"object_id": "obj_1"}')

READ = API.get_task("task_1")
SAFE_WRITE = API.create_object("bkt_1", b"{}", repeatable=True)
UNSAFE_WRITE = API.create_object("bkt_1", b"{}", repeatable=False)
LIST = API.list_buckets(Query(), cursor=None, size=1000)


def status(code, retry_after=None, body=b"", **headers):
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Answer(code, headers, body)


def reset(*, may_be_stored=True):
    return MixpeekConnectionError("reset", retryable=True, may_be_stored=may_be_stored)


# --- how long ---


def test_ten_503_with_retry_after_15_are_outlasted(world):
    world.answers = [status(503, 15) for _ in range(10)] + [OBJECT]
    made = world.run(call(world.session, UNSAFE_WRITE))
    assert made.object_id == "obj_1"
    assert world.sleeps == [15] * 10


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_never_recovers_is_given_up_within_the_budget(world, code):
    world.answers = [status(code, 15) for _ in range(100)]
    started = world.now
    with pytest.raises((MixpeekServerError, MixpeekRateLimitError)):
        world.run(call(world.session, READ))
    assert world.now - started <= world.session.retry.budget
    assert len(world.sent) == 12


def test_backoff_doubles_to_its_cap_within_the_budget(world):
    world.answers = [status(503) for _ in range(100)]
    with pytest.raises(MixpeekServerError):
        world.run(call(world.session, READ))
    assert world.sleeps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.99])
def test_the_jitter_is_full(world, jitter):
    world.jitter = jitter
    world.answers = [status(503), status(503), status(503), TASK]
    world.run(call(world.session, READ))
    assert world.sleeps == [jitter * 0.5, jitter * 1, jitter * 2]


def test_one_wait_has_a_cap(world):
    world.answers = [status(503, 100), TASK]
    world.run(call(world.session, READ))
    assert world.sleeps == [30]


@pytest.mark.parametrize("code", [429, 503])
def test_an_absurd_retry_after_stops_at_once_and_says_when(world, code):
    world.answers = [status(code, 3600)]
    with pytest.raises((MixpeekServerError, MixpeekRateLimitError), match="asks to wait 3,600 s") as caught:
        world.run(call(world.session, UNSAFE_WRITE))
    assert (world.sleeps, caught.value.retry_after, caught.value.may_be_stored) == ([], 3600, False)


@pytest.mark.parametrize("hint", [0, 0.001, "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_try_again_at_once_is_no_busy_loop(world, hint):
    world.answers = [status(503, hint) for _ in range(100)]
    with pytest.raises(MixpeekServerError):
        world.run(call(world.session, READ))
    assert len(world.sent) == 11


def test_a_hint_in_the_body_counts_where_the_header_is_silent(world):
    in_details = b'{"error": {"message": "m", "details": {"retry_after_seconds": 12}}}'
    bare = b'{"error": {"message": "m", "retry_after": 9}}'
    world.answers = [status(503, body=in_details), status(429, body=bare), status(429, 3, in_details), TASK]
    world.run(call(world.session, READ))
    assert world.sleeps == [12, 9, 3]


def test_retryable_false_stops_at_once(world):
    world.answers = [status(503, 1, b'{"error": {"message": "m", "details": {"retryable": false}}}')]
    with pytest.raises(MixpeekServerError):
        world.run(call(world.session, READ))
    assert world.sleeps == []


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_without_a_budget_there_is_one_try(world, jitter):
    world.jitter = jitter
    world.answers = [status(503, 0), TASK]
    with pytest.raises(MixpeekServerError):
        world.run(call(world.session.impatient(), READ))
    assert len(world.sent) == 1


# --- what is safe to repeat ---


@pytest.mark.parametrize(
    ("this", "first", "tries"),
    [
        (READ, status(500), 2),
        (READ, status(502), 2),
        (READ, status(504), 2),
        (READ, reset(), 2),
        (LIST, status(500), 2),
        (SAFE_WRITE, reset(), 2),
        (SAFE_WRITE, status(500), 2),
        (UNSAFE_WRITE, reset(), 1),
        (UNSAFE_WRITE, MixpeekTimeoutError("slow", retryable=True, may_be_stored=True), 1),
        (UNSAFE_WRITE, status(500), 1),
        (UNSAFE_WRITE, status(502), 1),
        (UNSAFE_WRITE, status(504), 1),
        (UNSAFE_WRITE, reset(may_be_stored=False), 2),
        (UNSAFE_WRITE, status(429), 2),
        (UNSAFE_WRITE, status(503), 2),
        (READ, status(400), 1),
        (READ, status(401), 1),
        (READ, status(409), 1),
        (READ, status(501), 1),
        (READ, MixpeekConnectionError("bad certificate", retryable=False), 1),
    ],
)
def test_only_what_is_safe_is_tried_again(world, this, first, tries):
    good = {"task": TASK, "obje": OBJECT, "list": Answer(200, {}, b'{"results": []}')}
    kind = "list" if this is LIST else "task" if this is READ else "obje"
    world.answers = [first, good[kind]]
    failed = contextlib.nullcontext() if tries == 2 else pytest.raises(MixpeekError)
    with failed:
        world.run(call(world.session, this))
    assert len(world.sent) == tries


@pytest.mark.parametrize(
    ("this", "answers", "may_be_stored"),
    [
        (UNSAFE_WRITE, [reset()], True),
        (UNSAFE_WRITE, [status(500)], True),
        (UNSAFE_WRITE, [status(503), status(422)], False),
        (UNSAFE_WRITE, [status(429), status(500)], True),
        (SAFE_WRITE, [reset(), status(422)], True),
        (SAFE_WRITE, [reset(), status(503), status(401)], True),
        (SAFE_WRITE, [reset(may_be_stored=False), status(422)], False),
        (SAFE_WRITE, [status(200, body=b"<html>")], True),
        (SAFE_WRITE, [status(307)], False),
        (READ, [status(500), status(404)], False),
        (LIST, [status(500), status(404)], False),
        (LIST, [status(200, body=b"<html>")], False),
        (READ, [status(200, **{"x-namespace-unresolved": "shop"})], False),
        (SAFE_WRITE, [status(200, **{"x-namespace-unresolved": "shop"})], True),
        (SAFE_WRITE, [status(404, **{"x-namespace-unresolved": "shop"})], False),
    ],
)
def test_an_error_knows_whether_something_may_be_stored(world, this, answers, may_be_stored):
    world.answers = list(answers)
    with pytest.raises(MixpeekError) as caught:
        world.run(call(world.session, this))
    assert caught.value.may_be_stored is may_be_stored
    assert not world.answers


def test_an_unresolved_namespace_does_not_hide_a_passing_failure(world):
    world.answers = [status(503, 1, **{"x-namespace-unresolved": "shop"}), TASK]
    assert world.run(call(world.session, READ)).task_id == "task_1"


def test_a_namespace_error_names_the_request(world):
    world.answers = [status(404, **{"x-namespace-unresolved": "shop", "x-request-id": "r9"})]
    with pytest.raises(MixpeekNamespaceError, match=r"^GET /v1/tasks/task_1: .*'shop' \(request id r9\)"):
        world.run(call(world.session, READ))


# --- pacing, and who else waits ---


def test_a_429_closes_its_category_for_all_who_share_the_gate(world):
    world.answers = [status(429, 20), OBJECT, TASK, OBJECT]
    refused = call(world.session, SAFE_WRITE)
    next(refused)  # passes the gate and sends
    waits = refused.send(world.answers.pop(0))
    assert waits.seconds == 20
    # Another sender of the same client, a moment later.
    world.now += 5
    other = call(world.session, UNSAFE_WRITE)
    assert next(other).seconds == 15
    # Tasks are of another category.
    world.answers = [TASK]
    assert world.run(call(world.session, READ)).task_id == "task_1"
    assert world.sleeps == []


def test_a_503_makes_only_its_own_call_wait(world):
    waiting = call(world.session, SAFE_WRITE)
    next(waiting)
    assert waiting.send(status(503, 20)).seconds == 20
    world.answers = [OBJECT]
    world.run(call(world.session, SAFE_WRITE))
    assert world.sleeps == []


def test_a_limit_that_is_reached_is_not_run_into(world):
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1800000042",
        "date": "Fri, 15 Jan 2027 08:00:30 GMT",
    }
    world.answers = [Answer(200, headers, TASK.content), TASK]
    world.run(call(world.session, READ))
    world.run(call(world.session, READ))
    assert world.sleeps == [12]


# --- stopping ---


def _stopping(world, after):
    def sleep(seconds):
        world.sleeps.append(seconds)
        if len(world.sleeps) > after:
            raise MixpeekStoppedError("stopped while waiting to try again")
        world.now += seconds

    return sleep


@pytest.mark.parametrize(
    ("answers", "may_be_stored"), [([status(503)], False), ([reset()], True), ([reset(), status(503)], True)]
)
def test_a_stop_says_what_it_stopped_and_whether_something_may_be_stored(world, answers, may_be_stored):
    world.answers = list(answers)
    sleep = _stopping(world, len(answers) - 1)
    with pytest.raises(MixpeekStoppedError, match=r"^POST /v1/buckets/bkt_1/objects: stopped") as caught:
        drive(call(world.session, SAFE_WRITE), world.send, sleep)
    assert caught.value.may_be_stored is may_be_stored
