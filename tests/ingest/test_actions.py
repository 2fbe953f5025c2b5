"""Answers are tied to the rows that were sent, or refused."""

from __future__ import annotations

import pytest

from airflow_provider.mixpeek.client import (
    CreatedObjects,
    MixpeekAnswerError,
    MixpeekClient,
    MixpeekQuotaError,
)
from airflow_provider.mixpeek.client._flow import Send
from airflow_provider.mixpeek.ingest import RejectedRow
from airflow_provider.mixpeek.ingest._actions import CreateBatch, SubmitBatch
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._perform import carry_out
from airflow_provider.mixpeek.ingest._results import Later, Stored
from airflow_provider.mixpeek.ingest._sending import Target, tie

BLOCK = DictBlock(10, [{"n": number} for number in range(4)])
SENT = [Row(10 + number, b"{}", BLOCK) for number in range(4)]
SESSION = MixpeekClient("sk_test", namespace="shop", base_url="http://127.0.0.1:1").session


def tied(succeeded: list[dict], failed: list[dict] = []):  # noqa: B006
    answer = CreatedObjects.model_validate({"succeeded": succeeded, "failed": failed})
    return tie(SENT, answer, SESSION, Target("bkt_1", repeatable=True))


def created(index: int | None, **more):
    return {"object_id": f"obj_{index}", "object_index": index, **more}


def failed(index: int):
    return {"object_index": index, "error": "no blob", "error_type": "ValidationError"}


def test_rows_are_tied_by_their_index_whatever_the_order():
    assert tied(
        [
            created(3, replayed=True, status="PENDING"),
            created(0),
            created(2, replayed=True, status="COMPLETED"),
        ],
        [failed(1)],
    ) == [
        Stored("obj_0", replayed=False, unprocessed=True),
        RejectedRow(11, "no blob", error_type="ValidationError", values={"n": 1}),
        Stored("obj_2", replayed=True, unprocessed=False),
        Stored("obj_3", replayed=True, unprocessed=True),
    ]


def test_rows_without_an_index_come_in_the_order_of_the_request():
    ids = [{"object_id": name} for name in "abc"]
    assert [getattr(each, "object_id", None) for each in tied(ids, [failed(1)])] == ["a", None, "b", "c"]


@pytest.mark.parametrize(
    ("succeeded", "refused"),
    [
        ([created(0), created(1), created(2), created(4)], []),
        ([created(0), created(1), created(2), created(2)], []),
        ([created(0), created(1), created(2), created(-1)], []),
        ([created(0), created(1), created(2)], []),
        ([created(number) for number in range(5)], []),
        ([created(0), created(1), created(2)], [failed(2)]),
        ([created(0), created(1), created(2)], [failed(9)]),
        ([{"object_id": "a"}] * 5, []),
        ([], []),
    ],
)
def test_an_answer_that_speaks_of_other_rows_is_no_answer(succeeded, refused):
    with pytest.raises(MixpeekAnswerError, match="each of the 4 objects") as raised:
        tied(succeeded, refused)
    assert raised.value.may_be_stored


def test_a_row_that_met_the_quota_is_not_a_wrong_row():
    refused = {"object_index": 1, "error": "100 % of the plan", "error_type": "QuotaExceededError"}
    (later,) = [
        each for each in tied([created(0), created(2), created(3)], [refused]) if isinstance(each, Later)
    ]
    assert isinstance(later.error, MixpeekQuotaError)
    assert not later.error.retryable


def test_batches_are_submitted_beside_others_that_run():
    action = SubmitBatch("btch_1", CreateBatch(("obj_1", "obj_2"), "skip"))
    step = next(carry_out(action, SESSION, Target("bkt_1", repeatable=True)))
    assert isinstance(step, Send)
    assert (step.request.path, step.request.query) == (
        "/v1/buckets/bkt_1/batches/btch_1/submit",
        (("force", "true"),),
    )
