"""What there is to wait for: a value that travels through XCom, and costs nothing to import."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider.mixpeek.client._errors import MixpeekConfigError

#: Seconds that a wait lasts at most, unless told otherwise: after a day the server forgets its tasks.
A_DAY = 86_400.0

#: What a template leaves where there was no id is none.
_ID = re.compile(r"(?!None$)[\w.:-]+")


@dataclass(frozen=True, slots=True)
class WaitFor:
    """
    Something to wait for: a task, a batch, or both.

    :param task_id: Id of a task.
    :param batch_id: Id of the batch the task works on. Where it is known the batch is judged, because a batch
        has several tiers and tasks, and lives longer than they do.
    :param bucket: Id of the batch's bucket.
    :raises MixpeekConfigError: it names neither.
    """

    task_id: str | None = None
    batch_id: str | None = None
    bucket: str | None = None

    def __post_init__(self) -> None:
        named = (self.task_id, self.batch_id, self.bucket)
        if not all(name is None or isinstance(name, str) for name in named) or not any(named[:2]):
            raise MixpeekConfigError(
                f"{self.as_dict()!r} is nothing to wait for",
                hint='Pass task ids, or the "waits" of a create task: {"task_id", "batch_id", "bucket"}.',
            )

    def __str__(self) -> str:
        return f"batch {self.batch_id}" if self.batch_id else f"task {self.task_id}"

    def as_dict(self) -> dict[str, str | None]:
        """The JSON form, which XCom carries."""
        return {"task_id": self.task_id, "batch_id": self.batch_id, "bucket": self.bucket}

    @classmethod
    def of(cls, given: Any) -> WaitFor:
        """
        Take a task id, a task, a batch, or the JSON form; keys that it does not have are ignored.

        :raises MixpeekConfigError: it is neither.
        """
        if isinstance(given, cls):
            return given
        if _says_itself(given):
            return cls.of(given.wait_for)
        if isinstance(given, str):
            return cls(task_id=given.strip())
        if isinstance(given, Mapping):
            return cls(given.get("task_id"), given.get("batch_id"), given.get("bucket"))
        raise MixpeekConfigError(
            f"a {type(given).__name__} is nothing to wait for",
            hint='Pass task ids, or the "waits" of a create task: {"task_id", "batch_id", "bucket"}.',
        )


def flattened(given: Any, *, of_id: Callable[[str], WaitFor] = WaitFor) -> list[WaitFor]:
    """
    What to wait for, each once, in order: of ids, waits, or any nesting of sequences of them.

    :param of_id: What an id by itself is the id of: a task, unless told otherwise.
    :raises MixpeekConfigError: something in it is neither.
    """
    if given is None:
        return []
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping) and not _says_itself(given):
        # The lazy sequence of a mapped task's XComs is fetched whole by a slice, and one by one by a loop.
        parts = given[:] if isinstance(given, Sequence) else given
        return list(dict.fromkeys(wait for part in parts for wait in flattened(part, of_id=of_id)))
    if isinstance(given, str):
        if not _ID.fullmatch(given.strip()):
            raise MixpeekConfigError(
                f"{given!r} is not an id",
                hint='Jinja makes text of everything: pass create.output["waits"] instead of a template.',
            )
        return [of_id(given.strip())]
    return [WaitFor.of(given)]


def _says_itself(given: Any) -> bool:
    """Whether it is a task or a batch as the client answers them, whose classes cost much to import."""
    return hasattr(type(given), "wait_for")
