"""Values of the objects that files become: from a template, and from a table beside the files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from airflow_provider.mixpeek.client import BucketSchema, MixpeekConfigError
from airflow_provider.mixpeek.client._schema import is_blob_type
from airflow_provider.mixpeek.ingest._sources import BLOCK_ROWS, Source, open_source
from airflow_provider.mixpeek.ingest._typed import typed_column
from airflow_provider.mixpeek.ingest._values import plain_column

#: What a template may name of a file.
OF_A_FILE = ("path", "folder", "name", "stem", "suffix")

#: And of an object that several files become.
OF_A_GROUP = ("object",)

log = logging.getLogger("airflow_provider.mixpeek.ingest")


class NoRowError(Exception):
    """The table does not say what an object's values are; the message is the reason."""


def check_templates(templates: Mapping[str, str], names: Sequence[str]) -> None:
    """
    Check that templates name nothing but what there is, and plainly: formats and conversions of a text fail
    only when it comes to the text, or change it.

    :raises MixpeekConfigError: one does not.
    """
    for name, template in templates.items():
        try:
            parts = [part for part in Formatter().parse(template) if part[1] is not None]
        except (ValueError, TypeError):
            parts = [("", "?", "", None)]
        fields = {field for _, field, _, _ in parts}
        if any(form or conversion for _, _, form, conversion in parts):
            raise MixpeekConfigError(
                f"the metadata {name!r} has a format or a conversion, and takes none: {template!r}",
                hint=f"For example {{{names[-2 % len(names)]}}}, without a ':' or '!'.",
            )
        if not fields <= set(names):
            raise MixpeekConfigError(
                f"the metadata {name!r} is no template of {', '.join(names)}: {template!r}",
                hint=f"For example {{'title': '{{{names[-2 % len(names)]}}}'}}; double a brace that is one.",
            )


def of_a_file(path: str) -> dict[str, str]:
    """What a template may name of a file, by its path."""
    parts = PurePosixPath(path)
    folder = "" if str(parts.parent) == "." else str(parts.parent)
    values = (path, folder, parts.name, parts.stem, parts.suffix)
    return dict(zip(OF_A_FILE, values, strict=True))


@dataclass(frozen=True, slots=True)
class Table:
    """
    A table with a row for each object.

    :param rows: What a row is about -> its values by property, or why they cannot be used.
    """

    rows: Mapping[str, Mapping[str, Any] | str]

    @classmethod
    def read(cls, given: Any, *, key: str, schema: BucketSchema) -> Table:
        """
        Read a table as a whole.

        :param given: A frame, a list of dicts, or the path or URL of a file: what ``ingest`` takes as rows.
        :param key: The column that says what a row is about.
        :param schema: Of the bucket: columns named like its properties are used, and brought to their types.
        :raises MixpeekConfigError: it cannot be read, or has no such column.
        """
        source = open_source(given)
        rows: dict[str, Mapping[str, Any] | str] = {}
        told = False
        for block in source.blocks(block_rows=BLOCK_ROWS, after=None):
            columns = list(source.columns or block.row(0))
            used = _used(columns, key, schema)
            if not told:
                told = True
                _tell(source, columns, used, key)
            about = plain_column(block.column(key)).values
            values = {
                name: typed_column(plain_column(block.column(name)).values, schema.properties[name].type)
                for name in used
            }
            for index, one in enumerate(about):
                if one in (None, ""):
                    continue
                name = str(one)
                wrong = {
                    column: made.problems[index] for column, made in values.items() if index in made.problems
                }
                if name in rows:
                    rows[name] = "the table has several rows for it"
                elif wrong:
                    rows[name] = "; ".join(f"column {column!r}: {reason}" for column, reason in wrong.items())
                else:
                    rows[name] = {
                        column: made.values[index]
                        for column, made in values.items()
                        if made.values[index] is not None
                    }
        return cls(rows)

    def values(self, *names: str) -> Mapping[str, Any]:
        """
        Return the values of the row that is about the first of these names that has one.

        :raises NoRowError: there is none, or it cannot be used.
        """
        found = next((self.rows[name] for name in names if name in self.rows), None)
        if found is None:
            raise NoRowError("the table has no row for it")
        if isinstance(found, str):
            raise NoRowError(found)
        return found


def _used(columns: Sequence[str], key: str, schema: BucketSchema) -> list[str]:
    if key not in columns:
        raise MixpeekConfigError(
            f"the table has no column {key!r}; it has {', '.join(columns)}",
            hint="Name the column that says which file a row is about in table_key.",
        )
    declared = schema.properties
    return [name for name in columns if name in declared and not is_blob_type(declared[name].type)]


def _tell(source: Source, columns: Sequence[str], used: Sequence[str], key: str) -> None:
    ignored = [name for name in columns if name not in used and name != key]
    log.info(
        "Of the table %s, the columns %s are named like properties of the bucket and used%s",
        source.name,
        ", ".join(used) or "(none)",
        f"; {', '.join(ignored)} are not, and ignored" if ignored else "",
    )
