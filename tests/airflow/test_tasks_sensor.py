"""The sensor that waits for tasks: how each wait can end, and what it says then."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from structlog.testing import capture_logs

from airflow_provider.mixpeek.client import (
    MixpeekAuthenticationError,
    MixpeekClient,
    MixpeekConfigError,
    WaitFor,
)
from airflow_provider.mixpeek.client._wait_for import flattened
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.exceptions import (
    MixpeekLostContactError,
    MixpeekNotSubmittedError,
    MixpeekTaskFailedError,
    MixpeekTaskLostError,
    MixpeekTaskPartialError,
)
from airflow_provider.mixpeek.sensors import _waiting
from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor

from .airflows import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

KEY = "sk_sensor_30aa"
BATCHES = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
TASKS = "/v1/tasks/{task_id}"


class Clock:
    """Time by hand, for the emulator and for the sensor."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC).timestamp()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_waiting, "time", clock)
    return clock


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], clock: Clock, point_at: Callable[..., None]) -> Emulator:
    """An emulator whose tasks take ten seconds of the clock."""
    emulator = make_emulator(task_seconds=10, clock=clock.time)
    point_at(emulator, key=KEY)
    return emulator


@pytest.fixture
def mixpeek(server: Emulator) -> Iterator[MixpeekClient]:
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        yield client


@pytest.fixture
def draft(mixpeek: MixpeekClient) -> Callable[[], WaitFor]:
    """Makes a batch of one object that nobody has submitted."""
    bucket = mixpeek.buckets.create("notes", schema={"note": "text"})
    note = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}

    def made() -> WaitFor:
        stored = mixpeek.objects.create(bucket.bucket_id, blobs=[note])
        batch = mixpeek.batches.create(bucket.bucket_id, [stored.object_id])
        return WaitFor(None, batch.batch_id, bucket.bucket_id)

    return made


@pytest.fixture
def submitted(mixpeek: MixpeekClient, draft: Callable[[], WaitFor]) -> Callable[[], dict[str, Any]]:
    """Submits a batch of one object, beside others that run, and returns the wait as XCom carries it."""

    def made() -> dict[str, Any]:
        batch = draft()
        task = mixpeek.batches.submit(batch.bucket, batch.batch_id, force=True)
        return WaitFor(task.task_id, batch.batch_id, batch.bucket).as_dict()

    return made


def sensor(task_ids: Any, **arguments: Any) -> MixpeekTaskSensor:
    # The timeout is for a sensor that should have ended: its test fails instead of never ending.
    settings = {"poke_interval": 0, "timeout": 5} | arguments
    return MixpeekTaskSensor(task_id="wait", task_ids=task_ids, **settings)


def context(rescheduled: datetime | None = None) -> Any:
    """What the sensor asks of its context: when it was first rescheduled."""
    return {"ti": SimpleNamespace(get_first_reschedule_date=lambda _: rescheduled)}


def asked(server: Emulator, path: str) -> int:
    return sum(counted["count"] for counted in server.state()["requests"] if counted["path"] == path)


# -- done --------------------------------------------------------------------------------------------------


