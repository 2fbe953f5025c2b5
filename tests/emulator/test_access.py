"""Who gets in, where to, and what a body must be before anybody reads it."""

from __future__ import annotations

import gzip

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator


def error_of(answer: httpx.Response, status: int, kind: str) -> dict:
    """The error of an answer in the vendor's envelope."""
    body = answer.json()
    assert (answer.status_code, body["success"], body["status"]) == (status, False, status), answer.text
    assert body["error"]["type"] == kind
    assert body["error"]["message"]
    return body["error"]


def test_health_needs_no_key(emulator: Emulator):
    for path in ("/v1/health", "/v1/health/liveness"):
        assert httpx.get(emulator.url + path).json()["status"] == "OK"


@pytest.mark.parametrize(
    "path", ["/v1/health/deep", "/v1/me", "/v1/buckets", "/v1/tasks/x", "/v1/namespaces"]
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic abc"}])
def test_the_rest_needs_a_key(emulator: Emulator, path: str, headers: dict):
    error_of(httpx.get(emulator.url + path, headers=headers), 401, "UnauthorizedError")


def test_only_the_named_keys_pass(make_emulator, connect):
    emulator = make_emulator(api_keys=("sk_one", "sk_two"))
    for key in ("sk_one", "sk_two"):
        assert connect(emulator, Authorization=f"Bearer {key}").get("/v1/me").status_code == 200
    answer = connect(emulator, Authorization="Bearer sk_other").get("/v1/me")
    error_of(answer, 401, "UnauthorizedError")
    assert "sk_" not in answer.text


def test_who_am_i_shows_no_key(api: httpx.Client):
    answer = api.get("/v1/me")
    assert "WRITE" in answer.json()["key"]["permissions"]
    assert "sk_test" not in answer.text


def test_a_missing_namespace_is_named(emulator: Emulator):
    for method, path in (("GET", "/v1/buckets"), ("GET", "/v1/buckets/x"), ("POST", "/v1/buckets/list")):
        answer = httpx.request(method, emulator.url + path, headers={"Authorization": "Bearer k"})
        assert "X-Namespace" in error_of(answer, 400, "BadRequestError")["message"]


def test_an_unknown_namespace_lists_nothing_and_says_so(make_emulator, connect):
    api = connect(make_emulator(namespaces=["shop"]), X_Namespace="shpo")
    calls = [
        ("GET", "/v1/buckets"),
        ("POST", "/v1/buckets/list"),
        ("GET", "/v1/buckets/x/objects"),
        ("POST", "/v1/buckets/x/objects/list"),
        ("POST", "/v1/buckets/x/batches/list"),
    ]
    for method, path in calls:
        answer = api.request(method, path)
        assert answer.status_code == 200
        assert answer.headers["X-Namespace-Unresolved"] == "shpo"
        assert answer.json()["results"] == []
        warning = answer.json()["warnings"][0]
        assert (warning["resource"], warning["reason"]) == ("namespace", "unresolved")
        assert "shpo" in warning["next_step"]


def test_an_unknown_namespace_is_404_elsewhere(make_emulator, connect):
    api = connect(make_emulator(namespaces=["shop"]), X_Namespace="shpo")
    body = {"bucket_name": "a", "bucket_schema": {"properties": {}}}
    for answer in (api.post("/v1/buckets", json=body), api.get("/v1/buckets/x"), api.delete("/v1/buckets/x")):
        assert "shpo" in error_of(answer, 404, "NotFoundError")["message"]


def test_namespaces_are_worlds_of_their_own(emulator: Emulator, connect, new_bucket):
    here, there = connect(emulator, X_Namespace="here"), connect(emulator, X_Namespace="there")
    path = new_bucket(here)
    assert there.get(path).status_code == 404
    assert there.get("/v1/buckets").json()["results"] == []
    # The same name is free there.
    new_bucket(there)


def test_a_namespace_is_known_by_its_id_too(make_emulator, connect, new_bucket):
    emulator = make_emulator(namespaces=["shop", "lab"])
    by_name = connect(emulator)
    listed = {each["namespace_name"]: each for each in by_name.get("/v1/namespaces").json()["results"]}
    assert set(listed) == {"shop", "lab"}
    path = new_bucket(by_name)
    assert connect(emulator, X_Namespace=listed["shop"]["namespace_id"]).get(path).status_code == 200
    assert by_name.get("/v1/namespaces/lab").json()["namespace_id"] == listed["lab"]["namespace_id"]
    assert by_name.get("/v1/namespaces/shop").json()["bucket_count"] == 1
    error_of(by_name.get("/v1/namespaces/nope"), 404, "NotFoundError")
    searched = by_name.post("/v1/namespaces/list", json={"search": "LA"}).json()
    assert [each["namespace_name"] for each in searched["results"]] == ["lab"]


def test_tasks_and_batches_by_id_need_no_namespace(emulator: Emulator):
    for path in ("/v1/tasks/x", "/v1/batches/x"):
        answer = httpx.get(emulator.url + path, headers={"Authorization": "Bearer k"})
        error_of(answer, 404, "NotFoundError")


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/healthcheck", "/v1/buckets/", "/v1/buckets/a/collections", "/v1/tasks", "/docs"]
)
def test_unknown_paths_are_404_in_the_envelope(api: httpx.Client, path: str):
    error_of(api.get(path), 404, "NotFoundError")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/buckets/create"),
        ("POST", "/v1/buckets/x/objects/create"),
        ("PUT", "/v1/buckets"),
        ("DELETE", "/v1/me"),
    ],
)
def test_a_wrong_method_is_405_in_the_envelope(api: httpx.Client, method: str, path: str):
    error_of(api.request(method, path, json={}), 405, "MethodNotAllowedError")


