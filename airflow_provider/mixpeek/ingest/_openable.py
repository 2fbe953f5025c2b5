"""A located file as the client takes files."""

from __future__ import annotations

import threading
from typing import IO, Any, cast

from airflow_provider.mixpeek.client import MixpeekStoppedError
from airflow_provider.mixpeek.client._file_names import without_query
from airflow_provider.mixpeek.ingest._locations import Location


class OpenableFile:
    """
    A located file as the client takes files.

    :param location: Where it is.
    :param stop: When it is set, reading ends; so does the request that sends the file, between two pieces.
    """

    def __init__(self, location: Location, stop: threading.Event | None = None) -> None:
        self.name = location.file_name
        #: What messages call it; a path may be a URL that lacks its scheme.
        self.shown = without_query(location.name)
        self._location = location
        self._stop = stop

    def open(self, _mode: str) -> IO[bytes]:
        """Open it for reading; the client finds out whose fault an error is, so they are not in our words."""
        file = self._location.unguarded()
        return cast("IO[bytes]", file if self._stop is None else _Stoppable(file, self._stop))


class _Stoppable:
    """What the client needs of a file, as long as nobody stops it."""

    def __init__(self, file: Any, stop: threading.Event) -> None:
        self._file = file
        self._stop = stop
        self.close = file.close

    def read(self, size: int) -> Any:
        if self._stop.is_set():
            raise MixpeekStoppedError("stopped while the file was read")
        return self._file.read(size)
