"""Parquet, row group by row group, through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._frames import FrameBlock, arrow_frame, check_columns
from airflow_provider.mixpeek.ingest._sources import rows_of_a_block


class ParquetSource:
    """
    A Parquet file. A position is ``<row group>:<row in it>``.

    :raises SourceError: pyarrow is missing, the file is cut off or damaged, or its columns have no usable
        names.
    """

    kind: Literal["file"] = "file"

    def __init__(self, path: Path, *, uri: str) -> None:
        self.uri: str | None = uri
        self._path = path
        with self._opened() as file:
            names = file.schema_arrow.names
        check_columns(names)
        self.columns: tuple[str, ...] | None = tuple(names)

    def blocks(self, *, block_rows: int) -> Iterator[FrameBlock]:
        """
        Read the file in blocks, none across two row groups.

        :raises SourceError: a row group is damaged.
        """
        first_row = 0
        with self._opened() as file:
            for group in range(file.num_row_groups):
                start = 0
                for batch in self._batches(file, group, block_rows):
                    rows = len(batch)
                    positions = [f"{group}:{row}" for row in range(start, start + rows)]
                    yield FrameBlock(first_row, arrow_frame([batch]), positions)
                    start += rows
                    first_row += rows

    def _batches(self, file: Any, group: int, block_rows: int) -> Iterator[Any]:
        try:
            about = file.metadata.row_group(group)
            step = rows_of_a_block(block_rows, rows=about.num_rows, size=about.total_byte_size)
            yield from file.iter_batches(batch_size=step, row_groups=[group])
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise SourceError(f"{self._path}: row group {group} is damaged: {error}") from error

    def _opened(self) -> Any:
        try:
            import pyarrow.parquet  # type: ignore[import-untyped]
        except ImportError:
            raise SourceError(
                f"{self._path}: reading Parquet needs pyarrow",
                hint="Install it with: pip install 'airflow-provider-mixpeek[parquet]'.",
            ) from None
        try:
            return pyarrow.parquet.ParquetFile(self._path)
        except (OSError, ValueError) as error:
            with self._path.open("rb") as file:
                file.seek(-4, 2)
                whole = file.read() == b"PAR1"
            what = "is damaged" if whole else "is cut off: its footer is missing"
            raise SourceError(f"{self._path} {what} ({error})", hint="Write the file again.") from error
