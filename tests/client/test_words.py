"""Every status word of the vendor is in a table or left out on purpose, and the page about them is right."""

import re
from pathlib import Path

import pytest

from airflow_provider.mixpeek.client import _current_words as words
from airflow_provider.mixpeek.client import _legacy_words as legacy_words
from airflow_provider.mixpeek.client._generation import GENERATIONS
from airflow_provider.mixpeek.waiting import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "status-words.md").read_text()

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


#: Enum ``TaskStatus`` of SDK 0.22.0.
LEGACY_ENUM = {
    *("DONE", "FAILED", "SKIPPED", "CANCELLED"),
    *("PENDING", "QUEUED", "INITIALIZING", "DOWNLOADING", "UPLOADING", "CONVERTING", "PROCESSING"),
}
LEGACY_ENDS = {
    "DONE": Outcome.DONE,
    "SKIPPED": Outcome.DONE,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.FAILED,
}


def test_every_legacy_word_has_its_place():
    running = dict.fromkeys(LEGACY_ENUM - set(LEGACY_ENDS), Outcome.RUNNING)
    assert legacy_words.TASK == legacy_words.OBJECT == running | LEGACY_ENDS
    assert legacy_words.BATCH == legacy_words.UPLOAD == {}


def test_an_upload_waits_for_its_file():
    assert words.UPLOAD == {
        "PENDING": Outcome.WAITS_FOR_CALLER,
        "IN_PROGRESS": Outcome.RUNNING,
        "PROCESSING": Outcome.RUNNING,
        "COMPLETED": Outcome.DONE,
        "ACTIVE": Outcome.DONE,
        "FAILED": Outcome.FAILED,
        "CANCELED": Outcome.FAILED,
        "CANCELLED": Outcome.FAILED,
    }


# --- the page ---


def _table(title):
    """The rows of the table below a heading, as dicts of its columns."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    head, _, *body = rows
    return [dict(zip(head, row, strict=True)) for row in body]


def _of_the_code(api):
    tables = {
        "task": api.task_words,
        "batch": api.batch_words,
        "object": api.object_words,
        "upload": api.upload_words,
    }
    return {kind: table for kind, table in tables.items() if table}


@pytest.mark.parametrize(
    ("title", "name", "enum"),
    [
        ("Current generation", "current", ENUM | SPELLED_OTHERWISE),
        ("Legacy generation", "legacy", LEGACY_ENUM),
    ],
)
def test_the_page_says_what_the_code_does_word_by_word(title, name, enum):
    of_the_code = _of_the_code(GENERATIONS[name])
    rows = _table(title)
    assert [set(row) for row in rows] == [{"word", *of_the_code}] * len(rows)
    words_there = [row["word"] for row in rows]
    assert len(words_there) == len(set(words_there))
    assert set(words_there) == enum.union(*of_the_code.values())
    for row in rows:
        for kind, table in of_the_code.items():
            assert row[kind] == table.get(row["word"], Outcome.UNKNOWN), (row["word"], kind)


def test_the_page_says_what_every_outcome_means_for_a_wait():
    rows = _table("What a wait makes of a word")
    assert [row["outcome"] for row in rows] == [str(outcome) for outcome in Outcome]
    assert all(row["what it means"] and row["what a wait does"] for row in rows)
