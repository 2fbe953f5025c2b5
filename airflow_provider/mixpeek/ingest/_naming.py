"""What files are called in catalogues of data, without credentials; no remote file system is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider.mixpeek.ingest._listing import fixed_part
from airflow_provider.mixpeek.ingest._locations import Location, uri_of
from airflow_provider.mixpeek.ingest._parts import PART, SourcePart
from airflow_provider.mixpeek.ingest._sources import is_path

#: The catalogues' word for a scheme, where it is not ours.
_SCHEMES = {"abfs": "abfss"}


class Named(NamedTuple):
    """
    A file or folder by the naming conventions of OpenLineage (specification 2-0-2, Naming).

    :param namespace: ``file`` for those of this machine, else the scheme and the bucket or host.
    :param name: The path in it: absolute on this machine, without the leading slash elsewhere.
    """

    namespace: str
    name: str


def names_of(source: Any) -> list[Named]:
    """
    Name the files that rows are read from, each once.

    A glob goes by the folder that it is below of for certain.

    :param source: What :func:`~airflow_provider.mixpeek.ingest.ingest` takes.
    :return: Nothing for rows in memory.
    """
    if isinstance(source, SourcePart) or (isinstance(source, Mapping) and PART in source):
        return list(dict.fromkeys(_named(file.path) for file in SourcePart.of(source).files))
    return [_named(source)] if is_path(source) else []


def _named(path: Any) -> Named:
    where = uri_of(path)
    if isinstance(where, Location):
        # A file may be called films[1].csv.
        exists = os.path.lexists(where.path)
        return Named("file", where.path if exists else fixed_part(where.path) or "/")
    # Of a chain such as filecache::s3://shop/films.csv or zip://films.csv::s3://shop/films.zip the last one.
    scheme, _, rest = where.rpartition("::")[2].partition("://")
    host, _, name = fixed_part(rest).partition("/")
    return Named(f"{_SCHEMES.get(scheme, scheme)}://{host}", name or "/")
