"""What a run can ask for. How each is carried out stands in ``_sending`` and ``_batch_calls``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._results import Stored

if TYPE_CHECKING:
    from airflow_provider.mixpeek.ingest._run import Run


@dataclass(frozen=True, slots=True, eq=False)
class SendObjects:
    """Store these rows. ``isolating`` says that a larger request with them was refused."""

    rows: tuple[Row, ...]
    isolating: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of its rows."""
        return sum(len(row.body) for row in self.rows)

    def __str__(self) -> str:
        return f"storing the rows {self.rows[0].number} to {self.rows[-1].number} ({len(self.rows)})"


@dataclass(frozen=True, slots=True, eq=False)
class CreateBatch:
    """
    Create a batch of these objects.

    :param rows: The row of each; empty where their rows are done with.
    """

    object_ids: tuple[str, ...]
    dedup_strategy: str
    rows: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Names the members, so that a draft that is found later is known for ours."""
        return batch_name(self.object_ids)

    @property
    def upto_row(self) -> int:
        """Number of the row after its last one; 0 without rows."""
        return max(self.rows, default=-1) + 1

    def only(self, object_ids: Container[str]) -> CreateBatch:
        """The same batch with those of its objects that are among these."""
        kept = [place for place, object_id in enumerate(self.object_ids) if object_id in object_ids]
        rows = tuple(self.rows[place] for place in kept) if self.rows else ()
        return CreateBatch(tuple(self.object_ids[place] for place in kept), self.dedup_strategy, rows)

    def __str__(self) -> str:
        return f"creating a batch of {len(self.object_ids)} objects"


@dataclass(frozen=True, slots=True, eq=False)
class SubmitBatch:
    """Submit this batch, which was made as ``of`` says."""

    batch_id: str
    of: CreateBatch

    def __str__(self) -> str:
        return f"submitting the batch {self.batch_id} ({len(self.of.object_ids)} objects)"


@dataclass(frozen=True, slots=True, eq=False)
class ListLive:
    """List the bucket's batches that run or are drafts."""

    def __str__(self) -> str:
        return "listing the batches of the bucket"


@dataclass(frozen=True, slots=True, eq=False)
class LookAtObjects:
    """Look how far the objects of these rows are."""

    rows: tuple[tuple[Row, Stored], ...]

    def __str__(self) -> str:
        return f"looking at {len(self.rows)} objects"


Action = SendObjects | CreateBatch | SubmitBatch | ListLive | LookAtObjects

#: Tells a run how an action went.
Tell = Callable[["Run"], None]


def batch_name(object_ids: Sequence[str]) -> str:
    """The name that a batch of these objects gets from us."""
    digest = hashlib.blake2b("\n".join(object_ids).encode(), digest_size=6).hexdigest()
    return f"airflow-{digest}-{len(object_ids)}"
