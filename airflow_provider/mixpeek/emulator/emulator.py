"""The emulator as one object: settings in, a URL out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .app import build
from .seen import summary
from .server import ServerThread
from .settings import ApiVersion, Generation, IdempotencyConflict, Settings, Undeclared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from starlette.types import ASGIApp

Value = TypeVar("Value")


class Emulator:
    """A local Mixpeek server.

    As a context manager it listens on ``url``. Unstarted, ``app`` can be called in-process.

    The settings are those of :class:`~.settings.Settings`, and these:

    :param host: Address to bind to; anything but loopback is open to the network.
    :param port: Port to bind to; 0: a free one.
    :param clock: Wall-clock seconds.
    :param sleep: Waits for latencies.
    :raises ValueError: A setting is out of range, or the database cannot be used.
    """

    def __init__(
        self,
        *,
        generation: Generation = "current",
        api_version: ApiVersion = "0.82",
        api_keys: Iterable[str] = (),
        namespaces: Iterable[str] = (),
        task_seconds: float = 1.0,
        draft_seconds: float = 1800.0,
        submit_interval: float = 60.0,
        visibility_lag: float = 0.0,
        task_memory: float = 86_400.0,
        latency: float = 0.0,
        rate_limit: float | None = None,
        burst: int | None = None,
        rate_limits: Mapping[str, float] | None = None,
        in_flight: int | None = None,
        max_batch_size: int | None = None,
        max_body_bytes: int | None = None,
        max_upload_bytes: int | None = None,
        quota: int | None = None,
        undeclared_metadata: Undeclared | None = None,
        idempotency_conflict: IdempotencyConflict = "replay",
        database: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        settings = Settings(
            generation=generation,
            api_version=api_version,
            api_keys=tuple(api_keys),
            namespaces=tuple(namespaces),
            task_seconds=task_seconds,
            draft_seconds=draft_seconds,
            submit_interval=submit_interval,
            visibility_lag=visibility_lag,
            task_memory=task_memory,
            latency=latency,
            rate_limit=rate_limit,
            burst=burst,
            rate_limits=dict(rate_limits or {}),
            in_flight=in_flight,
            max_batch_size=max_batch_size,
            max_body_bytes=max_body_bytes,
            max_upload_bytes=max_upload_bytes,
            quota=quota,
            undeclared_metadata=undeclared_metadata,
            idempotency_conflict=idempotency_conflict,
            database=database,
        )
        self._host = host
        self._port = port
        self._built = build(settings, clock=clock, sleep=sleep)
        self._server: ServerThread | None = None

    @property
    def app(self) -> ASGIApp:
        """The whole application. A reset that a fault prescribes is a ``ConnectionResetByFault``."""
        return self._built.app

    @property
    def url(self) -> str:
        """Where it listens.

        :raises RuntimeError: It does not.
        """
        if self._server is None:
            raise RuntimeError("The emulator is not started: use it as a context manager, or call start()")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.port}"

    def start(self) -> Self:
        """Listen.

        :raises OSError: The address cannot be bound to.
        :raises RuntimeError: It listens already.
        """
        if self._server is not None:
            raise RuntimeError(f"The emulator is started already, at {self.url}")
        self._server = ServerThread(self.app, host=self._host, port=self._port)
        return self

    def stop(self) -> None:
        """Stop listening, and let the database go; what is stored stays."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
        if self._built.storage is not None:
            self._built.state.save()
            self._built.storage.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def state(self) -> dict[str, Any]:
        """The counters, as ``GET /_emulator/state`` answers them.

        Of an emulator that is not started, a ``reset_late`` write shows only after the next request.
        """
        return self._do(lambda: summary(self._built.state))

    def set_quota(self, objects: int | None) -> None:
        """Change how many objects the plan allows in all; None: any number."""

        def change() -> None:
            self._built.state.quota = objects

        self._do(change)

    def fault(self, *rules: dict[str, Any]) -> None:
        """Add fault rules, as ``POST /_emulator/faults`` takes them; all or none.

        :raises Refusal: One of them is not a rule.
        """
        self._do(lambda: self._built.faults.add(list(rules)))

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, each with how many calls it matched and struck."""
        return self._do(self._built.faults.as_json)

    def clear_faults(self) -> None:
        """Drop the fault rules."""
        self._do(self._built.faults.clear)

    def reset(self) -> None:
        """Forget everything stored and counted, and the fault rules."""
        self._do(self._built.reset)

    def _do(self, function: Callable[[], Value]) -> Value:
        """Call in the loop that serves requests, where there is one: nothing here is locked."""
        if self._server is None:
            return function()

        async def called() -> Value:
            await self._built.app.store_late_writes()
            return function()

        return self._server.call(called)
