"""Real sockets: servers that answer late, too much, half, or something else than the API."""

import contextlib
import gzip
import itertools
import json
import pickle
import socket
import threading
import time
import traceback
import zlib

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekAnswerError,
    MixpeekClient,
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekError,
    MixpeekStatusError,
    MixpeekStoppedError,
    MixpeekTimeoutError,
    _transport,
)
from airflow_provider.mixpeek.client._calls import path
from airflow_provider.mixpeek.client._flow import Request

READ = Request("GET", "/v1/tasks/task_1")
WRITE = Request("POST", "/v1/buckets", body=b"{}")
TASK = b'{"task_id": "task_1", "status": "COMPLETED"}'
KEY = "sk_live_do_not_tell_0123456789"


def assert_no_key(error):
    shown = [str(error), repr(error), *traceback.format_exception(error), repr(pickle.dumps(error))]
    assert not [text for text in shown if KEY in text]
    # The library's own error would hold the request, and that the key.
    assert (error.__cause__, error.__context__) == (None, None)


# --- what is sent ---


def test_a_request_carries_key_namespace_and_body(connect, serve, http):
    server = serve(http(b'{"bucket_id": "bkt_1"}'))
    connect(server.url + "/v1", namespace="shop").buckets.delete("bkt_1")
    head = server.requests[0].decode().lower()
    assert head.startswith("delete /v1/buckets/bkt_1 http/1.1\r\n")
    for line in (f"authorization: bearer {KEY}", "x-namespace: shop", "accept-encoding: gzip"):
        assert f"\r\n{line}\r\n" in head
    assert "\r\nuser-agent: airflow-provider-mixpeek/" in head


def test_a_prefix_of_the_path_is_kept(connect, serve, http):
    server = serve(http(b"{}"))
    connect(f"{server.url}/gateway/v1", namespace=None).health()
    head = server.requests[0].decode().lower()
    assert head.startswith("get /gateway/v1/health ")
    assert "x-namespace" not in head


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("task_1", "task_1"),
        ("a/b", "a%2Fb"),
        ("a/../b", "a%2F..%2Fb"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
        ("t\u00fc \u2603", "t%C3%BC%20%E2%98%83"),
        ("a\r\nX: 1", "a%0D%0AX%3A%201"),
        ("...", "..."),
    ],
)
def test_ids_stay_in_their_segment(connect, serve, http, given, sent):
    server = serve(http(TASK))
    connect(server.url).tasks.get(given)
    assert server.requests[0].startswith(f"GET /v1/tasks/{sent} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("given", ["", ".", "..", None, 7])
def test_what_is_no_id_is_refused(given):
    with pytest.raises(MixpeekConfigError, match="is not an id"):
        path("buckets", given)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(connect, serve, http, status):
    elsewhere = serve(http(TASK))
    location = f"Location: {elsewhere.url}/v1/tasks/task_1?{KEY}\r\n"
    server = serve(http(b"", status=f"{status} Moved", headers=location))
    with pytest.raises(MixpeekAnswerError, match=r"redirects .* to 127\.0\.0\.1") as caught:
        connect(server.url).tasks.get("task_1")
    assert_no_key(caught.value)
    assert (len(server.requests), elsewhere.requests) == (1, [])


def test_the_proxy_of_the_environment_never_sees_what_is_for_this_machine(fetch, serve, http, monkeypatch):
    proxy, server = serve(http(b"{}")), serve(http(TASK))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    assert fetch(server.url, READ).content == TASK
    assert proxy.requests == []


# --- what comes back instead of an answer ---


def _close(peer, number):
    pass


def _reset(peer, number):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@pytest.mark.parametrize(("handle", "read"), [(_close, True), (_close, False), (_reset, True)])
@pytest.mark.parametrize("asked", [READ, WRITE])
def test_a_connection_that_breaks_leaves_writes_in_doubt(fetch, serve, asked, handle, read):
    with pytest.raises(MixpeekConnectionError, match="the connection broke") as caught:
        fetch(serve(handle, read=read).url, asked)
    error = caught.value
    assert (error.may_be_stored, error.retryable) == (asked is WRITE, True)
    assert_no_key(error)


@pytest.mark.parametrize("asked", [READ, WRITE])
def test_a_server_that_is_down_stored_nothing(fetch, asked):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MixpeekConnectionError, match=r"cannot be reached.*Check the base URL") as caught:
        fetch(f"http://127.0.0.1:{port}", asked)
    assert not caught.value.may_be_stored
    assert_no_key(caught.value)


def test_a_server_that_speaks_no_tls_is_unreachable(fetch, serve, http):
    with pytest.raises(MixpeekConnectionError, match="cannot be reached"):
        fetch(serve(http(b"{}"), read=False).url.replace("http:", "https:"), READ)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
    ids=["short", "half-a-chunk", "huge-header", "ssh", "no-status", "half-a-header"],
)
def test_half_an_answer_is_a_broken_connection(fetch, serve, answer):
    with pytest.raises(MixpeekConnectionError, match="the connection broke") as caught:
        fetch(serve(answer).url, WRITE)
    assert caught.value.may_be_stored
    assert_no_key(caught.value)


