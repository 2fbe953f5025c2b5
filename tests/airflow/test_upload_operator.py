"""The operator that uploads files: what it takes, what it returns, what a retry does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekGenerationError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import FilesRejectedError
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator

from .contexts import Kept

KEY = "sk_uploads_5c1e"


@pytest.fixture
def server(make_emulator: Callable[..., Emulator], point_at: Callable[..., None]) -> Emulator:
    emulator = make_emulator(task_seconds=0, namespaces=["shop"])
    point_at(emulator, key=KEY)
    with MixpeekClient(KEY, namespace="shop", base_url=emulator.url) as client:
        client.buckets.create("shoes", schema={"hero": "image", "sku": "string"}, declare_metadata=False)
    return emulator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"shoe-{number}.png").write_bytes(b"picture %d" % number)
    return tmp_path


def run(**arguments: Any) -> dict[str, Any]:
    operator = MixpeekUploadFilesOperator(task_id="upload", bucket="shoes", **arguments)
    return operator.execute(Kept().context(task_id="upload"))


def test_it_returns_what_became_of_the_files_and_a_retry_sends_nothing(server: Emulator, folder: Path):
    first = run(files=str(folder), metadata={"sku": "{stem}"})
    assert (first["files"], first["stored"], first["duplicates"], first["rejected"]) == (3, 3, 0, 0)
    assert len(first["object_ids"]) == 3
    again = run(files=[f"{folder}/*.png"], metadata={"sku": "{stem}"})
    assert again == first | {"duplicates": 3}
    assert server.state()["objects"] == 3


def test_rejected_files_fail_the_task_unless_some_may_be(server: Emulator, folder: Path, caplog: Any):
    (folder / "empty.png").touch()
    with pytest.raises(FilesRejectedError, match=r"empty\.png"):
        run(files=str(folder))
    told = run(files=str(folder), max_rejected=1)
    assert [each["file"] for each in told["rejected_files"]] == ["empty.png"]
    assert caplog.text.count("Rejected empty.png: ") == 2
    assert (told["files"], told["stored"]) == (4, 3)


def test_legacy_says_that_it_takes_no_files(
    make_emulator: Callable[..., Emulator], point_at: Callable[..., None], folder: Path
):
    emulator = make_emulator(generation="legacy")
    point_at(emulator, key=KEY, generation="legacy")
    with pytest.raises(MixpeekGenerationError, match="cannot take files"):
        run(files=str(folder))
    assert emulator.state()["requests"] == []
