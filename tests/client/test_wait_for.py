"""What there is to wait for, as it travels between tasks."""

import copy
import json
import pickle

import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError, WaitFor

WHOLE = {"task_id": "task_1", "batch_id": "btch_1", "bucket": "bkt_1"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("task_1", WaitFor("task_1")),
        (" task_1\n", WaitFor("task_1")),
        (WHOLE, WaitFor("task_1", "btch_1", "bkt_1")),
        ({"batch_id": "btch_1"}, WaitFor(batch_id="btch_1")),
        ({"task_id": "task_1", "bucket": None, "more": 1}, WaitFor("task_1")),
        (WaitFor("task_1"), WaitFor("task_1")),
    ],
)
def test_ids_and_waits_are_taken(given, expected):
    assert WaitFor.of(given) == expected


@pytest.mark.parametrize(
    "given", ["", "  ", None, 7, {}, {"bucket": "b"}, {"task_id": 7}, {"task_id": ""}, ["task_1"], b"task_1"]
)
def test_what_is_nothing_to_wait_for_is_refused(given):
    with pytest.raises(MixpeekConfigError, match="nothing to wait for"):
        WaitFor.of(given)


def test_it_travels():
    wait = WaitFor.of(WHOLE)
    assert wait.as_dict() == WHOLE
    for arrived in (
        WaitFor.of(json.loads(json.dumps(wait.as_dict()))),
        pickle.loads(pickle.dumps(wait)),
        copy.copy(wait),
    ):
        assert arrived == wait
        assert hash(arrived) == hash(wait)
    assert (str(wait), str(WaitFor("task_1"))) == ("batch btch_1", "task task_1")
