"""From a source to rows that are ready to be sent, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._identity import Keyer
from airflow_provider.mixpeek.ingest._mapping import Plan
from airflow_provider.mixpeek.ingest._rows import Prepared, Wire, prepare
from airflow_provider.mixpeek.ingest._sources import Block, Place, Source

#: Rows that are read and converted at a time: as fast as larger blocks, and what a run holds in memory beside
#: the requests that wait.
BLOCK_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Reader:
    """
    Reads one source, as often as is asked.

    :param planner: Makes the plan; called when the columns are known.
    :param keyer: Makes what gives the rows of one reading their keys.
    :param wire: How the server's generation wants an object.
    :param keyed: Whether objects carry their keys.
    :param max_bytes: Bytes of one request's body at most.
    """

    source: Source
    planner: Callable[[], Plan]
    keyer: Callable[[Plan], Keyer]
    wire: Wire
    keyed: bool
    max_bytes: int

    def read(self, *, start: int = 0, after: Place | None = None) -> Iterator[Prepared]:
        """
        Read the source.

        :param start: Number of the first row to make ready; those before it count for the keys.
        :param after: Where to begin to read: with the row after this one, of a source that can.
        :raises SourceError: the source is damaged further on.
        """
        # An empty list has no columns, and that is not what is wrong with it.
        plan = self.planner() if self.source.columns else None
        keyer: Keyer | None = None
        for block in self._blocks(after):
            plan = plan or self.planner()
            keyer = keyer or self.keyer(plan)
            yield prepare(
                block, plan, keyer, wire=self.wire, keyed=self.keyed, max_bytes=self.max_bytes, start=start
            )

    def _blocks(self, after: Place | None) -> Iterator[Block]:
        read = 0
        try:
            for block in self.source.blocks(block_rows=BLOCK_ROWS, after=after):
                read = block.first_row + len(block)
                yield block
        except MixpeekError:
            raise
        except Exception as error:
            # What an iterator of rows raises is its own; the run must not lose its report over it.
            raise SourceError(
                f"the rows broke off, after {read:,} of them: {type(error).__name__}: {error}"
            ) from error
