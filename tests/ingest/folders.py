"""Looks into directories, wherever they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_provider.mixpeek.ingest._part_files import open_folder


def content(directory: str, name: str) -> bytes:
    """Read a file of a directory."""
    with open_folder(directory).open(name) as file:
        return file.read()


def rejected(directory: str) -> list[dict[str, Any]]:
    """Every line of every part of rejected rows, by name."""
    names = [name for name in open_folder(directory).names() if name.endswith(".rejected.jsonl")]
    return [json.loads(line) for name in names for line in content(directory, name).splitlines()]


def numbers(directory: str) -> list[int]:
    """The numbers of the rejected rows, as often as they are there."""
    return sorted(line["row"] for line in rejected(directory))


def mend(directory: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the values of rejected rows in place, as somebody with an editor would."""
    folder = open_folder(directory)
    for name in folder.names():
        if name.endswith(".rejected.jsonl"):
            lines = [json.loads(line) for line in content(directory, name).splitlines()]
            for line in lines:
                change(line["values"])
            folder.write(name, "".join(json.dumps(line) + "\n" for line in lines).encode())
