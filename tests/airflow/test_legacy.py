"""Operators, sensor and hook on a server of the legacy generation."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekConflictError,
    MixpeekGenerationError,
    MixpeekRateLimitError,
    MixpeekWorkFailedError,
)
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.exceptions import MixpeekTaskFailedError, MixpeekTaskLostError
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.ingest import IngestError
from airflow_provider.mixpeek.operators.buckets import (
    MixpeekCreateBucketOperator,
    MixpeekDeleteBucketOperator,
)
from airflow_provider.mixpeek.operators.objects import MixpeekCreateObjectsOperator
from airflow_provider.mixpeek.sensors import _waiting
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .airflows import AirflowSensorTimeout
from .contexts import Kept

KEY = "sk_legacy_4b6e"
SCHEMA = {"title": "text", "facts": "json", "size": "integer"}
CREATE = "/v1/buckets/{bucket_identifier}/objects/create"
NOTHING_OF_IT = {"created": 0, "replayed": 0, "rejected": 0, "unsent": 0, "in_doubt": 0}


class Clock:
    """Time by hand, for the emulator and for the sensor."""

    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_waiting, "time", clock)
    return clock


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], clock: Clock, point_at: Callable[..., None]) -> Emulator:
    """A legacy server whose tasks take ten seconds of the clock."""
    emulator = make_emulator(generation="legacy", task_seconds=10, clock=clock.time, api_keys=[KEY])
    point_at(emulator, key=KEY, generation="legacy")
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Iterator[MixpeekClient]:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url, generation="legacy") as client:
        yield client


def create_bucket(**arguments: Any) -> dict[str, str]:
    settings = {"bucket": "things", "schema": SCHEMA} | arguments
    return MixpeekCreateBucketOperator(task_id="create_bucket", **settings).execute({})


def create(count: int = 3, **arguments: Any) -> dict[str, Any]:
    rows = [{"title": f"Thing {n}", "facts": {"n": n}, "size": n, "maker": "Ada"} for n in range(count)]
    mapping = {"blobs": {"title": "title", "facts": "facts"}, "metadata": ["size", "maker"]}
    settings = {"bucket": "things", "rows": rows, "mapping": mapping} | arguments
    return MixpeekCreateObjectsOperator(task_id="create", **settings).execute(Kept(store=None).context())


def wait_for(waits: Any, **arguments: Any) -> MixpeekTaskSensor:
    # The timeout is for a sensor that should have ended: its test fails instead of never ending.
    settings = {"poke_interval": 0, "timeout": 5} | arguments
    return MixpeekTaskSensor(task_id="wait", task_ids=waits, **settings)


# -- buckets -----------------------------------------------------------------------------------------------


def test_bucket_has_the_types_of_its_generation_and_declares_no_metadata(mixpeek: MixpeekClient) -> None:
    made = create_bucket(description="What we sell.")
    bucket = mixpeek.buckets.get(made["bucket_id"])
    assert made == {"bucket_id": bucket.bucket_id, "bucket_name": "things"}
    assert {name: kind.type for name, kind in bucket.bucket_schema.properties.items()} == SCHEMA
    assert create_bucket() == made
    with pytest.raises(MixpeekConflictError, match="'title'"):
        create_bucket(schema={"title": "image"})


def test_bucket_with_a_unique_key_is_of_the_other_generation(server: Emulator) -> None:
    with pytest.raises(MixpeekGenerationError, match=r"legacy.*unique key.*current"):
        create_bucket(unique_key=["size"])
    assert server.state()["buckets"] == 0


def test_deleted_bucket_is_waited_for(server: Emulator, clock: Clock) -> None:
    made = create_bucket()
    gone = MixpeekDeleteBucketOperator(task_id="delete", bucket="things").execute(Kept().context())
    assert gone["bucket_id"] == made["bucket_id"]
    wait = wait_for(gone["waits"])
    assert wait.poke({"ti": None}) is False
    clock.now += 10
    assert wait.poke({"ti": None}) is True
    assert server.state()["buckets"] == 0
    again = MixpeekDeleteBucketOperator(task_id="delete", bucket="things").execute(Kept().context())
    assert again["waits"] == []


# -- objects -----------------------------------------------------------------------------------------------


def test_each_row_is_an_object_and_a_task_to_wait_for(
    server: Emulator, mixpeek: MixpeekClient, clock: Clock
) -> None:
    made = create_bucket()
    with capture_logs() as logs:
        result = create()
    assert "There are 3 tasks to wait for." in [entry["event"] for entry in logs]
    waits = result.pop("waits")
    assert result.items() >= {"bucket_id": made["bucket_id"], "rows_read": 3, "stored": 3}.items()
    assert result.items() >= NOTHING_OF_IT.items()
    assert [(wait["batch_id"], wait["bucket"]) for wait in waits] == [(None, made["bucket_id"])] * 3
    wait = wait_for(waits)
    assert wait.poke({"ti": None}) is False
    clock.now += 10
    assert wait.poke({"ti": None}) is True
    assert server.state()["objects_processed"] == {"1": 3}
    stored = list(mixpeek.objects.list(made["bucket_id"]))
    assert sorted(one.metadata["size"] for one in stored) == [0, 1, 2]
    assert {one.metadata["maker"] for one in stored} == {"Ada"}


def test_storing_without_processing_is_refused_and_the_error_names_the_generation_that_can(
    server: Emulator,
) -> None:
    create_bucket()
    with pytest.raises(MixpeekGenerationError, match=r"process=False: the legacy .* The current one"):
        create(process=False)
    assert server.state()["objects"] == 0


def test_lost_answer_fails_the_task_and_says_what_a_retry_would_do(server: Emulator) -> None:
    create_bucket()
    server.fault({"path": CREATE, "fault": "reset_after", "skip": 1, "times": 1})
    with pytest.raises(IngestError, match=r"1 in doubt.*running it again stores again"):
        create(in_flight=1, markers=False)
    assert server.state()["objects"] == 2


def test_lost_answer_is_looked_for_by_what_the_objects_keep(server: Emulator) -> None:
    create_bucket()
    server.fault({"path": CREATE, "fault": "reset_after", "skip": 1, "times": 1})
    result = create(in_flight=1)
    assert (result["stored"], result["replayed"]) == (result["rows_read"] - 1, 1)
    assert server.state()["objects"] == result["rows_read"] == len(result["waits"])


# -- waiting -----------------------------------------------------------------------------------------------


def ended(server: Emulator, clock: Clock, **outcome: Any) -> list[dict[str, Any]]:
    """What there is to wait for of one object whose task has come to an end."""
    create_bucket()
    server.fault({"fault": "task_outcome", "times": 1, **outcome})
    waits = create(1)["waits"]
    clock.now += 10
    return waits


@pytest.mark.parametrize("word", ["DONE", "SKIPPED"])
def test_done_and_skipped_are_done(server: Emulator, clock: Clock, word: str) -> None:
    assert wait_for(ended(server, clock, status=word)).poke({"ti": None}) is True


@pytest.mark.parametrize("word", ["FAILED", "CANCELLED"])
def test_failed_and_cancelled_are_errors_with_word_and_reason(
    server: Emulator, clock: Clock, word: str
) -> None:
    waits = ended(server, clock, status=word, error="the picture is unreadable")
    with pytest.raises(MixpeekTaskFailedError) as caught:
        wait_for(waits).execute({"ti": None})
    for part in (waits[0]["task_id"], word, "the picture is unreadable"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "word", ["PENDING", "QUEUED", "INITIALIZING", "DOWNLOADING", "UPLOADING", "CONVERTING", "PROCESSING"]
)
def test_every_running_word_is_waited_on_without_a_warning(server: Emulator, clock: Clock, word: str) -> None:
    wait = wait_for(ended(server, clock, status=word))
    with capture_logs() as logs:
        assert [wait.poke({"ti": None}) for _ in range(3)] == [False, False, False]
    assert [entry for entry in logs if entry["log_level"] == "warning"] == []


@pytest.mark.parametrize("word", ["COMPLETED", "CANCELED", "PONDERING"])
def test_words_that_it_does_not_have_are_unknown_and_given_up_at_the_deadline(
    server: Emulator, clock: Clock, word: str
) -> None:
    waits = ended(server, clock, status=word)
    with capture_logs() as logs, pytest.raises(AirflowSensorTimeout, match=word):
        wait_for(waits, timeout=0).execute({"ti": None})
    assert len([entry for entry in logs if f"{word!r}" in str(entry)]) == 1


def test_task_that_nobody_knows_is_lost_after_a_minute(server: Emulator, clock: Clock) -> None:
    wait = wait_for("task_forgotten")
    assert wait.poke({"ti": None}) is False
    clock.now += 60
    with pytest.raises(MixpeekTaskLostError, match="task_forgotten"):
        wait.poke({"ti": None})


# -- the hook ----------------------------------------------------------------------------------------------


def test_hook_has_the_resources_and_says_what_its_generation_lacks(server: Emulator) -> None:
    hook = MixpeekHook()
    bucket = hook.buckets.create("notes", schema={"note": "text"})
    task = hook.objects.create(
        bucket.bucket_id, blobs=[{"property": "note", "type": "text", "data": "A red shoe."}]
    )
    assert hook.tasks.get(task.task_id).status == "PENDING"
    with pytest.raises(MixpeekGenerationError, match=r"legacy.*batch.*current"):
        hook.batches.create(bucket.bucket_id, ["obj_1"])
    hook.client.close()


def test_rate_limit_is_told_by_the_test_button(server: Emulator) -> None:
    server.fault({"path": "/v1/buckets", "fault": "status", "status": 429})
    works, answer = MixpeekHook().test_connection()
    assert works is False
    assert "Send less often" in answer
    assert MixpeekRateLimitError.__name__ not in answer


def test_work_that_failed_cannot_be_done_again_and_the_error_says_what_can(server: Emulator) -> None:
    create_bucket()
    server.fault({"fault": "task_outcome", "status": "FAILED", "error": "out of memory", "seconds": 0})
    with pytest.raises(MixpeekWorkFailedError, match=r"out of memory.*clear the task with rerun='again'"):
        create(wait_for_completion=True)
