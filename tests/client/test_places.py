"""How many requests may be under way at once."""

import pytest

from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._flow import Answer, Send, Sleep, call
from airflow_provider.mixpeek.client._gate import names_rate
from airflow_provider.mixpeek.client._places import Places

API = CurrentApi()
TASK = Answer(200, {}, b'{"task_id": "task_1", "status": "COMPLETED"}')
READ = API.get_task("task_1")
CREATE = API.create_object("bkt_1", b"{}", repeatable=True)


def refused(body=b"", **headers):
    return Answer(429, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def full(count, *, now=0.0):
    """So many places taken, and the senders that took them."""
    places, senders = Places(), [f"sender {number}" for number in range(count)]
    assert [places.wait(sender, now) for sender in senders] == [0.0] * count
    return places, [(sender, places.take(sender, now)) for sender in senders]


def after_refusal(count, *, answer_time=0.0):
    """Of so many requests under way, the last was refused at once; the others are still under way."""
    places, taken = full(count)
    sender, place = taken.pop()
    places.leave(sender, answer_time)
    places.was_one_too_many(place)
    return places, taken


def test_nothing_is_held_back_before_the_server_refuses():
    places, _ = full(100)
    assert places.wait("one more", 0.0) == 0


def test_after_a_refusal_fewer_are_under_way():
    places, taken = after_refusal(8)
    for (sender, _), may in zip(taken, [False, False, True, True, True, True, True], strict=True):
        # Six of eight are left: two of the seven that are under way have to end first.
        assert (places.wait("next", 0.0) == 0) is may
        places.leave(sender, 0.1)


def test_one_place_is_always_left():
    places, taken = full(2)
    for _ in range(5):
        sender, place = taken.pop()
        places.leave(sender, 0.0)
        places.was_one_too_many(place)
        if not taken:
            assert places.wait("again", 0.0) == 0
            taken.append(("again", places.take("again", 0.0)))


def test_refusals_of_requests_that_left_before_the_first_one_say_nothing_new():
    places, taken = full(8)
    for sender, place in reversed(taken[5:]):
        places.leave(sender, 0.0)
        places.was_one_too_many(place)
    assert places.wait("sixth", 0.0) == 0
    places.take("sixth", 0.0)
    assert places.wait("seventh", 0.0) > 0


def test_a_request_that_left_early_and_arrived_late_is_one_of_all_that_are_under_way():
    places, taken = full(8)
    sender, place = taken[1]
    places.leave(sender, 0.0)
    places.was_one_too_many(place)
    places.leave("sender 2", 0.0)
    places.leave("sender 3", 0.0)
    assert places.wait("sixth", 0.0) == 0


def test_the_bound_grows_with_answers():
    places, taken = after_refusal(2)
    answered = 0
    while places.wait("second", 0.0) > 0:
        (sender, _) = taken.pop()
        places.leave(sender, 0.1)
        places.leave("second", 0.1)
        answered += 1
        taken.append((sender, places.take(sender, 0.1)))
    assert 4 <= answered <= 16


def test_who_waits_asks_again_neither_all_the_time_nor_too_late():
    for answer_time, soonest, latest in [(0.0, 0.01, 0.01), (40.0, 0.05, 0.7), (4000.0, 1.0, 1.0)]:
        places, _ = after_refusal(8, answer_time=answer_time)
        waits = [places.wait(f"waiting {number}", 50.0) for number in range(3)]
        assert waits == sorted(waits)
        assert soonest <= waits[0] <= waits[-1] <= latest


def test_the_first_in_line_gets_the_next_place_when_it_has_waited_long():
    places, taken = after_refusal(4, answer_time=8.0)
    assert places.wait("first", 10.0) > 0
    places.leave(taken.pop()[0], 10.0)
    # A place is free, and nobody has waited long.
    assert places.wait("late comer", 10.0) == 0
    assert places.wait("late comer", 100.0) > 0
    assert places.wait("first", 100.0) == 0
    # Or when it waits no longer.
    places.leave("first", 100.0)
    assert places.wait("late comer", 100.0) == 0


# --- in a call ---


def started(world, this):
    """A call that is under way."""
    flow = call(world.session, this)
    assert isinstance(next(flow), Send)
    return flow


def test_a_bare_429_among_others_makes_its_own_call_wait_and_one_less_be_under_way(world):
    first, second = started(world, CREATE), started(world, CREATE)
    assert isinstance(second.send(refused()), Sleep)
    # The category is open, but two at once were too many: a third waits for the first.
    third = call(world.session, READ)
    assert isinstance(next(third), Sleep)
    assert isinstance(third.send(None), Sleep)
    with pytest.raises(StopIteration):
        first.send(Answer(200, {}, b'{"object_id": "obj_1"}'))
    assert isinstance(third.send(None), Send)


def test_a_call_that_is_broken_off_leaves_its_place_and_the_line(world):
    first, second = started(world, CREATE), started(world, CREATE)
    second.send(refused())
    waiting, next_one = call(world.session, READ), call(world.session, READ)
    assert isinstance(next(waiting), Sleep)
    assert isinstance(next(next_one), Sleep)
    world.now += 1000
    waiting.close()
    first.close()
    assert isinstance(next_one.send(None), Send)
    gate = world.session.gate
    assert (len(gate._places._taken), gate._places._line) == (1, {})


def test_who_waits_for_its_rate_keeps_nobody_from_a_place(world):
    first, second = started(world, CREATE), started(world, CREATE)
    second.send(refused())
    waiting, other = call(world.session, CREATE), call(world.session, READ)
    assert isinstance(next(waiting), Sleep)
    world.session.gate._lanes["data"].closed_until = world.now + 1000
    assert waiting.send(None).seconds == 1000
    first.close()
    world.now += 500
    assert isinstance(next(other), Send)
    assert world.session.gate._places._line == {}


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (refused(), False),
        (refused(b'{"error": {"message": "m", "details": {"api_name": "x"}}}'), False),
        (refused(retry_after="20"), True),
        (refused(b'{"error": {"message": "m", "details": {"limit": 10, "window": 60}}}'), True),
        (refused(b'{"error": {"message": "m", "details": {"limit": 10}}}'), True),
        (refused(x_ratelimit_remaining="0"), True),
        (refused(x_ratelimit_remaining="3"), False),
    ],
)
def test_what_a_429_closes(world, answer, closes):
    _first, second = started(world, CREATE), started(world, CREATE)
    step = second.send(answer)
    assert isinstance(step, Sleep)
    other = call(world.session, CREATE)
    _first.close()
    assert isinstance(next(other), Sleep if closes else Send)


def test_a_bare_429_of_a_request_that_was_alone_closes_its_category(world):
    assert started(world, CREATE).send(refused()).seconds > 0
    assert isinstance(next(call(world.session, CREATE)), Sleep)
    assert isinstance(next(call(world.session, READ)), Send)


def test_a_refusal_that_names_a_rate_takes_no_place_away(world):
    first, second = started(world, CREATE), started(world, CREATE)
    second.send(refused(b'{"error": {"message": "m", "details": {"limit": 10, "window": 1}}}'))
    started(world, READ)
    started(world, READ)
    first.close()


@pytest.mark.parametrize("details", [{"limit": 1}, {"window": 60}, {"limit": 1, "window": 60}])
def test_a_rate_is_named_by_any_part_of_it(details):
    assert names_rate(details, {})
    assert not names_rate({"retry_after": 3}, {"x-ratelimit-remaining": "1"})
    assert names_rate({}, {"x-ratelimit-remaining": "0"})
