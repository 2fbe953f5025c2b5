"""A Mixpeek server in virtual time, and processes that ingest into it until somebody kills them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any
from urllib.parse import urlencode

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConnectionError, MixpeekError
from airflow_provider.mixpeek.client._flow import Answer, Request, Session
from airflow_provider.mixpeek.client._gate import Gate
from airflow_provider.mixpeek.client._generation import GENERATIONS
from airflow_provider.mixpeek.client._settings import Settings
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Report, ingest

from .clockwork import Clockwork, KilledError, Process

WALL = 1_800_000_000.0
HEADERS = [(b"authorization", b"Bearer sk_test"), (b"x-namespace", b"shop"), (b"host", b"emulator")]


class Server:
    """
    The real emulator application, called without a socket.

    Making one takes longer than a whole story, so that one serves many, one after another.
    """

    def __init__(self, **settings: Any) -> None:
        self.clockwork: Clockwork | None = None
        #: Requests a second, there or back.
        self.speed = 20.0
        self.emulator = Emulator(clock=self._wall, **settings)
        self._loop = asyncio.new_event_loop()

    @classmethod
    @cache
    def of(cls, **settings: Any) -> Server:
        """The server with these settings."""
        return cls(**settings)

    def begin(self, clockwork: Clockwork) -> None:
        """Forget everything, and live in this time."""
        self.clockwork = clockwork
        self.emulator.reset()

    def _wall(self) -> float:
        return WALL + (self.clockwork.now if self.clockwork else 0.0)

    def answer(self, request: Request) -> Answer:
        """What the server says; raises what breaks the connection."""
        body = [{"type": "http.request", "body": request.body or b"", "more_body": False}]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return body.pop() if body else {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "path": request.path,
            "raw_path": request.path.encode(),
            "query_string": urlencode(request.query).encode(),
            "headers": [*HEADERS, (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "scheme": "http",
            "root_path": "",
        }
        self._loop.run_until_complete(self.emulator.app(scope, receive, send))
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer's JSON, for the test itself."""
        return json.loads(self.answer(Request(method, path, body=json.dumps(body or {}).encode())).content)


class Store:
    """A checkpoint that outlives processes; a dead one writes no more."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def of(self, process: Process) -> Store:
        store = Store()
        store.values = self.values
        store._process = process
        return store

    _process: Process | None = None

    def get(self, key: str) -> Any:
        found = self.values.get(key)
        return None if found is None else json.loads(found)

    def set(self, key: str, value: Any) -> None:
        if self._process is not None and not self._process.alive:
            raise KilledError
        assert "null" not in json.dumps(value), "the state store of Airflow takes no null"
        self.values[key] = json.dumps(value)


class Try:
    """One process that ingests. It is over when it has a report or an error, or was killed."""

    def __init__(
        self,
        clockwork: Clockwork,
        server: Server,
        generation: str,
        arguments: Callable[[Try], dict[str, Any]],
    ) -> None:
        self.process = Process()
        self.report: Report | None = None
        self.error: BaseException | None = None
        self._clockwork = clockwork
        self._server = server
        self._client = self._client_of(generation)
        clockwork.start(self.process, lambda: self._run(arguments(self)))

    @property
    def over(self) -> bool:
        return not self.process.alive or self.report is not None or self.error is not None

    def kill(self) -> None:
        """As kill -9 does: what is under way may still arrive."""
        self.process.alive = False

    def _run(self, arguments: dict[str, Any]) -> None:
        try:
            self.report = ingest(self._client, **arguments)
        except MixpeekError as error:
            self.error = error

    def _client_of(self, generation: str) -> MixpeekClient:
        settings = Settings.of(
            api_key="sk_test", namespace="shop", base_url="http://127.0.0.1:1", generation=generation
        )
        session = Session(
            settings,
            GENERATIONS[generation],
            Gate(),
            clock=self._clockwork.time,
            wall=lambda: WALL + self._clockwork.now,
            jitter=self._clockwork.chance.random,
        )
        client = MixpeekClient.__new__(MixpeekClient)
        client._face(session, self, self._clockwork.sleep)
        return client

    def send(self, request: Request) -> Answer:
        """The transport: there and back take their time, and a dead sender hears nothing."""
        answers: list[Answer | BaseException] = []
        chance = self._clockwork.chance

        def arrive() -> None:
            try:
                answers.append(self._server.answer(request))
            except ConnectionResetError:
                lost = MixpeekConnectionError(
                    "the connection broke", retryable=True, may_be_stored=request.writes
                )
                answers.append(lost)

        there = chance.expovariate(self._server.speed)
        self._clockwork.at(self._clockwork.now + there, arrive)
        self._clockwork.sleep(there + chance.expovariate(self._server.speed))
        while not answers:
            self._clockwork.park(0.001)
        if isinstance(answers[0], BaseException):
            raise answers[0]
        return answers[0]


def objects(server: Server, bucket_id: str, generation: str) -> list[dict[str, Any]]:
    """Everything that a bucket holds."""
    path = f"/v1/buckets/{bucket_id}/objects" + ("" if generation == "legacy" else "/list")
    request = Request("POST", path, (("limit", "1000"),), b"{}")
    found: list[dict[str, Any]] = json.loads(server.answer(request).content)["results"]
    return found


def by_sku(found: list[dict[str, Any]]) -> Counter[str]:
    """How many objects each row has."""
    return Counter(str(({**each, **(each.get("metadata") or {})}).get("sku")) for each in found)


def seeded(seed: int) -> Random:
    return Random(f"ingestion {seed}")
