"""The current generation of the API: 0.82, and 0.81 where it differs."""

from __future__ import annotations

from . import account, batch_ids, batches, buckets, collections, objects, putting, tasks, uploads

ROUTERS = (
    account.router,
    buckets.router,
    objects.router,
    uploads.router,
    putting.router,
    batches.router,
    collections.router,
    tasks.router,
)
ROUTERS_SINCE_82 = (
    account.since_82,
    buckets.since_82,
    objects.since_82,
    batches.since_82,
    batch_ids.router,
)
