"""Which of many waits, in a text that is short for thousands of them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import WaitFor


def marked(waits: Sequence[WaitFor], chosen: Collection[WaitFor]) -> str:
    """
    Mark some of the waits: a bit for each, after a check sum of all.

    :param chosen: Fast to ask whether something is in it.
    """
    bits = sum(1 << place for place, wait in enumerate(waits) if wait in chosen)
    whole = bits.to_bytes((len(waits) + 7) // 8, "little")
    return f"{_check_sum(waits):08x}{base64.b64encode(zlib.compress(whole)).decode()}"


def read_marks(waits: Sequence[WaitFor], text: str) -> list[WaitFor] | None:
    """Return the waits that were marked, in order; None where other waits were meant than these."""
    if text[:8] != f"{_check_sum(waits):08x}":
        return None
    bits = int.from_bytes(zlib.decompress(base64.b64decode(text[8:])), "little")
    return [wait for place, wait in enumerate(waits) if bits >> place & 1]


def _check_sum(waits: Sequence[WaitFor]) -> int:
    return zlib.crc32("\n".join(f"{wait.task_id} {wait.batch_id} {wait.bucket}" for wait in waits).encode())
