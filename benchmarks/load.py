"""
A load in a process of its own.

Arguments: URL, generation, bucket, rows, bytes of a request, requests in flight. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import time

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.ingest import ingest


def main(url: str, generation: str, bucket: str, rows: int, request_bytes: int, in_flight: int) -> None:
    """Store rows, in a bucket that is made unless it is named by its id; say how long the storing took."""
    table = [{"title": f"Film {number:07}", "sku": f"S{number:07}"} for number in range(rows)]
    with MixpeekClient("sk_bench", namespace="bench", base_url=url, generation=generation) as mixpeek:
        if not bucket.startswith("bkt_"):
            mixpeek.buckets.create(bucket, schema={"title": "text", "sku": "string"})
        began = time.monotonic()
        ingest(
            mixpeek,
            bucket,
            table,
            mapping={"blobs": {"title": "title"}, "metadata": ["sku"]},
            scope="bench",
            process="new" if generation == "legacy" else False,
            max_request_bytes=request_bytes,
            in_flight=in_flight,
            markers=False,
        )
        seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds}))


main(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
