"""From a block of rows to the objects that are sent: by columns as long as possible, then by rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from airflow_provider.mixpeek.client._schema import METADATA, BlobForms
from airflow_provider.mixpeek.ingest._chunks import ENVELOPE, Row
from airflow_provider.mixpeek.ingest._identity import Keyer
from airflow_provider.mixpeek.ingest._mapping import Plan
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._sources import Block
from airflow_provider.mixpeek.ingest._typed import blob_column, typed_column
from airflow_provider.mixpeek.ingest._values import PlainColumn, plain_column


class Wire(Protocol):
    """What a generation of the API wants of objects."""

    @property
    def blob_forms(self) -> BlobForms:
        """Which forms of blobs it takes."""

    def object_body(
        self,
        *,
        blobs: Sequence[dict[str, Any]],
        fields: dict[str, Any],
        metadata: dict[str, Any] | None,
        key_prefix: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A block, ready.

    :param count: Rows of the block.
    :param rows: Those that can be sent.
    :param rejected: Those that are wrong.
    """

    count: int
    rows: list[Row]
    rejected: list[RejectedRow]


def prepare(block: Block, plan: Plan, keyer: Keyer, *, wire: Wire, keyed: bool, max_bytes: int) -> Prepared:
    """
    Make the objects of a block.

    :param wire: How the server's generation wants an object.
    :param keyed: Whether objects carry their keys. Without, keys still tell blank and repeated ones.
    :param max_bytes: Bytes of one request's body at most; a row that is larger alone is rejected.
    """
    problems = _Problems(block)
    plain = {
        name: problems.of(name, plain_column(block.column(name)), required=False)
        for name in plan.identity_columns
    }
    blobs = [
        (
            name,
            kind,
            problems.of(
                column, blob_column(plain[column], kind, wire.blob_forms), required=name in plan.required
            ),
        )
        for name, kind, column in plan.blobs
    ]
    fields = [
        (name, problems.of(column, typed_column(plain[column], kind), required=name in plan.required))
        for name, kind, column in plan.fields
    ]
    metadata = [(column, problems.without_bytes(column, plain[column])) for column in plan.metadata]
    if metadata and METADATA in plan.required:
        problems.without_metadata(metadata)
    problems.without_blob([column for _, _, column in plan.blobs], [values for _, _, values in blobs])
    prefixes: Sequence[str | None] = ()
    if plan.key_prefix is not None:
        prefixes = problems.of(None, plan.key_prefix.column(plain, rows=len(block)), required=False)

    keys = keyer.keys(
        list(plain),
        list(plain.values()),
        first_row=block.first_row,
        uri=block.uri,
        positions=block.positions,
        skip=problems.found,
    )
    for index, reason in keys.problems.items():
        problems.add(index, None, reason)

    blob_columns = {name: column for name, _, column in plan.blobs}
    rows: list[Row] = []
    for index, key in enumerate(keys.keys):
        if index in problems.found:
            continue
        body = _encode(
            wire.object_body(
                blobs=[
                    {"property": name, "type": kind, "data": values[index]}
                    for name, kind, values in blobs
                    if values[index] is not None
                ],
                fields={name: values[index] for name, values in fields if values[index] is not None},
                metadata={name: values[index] for name, values in metadata if values[index] is not None},
                key_prefix=prefixes[index] if prefixes else None,
                idempotency_key=key if keyed else None,
            )
        )
        if len(body) + ENVELOPE > max_bytes:
            problems.add(
                index, None, f"its {len(body):,} bytes are more than a request may have ({max_bytes:,})"
            )
        else:
            rows.append(Row(block.first_row + index, body, block, blob_columns))
    return Prepared(len(block), rows, list(problems.rejected()))


class _Problems:
    """The first thing that is wrong with each row of a block."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.found: dict[int, tuple[str | None, str]] = {}
        for index, reason in block.problems.items():
            self.add(index, None, reason)

    def add(self, index: int, column: str | None, reason: str) -> None:
        self.found.setdefault(index, (column, reason))

    def of(self, column: str | None, converted: PlainColumn, *, required: bool) -> Sequence[Any]:
        for index, reason in converted.problems.items():
            self.add(index, column, reason)
        if required and None in converted.values:
            for index, value in enumerate(converted.values):
                if value is None:
                    self.add(index, column, "it is blank, and the bucket requires it")
        return converted.values

    def without_bytes(self, column: str, values: Sequence[Any]) -> Sequence[Any]:
        if bytes in set(map(type, values)):
            for index, value in enumerate(values):
                if isinstance(value, bytes):
                    self.add(index, column, "bytes have no JSON form: map the column to a file property")
        return values

    def without_blob(self, columns: Sequence[str], blobs: Sequence[Sequence[Any]]) -> None:
        for index, values in enumerate(zip(*blobs, strict=True)):
            if values.count(None) == len(values):
                self.add(index, None, f"it has no blob: blank in {', '.join(map(repr, columns))}")

    def without_metadata(self, columns: Sequence[tuple[str, Sequence[Any]]]) -> None:
        for index, values in enumerate(zip(*(values for _, values in columns), strict=True)):
            if values.count(None) == len(values):
                names = ", ".join(repr(column) for column, _ in columns)
                self.add(index, None, f"the bucket requires {METADATA!r}, and it is blank in all of {names}")

    def rejected(self) -> Iterator[RejectedRow]:
        for index, (column, reason) in sorted(self.found.items()):
            yield RejectedRow(
                self._block.first_row + index, reason, column=column, values=self._block.row(index)
            )


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Integers beyond 64 bits are JSON all the same.
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
