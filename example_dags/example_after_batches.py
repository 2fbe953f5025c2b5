"""
A DAG that starts when batches of a bucket finish, whoever has submitted them.

The watcher looks at the bucket of ``mixpeek_picture_folder`` from the triggerer, and no task waits meanwhile:
run that DAG to see this one start. Needs the connection ``mixpeek_default``; ``shop`` is its namespace.
"""

import logging
from typing import Any

from airflow.sdk import DAG, AssetWatcher, task

from airflow_provider.mixpeek.assets.mixpeek import create_asset
from airflow_provider.mixpeek.triggers.batches import MixpeekFinishedBatchesTrigger

log = logging.getLogger("airflow.task")

PICTURES = create_asset(
    namespace="shop",
    bucket="pictures",
    watchers=[
        AssetWatcher(
            name="finished_pictures",
            trigger=MixpeekFinishedBatchesTrigger(
                bucket="pictures", outcomes=["done", "partial"], interval=10
            ),
        )
    ],
)

with DAG("mixpeek_after_batches", schedule=[PICTURES], catchup=False, tags=["mixpeek"]):

    @task
    def tell(triggering_asset_events: Any = None) -> int:
        """Say what has finished, and return how many objects that were."""
        payloads = [event.extra.get("payload") for event in triggering_asset_events[PICTURES]]
        batches = [batch for payload in payloads if payload for batch in payload["batches"]]
        for batch in batches:
            log.info("%s: %s, %s objects", batch["batch_id"], batch["outcome"], batch["objects"])
        return sum(batch["objects"] for batch in batches)

    tell()
