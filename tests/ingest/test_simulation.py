"""
The same machine and the same flows in virtual time, over the real emulator application.

Hours of retries and limits take no time, and every order of events comes from a seed. Threads are replaced by
tasks of an event loop whose clock jumps; everything else is what runs in production.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import httpx
import pytest

from airflow_provider.mixpeek.client import AsyncMixpeekClient, MixpeekConnectionError, MixpeekError
from airflow_provider.mixpeek.client._flow import Answer, Request, Session, call
from airflow_provider.mixpeek.client._transport import adrive
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Report
from airflow_provider.mixpeek.ingest._actions import Action, Tell
from airflow_provider.mixpeek.ingest._dicts import DictBlock
from airflow_provider.mixpeek.ingest._identity import row_keyer
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping, plan
from airflow_provider.mixpeek.ingest._perform import carry_out
from airflow_provider.mixpeek.ingest._rows import Form, prepare
from airflow_provider.mixpeek.ingest._run import Run
from airflow_provider.mixpeek.ingest._sending import Target

from .shop import BATCH, BATCHES, MAPPING, SCHEMA, SUBMIT, rows

T = TypeVar("T")
WALL = 1_800_000_000.0
LIMITS = Limits(max_objects=20, max_request_bytes=8_000, batch_size=70)


class _Jump(selectors.DefaultSelector):
    """Instead of waiting, moves the time on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps from one timer to the next."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class Shop:
    """An emulator, and what speaks to it, in one virtual time."""

    def __init__(self, loop: VirtualLoop, chance: Random, **settings: Any) -> None:
        self.loop = loop
        self.chance = chance
        self.emulator = Emulator(clock=lambda: WALL + loop.time(), sleep=asyncio.sleep, **settings)
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.emulator.app),
            base_url="http://emulator",
            headers={"Authorization": "Bearer sk_test", "X-Namespace": "shop"},
        )
        client = AsyncMixpeekClient("sk_test", namespace="shop", base_url="http://127.0.0.1:1")
        self.session: Session = replace(
            client.session, clock=loop.time, wall=lambda: WALL + loop.time(), jitter=chance.random
        )

    async def send(self, request: Request) -> Answer:
        try:
            got = await self._http.request(
                request.method, request.path, params=request.query, content=request.body
            )
        except ConnectionResetError as error:
            raise MixpeekConnectionError("reset", retryable=True, may_be_stored=True) from error
        return Answer(got.status_code, dict(got.headers), got.content)

    async def bucket(self) -> str:
        properties = {name: {"type": kind} for name, kind in {**SCHEMA, "metadata": "object"}.items()}
        body = {"bucket_name": "products", "bucket_schema": {"properties": properties}}
        answer = await self._http.post("/v1/buckets", json=body)
        return str(answer.json()["bucket_id"])

    async def perform(self, action: Action, bucket_id: str) -> Tell:
        try:
            return await adrive(
                carry_out(action, self.session, Target(bucket_id, repeatable=True)), self.send, asyncio.sleep
            )
        except MixpeekError as error:
            failure = error
            return lambda run: run.failed(action, failure)

    async def ingest(self, bucket_id: str, many: list[dict[str, Any]], *, steps: int = 10**9) -> Report:
        """One run; after so many steps it is killed."""
        run = Run(bucket_id, limits=LIMITS, on_error="collect", process="new")
        bucket = await adrive(
            call(self.session, self.session.api.get_bucket(bucket_id)), self.send, asyncio.sleep
        )
        planned = plan(ObjectMapping.of(MAPPING), schema=bucket.bucket_schema, columns=list(many[0]))
        keyer = row_keyer("content", bucket_id=bucket_id, scope="load")
        under_way: set[asyncio.Task[Tell]] = set()
        position = 0
        while not run.finished and steps > 0:
            steps -= 1
            while len(under_way) < 4 and (action := run.next_action()) is not None:
                under_way.add(self.loop.create_task(self.perform(action, bucket_id)))
            if run.wants_rows and (not under_way or self.chance.random() < 0.5):
                taken = many[position : position + self.chance.randint(1, 60)]
                if taken:
                    block = DictBlock(position, taken)
                    form = Form(wire=self.session.api, keyed=True, max_bytes=8_000)
                    ready = prepare(block, planned, keyer, form)
                    run.read(ready)
                    position += len(taken)
                else:
                    run.end_of_source()
                continue
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda _: self.chance.random()):
                task.result()(run)
            run.take_notes()
        if not run.finished:
            run.stop(KeyboardInterrupt())
            run.abandon()
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        assert run.failure is None or isinstance(run.failure, KeyboardInterrupt | MixpeekError)
        return run.report(seconds=self.loop.time())


def in_virtual_time(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


FAULTS: list[dict[str, Any]] = [
    {"fault": "reset_before"},
    {"fault": "reset_after"},
    {"fault": "status", "status": 500, "after": True},
    {"fault": "status", "status": 503},
    {"fault": "status", "status": 429, "headers": {"Retry-After": "7"}},
    {"fault": "latency", "seconds": 40},
]


@pytest.mark.parametrize("seed", range(12))
def test_runs_that_fail_and_are_killed_end_with_every_object_stored_and_processed_once(seed):
    chance = Random(seed)
    loop = VirtualLoop()
    many = rows(400)
    many[17]["title"] = None
    many[180]["price"] = "cheap"

    async def story() -> tuple[list[Report], Shop]:
        shop = Shop(loop, chance, task_seconds=2, max_batch_size=chance.choice([None, 30]))
        bucket_id = await shop.bucket()
        for fault in FAULTS:
            for path in (BATCH, BATCHES, SUBMIT):
                rule = {"path": path, "probability": 0.12, "seed": chance.randint(0, 10**6)}
                shop.emulator.fault({**fault, **rule})
        reports = []
        for _ in range(50):
            steps = chance.choice([3, 10, 25, 10**9])
            reports.append(await shop.ingest(bucket_id, many, steps=steps))
            await asyncio.sleep(3)  # what was submitted is processed by the time of the next try
            if reports[-1].created + reports[-1].replayed == 398:
                break
        shop.emulator.clear_faults()
        reports.append(await shop.ingest(bucket_id, many))
        await asyncio.sleep(60)
        return reports, shop

    reports, shop = in_virtual_time(story(), loop)
    last = reports[-1]
    assert (last.rows_read, last.created + last.replayed, last.rejected) == (400, 398, 2), f"seed {seed}"
    state = shop.emulator.state()
    assert state["objects"] == len(set(last.object_ids)) == 398
    assert state["objects_processed"] == {"1": 398}
    assert sum(each.created for each in reports) <= 398
