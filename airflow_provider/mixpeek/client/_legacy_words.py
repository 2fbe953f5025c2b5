"""
What the status words of the legacy generation mean (enum ``TaskStatus``, SDK 0.22.0).

The vendor's final words are DONE, FAILED, SKIPPED, CANCELLED; every other one of the enum means that the job
still runs. A word that is not in it is unknown: wait on, with a limit.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider.mixpeek.waiting import Outcome

#: A task or an object. SKIPPED is taken for: there was nothing to do.
TASK: Mapping[str, Outcome] = {
    "DONE": Outcome.DONE,
    "SKIPPED": Outcome.DONE,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.FAILED,
    "PENDING": Outcome.RUNNING,
    "QUEUED": Outcome.RUNNING,
    "INITIALIZING": Outcome.RUNNING,
    "DOWNLOADING": Outcome.RUNNING,
    "UPLOADING": Outcome.RUNNING,
    "CONVERTING": Outcome.RUNNING,
    "PROCESSING": Outcome.RUNNING,
}

OBJECT = TASK

#: There are neither batches nor uploads.
BATCH: Mapping[str, Outcome] = {}
UPLOAD: Mapping[str, Outcome] = {}