def _silent(release):
    return lambda peer, number: release.wait(5)


def test_a_silent_server_runs_into_the_timeout(fetch, serve):
    release = threading.Event()
    started = time.monotonic()
    with pytest.raises(
        MixpeekTimeoutError, match=r"no answer in time.*Raise the connection's timeout"
    ) as caught:
        fetch(serve(_silent(release)).url, WRITE, timeout=0.1)
    release.set()
    assert time.monotonic() - started < 2
    assert caught.value.may_be_stored
    assert_no_key(caught.value)


def test_a_dripping_answer_is_held_to_the_timeout_in_whole(fetch, serve):
    def drip(peer, number):
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sendall(b"1\r\n \r\n")
            time.sleep(0.001)

    clock = itertools.count(0.0, 2.0)
    with pytest.raises(MixpeekTimeoutError, match="still coming in after 5 s") as caught:
        fetch(serve(drip).url, WRITE, clock=lambda: next(clock))
    assert caught.value.may_be_stored


def test_the_clock_of_an_answer_starts_when_it_does(fetch, serve, http):
    # A slow upload, or a wait for a free connection, is no reason to throw a whole answer away.
    times = iter([100.0, 101.0, 102.0, 103.0])
    assert fetch(serve(http(TASK)).url, READ, clock=lambda: next(times)).content == TASK


def test_an_endless_answer_is_cut_off(fetch, serve, monkeypatch):
    monkeypatch.setattr(_transport, "LARGEST_ANSWER", 300_000)
    sent = []

    def flood(peer, number):
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.sendall(b" " * 10_000)
            sent.append(10_000)

    with pytest.raises(MixpeekAnswerError, match="larger than 300,000 bytes"):
        fetch(serve(flood).url, READ)
    assert sum(sent) < 50_000_000


def test_a_bomb_is_not_unpacked(fetch, serve, http, monkeypatch):
    monkeypatch.setattr(_transport, "LARGEST_ANSWER", 1_000_000)
    bomb = gzip.compress(b"0" * 200_000_000, compresslevel=1)
    with pytest.raises(MixpeekAnswerError, match="larger than 1,000,000 bytes"):
        fetch(serve(http(bomb, headers="Content-Encoding: gzip\r\n")).url, READ)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip, gzip", gzip.compress(gzip.compress(TASK, mtime=0), mtime=0)),
        ("br", b"x"),
        ("zstd", b"x"),
    ],
)
def test_what_cannot_be_decoded_is_an_error(fetch, serve, http, encoding, body):
    with pytest.raises(MixpeekAnswerError, match="cannot be decoded") as caught:
        fetch(serve(http(body, headers=f"Content-Encoding: {encoding}\r\n")).url, WRITE)
    assert caught.value.may_be_stored
    assert_no_key(caught.value)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed_answers_are_read(fetch, serve, http, encoding, pack):
    packed = http(pack(TASK), headers=f"Content-Encoding: {encoding}\r\n")
    assert fetch(serve(packed).url, READ).content == TASK


def test_headers_that_echo_the_key_go_no_further(fetch, connect, serve, http):
    server = serve(http(b"{}", status="400 Bad", headers=f"X-Request-Id: req-{KEY}\r\n"))
    assert fetch(server.url, READ).headers["x-request-id"] == "req-***"
    with pytest.raises(MixpeekStatusError) as caught:
        connect(server.url).tasks.get("task_1")
    assert_no_key(caught.value)


# --- good statuses with bad bodies ---

CREATE = {
    "an object": lambda client: client.objects.create("bkt_1"),
    "objects": lambda client: client.objects.create_many("bkt_1", [{}]),
    "a batch": lambda client: client.batches.create("bkt_1", ["obj_1"]),
    "a submission": lambda client: client.batches.submit("bkt_1", "btch_1"),
}
ASK = {
    "a bucket": lambda client: client.buckets.get("bkt_1"),
    "a task": lambda client: client.tasks.get("task_1"),
    "a list": lambda client: list(client.buckets.list()),
    "health": lambda client: client.health(),
}


@pytest.mark.parametrize("ask", [*CREATE, *ASK])
@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b"<html>Sign in</html>", "text/html", "it is a web page.*Check the base URL"),
        (b"<!doctype html><p>Sign in", "application/json", "it is a web page.*Check the base URL"),
        (b'{"results"', "application/json", "not JSON.*other generation"),
        (b"", "application/json", "not JSON.*other generation"),
        (b"[]", "application/json", "other generation"),
        (b"\xff", "application/json", "not JSON"),
        (b"[" * 5000, "application/json", "not JSON"),
    ],
    ids=["html", "html-as-json", "cut-off", "empty", "list", "not-utf8", "deep"],
)
def test_a_good_status_with_another_body_is_an_error(connect, serve, http, ask, body, kind, why):
    client = connect(serve(http(body, kind=kind)).url)
    with pytest.raises(MixpeekAnswerError, match=why) as caught:
        (CREATE | ASK)[ask](client)
    assert caught.value.may_be_stored is (ask in CREATE)


