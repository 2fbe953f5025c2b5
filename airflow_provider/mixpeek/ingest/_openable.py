"""A located file as the client takes files."""

from __future__ import annotations

from typing import IO, cast

from airflow_provider.mixpeek.client._file_names import without_query
from airflow_provider.mixpeek.ingest._locations import Location


class OpenableFile:
    """
    A located file as the client takes files.

    :param location: Where it is.
    """

    def __init__(self, location: Location) -> None:
        self.name = location.file_name
        #: What messages call it; a path may be a URL that lacks its scheme.
        self.shown = without_query(location.name)
        self._location = location

    def open(self, _mode: str) -> IO[bytes]:
        """Open it for reading; the client finds out whose fault an error is, so they are not in our words."""
        return cast("IO[bytes]", self._location.unguarded())
