"""Waiting with the clients: what is taken, what comes back, what an error tells; looks go together."""

import asyncio
import pickle
import threading
import time
from dataclasses import replace

import pytest

from airflow_provider.mixpeek.client import (
    AsyncMixpeekClient,
    MixpeekAuthenticationError,
    MixpeekClient,
    MixpeekConfigError,
    MixpeekStoppedError,
    MixpeekWaitTimeoutError,
    MixpeekWorkError,
    MixpeekWorkFailedError,
    WaitFor,
)
from airflow_provider.mixpeek.client._flow import Sleep, Together
from airflow_provider.mixpeek.client._transport import AT_ONCE, adrive, drive
from airflow_provider.mixpeek.client._waits import look_at
from airflow_provider.mixpeek.waiting import Seen

KEY = "sk_waits_5d0e"
BATCH = "/v1/buckets/{bucket_identifier}/batches/{batch_id}"
TASK = "/v1/tasks/{task_id}"
NOTE = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}


class Clock:
    now = 1_800_000_000.0

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 0)

    async def asleep(self, seconds):
        self.sleep(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(make_emulator, clock):
    return make_emulator(task_seconds=10, submit_interval=0, clock=clock.time)


@pytest.fixture
def mixpeek(server, clock):
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as client:
        client._face(replace(client.session, wall=clock.time), client._transport, clock.sleep)
        yield client


@pytest.fixture
def submitted(mixpeek):
    """Submits a batch of one object, and returns its task."""

    def make():
        bucket = mixpeek.buckets.create("notes", schema={"note": "text"}, if_exists="reuse")
        stored = mixpeek.objects.create(bucket.bucket_id, blobs=[NOTE])
        batch = mixpeek.batches.create(bucket.bucket_id, [stored.object_id])
        return mixpeek.batches.submit(bucket.bucket_id, batch.batch_id, force=True)

    return make


def test_ids_tasks_batches_and_waits_are_waited_for(mixpeek, submitted):
    task = submitted()
    batch = mixpeek.batches.get(task.bucket_id, task.batch_id)
    whole = WaitFor(task.task_id, task.batch_id, task.bucket_id)
    for given in (task, batch, [task, [batch]], whole, whole.as_dict()):
        assert mixpeek.tasks.wait(given).done == (whole,)
    assert mixpeek.tasks.wait(task.task_id).done == (WaitFor(task.task_id),)
    only_batch = WaitFor(None, task.batch_id, task.bucket_id)
    assert mixpeek.batches.wait(task.bucket_id, task.batch_id).done == (only_batch,)
    assert mixpeek.batches.wait(task.bucket_id, [task.batch_id, task.batch_id]).done == (only_batch,)
    assert mixpeek.tasks.wait([]).done == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"timeout": -1},
        {"timeout": float("inf")},
        {"timeout": float("nan")},
        {"max_failed_looks": -1},
        {"tasks": 7},
        {"tasks": "no id"},
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(mixpeek, server, bad):
    with pytest.raises(MixpeekConfigError):
        mixpeek.tasks.wait(**{"tasks": ["task_1"]} | bad)
    assert server.state()["requests"] == []


def test_progress_is_told_after_each_round(mixpeek, submitted, clock):
    first = submitted()
    clock.now += 5
    told = []
    mixpeek.tasks.wait([first, submitted()], progress=lambda done, of: told.append((done, of)))
    assert told[0] == (0, 2)
    assert (1, 2) in told
    assert told[-1] == (2, 2)


def test_partial_work_is_handed_on(mixpeek, server, submitted):
    server.fault({"fault": "task_outcome", "status": "COMPLETED_WITH_ERRORS", "error": "blurred", "times": 1})
    whole, part = submitted(), submitted()
    waited = mixpeek.tasks.wait([whole, part], partial_ok=True)
    (said,) = waited.partial.values()
    assert "blurred" in said
    assert len(waited.done) == 2


def test_error_says_what_failed_and_what_runs_on_and_travels(mixpeek, server, submitted, clock):
    server.fault({"fault": "task_outcome", "status": "FAILED", "error": "No.", "times": 1})
    failed = submitted()
    clock.now += 5
    running = submitted()
    with pytest.raises(MixpeekWorkFailedError, match=r"No\..*1 more were still running") as caught:
        mixpeek.tasks.wait([running, failed])
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.running, list(error.ends)) == ((running.wait_for,), [failed.wait_for])
    assert str(error) == str(caught.value)
    assert isinstance(error, MixpeekWorkError)


def test_deadline_is_a_timeout_that_says_it_is_no_failure(mixpeek, server, submitted, clock):
    server.fault({"fault": "task_outcome", "status": "QUEUED"})
    task, began = submitted(), clock.now
    with pytest.raises(TimeoutError, match="does not mean that anything failed") as caught:
        mixpeek.tasks.wait(task, timeout=100)
    assert isinstance(caught.value, MixpeekWaitTimeoutError)
    assert 100 <= clock.now - began < 101


