"""A checkpoint that counts what is written into it."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider.mixpeek.ingest import FileCheckpoint


class Counted(FileCheckpoint):
    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.written: list[tuple[str, int]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.written]

    def set(self, key: str, value: Any) -> None:
        self.written.append((key, len(json.dumps(value))))
        super().set(key, value)
