"""Looks into directories, wherever they are."""

from __future__ import annotations

from airflow_provider.mixpeek.ingest._part_files import open_folder


def content(directory: str, name: str) -> bytes:
    """Read a file of a directory."""
    with open_folder(directory).open(name) as file:
        return file.read()
