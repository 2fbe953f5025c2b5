"""
A script: runs loads, each in a process of its own, that somebody else kills.

A line of JSON on stdin starts one, and is answered with the process's id; the next line asks for its exit
status. What was imported before is shared, so that a load begins within milliseconds.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet  # noqa: F401 - so that it is imported before the load is forked

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.client._flow import RetryRules
from airflow_provider.mixpeek.ingest import FileCheckpoint, ingest
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest import _sending as sending


def main() -> None:
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            load(**json.loads(line))
            os._exit(0)
        tell(pid)
        # Nobody else gets its id before it is waited for, so that the right process is killed.
        sys.stdin.readline()
        tell(os.waitpid(pid, 0)[1])


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def load(
    *,
    url: str,
    generation: str,
    rows: Any,
    order: int | None,
    checkpoint: str | None,
    result: str,
    every: float,
    ahead: int,
    looks: list[float],
    **settings: Any,
) -> None:
    """
    Ingest.

    :param order: A seed: the rows as a DataFrame in an order of its own.
    :param result: The file that the report is written to.
    :param every: Seconds between two watermarks.
    :param ahead: Requests whose rows are written down before they are sent.
    :param looks: When rows without an answer are looked for.
    """
    keeping.EVERY, keeping.AHEAD, sending.LOOKS = every, ahead, tuple(looks)
    if order is not None:
        rows = pd.DataFrame(rows).sample(frac=1, random_state=order)
    with MixpeekClient("sk_test", namespace="shop", base_url=url, generation=generation) as mixpeek:
        rules = RetryRules(budget=20.0, longest=1.0, first=0.01)
        mixpeek._face(replace(mixpeek.session, retry=rules), mixpeek._transport, mixpeek._sleep)
        kept = FileCheckpoint(checkpoint) if checkpoint is not None else None
        try:
            report = ingest(mixpeek, "products", rows, checkpoint=kept, **settings)
        except Exception as error:
            Path(result).write_text(json.dumps({"error": f"{error} {error.__cause__}"}))
            raise
    counts = report.counts() | {"rows_read": report.rows_read, "resumed": report.resumed}
    Path(result).write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
