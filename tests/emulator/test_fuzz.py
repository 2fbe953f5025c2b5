"""The emulator against its own description: whatever is sent, it answers as declared, and never fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from airflow_provider.mixpeek.emulator import Emulator

from .conftest import HEADERS, PROPERTIES

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    response_schema_conformance,
    content_type_conformance,
]
EXAMPLES = 6
LEGACY_PROPERTIES = {"title": {"type": "text"}, "facts": {"type": "json"}}


class Stock:
    """Something of every kind in an emulator, made anew where a call took it away."""

    def __init__(self, url: str, generation: str) -> None:
        self._legacy = generation == "legacy"
        self._api = httpx.Client(base_url=url, headers=HEADERS)
        self._number = 0

    def close(self) -> None:
        self._api.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def ids(self) -> dict[str, str]:
        """The ids that paths are to have."""
        self._number += 1
        properties = LEGACY_PROPERTIES if self._legacy else PROPERTIES
        body = {"bucket_name": f"fuzz {self._number}", "bucket_schema": {"properties": properties}}
        blobs = [{"property": "title", "type": "text", "data": "red"}]
        if self._legacy:
            bucket = self._post("/v1/buckets/create", body)["bucket_id"]
            task = self._post(f"/v1/buckets/{bucket}/objects/create", {"blobs": blobs})["task_id"]
            stored = self._post(f"/v1/buckets/{bucket}/objects", {})["results"][0]["object_id"]
            return self._named(bucket, stored, task)
        bucket = self._post("/v1/buckets", body)["bucket_id"]
        stored = self._post(f"/v1/buckets/{bucket}/objects", {"blobs": blobs, "sku": "1"})["object_id"]
        batch = self._post(f"/v1/buckets/{bucket}/batches", {"object_ids": [stored]})
        batch_id, task = batch["batch_id"], "task_none"
        # Half of them are drafts, half have run.
        if self._number % 2:
            task = self._post(f"/v1/buckets/{bucket}/batches/{batch_id}/submit", {})["task_id"]
        return self._named(bucket, stored, task) | {"batch_id": batch_id}

    def _named(self, bucket: str, stored: str, task: str) -> dict[str, str]:
        return {
            "bucket_identifier": bucket,
            "object_identifier": stored,
            "task_id": task,
            "namespace": "shop",
            "namespace_identifier": "shop",
        }


@pytest.fixture(scope="module", params=["current", "legacy"])
def described(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Stock, Emulator]]:
    with Emulator(generation=request.param, task_seconds=0, submit_interval=0) as emulator:
        stock = Stock(emulator.url, request.param)
        yield schemathesis.openapi.from_url(f"{emulator.url}/openapi.json"), stock, emulator
        stock.close()


@pytest.mark.system
def test_every_call_answers_as_declared(described):
    document, stock, emulator = described
    answered: Counter[int] = Counter()
    for found in document.get_all_operations():
        operation = found.ok()
        _try(operation, GenerationMode.POSITIVE, stock, answered)
        # There is nothing to get wrong in a request that takes nothing.
        with suppress(Unsatisfiable):
            _try(operation, GenerationMode.NEGATIVE, stock, answered)
    counted = {each["status"] for each in emulator.state()["requests"]}
    assert 500 not in counted
    # The fuzz got somewhere: it is not all refusals.
    assert answered[200] > 100
    assert answered[422] > 30


def _try(operation: Any, mode: GenerationMode, stock: Stock, answered: Counter[int]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.integers(0, 9))
    def holds(case: Any, real: int) -> None:
        if case.path_parameters and real:
            case.path_parameters = {**case.path_parameters, **_only(stock.ids(), case.path_parameters)}
        answer = case.call(headers=HEADERS)
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    holds()


def _only(ids: dict[str, str], wanted: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if name in wanted}
