"""Objects as an operator's argument: ids, or what the tasks return that created or uploaded them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider.mixpeek.client import MixpeekConfigError

#: How create tasks count rows that have an object.
_STORED = ("created", "replayed", "stored")


@dataclass(frozen=True, slots=True)
class GivenObjects:
    """
    What was given.

    :param bucket_id: The bucket that the tasks name; None where ids were given alone.
    :param ids: Ids of objects, in order; those of receipts come while they are read.
    """

    bucket_id: str | None
    ids: Iterable[str]


def given_objects(given: Any) -> GivenObjects:
    """
    Take ids and results of create and upload tasks, in any nesting of lists.

    :raises MixpeekConfigError: something is neither, a result has no receipt, or results are of several
        buckets.
    """
    items = list(_flat(given))
    results = [item for item in items if not isinstance(item, str)]
    buckets = sorted({result["bucket_id"] for result in results})
    if len(buckets) > 1:
        raise MixpeekConfigError(
            f"the objects are of {len(buckets)} buckets: {', '.join(buckets)}",
            hint="Process those of each bucket in a task of its own.",
        )
    ids = [
        object_id
        for item in items
        for object_id in ([item] if isinstance(item, str) else item.get("object_ids", ()))
    ]
    loads = [result for result in results if "object_ids" not in result]
    receipts = list(dict.fromkeys(load["receipt_uri"] for load in loads if _has_objects(load)))
    return GivenObjects(buckets[0] if buckets else None, _ids(ids, receipts))


def _flat(given: Any) -> Iterator[str | Mapping[str, Any]]:
    if isinstance(given, str):
        if not given.strip() or given == "None" or given[0] in "[{":
            raise MixpeekConfigError(
                f"{given[:80]!r} is no object id",
                hint="Jinja makes text of everything: pass create.output instead of a template.",
            )
        yield given
    elif isinstance(given, Mapping):
        if "receipt_uri" not in given or "bucket_id" not in given:
            raise MixpeekConfigError(
                f"a mapping with {', '.join(map(repr, list(given)[:5])) or 'nothing'} names no objects",
                hint="Pass object ids, or the whole output of the task that stored them: create.output.",
            )
        yield given
    elif isinstance(given, Iterable):
        # The lazy sequence of a mapped task's XComs is fetched whole by a slice, and one by one by a loop.
        for part in given[:] if isinstance(given, Sequence) else given:
            yield from _flat(part)
    elif given is not None:
        raise MixpeekConfigError(f"a {type(given).__name__} names no objects", hint="Pass object ids.")


def _has_objects(result: Mapping[str, Any]) -> bool:
    count = sum(result.get(name) or 0 for name in _STORED)
    if count and not result["receipt_uri"]:
        raise MixpeekConfigError(
            f"the create task says that it stored {count} objects, and not which",
            hint="Give it receipt_to=, a directory of each run's own, where it writes their ids.",
        )
    return bool(count)


def _ids(ids: Sequence[str], receipts: Sequence[str]) -> Iterator[str]:
    from airflow_provider.mixpeek.ingest import read_receipt

    yield from ids
    for where in receipts:
        for receipt in read_receipt(where):
            if receipt.object_id:
                yield receipt.object_id