@pytest.mark.parametrize(
    ("ask", "missing"),
    [
        (CREATE["an object"], "it has no object_id"),
        (CREATE["a batch"], "it has no batch_id"),
        (CREATE["a submission"], "it has no task_id"),
        (ASK["a bucket"], "it has no bucket_id"),
        (ASK["a task"], "it has no task_id"),
        (lambda client: list(client.objects.list("bkt_1")), "it has no results"),
        (CREATE["objects"], "it speaks of 0 objects and 1 were sent"),
    ],
)
@pytest.mark.parametrize("body", [{}, {"results": None, "object_id": None}])
def test_an_answer_without_its_id_asks_for_the_generation(connect, serve, http, ask, missing, body):
    client = connect(serve(http(json.dumps(body).encode())).url)
    with pytest.raises(MixpeekAnswerError, match=f"{missing}.*other generation"):
        ask(client)


def test_a_create_that_lists_stored_nothing_and_is_an_error(connect, serve, http):
    # What a server of the older generation does with this call.
    server = serve(http(b'{"results": [], "pagination": {"total": 0}}'))
    with pytest.raises(MixpeekAnswerError, match=r"it has no bucket_id.*other generation"):
        connect(server.url).buckets.create("b", schema={"a": "text"}, if_exists="reuse")


def test_answers_may_know_more_and_less(connect, serve, http):
    bucket = {
        "bucket_id": "bkt_1",
        "bucket_name": None,
        "bucket_schema": {"properties": None, "new": 1},
        "unique_key": {"fields": None},
        "object_count": None,
        "invented": {"a": None},
    }
    got = connect(serve(http(json.dumps(bucket).encode())).url).buckets.get("bkt_1")
    assert (got.bucket_name, got.bucket_schema.properties, got.unique_key.fields_) == ("", {}, ())
    assert got.invented == {"a": None}
    batch = {"batch_id": "b", "status": None, "failed_objects": None, "object_ids": None, "tier_tasks": None}
    got = connect(serve(http(json.dumps(batch).encode())).url).batches.get("bkt_1", "b")
    assert (got.status, got.failed_objects, got.object_ids) == ("UNKNOWN", [], [])
    found = {"object_id": "o", "blobs": None, "price": None}
    got = connect(serve(http(json.dumps(found).encode())).url).objects.get("bkt_1", "o")
    assert (got.blobs, got.price) == ([], None)


# --- stopping, sharing ---


def test_a_stop_ends_a_wait_within_milliseconds(serve, http):
    server = serve(http(b"{}", status="503 Busy", headers="Retry-After: 100\r\n"))
    stop = threading.Event()
    with MixpeekClient(KEY, base_url=server.url) as client:
        stopped = client.stopped_by(stop)
        threading.Timer(0.05, stop.set).start()
        started = time.monotonic()
        with pytest.raises(MixpeekStoppedError) as caught:
            stopped.objects.create("bkt_1")
        assert time.monotonic() - started < 1
    assert not caught.value.may_be_stored
    assert "POST /v1/buckets/bkt_1/objects" in str(caught.value)


def test_a_stopped_face_shares_gate_and_connections():
    with MixpeekClient(KEY) as client:
        face = client.stopped_by(threading.Event())
        assert (face.session, face._transport) == (client.session, client._transport)


def test_a_429_makes_the_other_threads_wait_too(serve, http):
    answers = [http(b"{}", status="429 Slow", headers="Retry-After: 100\r\n"), http(TASK)]
    server = serve(lambda peer, number: peer.sendall(answers[min(number, 1)]))
    stop = threading.Event()
    errors = []

    def create(client):
        try:
            client.objects.create("bkt_1")
        except MixpeekError as error:
            errors.append(error)

    with MixpeekClient(KEY, base_url=server.url) as client:
        face = client.stopped_by(stop)
        first = threading.Thread(target=create, args=(face,))
        first.start()
        with contextlib.suppress(TimeoutError):
            deadline = time.monotonic() + 5
            while not client.session.gate._lanes["data"].closed_until and time.monotonic() < deadline:
                time.sleep(0.001)
        second = threading.Thread(target=create, args=(face,))
        second.start()
        # Another category is open.
        assert client.tasks.get("task_1").task_id == "task_1"
        stop.set()
        first.join(5)
        second.join(5)
    assert len(server.requests) == 2
    assert [type(error) for error in errors] == [MixpeekStoppedError] * 2
