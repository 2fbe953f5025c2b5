from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from airflow_provider.mixpeek.emulator import json_text

if TYPE_CHECKING:
    import httpx

LONG = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30, 10**18]


@pytest.mark.parametrize("number", LONG)
def test_every_digit_survives(number: int):
    text = json_text.write({"a": [number, 1.5, "x" * 30, "1" * 30]})
    assert json_text.read(text) == {"a": [number, 1.5, "x" * 30, "1" * 30]}
    assert str(number).encode() in text


@pytest.mark.parametrize(
    "text", [b"NaN", b"[1e999]", b"{", b"", b'"\xff"', b'"\\ud800"', b"[12345678901234567890, NaN]"]
)
def test_what_is_no_json_is_refused(text: bytes):
    with pytest.raises(json_text.NotJson):
        json_text.read(text)


def test_what_is_not_finite_is_not_written():
    assert json_text.write({"a": math.inf}) == b'{"a":null}'
    with pytest.raises(ValueError, match="JSON"):
        json_text.write({"a": math.inf, "b": 2**70})


def test_long_numbers_come_back_through_the_api(api: httpx.Client, bucket: str):
    body = {"metadata": {"numbers": LONG}, "sku": "9" * 25}
    made = api.post(f"{bucket}/objects", json=body).json()
    assert made["metadata"]["numbers"] == LONG
    stored = api.get(f"{bucket}/objects/{made['object_id']}").json()
    assert (stored["metadata"], stored["sku"]) == (body["metadata"], body["sku"])
    found = api.post(
        f"{bucket}/objects/list", json={"filters": {"field": "metadata.numbers", "value": 10**30}}
    )
    assert len(found.json()["results"]) == 1


@pytest.mark.parametrize(("depth", "status"), [(200, 200), (250, 422), (900, 422), (5000, 422)])
def test_a_deep_body_is_answered(emulator, api: httpx.Client, bucket: str, depth: int, status: int):
    nested = "[" * depth + "]" * depth
    answer = api.post(
        f"{bucket}/objects",
        content=f'{{"metadata": {{"a": {nested}, "b": 123456789012345678901}}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text[:200]
    assert emulator.state()["objects"] == (status == 200)
    assert api.get(f"{bucket}/objects").status_code == 200
