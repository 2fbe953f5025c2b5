"""Parquet, row group by row group, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import WHOLE, Cuts, File, Span, no_row
from airflow_provider.mixpeek.ingest._frames import FrameBlock, arrow_frame, check_columns
from airflow_provider.mixpeek.ingest._sources import rows_of_a_block

#: How finely a row group that is too large for one part can be cut.
_CUTS_OF_A_STEP = 10


class ParquetReader:
    """
    Reads a Parquet file. A position is ``<row group>:<row in it>``.

    :raises SourceError: pyarrow is missing, the file is cut off or damaged, or its columns have no usable
        names.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        with self._opened() as opened:
            names = opened.schema_arrow.names
            metadata = opened.metadata
            self._groups: list[int] = [
                metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)
            ]
        check_columns(names)
        self.columns: tuple[str, ...] | None = tuple(names)
        self.count: int | None = sum(self._groups)

    def read(
        self, *, block_rows: int, first_row: int = 0, span: Span = WHOLE, after: str | None = None
    ) -> Iterator[FrameBlock]:
        """
        Read the file in blocks, none across two row groups. Row groups without a wanted row are not read.

        :raises SourceError: a row group is damaged, or there is no row at ``after``.
        """
        end = sum(self._groups) if span.end is None else span.end
        begin = span.start or 0
        if after is not None:
            row = self._row_at(after)
            if not begin <= row < end:
                raise no_row(self._file, after)
            begin = row + 1
        with self._opened() as opened:
            passed = 0
            for group, rows in enumerate(self._groups):
                lower, upper = max(begin - passed, 0), min(end - passed, rows)
                passed += rows
                if lower >= upper:
                    continue
                for row, batch in self._batches(opened, group, block_rows, Span(lower, upper)):
                    positions = [f"{group}:{number}" for number in range(row, row + len(batch))]
                    yield FrameBlock(first_row, arrow_frame([batch]), positions, self._file.uri)
                    first_row += len(batch)

    def cuts(self, *, step: int, most: int) -> Cuts:
        """Cut between row groups, and inside of those with more rows than ``step``."""
        # Whoever begins inside of a row group has to read it from its beginning.
        inside = max(1, step // _CUTS_OF_A_STEP, -(-sum(self._groups) // most))
        rows: list[int] = []
        passed = 0
        for count in self._groups:
            rows.extend(range(passed, passed + count, inside if count > step else max(1, count)))
            passed += count
        return Cuts(passed, rows[1:], rows[1:])

    def _row_at(self, position: str) -> int:
        group, _, row = position.partition(":")
        there = group.isdecimal() and row.isdecimal() and int(group) < len(self._groups)
        if not there or int(row) >= self._groups[int(group)]:
            raise no_row(self._file, position)
        return sum(self._groups[: int(group)]) + int(row)

    def _batches(self, opened: Any, group: int, block_rows: int, wanted: Span) -> Iterator[tuple[int, Any]]:
        """Read rows of a row group: the number in it of each batch's first row, and the batch."""
        lower, upper = wanted.start or 0, wanted.end or 0
        passed = 0
        try:
            about = opened.metadata.row_group(group)
            step = rows_of_a_block(block_rows, rows=about.num_rows, size=about.total_byte_size)
            # Each of Arrow's threads keeps memory of its own: a long file would need more than a short one.
            for batch in opened.iter_batches(batch_size=step, row_groups=[group], use_threads=False):
                begin, end = max(lower, passed), min(upper, passed + len(batch))
                if begin < end:
                    yield begin, batch.slice(begin - passed, end - begin)
                passed += len(batch)
                if passed >= upper:
                    return
        except SourceError:
            raise
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise SourceError(f"{self._file.name}: row group {group} is damaged: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            import pyarrow.parquet  # type: ignore[import-untyped]
        except ImportError:
            raise SourceError(
                f"{self._file.name}: reading Parquet needs pyarrow",
                hint="Install it with: pip install 'airflow-provider-mixpeek[parquet]'.",
            ) from None
        location = self._file.location
        with location.open(by_ranges=True) as stream:
            try:
                # From elsewhere the column chunks of a row group come together, in a few large reads.
                opened = pyarrow.parquet.ParquetFile(
                    location.path if location.local else stream, pre_buffer=not location.local
                )
            except SourceError:
                raise
            except (OSError, ValueError) as error:
                stream.seek(-4, 2)
                whole = stream.read(4) == b"PAR1"
                what = "is damaged" if whole else "is cut off: its footer is missing"
                raise SourceError(
                    f"{self._file.name} {what} ({error})", hint="Write the file again."
                ) from error
            with opened:
                yield opened
