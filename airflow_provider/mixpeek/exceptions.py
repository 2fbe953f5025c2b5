"""
Errors that Airflow acts on: how remote work ended, as a sensor sees it.

::

    AirflowFailException
    └── MixpeekWaitError              the wait is over, and not well
        ├── MixpeekTaskFailedError        the work failed or was cancelled
        │   └── MixpeekTaskPartialError   a part of it did
        ├── MixpeekNotSubmittedError      nobody submitted it, so nothing will ever happen
        └── MixpeekTaskLostError          the server knows it no longer

    RuntimeError
    ├── MixpeekLostContactError       nothing could be seen; says nothing about the work
    ├── MixpeekTriggerError           the trigger came to an end of its own, or told what is not understood
    └── MixpeekTryOverError           Airflow has started another try; this one must not go on

A sensor cannot do failed work again, so Airflow does not retry the first tree, and ``soft_fail`` turns it
into a skip. A retry of the second may find the server well again.
"""

from __future__ import annotations

from airflow_provider.mixpeek._airflow_versions import AirflowFailException


class MixpeekWaitError(AirflowFailException):
    """The wait is over, and the work did not end well."""


class MixpeekTaskFailedError(MixpeekWaitError):
    """The work failed or was cancelled."""


class MixpeekTaskPartialError(MixpeekTaskFailedError):
    """A part of the work failed, and the caller does not take partial results."""


class MixpeekNotSubmittedError(MixpeekWaitError):
    """The batch is a draft that nobody submitted."""


class MixpeekTaskLostError(MixpeekWaitError):
    """The server knows the task no longer, so how it ended cannot be told."""


class MixpeekLostContactError(RuntimeError):
    """Too many looks in a row failed. The work may be going on; Airflow may retry the wait."""


class MixpeekTriggerError(RuntimeError):
    """The trigger failed by itself, or told what is not understood. The work may be going on."""


class MixpeekTryOverError(RuntimeError):
    """Airflow has put an end to this try of the task, which must not go on beside the next."""
