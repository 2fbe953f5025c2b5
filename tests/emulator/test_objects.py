"""Single objects: blobs in all their forms, fields by the bucket's schema, keys."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

IMAGE = base64.b64encode(b"\x89PNG not really").decode()
WORDS = base64.b64encode(b"plain readable words").decode()


def problems_of(answer: httpx.Response) -> dict[tuple, str]:
    assert answer.status_code == 422, answer.text
    return {
        tuple(each["location"]): each["type"]
        for each in answer.json()["error"]["details"]["validation_errors"]
    }


def blob(data, prop: str = "hero", kind: str = "image", **more) -> dict:
    return {"property": prop, "type": kind, "data": data, **more}


def test_an_object_comes_back_as_it_was_made(api: httpx.Client, bucket: str):
    body = {
        "key_prefix": "/winter",
        "sku": "A-1",
        "price": 9.5,
        "metadata": {"colour": "red"},
        "blobs": [blob("https://example.com/a.jpg"), blob({"text": "Red shoe"}, "title", "text")],
    }
    created = api.post(f"{bucket}/objects", json=body).json()
    stored = api.get(f"{bucket}/objects/{created['object_id']}").json()
    assert {name: stored[name] for name in ("key_prefix", "sku", "price", "metadata", "status")} == {
        "key_prefix": "/winter",
        "sku": "A-1",
        "price": 9.5,
        "metadata": {"colour": "red"},
        "status": "PENDING",
    }
    hero, title = stored["blobs"]
    assert (hero["property"], hero["properties"]) == ("hero", {"url": "https://example.com/a.jpg"})
    assert (title["property"], title["properties"]) == ("title", {"text": "Red shoe"})
    assert title["details"]["size_bytes"] == len("Red shoe")
    assert api.get(bucket).json()["total_size_bytes"] == len("Red shoe")
    assert "replayed" not in created
    assert created["consistency"]["poll"]["endpoint"] == f"{bucket}/objects/{created['object_id']}"


@pytest.mark.parametrize("text", ["http://a.b/c", "https://a.b/c", "s3://bucket/key", "file:///etc/motd"])
def test_text_that_looks_like_a_url_is_taken_for_one(api: httpx.Client, bucket: str, text: str):
    bare = api.post(f"{bucket}/objects", json={"blobs": [blob(text, "title", "text")]}).json()
    assert bare["blobs"][0]["properties"] == {"url": text}
    marked = api.post(f"{bucket}/objects", json={"blobs": [blob({"text": text}, "title", "text")]}).json()
    assert marked["blobs"][0]["properties"] == {"text": text}


@pytest.mark.parametrize(
    "data",
    [
        "http://example.com/a.jpg",
        "s3://bucket/a.jpg",
        {"url": "https://example.com/a.jpg"},
        f"data:image/png;base64,{IMAGE}",
        {"base64": IMAGE},
        {"base64": IMAGE, "mime_type": "image/png", "filename": "a.png"},
    ],
)
def test_forms_of_a_file(api: httpx.Client, bucket: str, data):
    answer = api.post(f"{bucket}/objects", json={"blobs": [blob(data)]})
    assert answer.status_code == 200, answer.text
    stored = answer.json()["blobs"][0]
    if "base64" in str(data):
        assert stored["properties"]["url"].startswith("s3://")
        assert stored["details"]["size_bytes"] == len(base64.b64decode(IMAGE))


@pytest.mark.parametrize(
    "data",
    [
        IMAGE,
        WORDS,
        "a.jpg",
        "",
        "ftp://example.com/a.jpg",
        "file:///a.jpg",
        "https://",
        "https://example.com/a b.jpg",
        "data:image/png;base64,%%%",
        {"base64": "%%%"},
        {"base64": IMAGE, "url": "https://example.com/a.jpg"},
        {"url": "a.jpg"},
        {"text": "no image"},
        {},
        {"base64": IMAGE, "mime_type": 7},
        7,
        True,
        ["https://example.com/a.jpg"],
    ],
)
def test_what_a_file_may_not_be(api: httpx.Client, bucket: str, data):
    answer = api.post(f"{bucket}/objects", json={"blobs": [blob(data)]})
    assert problems_of(answer) == {("body", "blobs", 0, "data"): "value_error"}
    assert api.get(bucket).json()["object_count"] == 0


@pytest.mark.parametrize("data", ["Red shoe", "data: the new oil", "", {"text": ""}, {"base64": WORDS}])
def test_forms_of_a_text(api: httpx.Client, bucket: str, data):
    answer = api.post(f"{bucket}/objects", json={"blobs": [blob(data, "title", "text")]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("data", [WORDS, 7, True, ["a"], {"text": 7}, {"txt": "a"}, "https://"])
def test_what_a_text_may_not_be(api: httpx.Client, bucket: str, data):
    answer = api.post(f"{bucket}/objects", json={"blobs": [blob(data, "title", "text")]})
    assert problems_of(answer) == {("body", "blobs", 0, "data"): "value_error"}


@pytest.mark.parametrize(
    ("sent", "place", "kind"),
    [
        ({"type": "image", "data": "https://a.b/c"}, ("property",), "missing"),
        ({"property": "hero", "data": "https://a.b/c"}, ("type",), "missing"),
        ({"property": "", "type": "image", "data": "https://a.b/c"}, ("property",), "string_too_short"),
        ({"property": "x" * 101, "type": "image", "data": "https://a.b/c"}, ("property",), "string_too_long"),
        (blob("https://a.b/c", kind="IMAGE"), ("type",), "enum"),
        (blob("https://a.b/c", kind="video"), ("type",), "value_error"),
        (blob("https://a.b/c", prop="nope"), ("property",), "value_error"),
        (blob("https://a.b/c", url="https://a.b/c"), ("url",), "extra_forbidden"),
        (blob("https://a.b/c", checksum="abc"), ("checksum",), "string_pattern_mismatch"),
        (blob("https://a.b/c", metadata="x"), ("metadata",), "dict_type"),
        (blob("https://a.b/c", upload_id="upl_1"), (), "value_error"),
        (blob(None), (), "value_error"),
        (blob(None, upload_id="1"), ("upload_id",), "string_pattern_mismatch"),
        (blob(None, upload_id="upl_unknown"), ("upload_id",), "value_error"),
    ],
)
def test_what_a_blob_may_not_be(api: httpx.Client, bucket: str, sent: dict, place: tuple, kind: str):
    answer = api.post(f"{bucket}/objects", json={"blobs": [sent]})
    assert problems_of(answer) == {("body", "blobs", 0, *place): kind}


def test_blob_metadata_goes_to_the_root_unless_the_root_has_it(api: httpx.Client, bucket: str):
    first = blob("https://a.b/1", metadata={"price": 1.0, "shade": "red", "status": "mine"})
    second = blob({"text": "x"}, "title", "text", metadata={"shade": "blue"})
    created = api.post(f"{bucket}/objects", json={"price": 2.0, "blobs": [first, second]}).json()
    assert (created["price"], created["shade"], created["status"]) == (2.0, "red", "PENDING")


def test_undeclared_root_keys_are_refused_by_name(api: httpx.Client, bucket: str):
    answer = api.post(f"{bucket}/objects", json={"sku": "1", "colour": "red"})
    assert problems_of(answer) == {("body", "colour"): "extra_forbidden"}
    assert "sku" in answer.json()["error"]["message"]


def test_undeclared_root_keys_can_be_accepted_with_a_warning(make_emulator, connect, new_bucket):
    api = connect(make_emulator(undeclared_metadata="accept"))
    bucket = new_bucket(api)
    one = api.post(f"{bucket}/objects", json={"sku": "1", "colour": "red"}).json()
    assert one["colour"] == "red"
    assert [(each["id"], each["reason"]) for each in one["warnings"]] == [("colour", "undeclared")]
    many = api.post(f"{bucket}/objects/batch", json={"objects": [{"sku": "2", "colour": "red"}]}).json()
    assert many["succeeded"][0]["warnings"][0]["id"] == "colour"
    # A reserved name is none of them.
    assert api.post(f"{bucket}/objects", json={"object_id": "1"}).status_code == 422


@pytest.mark.parametrize(
    "name", ["status", "object_id", "bucket_id", "created_at", "_internal", "auto_process"]
)
def test_reserved_names_are_refused_even_where_declared(api: httpx.Client, new_bucket, name: str):
    declared = {} if name == "auto_process" else {name: {"type": "string"}}
    bucket = new_bucket(api, {"sku": {"type": "string"}, **declared})
    assert problems_of(api.post(f"{bucket}/objects", json={name: "x"})) == {("body", name): "value_error"}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "x"], [1, True, [], {}]),
        ("number", [1, 1.5, -2], ["1", True]),
        ("float", [1, 1.5], ["1.5", False]),
        ("integer", [1, 2.0], [1.5, "1", True]),
        ("boolean", [True, False], [1, "true"]),
        ("object", [{}, {"a": 1}], [[], "{}"]),
        ("array", [[], [1]], [{}, "[]"]),
        ("date", ["2026-11-02"], ["2026-13-02", "2026-11-02T10:00:00Z", 7]),
        ("datetime", ["2026-11-02T10:00:00Z", "2026-11-02T10:00:00.5+01:00"], ["2026-11-02", "soon", 7]),
    ],
)
def test_fields_have_the_declared_type(api: httpx.Client, new_bucket, kind: str, good: list, bad: list):
    bucket = new_bucket(api, {"value": {"type": kind}})
    for value in good:
        answer = api.post(f"{bucket}/objects", json={"value": value})
        assert (answer.status_code, answer.json()["value"]) == (200, value)
    for value in bad:
        assert problems_of(api.post(f"{bucket}/objects", json={"value": value})) == {
            ("body", "value"): f"{kind}_type"
        }


def test_nested_declarations_and_enums_are_held_to(api: httpx.Client, new_bucket):
    bucket = new_bucket(
        api,
        {
            "size": {"type": "string", "enum": ["S", "M"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "dims": {"type": "object", "properties": {"w": {"type": "number", "required": True}}},
        },
    )
    assert api.post(
        f"{bucket}/objects", json={"size": "S", "tags": ["a"], "dims": {"w": 1, "h": 2}}
    ).is_success
    bad = {"size": "L", "tags": ["a", 1], "dims": {}}
    assert problems_of(api.post(f"{bucket}/objects", json=bad)) == {
        ("body", "size"): "enum",
        ("body", "tags", 1): "string_type",
        ("body", "dims", "w"): "missing",
    }


def test_a_file_property_is_no_field(api: httpx.Client, bucket: str):
    answer = api.post(f"{bucket}/objects", json={"hero": "https://a.b/c"})
    assert problems_of(answer) == {("body", "hero"): "value_error"}


def test_required_properties_come_as_blob_or_as_field(api: httpx.Client, new_bucket):
    bucket = new_bucket(
        api, {"hero": {"type": "image", "required": True}, "sku": {"type": "string", "required": True}}
    )
    assert problems_of(api.post(f"{bucket}/objects", json={"sku": None})) == {
        ("body", "hero"): "missing",
        ("body", "sku"): "missing",
    }
    assert api.post(f"{bucket}/objects", json={"sku": "1", "blobs": [blob("https://a.b/c")]}).is_success


def test_a_blob_may_carry_a_data_type(api: httpx.Client, bucket: str):
    good = api.post(f"{bucket}/objects", json={"blobs": [blob(1.5, "price", "float")]})
    assert good.json()["blobs"][0]["properties"] == {"value": 1.5}
    bad = api.post(f"{bucket}/objects", json={"blobs": [blob("1.5", "price", "float")]})
    assert problems_of(bad) == {("body", "blobs", 0, "data"): "float_type"}


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"skip_duplicates": "yes"}, ("skip_duplicates",), "bool_type"),
        ({"force_remirror": 1}, ("force_remirror",), "bool_type"),
        ({"key_prefix": 7}, ("key_prefix",), "string_type"),
        ({"blobs": None}, ("blobs",), "list_type"),
        ({"blobs": ["x"]}, ("blobs", 0), "model_attributes_type"),
        ({"idempotency_key": 7}, ("idempotency_key",), "string_type"),
        ({"edges": [{"type": "x"}]}, ("edges", 0, "target_object_id"), "missing"),
    ],
)
def test_what_an_object_may_not_be(api: httpx.Client, bucket: str, body: dict, place: tuple, kind: str):
    assert problems_of(api.post(f"{bucket}/objects", json=body)) == {("body", *place): kind}


# --- idempotency keys ---


def test_a_key_answers_the_first_object_unchanged(emulator, api: httpx.Client, bucket: str):
    first = api.post(f"{bucket}/objects", json={"sku": "1", "idempotency_key": "k"}).json()
    again = api.post(
        f"{bucket}/objects", json={"sku": "2", "idempotency_key": "k", "key_prefix": "/x"}
    ).json()
    assert (again["object_id"], again["sku"], again["key_prefix"]) == (first["object_id"], "1", None)
    assert emulator.state()["objects"] == 1


def test_a_key_is_good_for_one_bucket(emulator, api: httpx.Client, bucket: str, new_bucket):
    other = new_bucket(api, name="other")
    for path in (bucket, other):
        api.post(f"{path}/objects", json={"sku": "1", "idempotency_key": "k"})
    assert emulator.state()["objects"] == 2


def test_a_refused_create_leaves_its_key_free(emulator, api: httpx.Client, bucket: str):
    assert api.post(f"{bucket}/objects", json={"sku": 1, "idempotency_key": "k"}).status_code == 422
    assert api.post(f"{bucket}/objects", json={"sku": "1", "idempotency_key": "k"}).json()["sku"] == "1"


def test_a_key_has_255_characters_at_most(api: httpx.Client, bucket: str):
    assert api.post(f"{bucket}/objects", json={"idempotency_key": "é" * 255}).is_success
    long = api.post(f"{bucket}/objects", json={"idempotency_key": "k" * 256})
    assert problems_of(long) == {("body", "idempotency_key"): "string_too_long"}


def test_another_body_under_a_key_can_be_a_conflict(make_emulator, connect, new_bucket):
    emulator = make_emulator(idempotency_conflict="refuse")
    api = connect(emulator)
    bucket = new_bucket(api)
    first = api.post(f"{bucket}/objects", json={"sku": "1", "price": 1, "idempotency_key": "k"}).json()
    same = api.post(f"{bucket}/objects", json={"price": 1, "idempotency_key": "k", "sku": "1"})
    assert same.json()["object_id"] == first["object_id"]
    other = api.post(f"{bucket}/objects", json={"sku": "2", "idempotency_key": "k"})
    assert (other.status_code, other.json()["error"]["type"]) == (409, "ConflictError")
    rows = api.post(
        f"{bucket}/objects/batch", json={"objects": [{"sku": "2", "idempotency_key": "k"}]}
    ).json()
    assert rows["failed"][0]["error_type"] == "ConflictError"
    assert emulator.state()["objects"] == 1


def test_skip_duplicates_goes_by_the_content_of_all_blobs(emulator, api: httpx.Client, bucket: str):
    def create(url: str, text: str, **more) -> dict:
        blobs = [blob(url), blob({"text": text}, "title", "text")]
        return api.post(f"{bucket}/objects", json={"blobs": blobs, **more}).json()

    first = create("https://a.b/1", "x", sku="1")
    assert create("https://a.b/1", "x", sku="2", skip_duplicates=True)["object_id"] == first["object_id"]
    assert create("https://a.b/1", "y", skip_duplicates=True)["object_id"] != first["object_id"]
    assert create("https://a.b/1", "x")["object_id"] != first["object_id"]
    later = create("https://a.b/2", "x")
    assert create("https://a.b/2", "x", skip_duplicates=True)["object_id"] == later["object_id"]
    # Without blobs there is nothing to compare.
    for _ in range(2):
        api.post(f"{bucket}/objects", json={"sku": "9", "skip_duplicates": True})
    assert emulator.state()["objects"] == 6


# --- unique keys ---


@pytest.fixture
def unique(api: httpx.Client, new_bucket) -> str:
    properties = {"sku": {"type": "string"}, "size": {"type": "integer"}, "title": {"type": "text"}}
    return new_bucket(api, properties, unique_key={"fields": ["size", "sku"]})


def test_insert_creates_or_conflicts(api: httpx.Client, unique: str):
    first = api.post(f"{unique}/objects?policy=insert", json={"sku": "a", "size": 1})
    assert first.is_success
    again = api.post(f"{unique}/objects?policy=insert", json={"sku": "a", "size": 1})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "AlreadyExistsError")
    assert again.json()["error"]["details"]["object_id"] == first.json()["object_id"]
    assert api.post(f"{unique}/objects?policy=insert", json={"sku": "a", "size": 2}).is_success


def test_update_changes_or_finds_nothing(api: httpx.Client, unique: str):
    missing = api.post(f"{unique}/objects?policy=update", json={"sku": "a", "size": 1})
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "NotFoundError")
    api.post(f"{unique}/objects?policy=insert", json={"sku": "a", "size": 1})
    assert api.post(f"{unique}/objects?policy=update", json={"sku": "a", "size": 1}).is_success


def test_upsert_writes_over_what_is_named(emulator, api: httpx.Client, unique: str):
    text = [blob({"text": "old"}, "title", "text")]
    first = api.post(f"{unique}/objects?policy=upsert", json={"sku": "a", "size": 1, "blobs": text}).json()
    text = [blob({"text": "newer"}, "title", "text")]
    body = {"sku": "a", "size": 1, "blobs": text, "key_prefix": "/new"}
    second = api.post(f"{unique}/objects?policy=upsert", json=body).json()
    assert second["object_id"] == first["object_id"]
    assert [each["properties"] for each in second["blobs"]] == [{"text": "newer"}]
    assert second["key_prefix"] == "/new"
    third = api.post(f"{unique}/objects?policy=upsert", json={"sku": "a", "size": 1}).json()
    assert third["blobs"] == second["blobs"]
    assert emulator.state()["objects"] == 1
    assert api.get(unique).json()["total_size_bytes"] == len("newer")


def test_skip_duplicates_forgets_what_an_update_wrote_over(api: httpx.Client, unique: str):
    def upsert(sku: str, text: str) -> str:
        blobs = [blob({"text": text}, "title", "text")]
        body = {"sku": sku, "size": 1, "blobs": blobs, "skip_duplicates": True}
        return api.post(f"{unique}/objects?policy=upsert", json=body).json()["object_id"]

    first = upsert("a", "old")
    assert upsert("b", "old") == first
    assert upsert("a", "new") == first
    assert upsert("b", "old") != first


def test_a_policy_must_come_from_somewhere(api: httpx.Client, unique: str, new_bucket):
    answer = api.post(f"{unique}/objects", json={"sku": "a", "size": 1})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadRequestError")
    body = {"sku": "a"}
    keyed = {"fields": ["sku"], "default_policy": "insert"}
    bucket = new_bucket(api, {"sku": {"type": "string"}}, name="d", unique_key=keyed)
    assert api.post(f"{bucket}/objects", json=body).is_success
    assert api.post(f"{bucket}/objects", json=body).status_code == 409
    # The query wins over the default.
    assert api.post(f"{bucket}/objects?policy=upsert", json=body).is_success
    assert problems_of(api.post(f"{bucket}/objects?policy=merge", json=body)) == {
        ("query", "policy"): "literal_error"
    }


@pytest.mark.parametrize(
    ("sku", "kind"), [(None, "missing"), ("", "missing"), ("x" * 256, "string_too_long")]
)
def test_a_unique_key_needs_a_value_of_moderate_length(api: httpx.Client, unique: str, sku, kind: str):
    answer = api.post(f"{unique}/objects?policy=upsert", json={"sku": sku, "size": 1})
    assert problems_of(answer) == {("body", "sku"): kind}


def test_a_policy_is_ignored_without_a_unique_key(api: httpx.Client, bucket: str):
    assert api.post(f"{bucket}/objects?policy=update", json={"sku": "a"}).is_success
