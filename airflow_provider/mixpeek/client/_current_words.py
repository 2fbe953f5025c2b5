"""
What the status words of the current generation mean (enum ``TaskStatusEnum``, API 0.82 and 0.81).

The vendor's own list of final words is COMPLETED, COMPLETED_WITH_ERRORS, FAILED, CANCELED. A word that is not
in a table is unknown: wait on, with a limit.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider.mixpeek.waiting import Outcome

_COMMON: dict[str, Outcome] = {
    "COMPLETED": Outcome.DONE,
    "COMPLETED_WITH_ERRORS": Outcome.PARTIAL,
    "FAILED": Outcome.FAILED,
    "CANCELED": Outcome.FAILED,
    # Texts about batches spell it like this too.
    "CANCELLED": Outcome.FAILED,
    "QUEUED": Outcome.RUNNING,
    "IN_PROGRESS": Outcome.RUNNING,
    "PROCESSING": Outcome.RUNNING,
}

#: A task. SKIPPED is taken for: there was nothing to do.
TASK: Mapping[str, Outcome] = {
    **_COMMON,
    "PENDING": Outcome.RUNNING,
    "SKIPPED": Outcome.DONE,
    "DRAFT": Outcome.WAITS_FOR_CALLER,
}

#: A batch, its words in the order in which it has them. DRAFT means that nobody has submitted it.
BATCH: Mapping[str, Outcome] = {"DRAFT": Outcome.WAITS_FOR_CALLER, "PENDING": Outcome.RUNNING, **_COMMON}

#: An object. PENDING (DRAFT in 0.81) lasts until a batch run finishes with it, so an object alone cannot tell
#: "never submitted" from "running".
OBJECT: Mapping[str, Outcome] = {
    **_COMMON,
    "PENDING": Outcome.WAITS_FOR_CALLER,
    "DRAFT": Outcome.WAITS_FOR_CALLER,
    "SKIPPED": Outcome.DONE,
    "ACTIVE": Outcome.DONE,
}

#: An upload. PENDING waits for the file and its confirmation.
UPLOAD: Mapping[str, Outcome] = {
    **{word: outcome for word, outcome in _COMMON.items() if word not in ("COMPLETED_WITH_ERRORS", "QUEUED")},
    "PENDING": Outcome.WAITS_FOR_CALLER,
    "ACTIVE": Outcome.DONE,
}
