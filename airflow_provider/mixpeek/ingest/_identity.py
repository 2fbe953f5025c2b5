"""
The identity of a row: the idempotency key under which it is created.

The **canonical row** is the text of every column that the mapping reads, sorted by name, absent values left
out, each as one line ``"name":value`` with name and plain value in ASCII-only JSON as Python's :mod:`json`
writes it (dicts with sorted keys). Bytes enter as ``bytes:<length>:<digest>``. JSON has no raw line break and
no value that begins with a ``b``, so two different rows never have the same text.

A key is ``KEY_VERSION`` and a BLAKE2b digest of the mode, the scope, the bucket's id, the file's URI (mode
``position`` only) and the row. Golden tests pin it: keys that change double a run that is half done, so
whatever changes them also changes ``KEY_VERSION``.

Memory: ``position`` keeps nothing; ``content`` and ``columns`` remember a digest of 16 bytes for each
distinct row or key of the call, with which Python needs some 100 and 135 bytes (measured at 200,000 rows).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import NoneType
from typing import Any, Literal

#: Begins every key. Change it when, and only when, keys change.
KEY_VERSION = "mxp1-"

Mode = Literal["content", "position", "columns"]

_DIGEST_BYTES = 20
_SEEN_BYTES = 16
_SCALARS = frozenset({str, int, float, bool, NoneType})
_NESTED_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """
    The keys of a block.

    :param keys: One a row; None for rows that were skipped or have a problem.
    :param problems: Index in the block -> why the row has no key.
    """

    keys: list[str | None]
    problems: dict[int, str] = field(default_factory=dict)


class Keyer:
    """
    Gives the rows of one call their keys, block after block, in order. Made by :func:`row_keyer`.

    How the rows are cut into blocks and how the columns are ordered does not show in the keys.
    """

    def __init__(self, mode: Mode, *, scope: str, bucket_id: str, columns: Collection[str]) -> None:
        self._mode = mode
        self._world = (mode, scope, bucket_id)
        self._columns = frozenset(columns)
        self._uri: str | None = None
        self._hash = self._started(None)
        self._seen: dict[bytes, int] = {}

    def keys(
        self,
        names: Sequence[str],
        columns: Sequence[Sequence[Any]],
        *,
        first_row: int,
        uri: str | None = None,
        positions: Sequence[str] | None = None,
        skip: Collection[int] = (),
    ) -> Keys:
        """
        Give the rows of a block their keys.

        :param names: Every column that the mapping reads.
        :param columns: The plain values of each, all of one length.
        :param first_row: Number of the block's first row, counted from 0, for messages.
        :param uri: Normalised URI, or the user's name, of the file that the rows are from; mode ``position``.
        :param positions: Where each row stands in it; mode ``position``.
        :param skip: Indices of rows that will not be sent. They count for nothing.
        """
        chosen = sorted(
            (
                pair
                for pair in zip(names, columns, strict=True)
                if not self._columns or pair[0] in self._columns
            ),
            key=lambda pair: pair[0],
        )
        rows = canonical_rows(chosen)
        if self._mode == "position":
            if positions is None or uri is None:
                raise ValueError("keys by position need URI and positions, which only files have")
            if uri != self._uri:
                self._uri, self._hash = uri, self._started(uri)
            return Keys(self._by_position(rows, positions, skip))
        if self._mode == "content":
            return Keys(self._by_content(rows, skip))
        return self._by_columns(rows, _blanks(chosen), first_row, skip)

    def _started(self, uri: str | None) -> blake2b:
        """Begin a digest with all that is the same for the rows of one file, or of the call."""
        header = _NESTED_ENCODER.encode([*self._world, uri])
        return blake2b(header.encode("ascii") + b"\n", digest_size=_DIGEST_BYTES)

    def _key(self, row: bytes) -> str:
        hasher = self._hash.copy()
        hasher.update(row)
        return KEY_VERSION + hasher.hexdigest()

    def _by_position(
        self, rows: Iterable[bytes], positions: Sequence[str], skip: Collection[int]
    ) -> list[str | None]:
        return [
            None if index in skip else self._key(b"%b\n%b" % (position.encode(), row))
            for index, (position, row) in enumerate(zip(positions, rows, strict=True))
        ]

    def _by_content(self, rows: Iterable[bytes], skip: Collection[int]) -> list[str | None]:
        start, seen, keys = self._hash, self._seen, list[str | None]()
        for index, row in enumerate(rows):
            if index in skip:
                keys.append(None)
                continue
            hasher = start.copy()
            hasher.update(row)
            digest = hasher.digest()
            short = digest[:_SEEN_BYTES]
            before = seen.get(short, 0)
            seen[short] = before + 1
            # The first of equal rows is the plain row; the second carries how many came before it.
            keys.append(self._key(b"%b#%d" % (row, before)) if before else KEY_VERSION + digest.hex())
        return keys

    def _by_columns(
        self, rows: Iterable[bytes], blanks: dict[int, str], first_row: int, skip: Collection[int]
    ) -> Keys:
        result = Keys([])
        for index, row in enumerate(rows):
            if index in skip or index in blanks:
                result.keys.append(None)
                continue
            key = self._key(row)
            short = bytes.fromhex(key[len(KEY_VERSION) :])[:_SEEN_BYTES]
            first = self._seen.setdefault(short, first_row + index)
            if first == first_row + index:
                result.keys.append(key)
            else:
                result.keys.append(None)
                result.problems[index] = f"its key came before, in row {first}; a key names one row of a run"
        result.problems.update({index: reason for index, reason in blanks.items() if index not in skip})
        return result


def row_keyer(
    mode: Mode,
    *,
    bucket_id: str,
    scope: str,
    columns: Sequence[str] = (),
) -> Keyer:
    """
    Start giving keys to the rows of one call.

    :param mode: ``content``: the row, and how many equal ones came before it in this call; ``position``: the
        file, the row's place in it, and the row; ``columns``: the named columns, nothing else of the row.
    :param bucket_id: The bucket's id as the server gave it, never its name.
    :param scope: Enters every key as it is: two ingestions that must not share keys need two scopes.
    :param columns: The business key's columns; mode ``columns`` only.
    """
    if (mode == "columns") != bool(columns):
        raise ValueError("columns are named in mode 'columns', and only there")
    return Keyer(mode, scope=scope, bucket_id=bucket_id, columns=columns)


def canonical_rows(columns: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[bytes]:
    """
    Write rows in their canonical form.

    :param columns: Names, sorted, and plain values.
    :return: One ASCII text a row.
    """
    lines = [_lines(json.dumps(name), values) for name, values in columns]
    return (row.encode("ascii") for row in map("".join, zip(*lines, strict=True)))


def row_hashes(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """
    A hash of each row's values, by which an object is told from one that was made of other values.

    :param columns: The plain values of every column that the mapping reads.
    """
    rows = canonical_rows(sorted(columns.items()))
    return [blake2b(row, digest_size=_SEEN_BYTES).hexdigest() for row in rows]


def _lines(name: str, values: Sequence[Any]) -> list[str]:
    """One line a row, empty where the value is absent."""
    if not values:
        return []
    if _SCALARS.issuperset(map(type, values)):
        # One call for the whole column: what stands between two values is the rest of one line, the end of
        # a row, and the beginning of the next line. ASCII-only JSON has no raw line break and no NUL.
        encoder = json.JSONEncoder(separators=(f"\n\0{name}:", ":"), allow_nan=False)
        lines = f"{name}:{encoder.encode(values)[1:-1]}\n".split("\0")
        if None not in values:
            return lines
        absent = f"{name}:null\n"
        return ["" if line == absent else line for line in lines]
    return ["" if value is None else f"{name}:{_text(value)}\n" for value in values]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"bytes:{len(value)}:{blake2b(value, digest_size=32).hexdigest()}"
    return _NESTED_ENCODER.encode(value)


def _blanks(columns: Sequence[tuple[str, Sequence[Any]]]) -> dict[int, str]:
    blanks: dict[int, str] = {}
    for name, values in columns:
        for index, value in enumerate(values):
            if value is None or (isinstance(value, str) and not value.strip()):
                blanks.setdefault(index, f"column {name!r}: it is part of the key, and blank")
    return blanks
