"""A file system in memory that fails, and says its secrets when it does."""

from __future__ import annotations

from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem

#: In what the file system raises, and nowhere else to be seen.
SECRET = "X-Amz-Signature=5ec7e7"


class Flaky(MemoryFileSystem):
    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    #: The end of a file's path -> how often it cannot be opened.
    failures: ClassVar[dict[str, int]] = {}
    error: ClassVar[type[Exception]] = OSError

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("flaky://", "memory://", 1))
        return stripped

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        name = path.rpartition("/")[2]
        if mode == "rb" and self.failures.get(name, 0):
            self.failures[name] -= 1
            raise self.error(f"SlowDown: https://u:pw@h.example.com{path}?{SECRET}")
        return super()._open(path, mode, **more)
