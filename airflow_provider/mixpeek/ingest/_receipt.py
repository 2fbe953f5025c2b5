"""The receipt: what became of every row, as files that can be joined with the rows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._json_text import dumps, loads
from airflow_provider.mixpeek.ingest._part_files import Part, PartWriter, find_parts, without_credentials

KIND = "receipt"

Format = Literal["parquet", "jsonl"]
Outcome = Literal["created", "replayed", "stored", "rejected"]

#: Receipts that are read from Parquet at a time.
_BLOCK_ROWS = 10_000


class Receipt(NamedTuple):
    """
    What became of a row.

    :param row: Its number in the source, from 0.
    :param outcome: The name of the report's count that it is in.
    :param uri: The file that it is from,
    :param position: and where it stands in it: ``<row group>:<row>`` in Parquet, else the byte offset.
    :param key: Its idempotency key; None where it has none.
    :param object_id: Its object; None where it was rejected, and on the legacy generation.
    :param task_id: The task that makes and processes the object; legacy generation only.
    """

    row: int
    outcome: Outcome
    uri: str | None = None
    position: str | None = None
    key: str | None = None
    object_id: str | None = None
    task_id: str | None = None


class ReceiptWriter(PartWriter[Receipt]):
    """
    Writes the receipt, as ``<prefix>-<first row>.receipt.parquet`` or ``.jsonl``.

    :param where: The directory; see :func:`~airflow_provider.mixpeek.ingest._part_files.open_folder`.
    :param prefix: Names the load.
    :param format: ``parquet`` needs pyarrow.
    :raises MixpeekConfigError: that is no directory, there is no such format, or pyarrow is missing.
    """

    def __init__(self, where: str | os.PathLike[str], *, prefix: str, format: Format) -> None:  # noqa: A002
        if format not in get_args(Format):
            known = ", ".join(map(repr, get_args(Format)))
            raise MixpeekConfigError(f"the receipt's format is {format!r}, and must be one of {known}")
        super().__init__(where, prefix=prefix, kind=KIND, extension=format)
        self._parquet = _parquet() if format == "parquet" else None

    def add(self, receipt: Receipt) -> None:
        """Take what became of a row, which is written when its part is closed. Rows may come in any order."""
        self._add(receipt.row, receipt._replace(uri=receipt.uri and without_credentials(receipt.uri)))

    def _content(self, items: Sequence[Receipt]) -> bytes:
        if self._parquet is None:
            return b"".join(dumps(receipt._asdict()) + b"\n" for receipt in items)
        import pyarrow as pa  # type: ignore[import-untyped]

        # Written down: a part in which a column is all null would have another type than its neighbours.
        schema = pa.schema([(name, pa.int64() if name == "row" else pa.string()) for name in Receipt._fields])
        table = pa.Table.from_pylist([receipt._asdict() for receipt in items], schema)
        content = io.BytesIO()
        self._parquet.write_table(table, content)
        return content.getvalue()


def read_receipt(where: str | os.PathLike[str]) -> Iterator[Receipt]:
    """
    Read a receipt back, in the order of its loads and rows.

    :param where: The directory that it was written to, or one of its parts: a path, any URL of fsspec, or
        Airflow's ``ObjectStoragePath``.
    :raises MixpeekConfigError: no place that fsspec knows, or a part is Parquet and pyarrow is missing.
    :raises SourceError: there is no receipt, or a part is damaged; the latter while reading.
    """
    parts = find_parts(where, kind=KIND)
    parquet = _parquet() if any(part.extension == "parquet" for part in parts) else None
    return (
        receipt
        for part in parts
        for receipt in (_read_parquet(part, parquet) if part.extension == "parquet" else _read_jsonl(part))
    )


def _read_parquet(part: Part, parquet: Any) -> Iterator[Receipt]:
    with part.open() as file, part.reading():
        for batch in parquet.ParquetFile(file).iter_batches(_BLOCK_ROWS):
            for members in batch.to_pylist():
                yield Receipt(**members)


def _read_jsonl(part: Part) -> Iterator[Receipt]:
    with part.open() as file, part.reading():
        for number, line in enumerate(file, 1):
            try:
                receipt = Receipt(**loads(line))
            except (TypeError, ValueError) as error:
                raise SourceError(f"{part.uri}: line {number} is no receipt: {error}") from None
            yield receipt


def _parquet() -> Any:
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError:
        raise MixpeekConfigError(
            "a receipt in Parquet needs pyarrow",
            hint="Install it with: pip install 'airflow-provider-mixpeek[parquet]'. Or take 'jsonl'.",
        ) from None
    return pyarrow.parquet
