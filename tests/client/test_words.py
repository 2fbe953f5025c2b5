"""Every status word of the vendor is either in a table, or left out of it on purpose."""

import pytest

from airflow_provider.mixpeek.client import _current_words as words
from airflow_provider.mixpeek.waiting import Outcome

#: Enum ``TaskStatusEnum`` of API 0.82.
ENUM = {
    "PENDING",
    "QUEUED",
    "IN_PROGRESS",
    "PROCESSING",
    "COMPLETED",
    "COMPLETED_WITH_ERRORS",
    "FAILED",
    "CANCELED",
    "INTERRUPTED",
    "UNKNOWN",
    "SKIPPED",
    "DRAFT",
    "ACTIVE",
    "ARCHIVED",
    "SUSPENDED",
    "DEACTIVATED",
}

#: Words that nothing of the vendor explains for a kind of thing: looked at again, up to the deadline.
UNEXPLAINED = {"INTERRUPTED", "UNKNOWN", "ARCHIVED", "SUSPENDED", "DEACTIVATED"}

#: In no enum; texts about batches spell it like this.
SPELLED_OTHERWISE = {"CANCELLED"}

DONE = {"COMPLETED": Outcome.DONE}
ENDS = DONE | {
    "COMPLETED_WITH_ERRORS": Outcome.PARTIAL,
    "FAILED": Outcome.FAILED,
    "CANCELED": Outcome.FAILED,
    "CANCELLED": Outcome.FAILED,
}


@pytest.mark.parametrize(
    ("table", "unknown"),
    [
        (words.TASK, UNEXPLAINED | {"ACTIVE"}),
        (words.BATCH, UNEXPLAINED | {"ACTIVE", "SKIPPED"}),
        (words.OBJECT, UNEXPLAINED),
    ],
    ids=["task", "batch", "object"],
)
def test_every_word_has_its_place(table, unknown):
    assert set(table) - SPELLED_OTHERWISE == ENUM - unknown
    assert Outcome.UNKNOWN not in table.values()
    assert {word: table[word] for word in ENDS} == ENDS
    assert {table[word] for word in ("QUEUED", "IN_PROGRESS", "PROCESSING")} == {Outcome.RUNNING}
    assert table["DRAFT"] is Outcome.WAITS_FOR_CALLER


def test_pending_means_two_things():
    assert words.TASK["PENDING"] is words.BATCH["PENDING"] is Outcome.RUNNING
    # An object that no batch has finished with waits, as far as it can tell, to be submitted.
    assert words.OBJECT["PENDING"] is Outcome.WAITS_FOR_CALLER


def test_only_the_vendors_final_words_end_a_batch():
    endings = {
        word
        for word, outcome in words.BATCH.items()
        if outcome in (Outcome.DONE, Outcome.PARTIAL, Outcome.FAILED)
    }
    assert endings == {"COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELED", "CANCELLED"}
