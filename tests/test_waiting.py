"""When a wait ends, and how."""

import ast
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek import waiting
from airflow_provider.mixpeek.waiting import (
    End,
    Ended,
    FailedLook,
    Gone,
    KeepWaiting,
    Outcome,
    Progress,
    Rules,
    Seen,
    judge,
    pause,
)

START = 1_000.0
RULES = Rules(deadline=START + 600, max_failed_looks=3)
SETTLING, SETTLED, LATE = START + 59, START + 60, START + 600


def at(now, look, progress=None, rules=RULES):
    return judge(look, progress or Progress(since=START), now=now, rules=rules)[1]


def seen(outcome, word="WORD", reason=""):
    return Seen(outcome, word, reason)


# --- every outcome, while the start settles, after that, and at the deadline ---


@pytest.mark.parametrize(
    ("look", "settling", "settled", "late"),
    [
        (seen(Outcome.DONE), End.DONE, End.DONE, End.DONE),
        (seen(Outcome.PARTIAL), End.PARTIAL, End.PARTIAL, End.PARTIAL),
        (seen(Outcome.FAILED), End.FAILED, End.FAILED, End.FAILED),
        (seen(Outcome.RUNNING), None, None, End.GAVE_UP),
        (seen(Outcome.UNKNOWN), None, None, End.GAVE_UP),
        (seen(Outcome.WAITS_FOR_CALLER), None, End.NOT_SUBMITTED, End.NOT_SUBMITTED),
        (Gone(), None, End.LOST, End.LOST),
        (FailedLook("no answer"), None, None, End.GAVE_UP),
    ],
    ids=lambda value: getattr(value, "outcome", type(value).__name__),
)
def test_how_each_look_ends_a_wait(look, settling, settled, late):
    for now, expected in ((SETTLING, settling), (SETTLED, settled), (LATE, late)):
        verdict = at(now, look)
        assert (verdict.end if isinstance(verdict, Ended) else None) is expected, now


@pytest.mark.parametrize("look", [seen(Outcome.WAITS_FOR_CALLER, "DRAFT"), Gone()])
def test_lag_at_the_start_is_given_up_at_an_early_deadline_too(look):
    verdict = at(START + 5, look, rules=Rules(deadline=START + 5))
    assert verdict.end is End.GAVE_UP


@pytest.mark.parametrize(
    ("look", "end"), [(seen(Outcome.WAITS_FOR_CALLER), End.NOT_SUBMITTED), (Gone(), End.LOST)]
)
def test_lag_is_believed_for_its_time_and_no_longer_by_a_clock_that_was_set_back(look, end):
    now = START - 7_200
    progress, verdict = judge(look, Progress(since=START), now=now, rules=RULES)
    assert isinstance(verdict, KeepWaiting)
    assert isinstance(at(now + 59, look, progress), KeepWaiting)
    assert at(now + 60, look, progress).end is end


def test_all_outcomes_are_in_the_table():
    assert len(Outcome) == 6


@pytest.mark.parametrize(
    ("look", "now", "said"),
    [
        (seen(Outcome.DONE, "COMPLETED"), SETTLED, "done (COMPLETED)"),
        (seen(Outcome.FAILED, "FAILED", "GPU on fire"), SETTLED, "failed (FAILED): GPU on fire"),
        (seen(Outcome.FAILED, "CANCELED"), SETTLED, "failed (CANCELED)"),
        (seen(Outcome.PARTIAL, "SOME", "2 of 9"), SETTLED, "done in part (SOME): 2 of 9"),
        (
            seen(Outcome.WAITS_FOR_CALLER, "DRAFT"),
            SETTLED,
            "never submitted (DRAFT): nothing will process it",
        ),
        (Gone(), SETTLED, "lost: the server knows it no longer (404), so how it ended cannot be told"),
        (
            seen(Outcome.RUNNING, "QUEUED"),
            LATE,
            "gave up waiting at the deadline, which does not mean it failed: the last status was QUEUED",
        ),
        (
            FailedLook("no answer"),
            LATE,
            (
                "gave up waiting at the deadline, which does not mean it failed: no status was seen, "
                "and the last look failed: no answer"
            ),
        ),
    ],
)
def test_an_end_is_said_in_a_sentence(look, now, said):
    assert at(now, look).sentence == said


# --- words nobody knows ---


def follow(looks, rules=RULES, step=10.0):
    progress, now, verdicts = Progress(since=START), START, []
    for look in looks:
        progress, verdict = judge(look, progress, now=now, rules=rules)
        verdicts.append(verdict)
        now += step
    return verdicts


