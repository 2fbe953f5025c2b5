"""What a run makes of a source: each row's key by position, its number and its values."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_provider.mixpeek.ingest._identity import row_keyer
from airflow_provider.mixpeek.ingest._sources import Place, Source, open_source
from airflow_provider.mixpeek.ingest._values import plain_column


class Keyed(NamedTuple):
    number: int
    place: Place
    key: str | None
    values: dict[str, Any]


def keyed(
    rows: Any, *, block_rows: int = 3, after: Place | None = None, source_name: str | None = None
) -> list[Keyed]:
    source: Source = open_source(rows, source_name=source_name)
    keyer = row_keyer("position", bucket_id="bkt_1", scope="load")
    found: list[Keyed] = []
    names: list[str] = []
    for block in source.blocks(block_rows=block_rows, after=after):
        names = names or sorted(source.columns or ())
        assert 0 < len(block) <= block_rows
        assert block.first_row == (found[-1].number + 1 if found else block.first_row)
        assert block.positions is not None
        assert block.uri is not None
        keys = keyer.keys(
            names,
            [plain_column(block.column(name)).values for name in names],
            first_row=block.first_row,
            uri=block.uri,
            positions=block.positions,
        ).keys
        for index, key in enumerate(keys):
            number = block.first_row + index
            place = Place(number, block.uri, block.positions[index])
            found.append(Keyed(number, place, key, block.row(index)))
    return found


def keys(rows: Any, **how: Any) -> list[str | None]:
    return [row.key for row in keyed(rows, **how)]
