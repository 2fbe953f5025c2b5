"""The legacy generation: its paths, its words, its errors."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

PROPERTIES = {
    "title": {"type": "text"},
    "hero": {"type": "image"},
    "facts": {"type": "json"},
    "year": {"type": "integer"},
    "papers": {"type": "array", "items": {"type": "pdf"}},
}
BUCKET = {"bucket_name": "products", "bucket_schema": {"properties": PROPERTIES}}
HERO = {"property": "hero", "type": "image", "data": "https://example.com/a.jpg"}


@pytest.fixture
def api(make_emulator, connect) -> httpx.Client:
    return connect(make_emulator(generation="legacy", task_seconds=0))


@pytest.fixture
def bucket(api: httpx.Client) -> str:
    answer = api.post("/v1/buckets/create", json=BUCKET)
    assert answer.status_code == 200, answer.text
    return f"/v1/buckets/{answer.json()['bucket_id']}"


class Shop:
    """A bucket of an emulator in virtual time, whose tasks take ten seconds."""

    def __init__(self, emulator, api: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self.api = api
        self.path = ""

    async def create(self, **body: Any) -> str:
        answer = await self.api.post(f"{self.path}/objects/create", json=body)
        assert answer.status_code == 200, answer.text
        return f"/v1/tasks/{answer.json()['task_id']}"

    async def objects(self, **body: Any) -> list[dict]:
        return (await self.api.post(f"{self.path}/objects?limit=1000", json=body)).json()["results"]

    async def status(self, path: str) -> str:
        return (await self.api.get(path)).json()["status"]


@pytest.fixture
async def shop(in_process) -> Shop:
    shop = Shop(*await in_process(generation="legacy", task_seconds=10))
    made = (await shop.api.post("/v1/buckets/create", json=BUCKET)).json()
    shop.path = f"/v1/buckets/{made['bucket_id']}"
    return shop


def problems_of(answer: httpx.Response) -> dict[tuple, str]:
    """Place to kind of everything a legacy 422 complains of."""
    assert answer.status_code == 422, answer.text
    assert set(answer.json()) == {"detail"}
    assert all(each["msg"] for each in answer.json()["detail"])
    return {tuple(each["loc"]): each["type"] for each in answer.json()["detail"]}


# --- which calls there are ---


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/buckets/list", 405),
        ("POST", "{bucket}/objects/list", 405),
        ("POST", "{bucket}/objects/batch", 405),
        ("POST", "/v1/tasks/list", 405),
        ("GET", "/v1/buckets", 405),
        ("POST", "{bucket}/uploads", 404),
        ("POST", "{bucket}/batches", 404),
        ("POST", "/v1/batches/list", 404),
        ("GET", "/v1/me", 404),
        ("GET", "/v1/health", 404),
    ],
)
def test_calls_of_the_current_generation_are_refused_loudly(
    api: httpx.Client, bucket: str, method: str, path: str, status: int
):
    answer = api.request(method, path.replace("{bucket}", bucket), json={})
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["success"] is False


def test_the_calls_that_change_meaning_read_here(api: httpx.Client, bucket: str):
    """A client of the current generation is told 200, and nothing is stored."""
    listed = api.post("/v1/buckets", json={"bucket_name": "b", "bucket_schema": {"properties": {}}}).json()
    assert [each["bucket_name"] for each in listed["results"]] == ["products"]
    assert "bucket_id" not in listed
    objects = api.post(f"{bucket}/objects", json={"blobs": [HERO], "idempotency_key": "k"}).json()
    assert objects["results"] == []
    assert "object_id" not in objects


def test_health_is_outside_v1_and_needs_no_key(api: httpx.Client):
    assert httpx.get(api.base_url.join("/healthcheck")).json() == {"status": "OK"}


def test_the_rest_needs_a_key(api: httpx.Client, bucket: str):
    for method, path in [("POST", "/v1/buckets"), ("GET", bucket), ("GET", "/v1/tasks")]:
        answer = httpx.request(method, api.base_url.join(path))
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "UnauthorizedError")


# --- namespaces ---


def test_the_namespace_header_is_optional(make_emulator, connect):
    emulator = make_emulator(generation="legacy")
    api = connect(emulator)
    del api.headers["X-Namespace"]
    made = api.post("/v1/buckets/create", json=BUCKET).json()
    path = f"/v1/buckets/{made['bucket_id']}"
    assert api.get(path).status_code == 200
    assert connect(emulator, X_Namespace="default").get(path).status_code == 200
    assert connect(emulator, X_Namespace="shop").get(path).status_code == 404


def test_an_unknown_namespace_is_404(make_emulator, connect):
    api = connect(make_emulator(generation="legacy", namespaces=["shop"]), X_Namespace="shpo")
    for answer in (api.post("/v1/buckets"), api.post("/v1/buckets/create", json=BUCKET)):
        assert answer.status_code == 404
        assert "shpo" in answer.json()["error"]["message"]


def test_namespaces_are_a_bare_array(make_emulator, connect):
    api = connect(make_emulator(generation="legacy", namespaces=["shop"], task_seconds=0))
    extractor = {
        "feature_extractor_name": "f",
        "description": "d",
        "supported_input_types": ["text"],
        "version": "1",
    }
    body = {"namespace_name": "lab", "feature_extractors": [extractor], "description": "x"}
    made = api.post("/v1/namespaces", json=body)
    assert made.status_code == 201
    assert made.json()["status"] == "pending"
    listed = api.get("/v1/namespaces").json()
    assert [each["namespace_name"] for each in listed] == ["shop", "lab"]
    lab = api.get(f"/v1/namespaces/{made.json()['namespace_id']}").json()
    assert (lab["status"], lab["feature_extractors"], lab["description"]) == ("ready", [extractor], "x")
    task = api.get(f"/v1/tasks/{lab['provisioning_task_id']}").json()
    assert task["status"] == "DONE"
    assert api.get("/v1/namespaces/nope").status_code == 404
    assert api.post("/v1/namespaces", json=body).status_code == 409
    assert problems_of(api.post("/v1/namespaces", json={**body, "feature_extractors": []})) == {
        ("body", "feature_extractors"): "too_short"
    }


# --- buckets ---


def test_a_bucket_comes_back_as_it_was_made(api: httpx.Client):
    made = api.post("/v1/buckets/create", json={**BUCKET, "description": "d", "metadata": {"team": "etl"}})
    path = f"/v1/buckets/{made.json()['bucket_id']}"
    bucket = api.get(path).json()
    assert bucket == made.json()
    assert bucket["bucket_schema"] == BUCKET["bucket_schema"]
    assert (bucket["object_count"], bucket["metadata"]) == (0, {"team": "etl"})
    changed = api.put(path, json={"bucket_name": "shoes", "metadata": {"a": 1}, "bucket_schema": {}}).json()
    assert (changed["bucket_name"], changed["metadata"], changed["description"]) == ("shoes", {"a": 1}, "d")
    # The schema is fixed at creation.
    assert changed["bucket_schema"] == BUCKET["bucket_schema"]
    assert api.get(path).json() == changed


def test_a_name_is_taken_once(api: httpx.Client, bucket: str):
    assert api.post("/v1/buckets/create", json=BUCKET).json()["error"]["type"] == "AlreadyExistsError"
    other = api.post("/v1/buckets/create", json={**BUCKET, "bucket_name": "b"}).json()["bucket_id"]
    assert api.put(f"/v1/buckets/{other}", json={"bucket_name": "products"}).status_code == 409
    assert api.put(bucket, json={"bucket_name": "products"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "place", "kind"),
    [
        ({"bucket_name": 7}, ("bucket_name",), "string_type"),
        ({"bucket_schema": {}}, ("bucket_schema", "properties"), "missing"),
        (
            {"bucket_schema": {"properties": {"a": {"type": "IMAGE"}}}},
            ("bucket_schema", "properties", "a", "type"),
            "enum",
        ),
        (
            {"bucket_schema": {"properties": {"a": {"type": "excel"}}}},
            ("bucket_schema", "properties", "a", "type"),
            "enum",
        ),
        ({"metadata": None}, ("metadata",), "dict_type"),
    ],
)
def test_what_a_bucket_may_not_be(api: httpx.Client, change: dict, place: tuple, kind: str):
    assert problems_of(api.post("/v1/buckets/create", json={**BUCKET, **change})) == {("body", *place): kind}


def test_schema_is_not_bucket_schema_and_an_unknown_key_is_ignored(api: httpx.Client):
    body = {"bucket_name": "a", "schema": BUCKET["bucket_schema"]}
    assert problems_of(api.post("/v1/buckets/create", json=body)) == {("body", "bucket_schema"): "missing"}
    assert api.post("/v1/buckets/create", json={**BUCKET, "unique_key": 7}).status_code == 200


def test_buckets_are_listed_in_pages(api: httpx.Client):
    for name in "abcde":
        api.post("/v1/buckets/create", json={**BUCKET, "bucket_name": f"{name} shoes"})
    page = api.post("/v1/buckets?limit=2&offset=2").json()
    assert [each["bucket_name"] for each in page["results"]] == ["c shoes", "d shoes"]
    assert page["pagination"] == {
        "total": 5,
        "page": 2,
        "page_size": 2,
        "total_pages": 3,
        "next_page": "3",
        "previous_page": "1",
    }
    last = api.post("/v1/buckets?limit=2&offset=4").json()["pagination"]
    assert last["next_page"] is None
    body = {"search": "SHOES", "sort": {"field": "bucket_name", "direction": "desc"}}
    found = api.post("/v1/buckets?limit=1", json=body).json()
    assert [each["bucket_name"] for each in found["results"]] == ["e shoes"]
    only = api.post("/v1/buckets", json={"filters": {"AND": [{"field": "bucket_name", "value": "b shoes"}]}})
    assert only.json()["pagination"]["total"] == 1
    assert problems_of(api.post("/v1/buckets?limit=x")) == {("query", "limit"): "int_parsing"}


def test_a_deleted_bucket_goes_when_its_task_ends(api: httpx.Client, bucket: str):
    task = api.delete(bucket).json()
    assert set(task) == {"task_id", "status", "inputs", "outputs"}
    assert api.get(f"/v1/tasks/{task['task_id']}").json()["status"] == "DONE"
    assert api.get(bucket).status_code == 404


# --- objects ---


async def test_a_create_answers_a_task_without_the_objects_id(shop: Shop, clock):
    answer = await shop.api.post(
        f"{shop.path}/objects/create",
        json={
            "key_prefix": "/a",
            "metadata": {"sku": "1"},
            "blobs": [{**HERO, "metadata": {"side": "left"}}],
        },
    )
    task = answer.json()
    assert set(task) == {"task_id", "status", "inputs", "outputs"}
    assert task["status"] == "PENDING"
    path = f"/v1/tasks/{task['task_id']}"
    seen = []
    for seconds in (0, 1, 1.5, 3.5, 4):
        clock.now += seconds
        stored = (await shop.objects())[0]
        assert stored["status"] == stored["blobs"][0]["status"] == await shop.status(path)
        seen.append(stored["status"])
    assert seen == ["PENDING", "QUEUED", "DOWNLOADING", "PROCESSING", "DONE"]
    assert (stored["key"], stored["metadata"], stored["task_id"]) == ("/a", {"sku": "1"}, task["task_id"])
    blob = stored["blobs"][0]
    assert (blob["data"], blob["metadata"]) == (HERO["data"], {"side": "left"})
    assert (await shop.api.get(f"{shop.path}/objects/{stored['object_id']}")).json() == stored
    assert shop.emulator.state()["objects_processed"] == {"1": 1}


@pytest.mark.parametrize("word", ["FAILED", "CANCELLED", "SKIPPED", "ON_HOLIDAY"])
async def test_a_task_ends_as_it_is_told_to(shop: Shop, clock, word: str):
    shop.emulator.fault({"fault": "task_outcome", "status": word, "error": "no GPU", "times": 1})
    task = await shop.create(blobs=[HERO])
    clock.now += 10
    ended = (await shop.api.get(task)).json()
    assert (ended["status"], ended["outputs"]) == (word, [{"error": "no GPU"}])
    stored = (await shop.objects())[0]
    assert (stored["status"], stored["error"]) == (word, "no GPU")
    assert shop.emulator.state()["objects_processed"] == {"0": 1}


async def test_skipped_duplicates_store_nothing(shop: Shop, clock):
    await shop.create(blobs=[HERO], skip_duplicates=True)
    twin = await shop.create(blobs=[HERO], skip_duplicates=True, metadata={"sku": "2"})
    clock.now += 10
    assert await shop.status(twin) == "SKIPPED"
    assert len(await shop.objects()) == 1
    await shop.create(blobs=[HERO])
    assert len(await shop.objects()) == 2


def test_there_are_no_idempotency_keys(api: httpx.Client, bucket: str):
    for _ in range(2):
        body = {"metadata": {"sku": "1"}, "idempotency_key": "k", "sku": "1"}
        assert api.post(f"{bucket}/objects/create", json=body).status_code == 200
    stored = api.post(f"{bucket}/objects").json()["results"]
    assert len(stored) == 2
    assert not {"idempotency_key", "sku"} & set(stored[0])


@pytest.mark.parametrize(
    "blob",
    [
        HERO,
        {
            "property": "hero",
            "type": "image",
            "data": {"filename": "https://a.b/c", "mime_type": "image/png"},
        },
        {"property": "title", "type": "text", "data": "Red shoe", "key_prefix": "/t"},
        {"property": "facts", "type": "json", "data": [1, None]},
        {"property": "year", "type": "integer", "data": 2024},
        {"property": "papers", "type": "pdf", "data": "s3://a/b.pdf"},
    ],
)
def test_what_a_blob_may_be(api: httpx.Client, bucket: str, blob: dict):
    assert api.post(f"{bucket}/objects/create", json={"blobs": [blob]}).status_code == 200
    assert api.post(f"{bucket}/objects").json()["results"][0]["blobs"][0]["data"] == blob["data"]


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"blobs": [{**HERO, "type": "IMAGE"}]}, ("blobs", 0, "type"), "enum"),
        ({"blobs": [{**HERO, "type": "excel"}]}, ("blobs", 0, "type"), "enum"),
        ({"blobs": [{**HERO, "type": "pdf"}]}, ("blobs", 0, "type"), "value_error"),
        ({"blobs": [{**HERO, "property": "nope"}]}, ("blobs", 0, "property"), "value_error"),
        ({"blobs": [{"property": "hero", "type": "image"}]}, ("blobs", 0, "data"), "missing"),
        ({"blobs": [{**HERO, "data": 7}]}, ("blobs", 0, "data"), "value_error"),
        (
            {"blobs": [{"property": "year", "type": "integer", "data": "x"}]},
            ("blobs", 0, "data"),
            "value_error",
        ),
        ({"metadata": [1]}, ("metadata",), "dict_type"),
        ({"metadata": None}, ("metadata",), "dict_type"),
        ({"skip_duplicates": "yes"}, ("skip_duplicates",), "bool_type"),
    ],
)
def test_what_an_object_may_not_be(api: httpx.Client, bucket: str, body: dict, place: tuple, kind: str):
    assert problems_of(api.post(f"{bucket}/objects/create", json=body)) == {("body", *place): kind}
    assert api.get(bucket).json()["object_count"] == 0


async def test_an_update_is_a_task_and_merges_metadata(shop: Shop, clock):
    await shop.create(blobs=[HERO], metadata={"a": 1, "b": 2}, key_prefix="/a")
    clock.now += 10
    stored = (await shop.objects())[0]
    path = f"{shop.path}/objects/{stored['object_id']}"
    title = {"property": "title", "type": "text", "data": "x"}
    body = {"metadata": {"b": 3}, "blobs": [title, {**HERO, "data": "https://a.b/new.jpg"}]}
    task = (await shop.api.put(path, json=body)).json()
    assert await shop.status(path) == "PENDING"
    clock.now += 10
    changed = (await shop.api.get(path)).json()
    assert (changed["status"], changed["task_id"]) == ("DONE", task["task_id"])
    assert (changed["metadata"], changed["key"]) == ({"a": 1, "b": 3}, "/a")
    assert {each["property"]: each["data"] for each in changed["blobs"]} == {
        "title": "x",
        "hero": "https://a.b/new.jpg",
    }
    assert shop.emulator.state()["objects_processed"] == {"2": 1}
    assert problems_of(await shop.api.put(path, json={"metadata": 7})) == {("body", "metadata"): "dict_type"}


async def test_the_last_write_speaks_for_an_object(shop: Shop, clock):
    shop.emulator.fault({"fault": "task_outcome", "status": "FAILED", "error": "no GPU", "times": 1})
    await shop.create(metadata={"a": 1})
    clock.now += 5
    path = f"{shop.path}/objects/{(await shop.objects())[0]['object_id']}"
    await shop.api.put(path, json={"metadata": {"b": 2}})
    clock.now += 5
    stored = (await shop.api.get(path)).json()
    assert (stored["status"], stored["error"]) == ("PROCESSING", None)
    clock.now += 5
    stored = (await shop.api.get(path)).json()
    assert (stored["status"], stored["error"]) == ("DONE", None)


async def test_a_deleted_object_goes_when_its_task_ends(shop: Shop, clock):
    await shop.create(blobs=[HERO])
    clock.now += 10
    path = f"{shop.path}/objects/{(await shop.objects())[0]['object_id']}"
    task = (await shop.api.delete(path)).json()
    assert task["status"] == "PENDING"
    assert (await shop.api.get(path)).status_code == 200
    clock.now += 10
    assert await shop.status(f"/v1/tasks/{task['task_id']}") == "DONE"
    assert (await shop.api.get(path)).status_code == 404
    assert (await shop.api.delete(path)).status_code == 404
    assert (await shop.api.get(shop.path)).json()["total_size_bytes"] == 0


async def test_objects_are_filtered_and_sorted(shop: Shop):
    for number in range(5):
        await shop.create(metadata={"n": number})
    body = {
        "filters": {
            "AND": [{"field": "metadata.n", "operator": "gt", "value": 1}],
            "NOT": [{"field": "metadata.n", "value": 3}],
        },
        "sort": {"field": "metadata.n", "direction": "desc"},
    }
    assert [each["metadata"]["n"] for each in await shop.objects(**body)] == [4, 2]
    wrong = await shop.api.post(f"{shop.path}/objects", json={"filters": {"field": "a", "operator": "like"}})
    assert problems_of(wrong) == {("body", "filters", "operator"): "enum"}


# --- tasks ---


async def test_only_active_tasks_are_listed(shop: Shop, clock):
    tasks = [await shop.create() for _ in range(3)]
    clock.now += 5
    late = await shop.create()

    async def listed(**query: int) -> tuple[list[str], int]:
        page = (await shop.api.get("/v1/tasks", params=query)).json()
        return [f"/v1/tasks/{each['task_id']}" for each in page["results"]], page["pagination"]["total"]

    assert await listed() == ([*tasks, late], 4)
    assert await listed(page=2, page_size=3) == ([late], 4)
    clock.now += 5
    assert await listed() == ([late], 1)
    assert await shop.status(tasks[0]) == "DONE"
    assert (await shop.api.get("/v1/tasks/nope")).json()["error"]["type"] == "NotFoundError"


async def test_a_killed_task_ends_cancelled(shop: Shop, clock):
    task = await shop.create(blobs=[HERO])
    for _ in range(2):
        assert (await shop.api.delete(task)).status_code == 200
    assert await shop.status(task) == "CANCELLED"
    clock.now += 10
    assert await shop.status(task) == "CANCELLED"
    assert (await shop.objects())[0]["status"] == "CANCELLED"
    assert (await shop.api.delete("/v1/tasks/nope")).status_code == 200


# --- errors ---


def test_a_faults_422_is_a_list_too(make_emulator, connect):
    emulator = make_emulator(generation="legacy")
    emulator.fault(
        {"fault": "status", "status": 422, "times": 1}, {"fault": "status", "status": 503, "times": 1}
    )
    api = connect(emulator)
    assert problems_of(api.get("/v1/tasks")) == {("body",): "value_error"}
    assert api.get("/v1/tasks").json()["error"]["type"] == "InferenceServiceUnavailableError"


def test_the_document_has_the_seventeen_calls(api: httpx.Client):
    document = api.get("/openapi.json").json()
    calls = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    bucket = "/v1/buckets/{bucket_identifier}"
    assert calls == {
        ("GET", "/healthcheck"),
        ("POST", "/v1/namespaces"),
        ("GET", "/v1/namespaces"),
        ("GET", "/v1/namespaces/{namespace}"),
        ("POST", "/v1/buckets/create"),
        ("POST", "/v1/buckets"),
        ("GET", bucket),
        ("PUT", bucket),
        ("DELETE", bucket),
        ("POST", f"{bucket}/objects/create"),
        ("POST", f"{bucket}/objects"),
        ("GET", f"{bucket}/objects/{{object_identifier}}"),
        ("PUT", f"{bucket}/objects/{{object_identifier}}"),
        ("DELETE", f"{bucket}/objects/{{object_identifier}}"),
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks/{task_id}"),
        ("DELETE", "/v1/tasks/{task_id}"),
    }
    assert "detail" in str(document["paths"]["/v1/tasks"]["get"]["responses"]["422"])
