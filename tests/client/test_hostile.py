"""Servers that would use up time or memory: a clear error soon, and no more read than an answer can need."""

import time
import tracemalloc

import pytest

from airflow_provider.mixpeek.client import MixpeekAnswerError, MixpeekConnectionError, MixpeekStatusError
from airflow_provider.mixpeek.client._flow import Request
from airflow_provider.mixpeek.client._transport import LARGEST_ANSWER

READ = Request("GET", "/v1/tasks/task_1")
TASK = b'{"task_id": "task_1", "status": "COMPLETED"}'
GIGABYTE = 1024**3


def test_an_answer_of_a_gigabyte_is_not_read(fetch, serve):
    block, sent = b" " * 1024 * 1024, []

    def flood(peer, number):
        peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode())
        for _ in range(1024):
            peer.sendall(block)
            sent.append(len(block))

    server = serve(flood)
    tracemalloc.start()
    try:
        with pytest.raises(MixpeekAnswerError, match=f"larger than {LARGEST_ANSWER:,} bytes"):
            fetch(server.url, READ)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * LARGEST_ANSWER
    assert sum(sent) < 2 * LARGEST_ANSWER


def test_redirects_without_end_are_one_request(connect, serve, http):
    server = serve(lambda peer, number: peer.sendall(http(b"", status="302 Found", headers=to(server))))

    def to(server):
        return f"Location: {server.url}/v1/tasks/{len(server.requests)}\r\n"

    with pytest.raises(MixpeekAnswerError, match=r"redirects \(302\) to 127\.0\.0\.1"):
        connect(server.url).tasks.get("task_1")
    assert len(server.requests) == 1


def test_more_than_was_announced_is_not_read(connect, serve, http):
    # The end of an answer is where its length says, whatever comes behind it.
    with pytest.raises(MixpeekAnswerError, match="not JSON, or cut off"):
        connect(serve(http(TASK, length=len(TASK) - 3)).url).tasks.get("task_1")
    assert connect(serve(http(TASK + b"more", length=len(TASK))).url).tasks.get("task_1").task_id == "task_1"


@pytest.mark.parametrize("length", ["-1", "1e3", "many", "5, 6", "9" * 30])
def test_a_length_that_is_none_is_a_broken_answer(fetch, serve, length):
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode()
    with pytest.raises((MixpeekConnectionError, MixpeekAnswerError)):
        fetch(serve(answer).url, READ)


def test_an_endless_head_is_cut_off(fetch, serve):
    def flood(peer, number):
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")

    started = time.monotonic()
    with pytest.raises(MixpeekConnectionError, match="the connection broke"):
        fetch(serve(flood).url, READ)
    assert time.monotonic() - started < 3


def test_a_refusal_that_goes_on_for_ever_is_cut_off_too(fetch, serve):
    def flood(peer, number):
        peer.sendall(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            peer.sendall(b"x" * 100_000)

    with pytest.raises(MixpeekAnswerError, match="larger than"):
        fetch(serve(flood).url, READ)


# --- the same from a server that is else in order ---


@pytest.fixture
def bucket(mixpeek):
    return mixpeek.buckets.create("products", schema={"title": "text"}).bucket_id


BROKEN = [{"fault": "reset_before"}, {"fault": "reset_after"}, {"fault": "wrong_length", "extra": 10}]
#: A whole answer of HTTP, and half a JSON: no break of the connection, which a second try would mend.
TRUNCATED = {"fault": "truncated", "bytes": 20}


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault["fault"])
def test_a_broken_answer_is_asked_for_again_where_that_is_safe(mixpeek, bucket, emulator, fault):
    emulator.fault({"path": "/v1/buckets/*/objects/batch", "times": 2, **fault})
    made = mixpeek.objects.create_many(bucket, [{"idempotency_key": "a"}, {"idempotency_key": "b"}])
    assert (len(made.succeeded), emulator.state()["objects"]) == (2, 2)
    emulator.clear_faults()
    emulator.fault({"path": "/v1/buckets/*", "times": 2, **fault})
    assert mixpeek.buckets.get(bucket).object_count == 2


@pytest.mark.parametrize("fault", [*BROKEN, TRUNCATED], ids=lambda fault: fault["fault"])
def test_a_broken_answer_leaves_what_cannot_be_repeated_in_doubt(mixpeek, bucket, emulator, fault):
    emulator.fault({"path": "/v1/buckets/*/objects", **fault})
    with pytest.raises((MixpeekConnectionError, MixpeekAnswerError)) as caught:
        mixpeek.objects.create(bucket)
    assert caught.value.may_be_stored
    assert emulator.faults()[0]["matched"] == 1
    assert emulator.state()["objects"] == (0 if fault["fault"] == "reset_before" else 1)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_gateway_that_fails_leaves_it_in_doubt_too(mixpeek, bucket, emulator, status):
    emulator.fault({"path": "/v1/buckets/*/objects", "fault": "status", "status": status, "after": True})
    with pytest.raises(MixpeekStatusError, match=str(status)) as caught:
        mixpeek.objects.create(bucket)
    assert caught.value.may_be_stored
    assert emulator.state()["objects"] == 1
