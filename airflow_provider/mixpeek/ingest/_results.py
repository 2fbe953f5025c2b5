"""What became of a row that was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._report import RejectedRow


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A row that the server holds.

    :param object_id: Its object; None where the server names only the task that makes it.
    :param replayed: It was there already; None where the server does not say.
    :param unprocessed: Nothing has processed it yet, nor is going to.
    :param task_id: The task that makes and processes it, where there is one.
    :param stale: It was there already, with other values than the row has now.
    :param rewritten: It may have been there already, and has the row's values now.
    """

    object_id: str | None
    replayed: bool | None
    unprocessed: bool
    task_id: str | None = None
    stale: bool = False
    rewritten: bool = False

    @property
    def outcome(self) -> Literal["created", "replayed", "stored"]:
        """The count of the report that it is in."""
        if self.replayed is None:
            return "stored"
        return "replayed" if self.replayed else "created"


@dataclass(frozen=True, slots=True)
class Later:
    """
    A row that is not stored, and not wrong either.

    :param error: Why the run must end; None where the row is simply to be sent again.
    """

    error: MixpeekError | None


@dataclass(frozen=True, slots=True)
class Unclear:
    """
    A row of which nobody can tell whether it is stored.

    :param error: What happened to the answer.
    """

    error: MixpeekError


Result = Stored | RejectedRow | Later | Unclear
