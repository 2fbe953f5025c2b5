"""Whatever our client and our ingestion send, the vendor's request models accept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from .our_calls import Sent, calls_of_ingestion, calls_of_the_client

Judge = Callable[[list[dict[str, Any]]], list[str]]

#: Calls that the judge of the current generation may still lack a model for.
UNJUDGED = re.compile(
    r"POST /v1/(namespaces|tasks/list)|(PUT|PATCH) /v1/buckets/[^/]+(/objects/[^/]+)?"
    r"|POST /v1/buckets/[^/]+/batches/[^/]+/(objects|retry)"
)


def distinct(sent: list[Sent]) -> list[Sent]:
    """Each body once: ids in paths make no difference to a model."""
    return list({json.dumps(each, sort_keys=True): each for each in sent}.values())


@pytest.mark.parametrize("calls", [calls_of_the_client, calls_of_ingestion])
def test_the_models_of_the_current_sdk_accept_our_bodies(models_accept: Judge, calls: Any) -> None:
    sent = distinct(calls("current"))
    assert len(sent) > 10
    refusals = [
        refusal
        for refusal in models_accept(sent)
        if not ("has no request model" in refusal and UNJUDGED.fullmatch(refusal.partition(": ")[0]))
    ]
    assert refusals == []


@pytest.mark.parametrize("change", [{"invented": 1}, {"objects": [{"blobs": [{"type": "picture"}]}]}])
def test_the_judge_would_see_it(models_accept: Judge, change: dict[str, Any]) -> None:
    many = [each for each in calls_of_the_client("current") if each["path"].endswith("/objects/batch")]
    assert all(models_accept([{**each, "body": each["body"] | change}]) for each in many)
