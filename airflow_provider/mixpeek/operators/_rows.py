"""Rows as an operator's argument: handed on, never rendered and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sized
from typing import Any

#: How ``ObjectStoragePath`` writes it: ``s3://my_connection@bucket/key``.
_WITH_CONNECTION = re.compile(r"\w[\w+.-]*://[^/@:]+@")


class HeldRows:
    """
    Rows that Airflow is to leave alone.

    Airflow renders every string inside a template field and stores what the field looks like. For a frame
    or a list of dicts that would cost most of the task's time, and put the rows into the database and the
    UI.
    """

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        if isinstance(self.rows, Mapping):
            # The description of a part of a source, which holds no row; of anything else nothing is shown.
            return f"<{dict(self.rows)!r}>" if "mixpeek_part" in self.rows else "<rows>"
        count = f"{len(self.rows)} rows" if isinstance(self.rows, Sized) else "rows"
        return f"<{count}>"


def held(rows: Any) -> Any:
    """What an operator keeps of its ``rows``: paths are templates, XComs are resolved, all else is held."""
    # ``ObjectStoragePath`` is ``os.PathLike`` before Airflow 3.2, and loses its file system as a text.
    if isinstance(rows, os.PathLike) and not hasattr(rows, "fs"):
        return os.fspath(rows)
    if rows is None or isinstance(rows, str | HeldRows) or _resolves(rows):
        return rows
    return HeldRows(rows)


def released(rows: Any) -> Any:
    """The rows themselves; a URL that names an Airflow connection is the path that it opens."""
    rows = rows.rows if isinstance(rows, HeldRows) else rows
    if isinstance(rows, str) and _WITH_CONNECTION.match(rows):
        return _object_storage(rows)
    if isinstance(rows, Mapping) and "mixpeek_part" in rows:
        from airflow_provider.mixpeek.ingest import SourcePart

        part = SourcePart.of(rows)
        if any(_WITH_CONNECTION.match(file.path) for file in part.files):
            return part.with_paths(_object_storage)
    return rows


def _object_storage(url: str) -> Any:
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(url)


def _resolves(rows: Any) -> bool:
    """Whether Airflow resolves it when the task runs: XComs, DAG parameters, arguments of task groups."""
    # Asked of the type: a frame has an attribute for each of its columns, however they are called.
    return hasattr(type(rows), "iter_references")
