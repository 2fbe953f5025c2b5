"""The operator that runs a collection: what it takes, what it returns, what a retry and a clear do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekWorkFailedError,
    MixpeekWorkPartialError,
    _collection_flows,
)
from airflow_provider.mixpeek.operators._kill import TaskKilledError
from airflow_provider.mixpeek.operators.collections import MixpeekTriggerCollectionOperator

from .wait_modes import KEY, NOTE, World, clock, make_world, to_the_end

__all__ = ["clock", "make_world"]

TRIGGER = "/v1/collections/{collection_identifier}/trigger"
in_each_mode = pytest.mark.parametrize("mode", ["worker", "deferrable"])


@pytest.fixture
def open_world(make_world: Callable[..., World]) -> Callable[..., World]:
    """Makes a server with a collection "captions" over some buckets of three objects each."""

    def make(*, buckets: int = 1, **settings: Any) -> World:
        world = make_world(**settings)
        ids = []
        for number in range(buckets):
            bucket = world.mixpeek.buckets.create(f"notes {number}", schema={"note": "text"})
            ids.append(bucket.bucket_id)
            for _ in range(3):
                world.mixpeek.objects.create(bucket.bucket_id, blobs=[NOTE])
        httpx.post(
            f"{world.server.url}/v1/collections",
            headers={"Authorization": f"Bearer {KEY}", "X-Namespace": "shop"},
            json={"collection_name": "captions", "source": {"type": "bucket", "bucket_ids": ids}},
            trust_env=False,
        ).raise_for_status()
        return world

    return make


@pytest.fixture
def world(open_world: Callable[..., World]) -> World:
    return open_world()


def run(world: World, mode: str = "worker", **arguments: Any) -> dict[str, Any]:
    """Be a try of the task, in a process of its own."""
    result: dict[str, Any] = to_the_end(
        world,
        lambda: MixpeekTriggerCollectionOperator(
            task_id="run", collection="captions", deferrable=mode == "deferrable", retries=1, **arguments
        ),
    )
    return result


def cleared(world: World) -> None:
    """A person clears the task: Airflow raises ``max_tries``."""
    tries = json.loads(world.kept.store.kept["mixpeek.task.try"])  # type: ignore[union-attr]
    assert tries["number"] == 1
    context = world.kept.context

    world.kept.context = lambda **ti: context(**{"try_number": 2, "max_tries": 2} | ti)  # type: ignore[method-assign]


@in_each_mode
@pytest.mark.parametrize("buckets", [1, 2])
def test_it_waits_for_all_that_the_server_makes_of_it(
    open_world: Callable[..., World], mode: str, buckets: int
) -> None:
    world = open_world(buckets=buckets)
    told = run(world, mode)
    assert (told["objects"], len(told["batch_ids"]), told["failed"]) == (3 * buckets, buckets, 0)
    assert world.server.state()["objects_processed"] == {"1": 3 * buckets}
    assert all(wait["bucket"] for wait in told["waits"])


def test_it_need_not_wait(world: World) -> None:
    told = run(world, wait_for_completion=False)
    assert len(told["waits"]) == 1
    assert "failed" not in told


def test_it_asks_for_what_it_was_told_to(open_world: Callable[..., World]) -> None:
    world = open_world(buckets=2)
    bucket = world.mixpeek.buckets.find("notes 1").bucket_id
    first = next(iter(world.mixpeek.objects.list(bucket))).object_id
    told = run(world, buckets=[bucket], objects=[first], dedup_strategy="replace")
    assert (told["objects"], told["waits"][0]["bucket"]) == (1, bucket)
    assert world.mixpeek.batches.get(bucket, told["batch_ids"][0]).object_ids == [first]


def test_a_collection_of_nothing_is_a_success(world: World) -> None:
    told = run(world, filters={"AND": [{"field": "key_prefix", "operator": "eq", "value": "/none"}]})
    assert (told["objects"], told["batch_ids"]) == (0, [])


@in_each_mode
def test_a_retry_takes_up_what_runs_or_is_done(world: World, mode: str) -> None:
    first = run(world, wait_for_completion=False)
    assert run(world, mode)["waits"] == first["waits"]
    assert run(world, mode)["waits"] == first["waits"]
    assert world.asked(TRIGGER) == 1


@pytest.mark.parametrize("buckets", [1, 2])
def test_a_retry_finds_a_run_whose_answer_was_lost(open_world: Callable[..., World], buckets: int) -> None:
    world = open_world(buckets=buckets)
    run(world)
    world.clock.now += 60
    cleared(world)
    world.server.fault({"fault": "reset_after", "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekConnectionError):
        run(world)
    told = run(world)
    assert world.asked(TRIGGER) == 2
    assert len(told["batch_ids"]) == buckets
    assert world.server.state()["batches"] == 2 * buckets


def test_a_retry_triggers_where_the_request_never_arrived(world: World) -> None:
    world.server.fault({"fault": "reset_before", "path": "/v1/collections/*/trigger", "times": 1})
    failed_at = world.clock.now
    with pytest.raises(MixpeekConnectionError):
        run(world)
    assert run(world, wait_for_completion=False)["objects"] == 3
    assert world.server.state()["batches"] == 1
    assert 60 <= world.clock.now - failed_at < 70, "a run may take a minute to show"


def test_a_clock_that_is_behind_that_of_the_earlier_try_makes_the_wait_no_longer(world: World) -> None:
    world.server.fault({"fault": "reset_before", "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekConnectionError):
        run(world)
    world.clock.now -= 3_600
    began = world.clock.now
    run(world, wait_for_completion=False)
    assert 60 <= world.clock.now - began < 70


def somebody_else(world: World) -> str:
    """Another DAG triggers the collection for its second bucket; returns the batch, which runs for long."""
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 900, "times": 1})
    collection = world.mixpeek.collections.get("captions").collection_id
    batch_id = world.mixpeek.collections.trigger(collection, buckets=["notes 1"]).batch_id
    assert batch_id is not None
    return batch_id


def test_a_refused_try_takes_nobody_elses_run_for_its_own(open_world: Callable[..., World]) -> None:
    world = open_world(buckets=2)
    world.server.fault({"fault": "status", "status": 403, "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekPermissionError):
        run(world, buckets=["notes 0"])
    others, before = somebody_else(world), world.clock.now
    (ours,) = run(world, buckets=["notes 0"], wait_for_completion=False)["batch_ids"]
    assert ours != others
    assert world.clock.now == before, "there is nothing to wait for that may show later"


def test_a_clear_cancels_nobody_elses_run(open_world: Callable[..., World]) -> None:
    world = open_world(buckets=2)
    arguments = {"buckets": ["notes 0"], "cancel_on_kill": True}
    world.server.fault({"fault": "status", "status": 403, "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekPermissionError):
        run(world, **arguments)
    others = somebody_else(world)
    cleared(world)
    run(world, **arguments)
    bucket = world.mixpeek.buckets.find("notes 1").bucket_id
    assert world.mixpeek.batches.get(bucket, others).status != "CANCELED"


@pytest.mark.parametrize(("passed", "names_objects"), [(0, True), (601, False)])
def test_a_lost_run_is_told_from_somebody_elses(
    open_world: Callable[..., World], passed: int, names_objects: bool
) -> None:
    world = open_world(buckets=2)
    bucket = world.mixpeek.buckets.find("notes 0").bucket_id
    objects = [one.object_id for one in world.mixpeek.objects.list(bucket)] if names_objects else None
    arguments = {"buckets": ["notes 0"], "objects": objects}
    world.server.fault({"fault": "reset_before", "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekConnectionError):
        run(world, **arguments)
    world.clock.now += passed
    others = somebody_else(world)
    (ours,) = run(world, **arguments)["batch_ids"]
    assert ours != others


def test_a_retry_waits_for_a_run_that_does_not_show_yet(world: World) -> None:
    world.server.fault({"fault": "reset_after", "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekConnectionError):
        run(world)
    nothing = {"results": [], "pagination": {}}
    listing = {"fault": "status", "status": 200, "body": nothing, "path": "/v1/batches/list"}
    world.server.fault(listing | {"times": 3})
    assert len(run(world)["batch_ids"]) == 1
    assert world.asked(TRIGGER) == 1


@pytest.mark.parametrize(("passed", "triggered"), [(0, 1), (61, 2)])
def test_a_batch_that_is_not_there_is_lost_after_a_minute(world: World, passed: int, triggered: int) -> None:
    first = run(world, wait_for_completion=False)
    world.clock.now += passed
    world.server.fault({"fault": "status", "status": 404, "path": "/v1/buckets/*/batches/*"})
    second = run(world, wait_for_completion=False)
    assert world.asked(TRIGGER) == len({*first["batch_ids"], *second["batch_ids"]}) == triggered


def test_a_batch_that_nobody_submits_is_triggered_again(world: World) -> None:
    run(world, wait_for_completion=False)
    world.clock.now += 61
    draft = {"batch_id": "batch_draft", "status": "DRAFT"}
    answer = {"fault": "status", "status": 200, "body": draft, "path": "/v1/buckets/*/batches/*"}
    world.server.fault(answer | {"times": 1})
    run(world)
    assert world.asked(TRIGGER) == 2


def test_a_retry_triggers_again_what_has_failed(world: World) -> None:
    world.server.fault({"fault": "task_outcome", "status": "FAILED", "error": "no GPU", "times": 1})
    with pytest.raises(MixpeekWorkFailedError, match="no GPU"):
        run(world)
    assert run(world)["failed"] == 0
    assert world.server.state()["objects_processed"] == {"1": 3}


@in_each_mode
def test_a_retry_triggers_again_what_has_failed_in_part(world: World, mode: str) -> None:
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "failed_objects": 1})
    with pytest.raises(MixpeekWorkPartialError):
        run(world, mode)
    world.server.clear_faults()
    told = run(world, mode)
    assert (told["failed"], world.asked(TRIGGER)) == (0, 2)


def test_a_retry_triggers_nothing_while_a_part_still_runs(open_world: Callable[..., World]) -> None:
    world = open_world(buckets=2)
    outcome = {"fault": "task_outcome", "times": 1}
    world.server.fault(outcome | {"status": "FAILED", "error": "no GPU", "seconds": 1})
    world.server.fault(outcome | {"status": "COMPLETED", "seconds": 900})
    first = run(world, wait_for_completion=False)
    world.clock.now += 90
    assert run(world, wait_for_completion=False)["waits"] == first["waits"]
    assert world.asked(TRIGGER) == 1


def test_a_part_that_may_fail_is_taken_up(world: World) -> None:
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "failed_objects": 1})
    first = run(world, partial_ok=True)
    assert run(world, partial_ok=True) == first | {"objects": None}
    assert world.asked(TRIGGER) == 1


@pytest.mark.parametrize("cancel", [True, False])
def test_a_kill_before_the_answer_is_noted_cancels_where_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, cancel: bool
) -> None:
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 900})

    def killed(*_: Any) -> None:
        raise TaskKilledError

    # The signal comes between two lines, which no server can bring about.
    monkeypatch.setattr(_collection_flows, "waits_of", killed)
    with pytest.raises(TaskKilledError):
        run(world, cancel_on_kill=cancel)
    collection = world.mixpeek.collections.get("captions").collection_id
    (batch,) = world.mixpeek.collections.batches(collection)
    assert (batch.status == "CANCELED") is cancel


def test_a_clear_is_another_run(world: World) -> None:
    first = run(world)
    cleared(world)
    second = run(world, dedup_strategy="replace")
    assert set(first["batch_ids"]).isdisjoint(second["batch_ids"])
    assert world.server.state()["objects_processed"] == {"2": 3}


def test_a_clear_cancels_the_earlier_run_where_asked(world: World) -> None:
    world.server.fault({"fault": "task_outcome", "status": "COMPLETED", "seconds": 900, "times": 1})
    first = run(world, wait_for_completion=False, cancel_on_kill=True)
    cleared(world)
    second = run(world, cancel_on_kill=True)
    (old,) = first["waits"]
    assert world.mixpeek.batches.get(old["bucket"], old["batch_id"]).status == "CANCELED"
    assert second["failed"] == 0


def test_the_older_version_waits_for_its_first_batch_and_says_what_it_cannot_know(
    open_world: Callable[..., World], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world = open_world(api_version="0.81")
    world.server.fault({"fault": "reset_before", "path": "/v1/collections/*/trigger", "times": 1})
    with pytest.raises(MixpeekConnectionError):
        run(world)
    assert len(run(world)["batch_ids"]) == 1
    assert "not known whether an earlier try has triggered" in caplog.text + "".join(capsys.readouterr())


def test_the_older_version_waits_for_the_task_of_several_buckets(open_world: Callable[..., World]) -> None:
    told = run(open_world(api_version="0.81", buckets=2))
    assert told["batch_ids"] == []
    assert told["waits"][0]["task_id"]


def test_batches_that_only_the_task_tells_are_waited_for(world: World) -> None:
    made = run(world, wait_for_completion=False)
    cleared(world)
    early = {"task_id": "task_t", "collection_id": made["collection_id"], "total_tiers": 1, "message": "soon"}
    task = {"task_id": "task_t", "task_type": "api_collections_trigger", "status": "PENDING"}
    later = task | {"additional_data": {"trigger": {"batch_ids": made["batch_ids"]}}}
    answers = {"fault": "status", "status": 200, "times": 1}
    world.server.fault(answers | {"path": "/v1/collections/*/trigger", "status": 202, "body": early})
    world.server.fault(answers | {"path": "/v1/tasks/*", "body": task})
    world.server.fault(answers | {"path": "/v1/tasks/*", "body": later})
    assert run(world)["waits"] == made["waits"]


def test_a_collection_that_is_not_there_is_said_to_be_missing(make_world: Callable[..., World]) -> None:
    world = make_world()
    with pytest.raises(MixpeekNotFoundError, match="captions"):
        run(world)


def test_legacy_says_that_it_cannot(make_world: Callable[..., World]) -> None:
    with pytest.raises(MixpeekGenerationError, match="cannot trigger a collection"):
        run(make_world("legacy"))


def test_wrong_arguments_are_told_before_anything_is_sent(world: World) -> None:
    with pytest.raises(MixpeekConfigError, match="must be a list of ids"):
        run(world, objects="obj_1")
    with pytest.raises(MixpeekConfigError, match="dedup_strategy"):
        run(world, dedup_strategy="merge")
    assert world.asked(TRIGGER) == 0