def test_an_unknown_word_is_told_once_and_named_at_the_end():
    odd, other = seen(Outcome.UNKNOWN, "ARCHIVED"), seen(Outcome.UNKNOWN, "SUSPENDED")
    running, failed = seen(Outcome.RUNNING, "QUEUED"), FailedLook("no answer")
    verdicts = follow([odd, odd, failed, odd, running, odd, other, Gone(), odd, other])
    told = [verdict.news for verdict in verdicts if "not known" in getattr(verdict, "news", "")]
    assert told == [
        f"status '{word}' is not known to this version: waiting on, until the deadline"
        for word in ("ARCHIVED", "SUSPENDED")
    ]
    (*_, ended) = follow([odd, failed], RULES, step=600.0)
    assert ended.end is End.GAVE_UP
    assert "the last status was ARCHIVED" in ended.sentence


# --- looks that fail ---


def test_failed_looks_are_borne_up_to_their_number_in_a_row():
    failed, running = FailedLook("no answer"), seen(Outcome.RUNNING)
    verdicts = follow([failed] * 3 + [running] + [failed] * 4)
    assert [isinstance(verdict, Ended) for verdict in verdicts] == [False] * 7 + [True]
    assert verdicts[0].news == "a look failed and is borne: no answer"
    assert verdicts[-1] == Ended(
        End.LOST_CONTACT,
        "lost contact, which says nothing about the work: 4 looks in a row failed, "
        "the last one with: no answer",
    )


def test_all_failed_looks_can_be_borne():
    rules = Rules(max_failed_looks=None)
    assert all(isinstance(verdict, KeepWaiting) for verdict in follow([FailedLook("x")] * 1000, rules))


def test_lost_contact_is_said_even_at_the_deadline():
    progress = Progress(since=START, failed_looks=3)
    assert at(LATE, FailedLook("no answer"), progress).end is End.LOST_CONTACT


@pytest.mark.parametrize(
    ("hint", "expected"),
    [(None, 1.0), (0.2, 1.0), (90.0, 90.0), (1e9, waiting.LONGEST_HINT), (math.inf, 300.0)],
)
def test_a_server_that_asks_to_wait_is_given_time(hint, expected):
    assert at(SETTLED, FailedLook("busy", hint)).seconds == expected


def test_no_wait_goes_past_the_deadline():
    assert at(LATE - 2, FailedLook("busy", 90.0)).seconds == 2
    progress = Progress(since=START, looks=50)
    assert at(LATE - 7, seen(Outcome.RUNNING), progress).seconds == 7


# --- pauses ---


def test_pauses_grow_to_their_cap():
    rules = Rules(shortest=1, longest=30)
    pauses = [pause(number, rules=rules) for number in range(1, 12)]
    assert pauses[:4] == [1, 1.5, 2.25, 3.375]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause(10**9, rules=rules) == 30


# --- every sequence ends ---

LOOKS = st.one_of(
    st.builds(
        Seen,
        st.sampled_from([Outcome.RUNNING, Outcome.UNKNOWN, Outcome.WAITS_FOR_CALLER]),
        st.sampled_from(["QUEUED", "ODD", ""]),
    ),
    st.just(Gone()),
    st.builds(FailedLook, st.just("no answer"), st.none() | st.floats(0, 1e6)),
)


@given(
    looks=st.lists(LOOKS, min_size=1, max_size=20),
    lasts=st.floats(0, 10_000),
    tolerance=st.none() | st.integers(0, 5),
    settle=st.floats(0, 20_000),
)
def test_every_wait_ends_by_its_deadline(looks, lasts, tolerance, settle):
    rules = Rules(deadline=START + lasts, max_failed_looks=tolerance, settle=settle)
    progress, now = Progress(since=START), START
    for number in range(2_000):
        progress, verdict = judge(looks[number % len(looks)], progress, now=now, rules=rules)
        if isinstance(verdict, Ended):
            assert verdict.sentence
            assert verdict.end is not End.DONE
            break
        assert now < rules.deadline
        assert verdict.seconds > 0
        now = max(now + verdict.seconds, math.nextafter(now, math.inf))
        assert now <= math.nextafter(rules.deadline, math.inf)
    else:
        pytest.fail("it never ended")


@pytest.mark.parametrize(
    "module", sorted(Path(waiting.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_it_is_pure(module):
    imported = {
        name.removeprefix("airflow_provider.mixpeek.").partition(".")[0]
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names | {"waiting"}
    assert not imported & {"time", "datetime", "asyncio", "threading", "logging", "random", "os"}
