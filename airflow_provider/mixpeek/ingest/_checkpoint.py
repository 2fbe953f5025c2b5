"""
Where a load writes down how far it is, so that the next try goes on and does not begin again.

A checkpoint is a handful of small JSON values under short names. What they mean is the business of
``_journal``; this module knows only how to keep them.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

from airflow_provider.mixpeek.client import MixpeekConfigError


class Checkpoint(Protocol):
    """
    Keeps small JSON values by name. Used from one thread.

    Values are dicts, lists, texts, numbers and booleans, none larger than some 50 KB; names are made of
    letters, digits and ``-``. A value that was set must still be there after the process was killed.
    """

    def get(self, key: str) -> Any:
        """Return a value; None where nothing was ever set."""

    def set(self, key: str, value: Any) -> None:
        """Set a value in place of what was there: all of it or, when that fails, nothing."""


class FileCheckpoint:
    """
    A checkpoint in a folder: a file for each value, replaced as a whole.

    Give each load a folder of its own, and the same one to each of its tries.

    :param folder: Made when something is first written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def get(self, key: str) -> Any:
        """
        Return a value; None where nothing was ever set.

        :raises MixpeekConfigError: the file is there and holds no JSON.
        """
        path = self._path(key)
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise MixpeekConfigError(
                f"the checkpoint {path} holds no JSON: {error}",
                hint="Delete its folder to begin again: under keys what is stored is not stored twice.",
            ) from None

    def set(self, key: str, value: Any) -> None:
        """
        Set a value; it is on the disk when this returns.

        :raises OSError: it cannot be written; the value of before is still there.
        """
        path = self._path(key)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Its own name for each write: two processes must not write into one file.
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=f".{key}-", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(value, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def __repr__(self) -> str:
        return f"FileCheckpoint({str(self._folder)!r})"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


class MemoryCheckpoint:
    """Forgets everything with the process: what a load without a checkpoint has."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> Any:
        """Return a value; None where nothing was ever set."""
        text = self._values.get(key)
        return None if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        """Set a value."""
        # As text: what is not JSON shows here, and what the caller changes later does not.
        self._values[key] = json.dumps(value)