def test_waits_until_all_are_done_and_looks_no_more_at_what_is(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    first = submitted()
    clock.now += 5
    wait = sensor([first, submitted()])
    assert wait.poke(context()) is False
    clock.now += 5
    assert wait.poke(context()) is False
    assert asked(server, BATCHES) == 4
    clock.now += 5
    assert wait.poke(context()) is True
    assert asked(server, BATCHES) == 5


def test_batch_is_judged_and_not_its_first_task(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    wait = submitted()
    names = {"batch_id": wait["batch_id"], "bucket_id": wait["bucket"]}
    first_tier = {"task_id": wait["task_id"], "status": "COMPLETED", "additional_data": names}
    server.fault({"path": TASKS, "fault": "status", "status": 200, "body": first_tier})

    by_task = sensor(wait["task_id"])
    assert by_task.poke(context()) is False
    clock.now += 10
    assert by_task.poke(context()) is True


def test_task_that_the_server_forgot_is_judged_by_its_batch(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    wait = submitted()
    server.fault({"path": TASKS, "fault": "status", "status": 404})
    clock.now += 86_400
    assert sensor([wait]).poke(context()) is True


# -- nothing to wait for, and forms of what there is -------------------------------------------------------


@pytest.mark.parametrize("nothing", [[], None, [[], []], (), [None, []]])
def test_nothing_to_wait_for_is_a_success_and_asks_nobody(server: Emulator, nothing: Any) -> None:
    with capture_logs() as logs:
        assert sensor(nothing).poke(context()) is True
    assert "Nothing to wait for." in [entry["event"] for entry in logs]
    assert server.state()["requests"] == []


class Lazy(Sequence[Any]):
    """Like the XComs of a mapped task: a slice fetches all at once, an index one by one."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __len__(self) -> int:
        raise AssertionError("a request to the API server for nothing")

    def __getitem__(self, index: Any) -> Any:
        assert isinstance(index, slice), "one request to the API server for each"
        return list(self._parts[index])


BATCH = {"task_id": "task_2", "batch_id": "btch_2", "bucket": "bkt_1"}


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        ("task_1", [WaitFor("task_1")]),
        (" task_1\n", [WaitFor("task_1")]),
        (["task_1", "6b1f0c9e-0000-4000-8000-000000000000"], None),
        (BATCH, [WaitFor(**BATCH)]),
        ({"batch_id": "btch_2"}, [WaitFor(None, "btch_2")]),
        (WaitFor("task_1"), [WaitFor("task_1")]),
        (["task_1", BATCH, ["task_3", [BATCH]], "task_1"], ["task_1", BATCH, "task_3"]),
        (Lazy([BATCH], None, ["task_1", "task_1"]), [BATCH, "task_1"]),
        ((one for one in ["task_1", "task_2"]), ["task_1", "task_2"]),
        (("task_1", {"task_2": 1}.keys()), ["task_1", "task_2"]),
    ],
)
def test_ids_and_waits_in_any_nesting_come_out_once_each_in_order(given: Any, waits: Any) -> None:
    assert flattened(given) == [WaitFor.of(wait) for wait in (given if waits is None else waits)]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "  ",
        "None",
        "[]",
        "[{'task_id': 'task_1'}]",
        "task_1, task_2",
        7,
        [True],
        {},
        {"task_id": None, "batch_id": None},
        {"task_id": 7},
        {"bucket": "bkt_1"},
        b"task_1",
    ],
)
def test_what_is_no_id_is_an_error_and_not_a_task_that_is_lost(server: Emulator, bad: Any) -> None:
    with pytest.raises(MixpeekConfigError) as caught:
        sensor(["task_1", bad]).poke(context())
    assert "waits" in str(caught.value)
    assert server.state()["requests"] == []


# -- not well ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["FAILED", "CANCELED"])
def test_failed_work_is_an_error_with_the_vendors_reason(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]], word: str
) -> None:
    server.fault({"fault": "task_outcome", "status": word, "error": "the extractor ran out of memory"})
    wait = submitted()
    clock.now += 10
    with pytest.raises(MixpeekTaskFailedError) as caught:
        sensor([wait]).execute(context())
    assert wait["batch_id"] in str(caught.value)
    assert word in str(caught.value)
    assert "the extractor ran out of memory" in str(caught.value)
    assert not isinstance(caught.value, MixpeekTaskPartialError)


def test_a_single_failure_among_many_ends_the_wait_and_says_what_runs_on(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "FAILED", "skip": 1, "times": 1})
    waits = [submitted(), submitted()]
    clock.now += 10
    running = submitted()
    with pytest.raises(MixpeekTaskFailedError) as caught:
        sensor([*waits, running]).poke(context())
    said = str(caught.value)
    assert waits[1]["batch_id"] in said
    assert waits[0]["batch_id"] not in said
    assert "1 more were still running; they are no longer watched" in said


def test_many_failures_are_named_ten_at_most_the_worst_first(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault(
        {"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "times": 11},
        {"fault": "task_outcome", "status": "FAILED"},
    )
    waits = [submitted() for _ in range(12)]
    clock.now += 10
    with pytest.raises(MixpeekTaskFailedError) as caught:
        sensor(waits).poke(context())
    said = str(caught.value)
    assert not isinstance(caught.value, MixpeekTaskPartialError)
    assert said.startswith(f"batch {waits[-1]['batch_id']} failed")
    assert sum(wait["batch_id"] in said for wait in waits) == 10
    assert "and 2 more" in said


def test_partial_work_is_an_error_that_names_what_failed(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "error": "unreadable image"})
    wait = submitted()
    clock.now += 10
    with pytest.raises(MixpeekTaskPartialError, match=r"in part .* unreadable image"):
        sensor([wait]).poke(context())


def test_partial_work_is_taken_and_logged_where_that_is_said(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "error": "unreadable image"})
    wait = submitted()
    clock.now += 10
    with capture_logs() as logs:
        assert sensor([wait], partial_ok=True).poke(context()) is True
    (warning,) = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert wait["batch_id"] in warning
    assert "unreadable image" in warning


def test_partial_ok_takes_no_failed_work(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "FAILED"})
    wait = submitted()
    clock.now += 10
    with pytest.raises(MixpeekTaskFailedError):
        sensor([wait], partial_ok=True).poke(context())


def test_draft_is_lag_at_first_and_then_nobody_has_submitted_it(
    clock: Clock, draft: Callable[[], WaitFor]
) -> None:
    wait = sensor(draft().as_dict())
    assert wait.poke(context()) is False
    clock.now += 59
    assert wait.poke(context()) is False
    clock.now += 1
    with pytest.raises(MixpeekNotSubmittedError, match="never submitted"):
        wait.poke(context())


def test_unknown_id_is_lag_at_first_and_then_lost(server: Emulator, clock: Clock) -> None:
    wait = sensor("task_forgotten")
    assert wait.poke(context()) is False
    clock.now += 59
    assert wait.poke(context()) is False
    clock.now += 1
    with pytest.raises(MixpeekTaskLostError, match=r"task task_forgotten lost: .*404"):
        wait.poke(context())


def test_lag_is_counted_from_the_first_of_all_reschedules(server: Emulator, clock: Clock) -> None:
    started = datetime.fromtimestamp(clock.now, UTC)
    clock.now += 59
    assert sensor("task_forgotten", mode="reschedule").poke(context(started)) is False
    clock.now += 1
    with pytest.raises(MixpeekTaskLostError):
        sensor("task_forgotten", mode="reschedule").poke(context(started))


def test_unknown_word_is_logged_once_waited_on_and_named_at_the_end(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "PONDERING"})
    wait = sensor([submitted()])
    clock.now += 10
    with capture_logs() as logs:
        assert [wait.poke(context()) for _ in range(3)] == [False, False, False]
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "'PONDERING'" in str(warnings)
    with pytest.raises(AirflowSensorTimeout, match="PONDERING"):
        sensor(wait.task_ids, timeout=0).execute(context())


def test_ends_are_told_from_each_other_by_airflow() -> None:
    for final in (MixpeekTaskPartialError, MixpeekNotSubmittedError, MixpeekTaskLostError):
        assert issubclass(final, AirflowFailException)
    assert not issubclass(MixpeekLostContactError, AirflowFailException)
    assert str(pickle.loads(pickle.dumps(MixpeekTaskLostError("batch b lost.")))) == "batch b lost."


# -- the deadline ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_deadline_is_giving_up_and_not_a_failure(
    server: Emulator, submitted: Callable[[], dict[str, Any]], mode: str
) -> None:
    waits = [submitted(), submitted()]
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(AirflowSensorTimeout) as caught:
        sensor(waits, mode=mode, timeout=0).execute(context(long_ago))
    said = str(caught.value)
    assert said.startswith("Gave up waiting, which does not mean that anything failed: 2 not done")
    assert f"batch {waits[0]['batch_id']} (PENDING)" in said


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_deadline_is_giving_up_with_soft_fail_too(
    server: Emulator, submitted: Callable[[], dict[str, Any]], mode: str
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(AirflowSkipException, match=r"^Gave up waiting.*1 not done.*timed out"):
        sensor([submitted()], mode=mode, timeout=0, soft_fail=True).execute(context(long_ago))


def test_deadline_while_the_server_is_down_says_so(
    server: Emulator, submitted: Callable[[], dict[str, Any]]
) -> None:
    waits = [submitted()]
    server.fault({"fault": "status", "status": 503})
    with pytest.raises(AirflowSensorTimeout, match=r"no status seen; then 1 failed looks"):
        sensor(waits, timeout=0).execute(context())


def test_what_is_done_at_the_deadline_is_done(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    wait = submitted()
    clock.now += 10
    assert sensor([wait], timeout=0).execute(context()) is None


def test_before_the_deadline_reschedule_mode_frees_the_worker(
    server: Emulator, submitted: Callable[[], dict[str, Any]]
) -> None:
    with pytest.raises(AirflowRescheduleException):
        sensor([submitted()], mode="reschedule", timeout=60).execute(context())


def test_skip_after_a_failure_says_what_failed(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "FAILED", "error": "out of memory"})
    wait = submitted()
    clock.now += 10
    with pytest.raises(AirflowSkipException, match=r"out of memory.*soft_fail"):
        sensor([wait], soft_fail=True).execute(context())


# -- looks that fail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"fault": "status", "status": 503}, {"fault": "reset_before"}, {"fault": "reset_after"}]
)
def test_server_that_is_down_for_some_looks_is_borne(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]], fault: dict[str, Any]
) -> None:
    wait = sensor([submitted()], max_failed_looks=2)
    server.fault({"path": BATCHES, "times": 2, **fault})
    with capture_logs() as logs:
        assert [wait.poke(context()) for _ in range(2)] == [False, False]
    assert len([entry for entry in logs if "borne" in str(entry)]) == 2
    clock.now += 10
    assert wait.poke(context()) is True


def test_too_many_failed_looks_are_lost_contact_which_a_retry_may_mend(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    wait = sensor([submitted()], max_failed_looks=2, soft_fail=True)
    server.fault({"path": BATCHES, "fault": "status", "status": 503, "times": 4})
    with pytest.raises(MixpeekLostContactError) as caught:
        wait.execute(context())
    assert "says nothing about the work: 3 looks in a row failed" in str(caught.value)
    # The next try, perhaps of the same object: it counts anew, and does not take the work for done.
    with pytest.raises(AirflowSkipException):
        _with(wait, timeout=0).execute(context())
    clock.now += 10
    assert _with(wait, timeout=60).execute(context()) is None


def _with(wait: MixpeekTaskSensor, **attributes: Any) -> MixpeekTaskSensor:
    for name, value in attributes.items():
        setattr(wait, name, value)
    return wait


def test_lost_contact_with_silent_fail_goes_on_waiting(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    wait = sensor([submitted()], max_failed_looks=0)
    server.fault({"path": BATCHES, "fault": "status", "status": 503, "times": 1})
    with pytest.raises(MixpeekLostContactError):
        wait.poke(context())
    # Airflow swallowed it and looks again: what nobody saw done is not done.
    assert wait.poke(context()) is False
    clock.now += 10
    assert wait.poke(context()) is True


def test_reschedule_mode_bears_all_failed_looks(
    server: Emulator, submitted: Callable[[], dict[str, Any]]
) -> None:
    waits = [submitted()]
    server.fault({"path": BATCHES, "fault": "status", "status": 503})
    for _ in range(3):
        assert sensor(waits, mode="reschedule", max_failed_looks=0).poke(context()) is False


def test_failed_work_weighs_more_than_lost_contact(
    server: Emulator, clock: Clock, submitted: Callable[[], dict[str, Any]]
) -> None:
    server.fault({"fault": "task_outcome", "status": "FAILED", "times": 1})
    failed, running = submitted(), submitted()
    clock.now += 10
    server.fault({"path": f"*/{running['batch_id']}", "fault": "status", "status": 503})
    with pytest.raises(MixpeekTaskFailedError) as caught:
        sensor([running, failed], max_failed_looks=0).poke(context())
    assert "lost contact" in str(caught.value)


def test_wrong_key_is_not_borne(server: Emulator, submitted: Callable[[], dict[str, Any]]) -> None:
    wait = sensor([submitted()])
    server.fault({"path": BATCHES, "fault": "status", "status": 401})
    with pytest.raises(MixpeekAuthenticationError, match="Check the API key") as caught:
        wait.execute(context())
    assert KEY not in str(caught.value)


# -- in a DAG ----------------------------------------------------------------------------------------------


def test_airflow_does_with_each_end_what_it_should(
    make_emulator: Callable[..., Emulator],
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = make_emulator(task_seconds=0.5)
    uri = f"mixpeek://:{KEY}@{server.url.removeprefix('http://')}?namespace=shop"
    monkeypatch.setenv("AIRFLOW_CONN_MIXPEEK_DEFAULT", uri)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        bucket = mixpeek.buckets.create("notes", schema={"note": "text"})
        note = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}

        def submit(outcome: str) -> str:
            server.fault({"fault": "task_outcome", "status": outcome, "error": "out of memory", "times": 1})
            stored = mixpeek.objects.create(bucket.bucket_id, blobs=[note])
            batch = mixpeek.batches.create(bucket.bucket_id, [stored.object_id])
            return mixpeek.batches.submit(bucket.bucket_id, batch.batch_id, force=True).task_id

        good, bad, odd, unseen = (submit(word) for word in ("COMPLETED", "FAILED", "PONDERING", "COMPLETED"))
    # The first tries of the last see nothing but a server that is down.
    server.fault({"path": f"*/{unseen}", "fault": "status", "status": 503, "times": 2})

    again = {"retries": 1, "retry_delay": 0, "poke_interval": 0.1}
    with DAG("ends") as dag:
        MixpeekTaskSensor(task_id="done", task_ids=good, **again)
        MixpeekTaskSensor(
            task_id="done_rescheduled", task_ids="{{ params.task }}", mode="reschedule", **again
        )
        MixpeekTaskSensor(task_id="failed", task_ids=bad, **again)
        MixpeekTaskSensor(task_id="failed_softly", task_ids=bad, soft_fail=True, mode="reschedule", **again)
        MixpeekTaskSensor(task_id="gave_up", task_ids=odd, timeout=0.3, mode="reschedule", **again)
        MixpeekTaskSensor(task_id="lost_contact", task_ids=unseen, max_failed_looks=1, **again)
    dag.params["task"] = good
    run = run_dag(dag)

    ends = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    assert ends == {
        "done": ("success", 1),
        "done_rescheduled": ("success", 1),
        "failed": ("failed", 1),
        "failed_softly": ("skipped", 1),
        "gave_up": ("failed", 1),
        "lost_contact": ("success", 2),
    }
    said = capfd.readouterr().out
    assert "Gave up waiting, which does not mean that anything failed" in said
    assert KEY not in said
