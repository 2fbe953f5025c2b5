"""A server that allows so many requests at once: senders find out, and hardly meet it again."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from airflow_provider.mixpeek.client._flow import call
from airflow_provider.mixpeek.client._transport import adrive
from airflow_provider.mixpeek.ingest import ingest

from .shop import BATCH, MAPPING, SCHEMA, calls, rows
from .test_simulation import Shop, VirtualLoop, in_virtual_time

REQUESTS = 1_000


def simulate(senders: int, in_flight: int | None) -> tuple[float, int, list[float]]:
    """So many senders send what there is, over the emulator: seconds, refused requests, when waits ended."""
    loop = VirtualLoop()
    waits = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        waits.append(loop.time())

    async def story() -> Shop:
        shop = Shop(loop, Random(7), latency=0.2, in_flight=in_flight)
        shop.emulator.fault({"fault": "latency", "seconds": 0.2, "probability": 0.5, "seed": 7})
        todo = iter(range(REQUESTS))

        async def sender() -> None:
            for _ in todo:
                await adrive(call(shop.session, shop.session.api.whoami()), shop.send, sleep)

        await asyncio.gather(*(sender() for _ in range(senders)))
        return shop

    shop = in_virtual_time(story(), loop)
    answered, refused = (calls(shop.emulator, "/v1/me", status) for status in (200, 429))
    assert answered == REQUESTS
    return loop.time(), refused, waits


@pytest.mark.parametrize("senders", [8, 32])
def test_more_senders_than_the_server_allows_converge(senders):
    seconds, refused, waits = simulate(senders, 5)
    at_best = REQUESTS * 0.3 / 5
    assert seconds < at_best / 0.85
    # Those that the server meets first, all at once, are refused in any case.
    assert refused < 0.03 * REQUESTS + (senders - 5)
    assert len(waits) < 25 * REQUESTS


@pytest.mark.parametrize(("senders", "in_flight"), [(8, None), (32, None), (5, 5), (8, 50)])
def test_nothing_is_slowed_where_nothing_is_refused(senders, in_flight):
    seconds, refused, waits = simulate(senders, in_flight)
    assert refused == 0
    # The first answer says what a limit leaves: more than ten senders wait for that one, and for no other.
    first_answer = 0.4
    assert max(waits, default=0.0) <= first_answer
    assert bool(waits) == (senders > 10)
    assert seconds < 1.02 * REQUESTS * 0.3 / senders + 0.4 + first_answer * bool(waits)


def test_rows_arrive_once_each_through_a_server_that_allows_few_requests_at_once(make_emulator, connect):
    emulator = make_emulator(task_seconds=0, in_flight=2, latency=0.01)
    mixpeek = connect(emulator)
    mixpeek.buckets.create("products", schema=SCHEMA)
    report = ingest(mixpeek, "products", rows(5_000), mapping=MAPPING, scope="load", in_flight=8)
    assert (report.created, emulator.state()["objects_processed"]) == (5_000, {"1": 5_000})
    assert calls(emulator, BATCH, 429) > 0
