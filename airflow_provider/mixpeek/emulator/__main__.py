"""``python -m airflow_provider.mixpeek.emulator``: the emulator as a process."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING

from .emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Sequence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider.mixpeek.emulator",
        description="A local Mixpeek server. It prints its URL when it listens; Ctrl-C ends it.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to (default %(default)s)")
    add("--port", type=int, default=8700, help="port to bind to, 0 for a free one (default %(default)s)")
    add(
        "--generation",
        choices=("current", "legacy"),
        default="current",
        help="generation of the API (default %(default)s)",
    )
    add(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY",
        help="a key that passes; none given: any does",
    )
    add(
        "--namespace", action="append", default=[], metavar="NAME", help="one that exists; none given: all do"
    )
    add(
        "--task-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="how long a task takes (default %(default)s)",
    )
    add("--latency", type=float, default=0.0, metavar="S", help="seconds before every answer")
    add("--rate-limit", type=float, metavar="R", help="requests a second")
    add("--burst", type=int, metavar="N", help="requests at once before the rate counts")
    add("--max-batch-size", type=int, metavar="N", help="most objects of one processing batch")
    add(
        "--undeclared-metadata",
        choices=("refuse", "accept"),
        default="refuse",
        help="root keys that no schema declares (default %(default)s)",
    )
    add(
        "--idempotency-conflict",
        choices=("replay", "refuse"),
        default="replay",
        help="another body under a used idempotency key (default %(default)s)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    :returns: The exit status: 0, or 1 where it cannot listen; unusable flags exit with 2.
    """
    parser = _parser()
    flags = parser.parse_args(arguments)
    try:
        emulator = Emulator(
            generation=flags.generation,
            api_keys=flags.api_key,
            namespaces=flags.namespace,
            task_seconds=flags.task_seconds,
            latency=flags.latency,
            rate_limit=flags.rate_limit,
            burst=flags.burst,
            max_batch_size=flags.max_batch_size,
            undeclared_metadata=flags.undeclared_metadata,
            idempotency_conflict=flags.idempotency_conflict,
            host=flags.host,
            port=flags.port,
        )
    except ValueError as error:
        parser.error(str(error))
    # What is stored stays: looking for garbage in it over and over costs a third of all time.
    gc.set_threshold(100_000)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        emulator.start()
    except OSError as error:
        print(error.strerror, file=sys.stderr)  # noqa: T201  this is a command
        return 1
    with_url = f"Mixpeek emulator listens at {emulator.url}"
    print(with_url, flush=True)  # noqa: T201  this is a command
    ended.wait()
    emulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
