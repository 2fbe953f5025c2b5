"""Files become objects: each once, whatever happens, and those that cannot are told."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConfigError, MixpeekServerError
from airflow_provider.mixpeek.ingest import FilesRejectedError, upload_files

PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"
SCHEMA = {"hero": "image", "title": "string", "shelf": "string"}


@pytest.fixture
def mixpeek(emulator: Any) -> Iterator[MixpeekClient]:
    with MixpeekClient("sk_files", namespace="shop", base_url=emulator.url) as client:
        client.buckets.create("shoes", schema=SCHEMA, declare_metadata=False)
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures on two shelves."""
    for number in range(8):
        shelf = tmp_path / "shoes" / f"shelf {number % 2}"
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / f"shoe-{number}.png").write_bytes(b"picture %d" % number * 1000)
    return tmp_path / "shoes"


def hashes(folder: Path) -> dict[str, int]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): 1 for path in folder.rglob("*.png")}


def objects(mixpeek: MixpeekClient) -> list[dict[str, Any]]:
    bucket_id = mixpeek.buckets.find("shoes").bucket_id
    return [one.model_extra or {} for one in mixpeek.objects.list(bucket_id)]


def puts(emulator: Any) -> int:
    return sum(row["count"] for row in emulator.state()["requests"] if row["path"] == PUT)


def test_each_file_of_a_folder_is_an_object_with_its_metadata(mixpeek: Any, folder: Path, emulator: Any):
    report = upload_files(mixpeek, "shoes", folder, metadata={"title": "{stem}", "shelf": "in {folder}"})
    assert (len(report.stored), report.duplicates, report.rejected) == (8, 0, ())
    assert emulator.state()["files"] == hashes(folder)
    assert sorted((each["title"], each["shelf"]) for each in objects(mixpeek)) == [
        (f"shoe-{number}", f"in shelf {number % 2}") for number in range(8)
    ]


def test_what_is_stored_is_not_sent_again(mixpeek: Any, folder: Path, emulator: Any):
    upload_files(mixpeek, "shoes", [f"{folder}/*/shoe-[0-3].png"])
    assert puts(emulator) == 4
    report = upload_files(mixpeek, "shoes", folder)
    assert (len(report.stored), report.duplicates, puts(emulator)) == (8, 4, 8)
    assert len(objects(mixpeek)) == 8


def test_files_may_be_remote_and_named_alike(mixpeek: Any, emulator: Any):
    memory = fsspec.filesystem("memory")
    for shelf in "ab":
        memory.pipe(f"/files/{shelf}/one.png", shelf.encode() * 10)
    report = upload_files(mixpeek, "shoes", ["memory://files/a", "memory://files/b"])
    assert [name for name, _ in report.stored] == ["one.png", "one.png"]
    assert len(objects(mixpeek)) == 2


def test_files_that_cannot_be_stored_are_told_and_the_others_are_stored(
    mixpeek: Any, folder: Path, emulator: Any
):
    (folder / "empty.png").touch()
    with pytest.raises(FilesRejectedError, match=r"1 files were rejected; the first is empty\.png") as caught:
        upload_files(mixpeek, "shoes", folder)
    assert len(caught.value.report.stored) == len(objects(mixpeek)) == 8
    report = upload_files(mixpeek, "shoes", folder, max_rejected=1)
    assert [(each.file, "is empty" in each.reason) for each in report.rejected] == [("empty.png", True)]
    refused = {"fault": "status", "status": 422, "method": "POST", "path": "/v1/buckets/*/uploads"}
    emulator.fault({**refused, "times": 1})
    report = upload_files(mixpeek, "shoes", folder, max_rejected=2, at_once=1)
    assert [each.error_type for each in report.rejected if each.error_type] == ["ValidationError"]


def test_a_failure_of_the_server_stops_and_a_second_call_goes_on(mixpeek: Any, folder: Path, emulator: Any):
    emulator.fault({"fault": "status", "status": 500, "path": "/v1/buckets/*/uploads", "skip": 3})
    hasty = MixpeekClient.from_settings(mixpeek.session.settings)
    hasty._face(hasty.session.impatient(), hasty._transport, time.sleep)
    with hasty, pytest.raises(MixpeekServerError):
        upload_files(hasty, "shoes", folder, at_once=1)
    assert len(objects(mixpeek)) == 3
    emulator.clear_faults()
    assert upload_files(mixpeek, "shoes", folder).duplicates == 3
    assert emulator.state()["files"] == hashes(folder)


def test_a_process_that_is_killed_is_taken_up(mixpeek: Any, folder: Path, emulator: Any):
    emulator.fault({"fault": "latency", "seconds": 0.2, "method": "PUT", "path": "/_storage/*"})
    program = (
        "import sys; from airflow_provider.mixpeek.client import MixpeekClient;"
        "from airflow_provider.mixpeek.ingest import upload_files;"
        "upload_files(MixpeekClient('sk_files', namespace='shop', base_url=sys.argv[1]),"
        " 'shoes', sys.argv[2], at_once=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, emulator.url, str(folder)])
    until = time.monotonic() + 60
    while len(emulator.state()["files"]) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 3 <= len(emulator.state()["files"]) < 8
    emulator.clear_faults()
    report = upload_files(mixpeek, "shoes", folder)
    assert report.duplicates >= 3
    assert emulator.state()["files"] == hashes(folder)
    assert len(objects(mixpeek)) == 8


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"files": "nowhere/*.png"}, "there is no file"),
        ({"metadata": {"title": "{colour}"}}, "no template of path, folder"),
        ({"metadata": {"title": "{stem"}}, "no template"),
        ({"at_once": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(
    mixpeek: Any, folder: Path, emulator: Any, given: dict[str, Any], why: str
):
    with pytest.raises(MixpeekConfigError, match=why):
        upload_files(mixpeek, "shoes", given.pop("files", folder), **given)
    assert puts(emulator) == 0
