"""Runs in the environment of the vendor's SDK: rows through its models, as its client sends them."""

from __future__ import annotations

import json
import time

import mixpeek
from mixpeek import models as sdk

ROWS = 1_000
MADE = "2023-11-14T22:13:20Z"


def rows() -> list[dict]:
    return [
        {
            "metadata": {
                "sku": f"S{number:09}",
                "price": number / 4,
                "stars": number % 5,
                "made": "2023-11-14T22:13:20Z",
            },
            "blobs": [
                {
                    "property": "picture",
                    "type": "image",
                    "data": f"https://example.com/pictures/{number}.jpg",
                },
                {"property": "title", "type": "text", "data": {"text": f"Film {number} about the sea"}},
            ],
        }
        for number in range(ROWS)
    ]


client = mixpeek.ApiClient()
best = float("inf")
for _ in range(5):
    made = rows()
    began = time.perf_counter()
    for start in range(0, ROWS, 100):
        request = sdk.CreateObjectsBatchRequest.from_dict({"objects": made[start : start + 100]})
        json.dumps(client.sanitize_for_serialization(request)).encode()
    best = min(best, time.perf_counter() - began)
print(json.dumps({"rows": ROWS, "seconds": best}))
