"""Pages, filters, search, sorting and selection of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

COUNT = 25


@pytest.fixture
def shelf(api: httpx.Client, new_bucket) -> str:
    properties = {
        "sku": {"type": "string"},
        "size": {"type": "integer"},
        "tags": {"type": "array"},
        "metadata": {"type": "object"},
        "sold": {"type": "boolean"},
    }
    bucket = new_bucket(api, properties)
    objects: list[dict[str, Any]] = [
        {"sku": f"Sku-{n}", "size": n % 5, "tags": [f"t{n % 2}"], "metadata": {"n": n}} for n in range(COUNT)
    ]
    objects[3] |= {"sold": True, "key_prefix": "/winter"}
    del objects[4]["size"]
    rows = api.post(f"{bucket}/objects/batch", json={"objects": objects}).json()["succeeded"]
    assert len(rows) == COUNT
    return bucket


def numbers(page: dict) -> list[int]:
    return [row["metadata"]["n"] for row in page["results"]]


def test_pages_by_cursor_see_every_object_once_oldest_first(api: httpx.Client, shelf: str):
    for name in ("cursor", "next_cursor", "after"):
        seen, query = [], {"limit": 10}
        while True:
            page = api.get(f"{shelf}/objects", params=query).json()
            seen += numbers(page)
            if page["pagination"]["next_cursor"] is None:
                break
            query[name] = page["pagination"]["next_cursor"]
        assert seen == list(range(COUNT))


def test_pages_by_offset_and_by_number(api: httpx.Client, shelf: str):
    assert numbers(api.get(f"{shelf}/objects").json()) == list(range(10))
    assert numbers(api.get(f"{shelf}/objects?limit=3&offset=4").json()) == [4, 5, 6]
    page = api.get(f"{shelf}/objects?page_size=10&page=3").json()
    assert numbers(page) == [20, 21, 22, 23, 24]
    assert page["pagination"]["page"] == 3
    assert page["pagination"]["next_page"] is None
    assert page["pagination"]["previous_page"] == "2"
    assert numbers(api.get(f"{shelf}/objects?offset=100").json()) == []
    # The offset wins.
    assert numbers(api.get(f"{shelf}/objects?limit=3&page=3&offset=1").json()) == [1, 2, 3]


def test_the_body_wins_over_the_query(api: httpx.Client, shelf: str):
    page = api.post(f"{shelf}/objects/list?limit=2", json={"limit": 1, "offset": 5}).json()
    assert numbers(page) == [5]


def test_totals_are_null_unless_asked_for(api: httpx.Client, shelf: str):
    plain = api.get(f"{shelf}/objects?limit=10").json()["pagination"]
    assert (plain["total"], plain["total_pages"]) == (None, None)
    counted = api.get(f"{shelf}/objects?limit=10&include_total=true").json()["pagination"]
    assert (counted["total"], counted["total_pages"]) == (COUNT, 3)
    none = api.post(f"{shelf}/objects/list?include_total=true", json={"filters": {"sku": "x"}}).json()
    assert none["pagination"]["total"] == 0


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, list(range(10))),
        ({"field": "sku", "value": "SKU-7"}, [7]),
        ({"AND": [{"field": "sku", "value": "SKU-7"}], "case_sensitive": True}, []),
        ({"field": "sku", "operator": "ne", "value": "sku-0"}, list(range(1, 11))),
        ({"field": "metadata.n", "operator": "gte", "value": 23}, [23, 24]),
        ({"field": "metadata.n", "operator": "lt", "value": 2}, [0, 1]),
        ({"field": "metadata.n", "operator": "in", "value": [1, 3]}, [1, 3]),
        ({"NOT": [{"field": "metadata.n", "operator": "nin", "value": [1, 3]}]}, [1, 3]),
        ({"field": "sku", "operator": "starts_with", "value": "sku-2"}, [2, 20, 21, 22, 23, 24]),
        ({"field": "sku", "operator": "ends_with", "value": "-24"}, [24]),
        ({"field": "sku", "operator": "contains", "value": "u-9"}, [9]),
        ({"field": "sku", "operator": "regex", "value": "-1[01]$"}, [10, 11]),
        ({"AND": [{"field": "tags", "operator": "contains", "value": "t1"}, {"size": 4}]}, [9, 19]),
        ({"field": "tags", "operator": "eq", "value": "t1"}, list(range(1, 21, 2))),
        ({"field": "sold", "operator": "exists", "value": True}, [3]),
        ({"field": "sold", "value": True}, [3]),
        ({"field": "metadata.n", "value": True}, []),
        ({"field": "size", "operator": "is_null", "value": True}, [4]),
        ({"field": "key_prefix", "value": "/winter"}, [3]),
        ({"OR": [{"metadata.n": 1}, {"AND": [{"metadata.n": 2}, {"size": 2}]}]}, [1, 2]),
        ({"field": "size", "operator": "gt", "value": "x"}, []),
    ],
)
def test_filters(api: httpx.Client, shelf: str, filters, expected: list[int]):
    page = api.post(f"{shelf}/objects/list", json={"filters": filters})
    assert numbers(page.json()) == expected


def test_filters_by_status_and_id(api: httpx.Client, shelf: str):
    first = api.get(f"{shelf}/objects?limit=1").json()["results"][0]["object_id"]
    api.post(f"{shelf}/batches", json={"object_ids": [first], "auto_submit": True})
    done = api.post(
        f"{shelf}/objects/list", json={"filters": {"field": "status", "value": "COMPLETED"}}
    ).json()
    assert [row["object_id"] for row in done["results"]] == [first]
    named = api.post(f"{shelf}/objects/list", json={"filters": {"object_id": first}}).json()
    assert numbers(named) == [0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filters": {"field": "sku", "operator": "like", "value": "a"}}, 422),
        ({"filters": {"field": "sku"}}, 422),
        ({"filters": {"AND": "sku"}}, 422),
        ({"filters": {"field": "sku", "operator": "in", "value": "a"}}, 422),
        ({"filters": {"field": "sku", "operator": "regex", "value": "("}}, 422),
        ({"filters": {"field": "sku", "operator": "geo_radius", "value": 1}}, 400),
        ({"sort": {"field": "sku", "direction": "down"}}, 422),
        ({"sort": {"direction": "asc"}}, 422),
        ({"nope": 1}, 422),
    ],
)
def test_what_a_list_may_not_ask(api: httpx.Client, shelf: str, body: dict, status: int):
    answer = api.post(f"{shelf}/objects/list", json=body)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_a_deep_filter_is_refused_without_a_crash(api: httpx.Client, shelf: str):
    filters: dict = {"field": "sku", "value": "x"}
    for _ in range(200):
        filters = {"NOT": [filters]}
    assert api.post(f"{shelf}/objects/list", json={"filters": filters}).status_code == 422


def test_sorting(api: httpx.Client, shelf: str):
    body = {"sort": {"field": "metadata.n", "direction": "desc"}}
    assert numbers(api.post(f"{shelf}/objects/list?limit=3", json=body).json()) == [24, 23, 22]
    # Equal ones stay oldest first; one without the field comes first.
    assert numbers(api.post(f"{shelf}/objects/list?limit=4", json={"sort": {"field": "size"}}).json()) == [
        4,
        0,
        5,
        10,
    ]


def test_search_looks_into_all_texts(api: httpx.Client, shelf: str):
    assert numbers(api.post(f"{shelf}/objects/list", json={"search": "WINTER"}).json()) == [3]
    assert numbers(api.post(f"{shelf}/objects/list", json={"search": "sku-24"}).json()) == [24]


def test_selected_fields_come_with_the_ids(api: httpx.Client, shelf: str):
    body = {"select": ["metadata.n", "nope"]}
    row = api.post(f"{shelf}/objects/list?limit=1", json=body).json()["results"][0]
    assert set(row) == {"object_id", "bucket_id", "metadata"}
    assert row["metadata"] == {"n": 0}


def test_numbers_of_the_page(api: httpx.Client, shelf: str):
    stats = api.get(f"{shelf}/objects?limit=5").json()["stats"]
    assert stats == {
        "total_objects": 5,
        "total_blobs": 0,
        "avg_blobs_per_object": 0.0,
        "objects_by_status": {"PENDING": 5},
    }


def test_an_unknown_bucket_or_object_is_404(api: httpx.Client, shelf: str):
    for path in ("/v1/buckets/nope/objects", f"{shelf}/objects/nope"):
        assert api.get(path).status_code == 404
