"""Whatever our client and our ingestion send, the vendor's request models accept, in both generations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .our_calls import Sent, calls_of_ingestion, calls_of_the_client

Judge = Callable[[list[dict[str, Any]]], list[str]]
Calls = Callable[[str], list[Sent]]
CALLS = pytest.mark.parametrize("calls", [calls_of_the_client, calls_of_ingestion])


def distinct(sent: list[Sent]) -> list[Sent]:
    """Each request once."""
    return list({json.dumps(each, sort_keys=True): each for each in sent}.values())


@CALLS
def test_the_current_models_accept_our_bodies(models_accept: Judge, calls: Calls) -> None:
    sent = distinct(calls("current"))
    assert len(sent) > 25
    assert models_accept(sent) == []


@CALLS
def test_the_legacy_models_accept_our_bodies(legacy_models_accept: Judge, calls: Calls) -> None:
    # What asks for the generation is no call of this one.
    sent = [each for each in distinct(calls("legacy")) if each["path"] != "/v1/buckets/list"]
    assert len(sent) >= 15
    assert legacy_models_accept(sent) == []


def test_rows_that_may_be_stored_are_looked_for_and_unique_keys_are_among_them() -> None:
    for generation in ("current", "legacy"):
        sent = [json.dumps(each["body"]) for each in calls_of_ingestion(generation)]
        for part in (
            '"field": "metadata.ingest_key", "operator": "in"',
            '"ingest_key": "mxp1-',
            '"ingest_hash"',
        ):
            assert any(part in body for body in sent)
        by_key = [body for body in sent if '"field": "sku", "operator": "eq"' in body]
        assert bool(by_key) is (generation == "current")


def test_the_judges_would_see_what_they_do_not_know(
    models_accept: Judge, legacy_models_accept: Judge
) -> None:
    for generation, accept in (("current", models_accept), ("legacy", legacy_models_accept)):
        sent = [each for each in calls_of_the_client(generation) if each["path"] == "/v1/buckets"]
        assert sent
        for each in sent:
            assert accept([{**each, "body": each["body"] | {"bucket_schema": 7, "filters": 7}}])
