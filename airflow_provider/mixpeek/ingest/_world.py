"""
What a load reads and where to: what is written down of one says nothing about another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._identity import KEY_VERSION, Mode
from airflow_provider.mixpeek.ingest._mapping import Plan

#: What is processed, the less before the more: less than before asks for nothing anew.
_MORE = ("", "new", "all")


class SourceChangedError(MixpeekConfigError):
    """The rows, or what becomes of them, are not what they were when an earlier try began to store them."""


@dataclass(frozen=True, slots=True)
class World:
    """
    What a watermark belongs to.

    :param bucket_id: The bucket.
    :param part: Which rows: the file or folder and, of a part, its range; empty for rows in memory.
    :param source: What changes when the source's content does; None where nothing can tell.
    :param mapping: A digest of what becomes of the rows.
    :param keys: How their keys are made, and in which scope, as a digest.
    :param keyed: Whether the server is told their keys as idempotency keys.
    :param process: What is processed: ``all``, ``new``, or nothing, which is empty.
    """

    bucket_id: str
    part: str
    source: Mapping[str, Any] | None
    mapping: str
    keys: str
    keyed: bool
    process: str

    @classmethod
    def of(
        cls,
        *,
        bucket_id: str,
        part: str,
        source: Mapping[str, Any] | None,
        plan: Plan,
        mode: Mode,
        scope: str,
        keyed: bool,
        process: str | Literal[False],
    ) -> World:
        """The world of a load."""
        mapping: list[Any] = [plan.blobs, plan.fields, plan.metadata]
        mapping.append(plan.key_prefix and asdict(plan.key_prefix))
        if plan.files:
            mapping.append(dict(plan.files))
        keys = [KEY_VERSION, mode, scope, plan.key_columns if mode == "columns" else plan.identity_columns]
        return cls(bucket_id, part, source, _digest(mapping), _digest(keys), keyed, process or "")

    def as_dict(self) -> dict[str, Any]:
        """JSON of it, without nulls: the state store of Airflow takes none."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def is_same_bucket(self, stored: Mapping[str, Any]) -> bool:
        """Whether a stored world is about the same bucket."""
        return bool(stored.get("bucket_id") == self.bucket_id)

    def is_same_part(self, stored: Mapping[str, Any]) -> bool:
        """Whether a stored world is about the same rows and the same bucket."""
        return (stored.get("bucket_id"), stored.get("part")) == (self.bucket_id, self.part)

    def changes(self, stored: Mapping[str, Any]) -> list[str]:
        """What is not as it was in a stored world of the same part, in words."""
        now = self.as_dict()
        found = []
        if stored.get("source") != now.get("source"):
            found.append(
                f"{self.part or 'the source'} has changed "
                f"(was {stored.get('source')}, is {now.get('source')})"
            )
        if stored.get("mapping") != now["mapping"]:
            found.append("the mapping, or the bucket's schema, is another one")
        if stored.get("keys") != now["keys"]:
            found.append("rows are identified in another way (keys, scope, or the columns that are read)")
        if stored.get("keyed") != self.keyed:
            found.append(
                f"the server {'takes' if self.keyed else 'takes no'} idempotency keys, and "
                f"{'took none' if self.keyed else 'took them'} then: what was stored may be stored again"
            )
        before = str(stored.get("process", ""))
        if _MORE.index(self.process) > _MORE.index(before):
            found.append(
                f"objects are to be processed that were not (process was {before or False!r}, "
                f"is {self.process!r})"
            )
        return found


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=12).hexdigest()
