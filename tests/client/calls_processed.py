"""Rows of the table of calls: batches, tasks, and the client itself."""

from __future__ import annotations

from typing import Any

from airflow_provider.mixpeek.client import WaitFor

from .calls_collected import COLLECTIONS
from .calls_stored import BUCKETS, NAMESPACES, OBJECTS
from .calls_uploaded import UPLOADS
from .shop import LACKS, Shop, after, row, where


def _canceled(shop: Shop) -> str:
    shop.emulator.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 600})
    batch_id = shop.batch(submit=True)
    shop.client.batches.cancel(shop.bucket, batch_id, reason="no need")
    word: str = shop.client.batches.get(shop.bucket, batch_id).status
    return word


BATCHES = [
    row(
        "batches.create",
        lambda shop: (
            shop.client.batches.create(
                shop.bucket,
                shop.made,
                name="all",
                collection_ids=["col_1"],
                dedup_strategy="replace",
            ).status
        ),
        current="DRAFT",
        legacy=LACKS,
    ),
    row(
        "batches.create",
        lambda shop: (
            shop.client.batches.create(shop.bucket, filters={"AND": [where("gt", 1961)]}, limit=1).object_ids
            == shop.made[1:2]
        ),
        what="filters",
        current=True,
        legacy=LACKS,
    ),
    row(
        "batches.add_objects",
        lambda shop: len(
            shop.client.batches.add_objects(shop.bucket, shop.batch(), shop.made[2:]).object_ids
        ),
        current=3,
        legacy=LACKS,
    ),
    row(
        "batches.submit",
        lambda shop: shop.client.batches.submit(shop.bucket, shop.batch(), force=True).status,
        current="PENDING",
        legacy=LACKS,
    ),
    row(
        "batches.get",
        lambda shop: shop.client.batches.get(shop.bucket, shop.batch(submit=True)).status,
        current="COMPLETED",
        legacy=LACKS,
    ),
    row(
        "batches.list",
        lambda shop: [
            each.batch_id == batch_id
            for batch_id in [shop.batch()]
            for each in shop.client.batches.list(shop.bucket, status="DRAFT", limit=5)
        ],
        current=[True],
        legacy=LACKS,
    ),
    row("batches.cancel", _canceled, current="CANCELED", legacy=LACKS),
    row(
        "batches.delete",
        after(
            lambda shop: shop.client.batches.delete(shop.bucket, shop.batch()),
            lambda shop: list(shop.client.batches.list(shop.bucket)),
        ),
        current=[],
        legacy=LACKS,
    ),
    row(
        "batches.retry",
        lambda shop: shop.client.batches.retry(shop.bucket, shop.batch(submit=True), mode="all")[
            "retried_count"
        ],
        current=0,
        legacy=LACKS,
    ),
    row(
        "batches.resubmit",
        lambda shop: shop.client.batches.resubmit(
            shop.bucket, shop.batch(submit=True), from_tier=0, auto_submit=False
        )["status"],
        current="DRAFT",
        legacy=LACKS,
    ),
    row(
        "batches.failed_documents",
        lambda shop: shop.client.batches.failed_documents(
            shop.bucket, shop.batch(submit=True), limit=5, offset=0
        )["results"],
        current=[],
        legacy=LACKS,
    ),
    row(
        "batches.wait",
        lambda shop: len(shop.client.batches.wait(shop.bucket, [shop.batch(submit=True)], timeout=60).done),
        current=1,
        legacy=LACKS,
    ),
    row("batches.queue", lambda shop: shop.client.batches.queue()["running"], current=[], legacy=LACKS),
]


def _task(shop: Shop) -> Any:
    """The id of a task: that of a bucket's deletion, which both generations have."""
    other = shop.client.buckets.create("other", schema={"title": "text"})
    return shop.client.buckets.delete(other.bucket_id).task_id


def _look(shop: Shop) -> tuple[str, str]:
    seen = shop.client.look(WaitFor(_task(shop)))
    return str(seen.outcome), seen.word


TASKS = [
    row(
        "tasks.wait",
        lambda shop: len(shop.client.tasks.wait([_task(shop)], timeout=60).done),
        current=1,
        legacy=1,
    ),
    row(
        "tasks.get",
        lambda shop: shop.client.tasks.get(_task(shop)).status,
        current="COMPLETED",
        legacy="DONE",
    ),
    row(
        "tasks.list",
        lambda shop: len([_task(shop), *shop.client.tasks.list(limit=5)]),
        # The legacy generation tells those only that have not finished.
        current=2,
        legacy=1,
    ),
    row(
        "tasks.list",
        lambda shop: list(shop.client.tasks.list(status="FAILED")),
        what="status",
        current=[],
        legacy=LACKS,
    ),
    row("tasks.cancel", lambda shop: shop.client.tasks.cancel("task_nobody_knows")),
]

ITSELF = [
    row(
        "whoami",
        lambda shop: shop.client.whoami().organization_id,
        current="org_emulator",
        legacy=LACKS,
    ),
    row("health", lambda shop: shop.client.health(), {"status": "OK"}),
    row(
        "server_generation", lambda shop: shop.client.server_generation(), current="current", legacy="legacy"
    ),
    row(
        "introduce",
        lambda shop: (shop.client.introduce().generation, shop.client.introduce().namespace),
        current=("current", "shop"),
        legacy=("legacy", "shop"),
    ),
    row("has_idempotency_keys", lambda shop: shop.client.has_idempotency_keys(), current=True, legacy=False),
    row("look", _look, current=("done", "COMPLETED"), legacy=("done", "DONE")),
]

TABLE = [*NAMESPACES, *BUCKETS, *OBJECTS, *UPLOADS, *BATCHES, *COLLECTIONS, *TASKS, *ITSELF]
