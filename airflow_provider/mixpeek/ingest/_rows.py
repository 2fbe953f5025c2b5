"""From a block of rows to the objects that are sent: by columns as long as possible, then by rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider.mixpeek.client._schema import METADATA, BlobForms
from airflow_provider.mixpeek.ingest._chunks import ENVELOPE, Row
from airflow_provider.mixpeek.ingest._identity import Keyer, row_hashes
from airflow_provider.mixpeek.ingest._json_text import dumps
from airflow_provider.mixpeek.ingest._ledger import Lines
from airflow_provider.mixpeek.ingest._mapping import Plan
from airflow_provider.mixpeek.ingest._report import RejectedRow
from airflow_provider.mixpeek.ingest._row_files import path_column
from airflow_provider.mixpeek.ingest._sources import Block
from airflow_provider.mixpeek.ingest._typed import blob_column, typed_column
from airflow_provider.mixpeek.ingest._values import PlainColumn, plain_column

#: Fields that a load adds to an object's metadata.
INGEST_KEY = "ingest_key"
INGEST_HASH = "ingest_hash"

#: Characters of a unique key's field at most (``UniqueKeyConfig``, API 0.82).
_LONGEST_UNIQUE = 255


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
class Form:
    """
    What the objects of a load have beside what the mapping says.

    :param wire: How the server's generation wants an object.
    :param keyed: They carry their keys as idempotency keys.
    :param key_is_kept: They keep their keys in ``metadata.ingest_key``, where a server without idempotency
        keys can be asked for them.
    :param hash_is_kept: They keep a hash of their values in ``metadata.ingest_hash``.
    :param unique: The fields of the bucket's unique key.
    :param skip_duplicates: The server is to return an object of the same content instead of storing one.
    :param max_bytes: Bytes of one request's body at most; a row that is larger alone is rejected.
    """

    wire: Wire
    keyed: bool
    max_bytes: int
    key_is_kept: bool = False
    hash_is_kept: bool = False
    unique: tuple[str, ...] = ()
    skip_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    Some rows of a block, ready.

    :param lines: All of them.
    :param rows: Those that can be sent.
    :param rejected: Those that are wrong.
    :param skipped: Keys of the rows of the block that come before them.
    """

    lines: Lines
    rows: list[Row]
    rejected: list[RejectedRow]
    skipped: Sequence[str | None] = ()


def prepare(block: Block, plan: Plan, keyer: Keyer, form: Form, *, start: int = 0) -> Prepared:
    """
    Make the objects of a block.

    :param start: Number of the first row to make; those before it count for the keys and for nothing else.
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
            # The file's upload takes the place of its path when the row is sent.
            "upload_id" if name in plan.files else "data",
            problems.of(
                column,
                path_column(plain[column])
                if name in plan.files
                else blob_column(plain[column], kind, form.wire.blob_forms),
                required=name in plan.required,
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
    unique = _unique(dict(fields), form.unique, problems)
    problems.without_blob([column for _, _, column in plan.blobs], [values for *_, values in blobs])
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

    skipped = min(max(start - block.first_row, 0), len(block))
    hashes = row_hashes(plain) if form.hash_is_kept and skipped < len(block) else None
    blob_columns = {name: column for name, _, column in plan.blobs}
    rows: list[Row] = []
    for index, key in enumerate(keys.keys):
        if index < skipped or index in problems.found:
            continue
        kept = {name: values[index] for name, values in metadata if values[index] is not None}
        if form.key_is_kept:
            kept[INGEST_KEY] = key
        if hashes:
            kept[INGEST_HASH] = hashes[index]
        made = form.wire.object_body(
            blobs=[
                {"property": name, "type": kind, form_of_data: values[index]}
                for name, kind, form_of_data, values in blobs
                if values[index] is not None
            ],
            fields={name: values[index] for name, values in fields if values[index] is not None},
            metadata=kept,
            key_prefix=prefixes[index] if prefixes else None,
            idempotency_key=key if form.keyed else None,
        )
        if form.skip_duplicates:
            made["skip_duplicates"] = True
        body = _encode(made)
        if len(body) + ENVELOPE > form.max_bytes:
            problems.add(
                index, None, f"its {len(body):,} bytes are more than a request may have ({form.max_bytes:,})"
            )
        else:
            rows.append(
                Row(
                    block.first_row + index,
                    body,
                    block,
                    blob_columns,
                    key,
                    hashes[index] if hashes else None,
                    unique[index] if unique else None,
                )
            )
    lines = Lines(
        block.first_row + skipped,
        keys.keys[skipped:],
        block.uri,
        block.positions[skipped:] if block.positions else None,
    )
    return Prepared(lines, rows, list(problems.rejected(skipped)), keys.keys[:skipped])


def _unique(
    fields: Mapping[str, Sequence[Any]], names: Sequence[str], problems: _Problems
) -> list[str] | None:
    """The unique key of each row as text; None where the bucket has none."""
    if not names:
        return None
    for name in names:
        for index, value in enumerate(fields[name]):
            text = "" if value is None else str(value)
            if not text.strip():
                problems.add(index, name, "it is part of the bucket's unique key, and blank")
            elif len(text) > _LONGEST_UNIQUE:
                problems.add(
                    index,
                    name,
                    f"it is part of the bucket's unique key, and its {len(text):,} characters are more than "
                    f"the {_LONGEST_UNIQUE} that one may have",
                )
    columns = [[_whole(value) for value in fields[name]] for name in names]
    return [json.dumps(values) for values in zip(*columns, strict=True)]


def _whole(value: Any) -> Any:
    """A number as JSON's readers see it, to whom 1.0 and 1 are one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


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

    def rejected(self, skipped: int) -> Iterator[RejectedRow]:
        for index, (column, reason) in sorted(self.found.items()):
            if index < skipped:
                continue
            yield RejectedRow(
                self._block.first_row + index, reason, column=column, values=self._block.row(index)
            )


def _encode(body: dict[str, Any]) -> bytes:
    # A copy: what orjson returns holds on to the four KB that it was written in.
    return memoryview(dumps(body)).tobytes()
