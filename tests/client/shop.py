"""The form of the table of calls: what a row is, and the shop in which its call is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider.mixpeek.client import NewBlob


class _Lacks:
    def __repr__(self) -> str:
        return "LACKS"


#: Instead of a result: the generation has no such call, and says which one has.
LACKS = _Lacks()


@dataclass
class Shop:
    """
    A bucket ``products`` with three objects, of 1961, 1962 and 1963, and what a row's calls leave behind.

    :param client: The client under test, of either kind.
    :param made: Ids of the objects, oldest first.
    """

    client: Any
    emulator: Any
    generation: str
    bucket: str = ""
    made: list[str] = field(default_factory=list)

    def open(self) -> Shop:
        """Make the bucket and its objects."""
        self.bucket = self.client.buckets.create(
            "products", schema={"title": "text", "sku": "string"}
        ).bucket_id
        for year in (1961, 1962, 1963):
            self.client.objects.create(
                self.bucket, blobs=[text(f"film of {year}")], metadata={"year": year}, key_prefix="/films"
            )
        self.made = [found.object_id for found in self.client.objects.list(self.bucket)]
        return self

    def years(self, **asked: Any) -> list[int]:
        found = self.client.objects.list(self.bucket, **asked)
        return [each.model_extra["metadata"]["year"] for each in found]

    def names(self, **asked: Any) -> list[str]:
        for name in ("films", "film posters"):
            self.client.buckets.create(name, schema={"title": "text"})
        return [each.bucket_name for each in self.client.buckets.list(**asked)]

    def batch(self, *, submit: bool = False) -> str:
        if self.generation == "legacy":
            return "btch_of_no_such_generation"
        batch_id: str = self.client.batches.create(self.bucket, self.made[:2]).batch_id
        if submit:
            self.client.batches.submit(self.bucket, batch_id)
        return batch_id

    def object(self, number: int = 0) -> Any:
        return self.client.objects.get(self.bucket, self.made[number])

    def metadata(self) -> Any:
        return self.object().model_extra["metadata"]


def text(content: str) -> NewBlob:
    return NewBlob(property="title", type="text", data={"text": content})


def where(operator: str, value: Any) -> dict[str, Any]:
    return {"field": "metadata.year", "operator": operator, "value": value}


Do = Callable[[Shop], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """
    One call, and what comes of it.

    :param call: The method, as ``resource.method`` or ``method``.
    :param what: Which of its ways this is.
    :param do: Makes the call, and answers what can be compared.
    """

    call: str
    what: str
    do: Do
    current: Any
    legacy: Any

    def __str__(self) -> str:
        return f"{self.call}-{self.what}".rstrip("-").replace(" ", "-")


def row(call: str, do: Do, both: Any = None, what: str = "", **generations: Any) -> Row:
    return Row(call, what, do, generations.get("current", both), generations.get("legacy", both))


def after(change: Do, look: Do) -> Do:
    """What is seen after a change."""

    def done(shop: Shop) -> Any:
        change(shop)
        return look(shop)

    return done
