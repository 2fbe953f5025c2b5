"""
When is a task, a batch done?

One judgement for whoever waits: a sensor, an operator, a trigger, a notebook. It is pure: the caller says
what it saw and what time it is, and is told to keep waiting or how it ended. No I/O, no clock, and nothing
else of this package, so that none of those callers can drift from the others.
"""

from __future__ import annotations

from airflow_provider.mixpeek.waiting._judge import (
    LONGEST_HINT,
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
from airflow_provider.mixpeek.waiting._report import NAMED, Report, shortened
from airflow_provider.mixpeek.waiting._watch import Watch

__all__ = [
    "LONGEST_HINT",
    "NAMED",
    "End",
    "Ended",
    "FailedLook",
    "Gone",
    "KeepWaiting",
    "Outcome",
    "Progress",
    "Report",
    "Rules",
    "Seen",
    "Watch",
    "judge",
    "pause",
    "shortened",
]
