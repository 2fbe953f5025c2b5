"""Is a row stored? Asked by what its object keeps of it, or by the bucket's unique key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider.mixpeek.client import MixpeekObject, _object_flows
from airflow_provider.mixpeek.client._calls import Query, Reading
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._schema import METADATA
from airflow_provider.mixpeek.ingest._chunks import Row
from airflow_provider.mixpeek.ingest._rows import INGEST_HASH, INGEST_KEY

#: Ids that one list is asked for.
_IDS = 500


def by_marker(session: Session, bucket_id: str, rows: Sequence[Row]) -> Flow[dict[int, MixpeekObject]]:
    """
    Look for rows by the keys that their objects keep.

    :return: Number of each row that is stored -> its object.
    """
    numbers = {row.key: row.number for row in rows if row.key is not None}
    condition = {"field": f"{METADATA}.{INGEST_KEY}", "operator": "in", "value": list(numbers)}
    found = yield from _all(session, bucket_id, [condition])
    return {numbers[key]: each for each in found if (key := _kept(each.model_extra, INGEST_KEY)) in numbers}


def by_ids(session: Session, bucket_id: str, ids: Sequence[str]) -> Flow[dict[str, MixpeekObject]]:
    """Look at objects; those that are not there are missing."""
    found: dict[str, MixpeekObject] = {}
    for start in range(0, len(ids), _IDS):
        condition = {"field": "object_id", "operator": "in", "value": list(ids[start : start + _IDS])}
        found |= {each.object_id: each for each in (yield from _all(session, bucket_id, [condition]))}
    return found


def by_unique_key(
    session: Session, bucket_id: str, fields: Sequence[str], row: Row
) -> Flow[MixpeekObject | None]:
    """Look for the object that has a row's unique key."""
    body = json.loads(row.body)
    conditions = [{"field": name, "operator": "eq", "value": body[name]} for name in fields]
    found = yield from _all(session, bucket_id, conditions)
    return found[0] if found else None


def holds_the_same(there: MixpeekObject, row: Row) -> bool:
    """Whether an object was made of a row's values: by the hash it keeps, else by its fields."""
    kept = kept_hash(there.model_extra)
    if kept is not None and row.hash is not None:
        return kept == row.hash
    body = json.loads(row.body)
    fields = {name: value for name, value in body.items() if name not in ("blobs", "key_prefix")}
    return all((there.model_extra or {}).get(name) == value for name, value in fields.items())


def kept_hash(extra: Mapping[str, Any] | None) -> str | None:
    """The hash of the values that an object was made of, where it keeps one."""
    return _kept(extra, INGEST_HASH)


def _all(
    session: Session, bucket_id: str, conditions: Sequence[Mapping[str, Any]]
) -> Flow[list[MixpeekObject]]:
    query = Query(filters={"AND": list(conditions), "case_sensitive": True})
    reading = Reading()
    found: list[MixpeekObject] = []
    while not reading.ended:
        found += reading.turn((yield from _object_flows.object_page(session, bucket_id, query, reading)))
    return found


def _kept(extra: Mapping[str, Any] | None, name: str) -> str | None:
    metadata = (extra or {}).get(METADATA)
    value = metadata.get(name) if isinstance(metadata, Mapping) else None
    return value if isinstance(value, str) else None
