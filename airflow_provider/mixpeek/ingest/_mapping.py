"""
From columns to properties: what the user says, checked against rows and bucket, becomes a plan.

Imported by DAG files, so it pulls in neither pandas nor pyarrow nor narwhals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider.mixpeek.client._schema import METADATA, SYSTEM_NAMES, is_blob_type
from airflow_provider.mixpeek.ingest._blob import Blob, blob_of
from airflow_provider.mixpeek.ingest._errors import MappingError
from airflow_provider.mixpeek.ingest._typed import text_of
from airflow_provider.mixpeek.ingest._values import NoFormError, PlainColumn, convert

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client._models import BucketSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMapping:
    """
    Which columns become what of an object.

    :param blobs: Bucket property -> column, or a :class:`Blob` of it: ``Blob(column="path", source="file")``
        uploads files.
    :param metadata: Columns that travel as fields: at the object's root where the schema declares them, else
        inside ``metadata``.
    :param key_prefix: Path of the object in its bucket, with columns in braces: ``"/products/{category}"``;
        ``{{`` is a brace. A row where such a column is absent is rejected.
    :param idempotency_key: Columns that identify a row in business terms, such as ``["sku"]``. Without them
        a row is identified by its content, or by its place in a file.
    :raises MappingError: a part is not of the type it should be.
    """

    blobs: Mapping[str, str | Blob]
    metadata: Sequence[str] = ()
    key_prefix: str | None = None
    idempotency_key: Sequence[str] | None = None

    def __post_init__(self) -> None:
        problems = []
        blobs: dict[str, str | Blob] = {}
        for name, given in self.blobs.items() if isinstance(self.blobs, Mapping) else [("", None)]:
            blob = blob_of(given)
            if blob is None or not _is_name(name) or not blob.column:
                problems.append(f"blobs is a dict of property -> column, both texts, not {self.blobs!r}")
                break
            problems += [f"blobs[{name!r}]: {problem}" for problem in blob.problems()]
            blobs[name] = given if isinstance(given, str) else blob
        for name in ("metadata", "idempotency_key"):
            columns = getattr(self, name)
            if columns is None and name == "idempotency_key":
                continue
            if (
                isinstance(columns, str)
                or not isinstance(columns, Sequence)
                or not all(map(_is_name, columns))
            ):
                problems.append(f"{name} is a list of columns, not {columns!r}")
            elif name == "idempotency_key" and not columns:
                problems.append("idempotency_key names no column; leave it out to identify rows by content")
        if self.key_prefix is not None and not isinstance(self.key_prefix, str):
            problems.append(f"key_prefix is a text, not {self.key_prefix!r}")
        if problems:
            raise MappingError(problems)
        # Copies, so that the user's lists can change and the mapping cannot.
        object.__setattr__(self, "blobs", blobs)
        object.__setattr__(self, "metadata", tuple(self.metadata))
        if self.idempotency_key is not None:
            object.__setattr__(self, "idempotency_key", tuple(self.idempotency_key))

    @classmethod
    def of(cls, mapping: ObjectMapping | Mapping[str, Any] | None) -> ObjectMapping | None:
        """
        Take a mapping as it is, or from a dict of its parts: what a template or JSON gives.

        :raises MappingError: the dict has other keys, or none, or a part is not of the type it should be.
        """
        if mapping is None or isinstance(mapping, ObjectMapping):
            return mapping
        names = [part.name for part in fields(cls)]
        if not isinstance(mapping, Mapping):
            raise MappingError(
                [f"a mapping is an ObjectMapping or a dict of {', '.join(names)}, not {mapping!r}"]
            )
        unknown = [f"it has no part {key!r}{_suggest(key, names)}" for key in mapping if key not in names]
        if "blobs" not in mapping:
            unknown.append("blobs is missing: which property is filled from which column")
        if unknown:
            raise MappingError(unknown)
        return cls(**mapping)


class Feed(NamedTuple):
    """A property of the schema, its type, and the column that fills it."""

    name: str
    type: str
    column: str


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """
    A parsed ``key_prefix``: text, column, text, column, ... text.

    :param texts: One more than there are columns.
    """

    texts: tuple[str, ...]
    columns: tuple[str, ...]

    def column(self, values: Mapping[str, Sequence[Any]], *, rows: int) -> PlainColumn:
        """
        Fill it in for each row.

        :param values: The plain values of each of its columns.
        :param rows: How many rows there are.
        :return: One text a row. Reasons of problems name the column themselves.
        """
        return convert(range(rows), lambda index: self._filled(values, index))

    def _filled(self, values: Mapping[str, Sequence[Any]], index: int) -> str:
        pieces = [self.texts[0]]
        for name, text in zip(self.columns, self.texts[1:], strict=True):
            value = values[name][index]
            if value is None or value == "":
                raise NoFormError(f"column {name!r} is absent, and the key_prefix needs it")
            try:
                pieces += (text_of(value), text)
            except NoFormError as error:
                raise NoFormError(f"column {name!r}, which the key_prefix needs: {error}") from None
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A mapping that fits: what to read and where each column goes.

    :param blobs: Blobs of each object.
    :param files: Those that are uploaded, and the folder that their cells are paths below; None: any path.
    :param fields: Fields at the object's root; the schema declares them.
    :param metadata: Columns that go into the one nested ``metadata`` object.
    :param key_prefix: None where objects have none.
    :param identity_columns: Every column that is read, sorted.
    :param key_columns: The business key's columns; empty without one.
    :param required: Properties that the schema wants in every object.
    """

    blobs: tuple[Feed, ...]
    files: Mapping[str, str | None]
    fields: tuple[Feed, ...]
    metadata: tuple[str, ...]
    key_prefix: KeyPrefix | None
    identity_columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    required: frozenset[str]


def plan(
    mapping: ObjectMapping | None,
    *,
    schema: BucketSchema,
    columns: Sequence[str] | None,
    metadata_is_declared: bool = True,
) -> Plan:
    """
    Check a mapping against the bucket and the rows.

    :param mapping: None: each column named like a property of the schema becomes what that property is.
    :param schema: The bucket's schema.
    :param metadata_is_declared: Whether the server's generation has declared values at the object's root,
        beside names of its own, and wants the nested ``metadata`` declared too; else all are in ``metadata``.
    :param columns: The rows' columns; None where nobody knows them, and then they are not checked.
    :raises MappingError: anything does not fit; it lists all that does not.
    """
    properties = {name: definition.type for name, definition in schema.properties.items()}
    required = frozenset(name for name, definition in schema.properties.items() if definition.required)
    if not properties:
        raise MappingError(["the bucket has no schema, so nothing can be mapped to it"])
    if mapping is None:
        mapping = _by_name(properties, columns)
    check = _Check(properties, columns, root_is_shared=metadata_is_declared)
    blobs = {name: blob for name, given in mapping.blobs.items() if (blob := blob_of(given))}
    made = Plan(
        blobs=tuple(check.blob(name, blob) for name, blob in blobs.items()),
        files={name: blob.folder for name, blob in blobs.items() if blob.source == "file"},
        fields=tuple(
            check.root_field(column, mapping.blobs) for column in mapping.metadata if column in properties
        ),
        metadata=tuple(column for column in mapping.metadata if column not in properties),
        key_prefix=check.key_prefix(mapping.key_prefix),
        identity_columns=(),
        key_columns=tuple(mapping.idempotency_key or ()),
        required=required,
    )
    if not made.blobs:
        check.problems.append(
            f"no column becomes a blob, and an object without one is nothing to process;{_files(properties)}"
        )
    check.metadata(mapping.metadata, made, must_be_declared=metadata_is_declared)
    check.known("idempotency_key", made.key_columns)
    fed = {feed.name for feed in (*made.blobs, *made.fields)} | ({METADATA} if made.metadata else set())
    check.problems += [
        f"the bucket requires the property {name!r} ({properties[name]}), and no column fills it"
        for name in sorted(required - fed)
    ]
    if check.problems:
        raise MappingError(check.problems)
    read = {feed.column for feed in (*made.blobs, *made.fields)}
    read.update(made.metadata, made.key_columns, made.key_prefix.columns if made.key_prefix else ())
    return replace(made, identity_columns=tuple(sorted(read)))


def parse_key_prefix(template: str) -> KeyPrefix:
    """
    Parse the template of a ``key_prefix``.

    :raises ValueError: a brace is open, or a field is more than a column's name.
    """
    texts, columns = [""], []
    for text, name, spec, conversion in Formatter().parse(template):
        texts[-1] += text
        if name is None:
            continue
        if not name or spec or conversion:
            raise ValueError("a field is a column's name in braces and nothing else, such as {category}")
        columns.append(name)
        texts.append("")
    return KeyPrefix(tuple(texts), tuple(columns))


class _Check:
    """Collects everything that does not fit."""

    def __init__(
        self, properties: Mapping[str, str], columns: Sequence[str] | None, *, root_is_shared: bool
    ) -> None:
        self.problems: list[str] = []
        self._root_is_shared = root_is_shared
        self._properties = properties
        self._columns = columns

    def known(self, where: str, columns: Sequence[str]) -> None:
        self.problems += [
            f"{where}: the column name {column!r} holds half of a surrogate pair, which cannot be written as "
            "UTF-8; rename the column"
            for column in columns
            if any("\ud800" <= character <= "\udfff" for character in column)
        ]
        if self._columns is None:
            return
        known = set(self._columns)
        self.problems += [
            f"{where}: the rows have no column {column!r}{_suggest(column, self._columns)}"
            for column in columns
            if column not in known
        ]

    def blob(self, name: str, blob: Blob) -> Feed:
        self.known(f"blobs[{name!r}]", [blob.column])
        kind = self._properties.get(name, "")
        if name not in self._properties:
            self.problems.append(f"the bucket has no property {name!r}{_suggest(name, self._properties)}")
        elif blob.source == "file" and not is_blob_type(kind):
            self.problems.append(f"the property {name!r} is of type {kind}, which is no file's")
        return Feed(name, kind, blob.column)

    def root_field(self, column: str, blobs: Mapping[str, str | Blob]) -> Feed:
        kind = self._properties[column]
        if is_blob_type(kind):
            self.problems.append(
                f"metadata: {column!r} is a property of type {kind}, which is filled by a blob; "
                f"name it in blobs, or rename the column"
            )
        elif column in blobs:
            self.problems.append(f"the property {column!r} is filled twice, by blobs and by metadata")
        elif self._root_is_shared and column in SYSTEM_NAMES:
            self.problems.append(
                f"metadata: {column!r} is a name of the API's own at an object's root; "
                "take it out of the schema, so that it travels inside metadata, or rename it in both"
            )
        return Feed(column, kind, column)

    def metadata(self, columns: Sequence[str], made: Plan, *, must_be_declared: bool) -> None:
        self.known("metadata", columns)
        twice = sorted({column for column in columns if columns.count(column) > 1})
        self.problems += [f"metadata names the column {column!r} twice" for column in twice]
        if not made.metadata:
            return
        undeclared = ", ".join(map(repr, made.metadata))
        if METADATA in {feed.name for feed in (*made.fields, *made.blobs)}:
            self.problems.append(
                f"the property 'metadata' is filled twice: by a column of that name, and by {undeclared}, "
                "which the bucket's schema does not declare"
            )
        elif must_be_declared and self._properties.get(METADATA) != "object":
            found = self._properties.get(METADATA)
            self.problems.append(
                f"metadata: the bucket's schema declares neither {undeclared} nor a property 'metadata' "
                f"of type object to hold them{f' (it is of type {found})' if found else ''}; "
                "add one of both to the schema, since the API refuses undeclared keys"
            )

    def key_prefix(self, template: str | None) -> KeyPrefix | None:
        if template is None:
            return None
        try:
            parsed = parse_key_prefix(template)
        except ValueError as error:
            self.problems.append(f"key_prefix {template!r}: {error}")
            return None
        self.known("key_prefix", parsed.columns)
        return parsed


def _by_name(properties: Mapping[str, str], columns: Sequence[str] | None) -> ObjectMapping:
    if columns is None:
        raise MappingError(["the columns of the rows are not known, so name them in a mapping"])
    same = [column for column in columns if column in properties]
    if not same:
        raise MappingError(
            [f"no column ({_listed(columns)}) is named like a property ({_listed(properties)}); map them"]
        )
    return ObjectMapping(
        blobs={name: name for name in same if is_blob_type(properties[name])},
        metadata=[name for name in same if not is_blob_type(properties[name])],
    )


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name)


def _files(properties: Mapping[str, str]) -> str:
    names = [name for name, kind in properties.items() if is_blob_type(kind)]
    return f" the bucket has {_listed(names)} for blobs" if names else " the bucket has no property for blobs"


def _listed(names: Iterable[str], at_most: int = 12) -> str:
    shown = list(map(repr, names))
    return ", ".join(shown[:at_most]) + (", ..." if len(shown) > at_most else "")


def _suggest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1) or [
        other for other in known if other.lower() == str(name).lower()
    ]
    return f"; did you mean {close[0]!r}?" if close else f"; there are {_listed(known)}"
