"""Many things waited for at once: what is due, what is told, what is reported."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek.waiting import (
    NAMED,
    End,
    FailedLook,
    Gone,
    Outcome,
    Report,
    Rules,
    Seen,
    Watch,
)

START = 1_000.0
RUNNING, DONE = Seen(Outcome.RUNNING, "QUEUED"), Seen(Outcome.DONE, "COMPLETED")
PARTIAL, FAILED = Seen(Outcome.PARTIAL, "SOME", "2 of 9"), Seen(Outcome.FAILED, "FAILED", "No.")
DOWN = FailedLook("no answer")


def watch(*waits, **arguments):
    rules = Rules(deadline=START + 600, max_failed_looks=3)
    return Watch(waits, since=START, **{"rules": rules} | arguments)


# -- when to look --


def test_all_are_due_at_once_and_then_each_in_its_time():
    two = watch("a", "b", "a")
    assert two.due(START) == ["a", "b"]
    two.saw("a", RUNNING, now=START)
    assert two.due(START) == ["b"]
    two.saw("b", FailedLook("busy", 90.0), now=START)
    assert two.next_look() == START + 1
    assert (two.due(START + 1), two.due(START + 90)) == (["a"], ["a", "b"])


def test_what_is_done_is_never_due_again():
    two = watch("a", "b")
    two.saw("a", DONE, now=START)
    assert two.due(math.inf) == ["b"]
    assert (two.done, list(two.waiting), two.is_over) == (("a",), ["b"], False)
    two.saw("b", DONE, now=START)
    assert (two.done, two.is_over, two.next_look()) == (("a", "b"), True, math.inf)


def test_the_first_bad_end_ends_it():
    two = watch("a", "b")
    two.saw("a", FAILED, now=START)
    assert two.is_over
    assert list(two.bad) == ["a"]


def test_all_are_due_at_the_deadline():
    many = watch(*range(50))
    chance, now = random.Random(1), START
    while now < START + 590:
        for wait in many.due(now):
            many.saw(wait, RUNNING, now=now, chance=chance.random())
        now = many.next_look()
    assert max(many._due.values()) <= START + 600
    # By then they are spread.
    assert len({round(at, 3) for at in many._due.values()}) > 10


@given(chance=st.floats(0, 1), looks=st.integers(1, 60))
def test_looks_are_1_to_30_seconds_apart(chance, looks):
    one, now = watch("a", rules=Rules()), START
    for _ in range(looks):
        one.saw("a", RUNNING, now=now, chance=chance)
        assert 1 <= one.next_look() - now <= 30
        now = one.next_look()


@pytest.mark.parametrize(("chance", "apart"), [(0.0, 30.0), (1.0, 22.5)])
def test_chance_takes_a_quarter_at_most(chance, apart):
    one, now = watch("a", rules=Rules()), START
    for _ in range(30):
        one.saw("a", RUNNING, now=now, chance=chance)
    assert one.next_look() - now == apart


def test_chance_does_not_shorten_what_the_server_asks_for():
    one = watch("a")
    one.saw("a", FailedLook("busy", 90.0), now=START, chance=1.0)
    assert one.next_look() == START + 90


@pytest.mark.parametrize("back", [0.5, 3.0, 7_200.0])
def test_a_clock_that_is_set_back_delays_no_look(back):
    two = watch("a", "b")
    two.saw("a", RUNNING, now=START)
    two.saw("b", FailedLook("busy", 90.0), now=START)
    assert two.due(START - back) == ["a", "b"]
    two.saw("a", RUNNING, now=START - back)
    assert (two.due(START - back), two.next_look()) == (["b"], START - back + 1.5)


def test_a_clock_that_is_set_back_makes_no_look_of_what_is_done():
    two = watch("a", "b")
    for wait, seen in (("a", DONE), ("b", RUNNING)):
        two.saw(wait, seen, now=START)
    assert two.due(START - 7_200) == ["b"]


# -- what is taken, what not --


def test_partial_is_taken_where_that_is_said():
    assert watch("a").saw("a", PARTIAL, now=START).end is End.PARTIAL
    one = watch("a", partial_ok=True)
    one.saw("a", PARTIAL, now=START)
    assert one.is_over
    assert not one.bad
    assert (one.done, dict(one.partial)) == (("a",), {"a": "done in part (SOME): 2 of 9"})
    assert one.news() == ["a: done in part (SOME): 2 of 9"]


def test_a_count_of_failed_looks_goes_on_in_another_process():
    one = watch("a", "b", failed_looks={"a": 3})
    one.saw("b", DOWN, now=START)
    assert not one.is_over
    one.saw("a", DOWN, now=START)
    assert one.bad["a"].end is End.LOST_CONTACT


def test_what_ended_badly_can_be_looked_at_again():
    one = watch("a")
    one.saw("a", Gone(), now=START + 60)
    assert one.is_over
    one.saw("a", RUNNING, now=START + 61)
    assert not one.is_over


# -- what is told --


def test_unknown_words_are_told_once_whoever_has_them():
    three = watch("a", "b", "c")
    for wait, word in (("a", "ODD"), ("b", "ODD"), ("c", "STRANGE"), ("a", "ODD")):
        three.saw(wait, Seen(Outcome.UNKNOWN, word), now=START)
    assert [news.partition(" is")[0] for news in three.news()] == ["a: status 'ODD'", "c: status 'STRANGE'"]
    assert three.news() == []


def test_a_server_that_is_down_is_told_of_in_one_sentence():
    many = watch(*range(1_000))
    for wait in many.due(START):
        many.saw(wait, DOWN, now=START)
    assert many.news() == ["1000 looks failed and are borne, the last of them at 999: no answer"]
    many.saw(0, DOWN, now=START)
    assert many.news() == ["0: a look failed and is borne: no answer"]


def test_of_many_that_are_done_in_part_some_are_told():
    many = watch(*range(NAMED + 5), partial_ok=True)
    for wait in many.due(START):
        many.saw(wait, PARTIAL, now=START)
    news = many.news()
    assert len(news) == NAMED + 1
    assert news[-1] == "5 more are done in part"


# -- reports --


def test_report_names_the_worst_first_and_counts_the_rest():
    many = watch(*range(20))
    for wait in range(12):
        many.saw(wait, PARTIAL, now=START)
    many.saw(12, FAILED, now=START)
    for wait in range(13, 17):
        many.saw(wait, DONE, now=START)
    report = many.report()
    assert report.counts == {End.FAILED: 1, End.PARTIAL: 12}
    assert (report.worst, report.running, len(report.named)) == (End.FAILED, 3, NAMED)
    said = str(report)
    assert said.startswith("12 failed (FAILED): No.; 0 done in part (SOME): 2 of 9; ")
    assert said.endswith("; and 3 more. 3 more were still running; they are no longer watched.")


def test_report_of_a_deadline_says_what_was_seen_last():
    two = watch("a", "b")
    for wait in two.due(START):
        two.saw(wait, RUNNING, now=START)
    assert str(two.given_up()) == (
        "Gave up waiting, which does not mean that anything failed: 2 not done, "
        "last seen as: a (QUEUED); b (QUEUED)."
    )
    two.saw("a", DOWN, now=START + 600)
    two.saw("b", RUNNING, now=START + 600)
    assert "a (QUEUED; then 1 failed looks); b (QUEUED)." in str(two.report())
    assert two.report().worst is End.GAVE_UP


def test_report_stays_small_whatever_the_vendor_says():
    many = watch(*range(1_000))
    for wait in many.due(START):
        many.saw(wait, Seen(Outcome.FAILED, "FAILED", "Traceback " * 10_000), now=START)
    assert len(str(many.report())) < 6_000


@pytest.mark.parametrize("end", End)
def test_every_bad_end_has_its_rank(end):
    if end is not End.DONE:
        assert Report({end: 1}, ("a",)).worst is end


# -- every watch ends --

LOOKS = st.sampled_from([RUNNING, Gone(), DOWN, Seen(Outcome.UNKNOWN, "ODD"), DONE, PARTIAL, FAILED])


@given(st.lists(LOOKS, min_size=1, max_size=30), st.integers(0, 40), st.booleans(), st.randoms())
def test_every_watch_ends_by_its_deadline_and_adds_up(looks, count, partial_ok, chance):
    many = watch(*range(count), partial_ok=partial_ok)
    now, looked = START, 0
    while not many.is_over:
        due = many.due(now)
        for wait in due:
            assert wait not in many.done
            many.saw(wait, looks[looked % len(looks)], now=now, chance=chance.random())
            looked += 1
        assert due or many.next_look() > now
        now = max(many.next_look(), math.nextafter(now, math.inf)) if not many.is_over else now
        assert now <= START + 601
    assert len(many.done) + len(many.waiting) == count
    assert set(many.bad) <= set(many.waiting)
