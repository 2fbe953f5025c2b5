"""A file system in memory that counts what is fetched of its files."""

from __future__ import annotations

from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile


class Ranges(AbstractBufferedFile):
    """A file of an object store: what is not in its cache is fetched."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.store[self.path].getvalue()[start:end]
        self.fs.fetched.append(len(data))
        return data


class Counting(MemoryFileSystem):
    protocol = "counting"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fetched: ClassVar[list[int]] = []

    def _open(self, path: str, mode: str = "rb", block_size: Any = "default", **kwargs: Any) -> Any:
        if mode == "rb":
            return Ranges(self, path, mode, block_size="default", **kwargs)
        return super()._open(path, mode, **kwargs)
