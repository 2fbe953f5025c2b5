"""What became of a row that was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._report import KEPT_IDS, RejectedRow


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


class Kept:
    """
    What a run remembers of the rows that the server holds.

    :param stale: How many are stale that earlier tries have stored.
    """

    def __init__(self, *, stale: int) -> None:
        self.stale = stale
        #: None where there are more than are kept.
        self.object_ids: list[str] | None = []
        self.task_ids: list[str] = []

    def add(self, result: Stored | RejectedRow) -> None:
        """It is known what became of the next row."""
        if not isinstance(result, Stored):
            return
        self.stale += result.stale
        if result.task_id is not None:
            self.task_ids.append(result.task_id)
        if result.object_id is not None and self.object_ids is not None:
            self.object_ids.append(result.object_id)
            if len(self.object_ids) > KEPT_IDS:
                self.object_ids = None


Result = Stored | RejectedRow | Later | Unclear