@pytest.mark.parametrize(
    "content",
    [b"{", b'{"price": NaN}', b'{"price": Infinity}', b'{"price": -Infinity}', b"\xff", b'{"a": 1e999}'],
)
def test_what_is_no_json_is_refused_and_counted(
    emulator: Emulator, api: httpx.Client, bucket: str, content: bytes
):
    answer = api.post(f"{bucket}/objects", content=content, headers={"Content-Type": "application/json"})
    problem = error_of(answer, 422, "ValidationError")["details"]["validation_errors"][0]
    assert problem["type"] == "json_invalid"
    assert emulator.state()["invalid_json"] == 1
    assert emulator.state()["objects"] == 0


@pytest.mark.parametrize("json", [[], "text", 7])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, bucket: str, json):
    for path in ("/v1/buckets", f"{bucket}/objects", f"{bucket}/objects/batch", f"{bucket}/batches"):
        error = error_of(api.post(path, json=json), 422, "ValidationError")
        assert error["details"]["validation_errors"][0]["location"] == ["body"]


def test_a_missing_body_is_refused_where_one_is_needed(api: httpx.Client, bucket: str):
    for path in ("/v1/buckets", f"{bucket}/objects", f"{bucket}/objects/batch", f"{bucket}/batches"):
        error = error_of(api.post(path), 422, "ValidationError")
        assert error["details"]["validation_errors"] == [
            {"type": "missing", "location": ["body"], "message": "Field required"}
        ]


def test_another_media_type_is_refused(api: httpx.Client):
    answer = api.post("/v1/buckets", content=b"{}", headers={"Content-Type": "text/plain"})
    assert "text/plain" in error_of(answer, 422, "ValidationError")["message"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=10001", "page=0", "cursor=zzz"]
)
def test_paging_out_of_range_is_refused(api: httpx.Client, query: str):
    error = error_of(api.get(f"/v1/buckets?{query}"), 422, "ValidationError")
    assert error["details"]["validation_errors"][0]["location"] == ["query", query.partition("=")[0]]


def test_nothing_is_compressed(api: httpx.Client, bucket: str):
    """Neither answers, however willing the client, nor are compressed bodies read."""
    answer = api.get(bucket, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in answer.headers
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = api.post(f"{bucket}/objects", content=gzip.compress(b"{}"), headers=headers)
    assert refused.json()["error"]["details"]["validation_errors"][0]["type"] == "json_invalid"
