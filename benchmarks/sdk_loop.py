"""Runs in the environment of the vendor's SDK: its own client in a loop, one request after another."""

from __future__ import annotations

import json
import sys
import time

import mixpeek
from mixpeek import models as sdk

url, bucket, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
settings = mixpeek.Configuration(host=url, access_token="sk_bench", api_key={"NamespaceHeader": "bench"})
sent, refused = 0, 0
with mixpeek.ApiClient(settings) as client:
    objects = mixpeek.BucketObjectsApi(client)
    blob = {"property": "title", "type": "text", "data": {"text": "Film"}}
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            objects.create_object_buckets(bucket, sdk.CreateObjectRequest.from_dict({"blobs": [blob]}))
            sent += 1
        except mixpeek.ApiException as error:
            if error.status != 429:
                raise
            refused += 1
    took = time.monotonic() - began
print(json.dumps({"sent": sent, "refused": refused, "seconds": took}))
