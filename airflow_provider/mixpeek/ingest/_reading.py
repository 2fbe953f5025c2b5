"""From a source to rows that are ready to be sent, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider.mixpeek.client import MixpeekError
from airflow_provider.mixpeek.ingest._design import Design
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._identity import Keyer
from airflow_provider.mixpeek.ingest._rows import Prepared, prepare
from airflow_provider.mixpeek.ingest._sources import BLOCK_ROWS, Block, Place, Source


class Reader:
    """Reads one source, as often as is asked."""

    def __init__(self, source: Source, design: Design) -> None:
        self._source = source
        self._design = design

    def read(self, *, start: int = 0, after: Place | None = None) -> Iterator[Prepared]:
        """
        Read the source.

        :param start: Number of the first row to make ready; those before it count for the keys.
        :param after: Where to begin to read: with the row after this one, of a source that can.
        :raises MappingError: the mapping does not fit the columns.
        :raises SourceError: the source is damaged further on.
        """
        design = self._design
        if self._source.columns:
            # Before the first block is read: an empty source has columns too.
            _ = design.plan
        form = design.form()
        keyer: Keyer | None = None
        for block in self._blocks(after):
            keyer = keyer or design.keyer()
            yield prepare(block, design.plan, keyer, form, start=start)

    def _blocks(self, after: Place | None) -> Iterator[Block]:
        read = 0
        try:
            for block in self._source.blocks(block_rows=BLOCK_ROWS, after=after):
                read = block.first_row + len(block)
                yield block
        except MixpeekError:
            raise
        except Exception as error:
            # What an iterator of rows raises is its own; the run must not lose its report over it.
            raise SourceError(
                f"the rows broke off, after {read:,} of them: {type(error).__name__}: {error}"
            ) from error
