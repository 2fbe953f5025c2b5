"""``python -m airflow_provider.mixpeek.emulator``: the emulator as a process."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from .emulator import Emulator
from .settings import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence


def _category_limit(text: str) -> tuple[str, float]:
    category, _, rate = text.partition("=")
    return category, float(rate)


def make_parser() -> argparse.ArgumentParser:
    """The flags. Each lands under the name of the argument of ``Emulator`` that it gives."""
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
        "--api-version",
        choices=("0.82", "0.81"),
        default="0.82",
        help="version of the current generation (default %(default)s)",
    )
    add(
        "--database",
        metavar="PATH",
        help="file that keeps everything beyond the process; made where there is none",
    )
    add(
        "--api-key",
        dest="api_keys",
        action="append",
        default=[],
        metavar="KEY",
        help="a key that passes; none given: any does",
    )
    add(
        "--namespace",
        dest="namespaces",
        action="append",
        default=[],
        metavar="NAME",
        help="one that exists; none given: all do",
    )
    add(
        "--task-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="how long a task takes (default %(default)s)",
    )
    add(
        "--draft-seconds",
        type=float,
        default=1800.0,
        metavar="S",
        help="how long a batch stays that nobody submits (default %(default)s)",
    )
    add(
        "--submit-interval",
        type=float,
        default=60.0,
        metavar="S",
        help="time between two submissions of one batch (default %(default)s)",
    )
    add(
        "--visibility-lag",
        type=float,
        default=0.0,
        metavar="S",
        help="how long a new batch or task does not show (default %(default)s)",
    )
    add(
        "--task-memory",
        type=float,
        default=86_400.0,
        metavar="S",
        help="how long a task is known after its end (default %(default)s)",
    )
    add("--latency", type=float, default=0.0, metavar="S", help="seconds before every answer")
    add("--rate-limit", type=float, metavar="R", help="requests a second")
    add("--burst", type=int, metavar="N", help="requests at once before the rate counts")
    add(
        "--category-limit",
        dest="rate_limits",
        action="append",
        default=[],
        type=_category_limit,
        metavar="CATEGORY=R",
        help=f"requests a second of one of {', '.join(CATEGORIES)}",
    )
    add("--in-flight", type=int, metavar="N", help="requests under way at once")
    add("--max-batch-size", type=int, metavar="N", help="most objects of one processing batch")
    add("--max-body-bytes", type=int, metavar="N", help="bytes of one request's body")
    add("--max-upload-bytes", type=int, metavar="N", help="bytes of one uploaded file")
    add("--quota", type=int, metavar="N", help="objects that the plan allows in all")
    add(
        "--undeclared-metadata",
        choices=("refuse", "accept"),
        help="root keys that no schema declares (default: refuse, but for 0.81)",
    )
    add(
        "--idempotency-conflict",
        choices=("replay", "refuse"),
        default="replay",
        help="another body under a used idempotency key (default %(default)s)",
    )
    return parser


def settings_of(flags: argparse.Namespace) -> dict[str, Any]:
    """What ``Emulator`` is told: every flag that there is, so that none can be forgotten."""
    return vars(flags) | {"rate_limits": dict(flags.rate_limits)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    :returns: The exit status: 0, or 1 where it cannot listen; unusable flags exit with 2.
    """
    parser = make_parser()
    settings = settings_of(parser.parse_args(arguments))
    try:
        emulator = Emulator(**settings)
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