def test_wall_clock_that_is_set_back_delays_no_look(mixpeek, submitted, clock):
    behind = [0.0]
    wall = replace(mixpeek.session, wall=lambda: clock.now - behind[0])
    mixpeek._face(wall, mixpeek._transport, mixpeek._sleep)
    task, began = submitted(), clock.now

    def set_back(*_):
        behind[0] = 7_200.0

    mixpeek.tasks.wait(task, progress=set_back)
    assert clock.now - began < 30


def test_wrong_key_is_not_waited_on(mixpeek, server, submitted):
    tasks = [submitted() for _ in range(3)]
    server.fault({"path": BATCH, "fault": "status", "status": 401})
    with pytest.raises(MixpeekAuthenticationError):
        mixpeek.tasks.wait(tasks)


def test_wait_can_be_stopped(mixpeek, submitted):
    stop = threading.Event()
    stop.set()
    with pytest.raises(MixpeekStoppedError):
        mixpeek.stopped_by(stop).tasks.wait(submitted())


def test_both_faces_work_where_a_loop_runs(mixpeek, server, submitted, clock):
    """As in a notebook's cell: the one blocks it, the other is awaited."""

    async def cell():
        assert len(mixpeek.tasks.wait(submitted()).done) == 1
        async with AsyncMixpeekClient(KEY, namespace="shop", base_url=server.url) as awaited:
            awaited._face(replace(awaited.session, wall=clock.time), awaited._transport, clock.asleep)
            task = submitted()
            waited = await awaited.tasks.wait(task)
            assert waited.done == (task.wait_for,)
            assert (await awaited.batches.wait(task.bucket_id, [task.batch_id])).partial == {}

    asyncio.run(cell())


# --- together ---


def flow_of(number, under_way, most):
    under_way.add(number)
    most.append(len(under_way))
    yield Sleep(0.01)
    under_way.discard(number)
    if number == 77:
        raise MixpeekConfigError("no 77")
    return number


def many(numbers, under_way, most):
    return (yield Together([flow_of(number, under_way, most) for number in numbers]))


async def refuse_to_send(_):
    raise AssertionError("nothing is sent")


DRIVERS = [
    lambda flow: drive(flow, refuse_to_send, time.sleep),
    lambda flow: asyncio.run(adrive(flow, refuse_to_send)),
]


@pytest.mark.parametrize("run", DRIVERS)
def test_flows_are_done_several_at_once_and_answered_in_order(run):
    under_way, most = set(), []
    assert run(many(range(50), under_way, most)) == list(range(50))
    assert 1 < max(most) <= AT_ONCE
    assert run(many([], under_way, most)) == []
    assert run(many([5], under_way, most)) == [5]


def test_all_who_wait_with_one_client_share_the_places(make_emulator):
    server = make_emulator(latency=0.02, task_seconds=600, submit_interval=0)
    with MixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
        bucket = mixpeek.buckets.create("notes", schema={"note": "text"}).bucket_id
        object_id = mixpeek.objects.create(bucket, blobs=[NOTE]).object_id
        batches = [mixpeek.batches.create(bucket, [object_id]).batch_id for _ in range(40)]
    under_way, most = 0, 0

    async def looked():
        async with AsyncMixpeekClient(KEY, namespace="shop", base_url=server.url) as mixpeek:
            send = mixpeek._transport.send

            async def counted(request):
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)
                try:
                    return await send(request)
                finally:
                    under_way -= 1

            mixpeek._transport.send = counted
            waits = [WaitFor(None, batch, bucket) for batch in batches]
            looks = await asyncio.gather(*(mixpeek.run(look_at(mixpeek.session, waits)) for _ in range(4)))
            return [type(seen) for seen_by_one in looks for _, seen in seen_by_one]

    assert asyncio.run(looked()) == [Seen] * 160
    assert most == AT_ONCE


@pytest.mark.parametrize("run", DRIVERS)
def test_error_of_one_flow_is_the_error_of_all(run):
    def caught():
        try:
            yield from many([1, 77, 2], set(), [])
        except MixpeekConfigError as error:
            return error.message

    with pytest.raises(MixpeekConfigError, match="no 77"):
        run(many([1, 77, 2], set(), []))
    assert run(caught()) == "no 77"


def test_error_of_one_flow_ends_the_others():
    def two():
        return (yield Together([flow_of(77, set(), []), endless()]))

    def endless():
        while True:
            yield Sleep(0.001)

    async def run():
        async with asyncio.timeout(10):
            with pytest.raises(MixpeekConfigError, match="no 77"):
                await adrive(two(), refuse_to_send)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_cancelled_wait_leaves_no_flow_behind():
    under_way = set()

    async def run():
        waiting = asyncio.create_task(adrive(many(range(40), under_way, []), refuse_to_send, never))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(asyncio.all_tasks()) == 1

    async def never(_):
        await asyncio.Event().wait()

    asyncio.run(run())
