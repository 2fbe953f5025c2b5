"""A server with a bucket for things, and rows of things."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator

KEY = "sk_objects_e77c"


def things(name: str, count: int) -> list[dict[str, Any]]:
    """Rows whose texts can be found again wherever they end up."""
    return [{"title": f"cell-{name}-{number}", "size": number} for number in range(count)]


def as_csv(rows: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "things.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def titles(mixpeek: MixpeekClient, bucket: str) -> Counter[str]:
    bucket_id = mixpeek.buckets.find(bucket).bucket_id
    return Counter(blob.properties["text"] for one in mixpeek.objects.list(bucket_id) for blob in one.blobs)


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    """An emulator that the connection ``mixpeek_default`` points at."""
    emulator = make_emulator(task_seconds=0, api_keys=[KEY], namespaces=["shop"])
    point_at(emulator, key=KEY)
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Iterator[MixpeekClient]:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        yield client


@pytest.fixture
def bucket(mixpeek: MixpeekClient) -> str:
    """The name of a bucket for things."""
    schema = {"title": "text", "size": "integer"}
    return mixpeek.buckets.create("things", schema=schema).bucket_name
