"""Both clients, both generations, one table: every call does the same, or says that it cannot be."""

import pytest

from airflow_provider.mixpeek.client import (
    AsyncMixpeekClient,
    MixpeekClient,
    MixpeekGenerationError,
    _calls,
)

from .calls_processed import TABLE
from .shop import LACKS, Shop

OTHER = {"current": "legacy", "legacy": "current"}

#: How a client is made, driven and ended; none of it is a call.
NO_CALLS = {"from_env", "from_settings", "run", "stopped_by", "close"}


@pytest.fixture(params=["current", "legacy"])
def shop(request, connect, make_emulator):
    emulator = make_emulator(generation=request.param, namespaces=["shop"], task_seconds=0)
    return Shop(connect(emulator.url, generation=request.param), emulator, request.param).open()


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_both_clients_do_what_the_table_says(shop, row):
    expected = getattr(row, shop.generation)
    if expected is not LACKS:
        assert row.do(shop) == expected
        return
    before = shop.emulator.state()
    with pytest.raises(
        MixpeekGenerationError,
        match=rf"the {shop.generation} generation .*The {OTHER[shop.generation]} one",
    ):
        row.do(shop)
    assert shop.emulator.state() == before


LISTS = [row for row in TABLE if row.call.endswith(".list")]


@pytest.mark.parametrize("row", LISTS, ids=str)
def test_a_list_is_the_same_however_small_its_pages(shop, row, monkeypatch):
    monkeypatch.setattr(_calls, "PAGE_SIZE", 1)
    expected = getattr(row, shop.generation)
    if expected is not LACKS:
        assert row.do(shop) == expected


def test_running_tasks_of_the_legacy_generation_are_counted_to_their_end(connect, make_emulator, monkeypatch):
    monkeypatch.setattr(_calls, "PAGE_SIZE", 1)
    emulator = make_emulator(generation="legacy", task_seconds=600)
    shop = Shop(connect(emulator.url, generation="legacy"), emulator, "legacy").open()
    assert len({task.task_id for task in shop.client.tasks.list()}) == 3
    (asked,) = (row for row in emulator.state()["requests"] if row["path"] == "/v1/tasks")
    assert asked["count"] == 3


@pytest.mark.parametrize("kind", [MixpeekClient, AsyncMixpeekClient])
def test_the_table_has_every_call(kind, settings):
    client = kind.from_settings(settings)
    calls = set()
    for name in dir(client):
        member = getattr(client, name)
        if name.startswith("_") or name in NO_CALLS or name == "session":
            continue
        if callable(member):
            calls.add(name)
        else:
            calls |= {f"{name}.{method}" for method in dir(member) if not method.startswith("_")}
    assert {row.call for row in TABLE} == calls
