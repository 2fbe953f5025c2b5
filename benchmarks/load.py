"""
A load in a process of its own.

Arguments: URL, generation, rows, bytes of a request, requests in flight. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import time

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.ingest import ingest


def main(url: str, generation: str, rows: int, request_bytes: int, in_flight: int) -> None:
    """Store rows; say how long the storing took, and how many requests were answered how."""
    table = [{"title": f"Film {number:07}"} for number in range(rows)]
    with MixpeekClient("sk_bench", namespace="bench", base_url=url, generation=generation) as mixpeek:
        mixpeek.buckets.create("films", schema={"title": "text"}, if_exists="reuse")
        began = time.monotonic()
        ingest(
            mixpeek,
            "films",
            table,
            mapping={"blobs": {"title": "title"}},
            scope="bench",
            process="new" if generation == "legacy" else False,
            max_request_bytes=request_bytes,
            in_flight=in_flight,
            markers=False,
        )
        seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds}))


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
