"""A file that cannot be uploaded is rejected; what no file is to blame for stops, and rejects none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry

from airflow_provider.mixpeek.client import Bucket, MixpeekClient, MixpeekReadError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Blob, IngestError, ingest, upload_files

from .flaky import SECRET, Flaky

COUNT = 5
CONFIRM = "/v1/buckets/*/uploads/*/confirm"
FAILS = {"fault": "task_outcome", "status": "FAILED", "seconds": 0, "path": CONFIRM}


@pytest.fixture
def bucket(mixpeek: MixpeekClient) -> Bucket:
    return mixpeek.buckets.create("shoes", schema={"hero": "image", "sku": "string"}, declare_metadata=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        (tmp_path / f"{number}.png").write_bytes(b"picture %d" % number)
    return tmp_path


@pytest.fixture
def with_a_large_one(folder: Path) -> Path:
    """The third is so large that it is confirmed in a task."""
    with (folder / "2.png").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    return folder


def load(mixpeek: MixpeekClient, folder: Any, **more: Any) -> Any:
    rows = [{"file": f"{number}.png", "sku": f"S{number}"} for number in range(COUNT)]
    mapping = {"blobs": {"hero": Blob(column="file", source="file", folder=str(folder))}, "metadata": ["sku"]}
    return ingest(mixpeek, "shoes", rows, mapping=mapping, scope="shoes", on_error="collect", **more)


# -- the file's ------------------------------------------------------------------------------------------


def test_a_file_whose_confirmation_fails_is_rejected_and_no_other(
    mixpeek: MixpeekClient, bucket: Bucket, with_a_large_one: Path, emulator: Emulator
) -> None:
    emulator.fault(FAILS)
    report = upload_files(mixpeek, "shoes", with_a_large_one, max_rejected=1)
    assert (len(report.stored), [each.file for each in report.rejected]) == (COUNT - 1, ["2.png"])
    assert " ended FAILED (file /" in report.rejected[0].reason


def test_a_row_whose_file_s_confirmation_fails_is_rejected_and_no_other(
    mixpeek: MixpeekClient, bucket: Bucket, with_a_large_one: Path, emulator: Emulator
) -> None:
    emulator.fault(FAILS)
    report = load(mixpeek, with_a_large_one)
    assert report.created == COUNT - 1
    assert [(each.row, each.column) for each in report.rejected_rows] == [(2, "file")]
    assert re.search(r" ended FAILED \(file /.*/2\.png\)", report.rejected_rows[0].reason)


@pytest.mark.parametrize("status", [400, 404, 413])
def test_a_file_that_the_storage_refuses_is_rejected_and_no_other(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator, status: int
) -> None:
    body = "<Code>InvalidRequest</Code>"
    refuses = {"fault": "status", "status": status, "body": body, "path": "/_storage/*", "times": 1}
    emulator.fault(refuses)
    report = upload_files(mixpeek, "shoes", folder, max_rejected=1, at_once=1)
    assert (len(report.stored), [each.file for each in report.rejected]) == (COUNT - 1, ["0.png"])
    assert report.rejected[0].error_type == "InvalidRequest"
    emulator.fault(refuses)
    load_report = load(mixpeek, folder, in_flight=1)
    assert (load_report.created, load_report.rejected) == (COUNT - 1, 1)
    assert f"{status} InvalidRequest" in load_report.rejected_rows[0].reason


# -- not the file's --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_storage_that_refuses_who_asks_stops(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator, status: int
) -> None:
    emulator.fault({"fault": "status", "status": status, "path": "/_storage/*"})
    with pytest.raises(IngestError, match=f"the storage refused the file: {status}"):
        load(mixpeek, folder)


@pytest.fixture
def elsewhere(flaky: type[Flaky]) -> str:
    for number in range(COUNT):
        fsspec.filesystem("flaky").pipe(f"/shoes/{number}.png", b"picture %d" % number)
    return "flaky://shoes"


@pytest.mark.parametrize("error", [OSError, TimeoutError, RuntimeError])
def test_a_moment_s_failure_of_the_source_rejects_nothing(
    mixpeek: MixpeekClient, bucket: Bucket, elsewhere: str, flaky: type[Flaky], error: type[Exception]
) -> None:
    flaky.error = error
    flaky.failures |= {"1.png": 2, "3.png": 3}
    report = upload_files(mixpeek, "shoes", elsewhere, at_once=1)
    assert (len(report.stored), report.rejected) == (COUNT, ())
    flaky.failures |= {"1.png": 2, "3.png": 3}
    loaded = load(mixpeek, elsewhere)
    assert (loaded.created, loaded.rejected) == (COUNT, 0)


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_source_that_is_down_stops_and_the_next_try_goes_on(
    mixpeek: MixpeekClient,
    bucket: Bucket,
    elsewhere: str,
    flaky: type[Flaky],
    error: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky.error = error
    flaky.failures["2.png"] = 99
    with pytest.raises(IngestError, match=r"2\.png cannot be read now") as stopped:
        load(mixpeek, elsewhere)
    assert isinstance(stopped.value.__cause__, MixpeekReadError)
    assert stopped.value.__cause__.retryable
    assert stopped.value.report.rejected == 0
    with pytest.raises(MixpeekReadError, match=r"flaky://shoes/2\.png cannot be read now") as failed:
        upload_files(mixpeek, "shoes", elsewhere, at_once=1, max_rejected=COUNT)
    for text in (str(stopped.value), str(failed.value), caplog.text):
        assert SECRET not in text
        assert "pw" not in text
    flaky.failures.clear()
    assert load(mixpeek, elsewhere).created == COUNT
    assert len(upload_files(mixpeek, "shoes", elsewhere).stored) == COUNT


@pytest.mark.parametrize(("error", "stops"), [(OSError, True), (ValueError, False)])
def test_a_file_system_that_cannot_be_had_just_now_stops(
    mixpeek: MixpeekClient,
    bucket: Bucket,
    flaky: type[Flaky],
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    stops: bool,
) -> None:
    class Locked(Flaky):
        def __init__(self) -> None:
            raise error("its credentials cannot be had")

    monkeypatch.setitem(_registry, "locked", Locked)
    if stops:
        with pytest.raises(IngestError, match="locked://shoes cannot be reached"):
            load(mixpeek, "locked://shoes")
    else:
        assert load(mixpeek, "locked://shoes").rejected == COUNT


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, IsADirectoryError])
def test_a_file_that_is_not_there_to_be_read_is_rejected_at_once(
    mixpeek: MixpeekClient, bucket: Bucket, elsewhere: str, flaky: type[Flaky], error: type[Exception]
) -> None:
    flaky.error = error
    flaky.failures["2.png"] = 1
    report = upload_files(mixpeek, "shoes", elsewhere, max_rejected=1)
    assert [each.file for each in report.rejected] == ["2.png"]
    assert SECRET not in report.rejected[0].reason
