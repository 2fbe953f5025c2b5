"""The operator that deletes a bucket: waiting, retries, and whose bucket it is that a retry deletes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekWorkFailedError
from airflow_provider.mixpeek.operators._kill import TaskKilledError
from airflow_provider.mixpeek.operators.buckets import MixpeekDeleteBucketOperator

from .airflows import TaskDeferred
from .wait_modes import TASK, World, clock, make_world

__all__ = ["clock", "make_world"]

FIRST: dict[str, int] = {"try_number": 1, "max_tries": 0}
RETRIED: dict[str, int] = {"try_number": 2, "max_tries": 0}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A server with a bucket "notes", whose tasks take an hour."""
    world = make_world(task_seconds=3_600)
    world.mixpeek.buckets.create("notes", schema={"note": "text"})
    return world


def delete(**arguments: Any) -> MixpeekDeleteBucketOperator:
    return MixpeekDeleteBucketOperator(task_id="delete", bucket="notes", **arguments)


@pytest.mark.parametrize("if_missing", ["ignore", "fail"])
def test_retry_waits_for_the_deletion_that_is_under_way(world: World, if_missing: Any) -> None:
    first = delete(if_missing=if_missing).execute(world.kept.context(**FIRST))
    assert len(first["waits"]) == 1
    again = delete(if_missing=if_missing).execute(world.kept.context(**RETRIED))
    assert again == first
    world.clock.sleep(3_600)
    done = delete(if_missing=if_missing, wait_for_completion=True).execute(world.kept.context(**RETRIED))
    assert done["bucket_id"] == first["bucket_id"]
    assert world.server.state()["buckets"] == 0


def test_deletion_that_failed_is_asked_for_again(world: World) -> None:
    failed = {"task_id": "task_1", "status": "FAILED", "error": "A shard is stuck."}
    world.server.fault({"path": TASK, "fault": "status", "status": 200, "body": failed, "times": 2})
    with pytest.raises(MixpeekWorkFailedError, match=r"shard is stuck.*A retry deletes what is left"):
        delete(wait_for_completion=True, deferrable=False).execute(world.kept.context(**FIRST))
    delete(wait_for_completion=True, deferrable=False).execute(world.kept.context(**RETRIED))
    assert world.server.state()["buckets"] == 0


def test_retry_deletes_no_bucket_that_has_taken_the_name_since(world: World) -> None:
    first = delete().execute(world.kept.context(**FIRST))
    world.clock.sleep(3_601)
    other = world.mixpeek.buckets.create("notes", schema={"note": "text"}).bucket_id
    # The server keeps its tasks for a day.
    world.server.fault({"path": TASK, "fault": "status", "status": 404})
    again = delete(wait_for_completion=True).execute(world.kept.context(**RETRIED))
    assert again["bucket_id"] == first["bucket_id"]
    assert [bucket.bucket_id for bucket in world.mixpeek.buckets.list()] == [other]


@pytest.mark.parametrize("if_missing", ["ignore", "fail"])
def test_bucket_that_a_killed_try_has_deleted_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch, if_missing: Any
) -> None:
    store = world.kept.store
    assert store is not None
    keep = store.set

    def killed_with_the_answer(key: str, value: Any) -> None:
        if value.get("task_id"):
            raise TaskKilledError
        keep(key, value)

    with monkeypatch.context() as patch:
        patch.setattr(store, "set", killed_with_the_answer)
        with pytest.raises(TaskKilledError):
            delete(if_missing=if_missing).execute(world.kept.context(**FIRST))
    world.clock.sleep(3_601)
    assert world.server.state()["buckets"] == 0
    assert delete(if_missing=if_missing).execute(world.kept.context(**RETRIED))["waits"] == []


def test_deferred_deletion_is_no_longer_waited_for_than_it_may(world: World) -> None:
    with pytest.raises(TaskDeferred) as raised:
        delete(wait_for_completion=True, deferrable=True, wait_timeout=60).execute(
            world.kept.context(**FIRST)
        )
    assert raised.value.timeout == timedelta(seconds=60 + 900)
