"""
A blob's column, and what its cells are.

Imported by DAG files, so it pulls in next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

BlobSource = Literal["value", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """
    The column that fills a property, where more is to be said than its name.

    :param column: The column.
    :param source: ``value``: a cell is what the blob holds: a text, a URL that the server fetches, bytes.
        ``file``: a cell is the path or fsspec URL of a file, which is uploaded.
    :param folder: With ``file``: the folder or URL that cells are paths below, and may not lead out of. None:
        a cell is any path, a relative one below the working directory, or any URL.
    """

    column: str
    source: BlobSource = "value"
    folder: str | None = None

    def problems(self) -> list[str]:
        """What is wrong with its parts."""
        found = []
        if not (isinstance(self.column, str) and self.column):
            found.append(f"column is a text, not {self.column!r}")
        if self.source not in get_args(BlobSource):
            found.append(f"source is one of {', '.join(get_args(BlobSource))}, not {self.source!r}")
        if not (self.folder is None or (isinstance(self.folder, str) and self.folder)):
            found.append(f"folder is a text, not {self.folder!r}")
        elif self.folder and self.source != "file":
            found.append('folder is for source="file"')
        return found


def blob_of(given: Any) -> Blob | None:
    """Take a column's name, a :class:`Blob`, or a dict of its parts; None where it is none of these."""
    if isinstance(given, Blob):
        return given
    if isinstance(given, str):
        return Blob(column=given)
    names = {part.name for part in fields(Blob)}
    if isinstance(given, Mapping) and "column" in given and set(given) <= names:
        return Blob(**given)
    return None
