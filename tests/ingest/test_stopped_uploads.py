"""Ctrl-C, a time-out, a server that fails: uploads end within seconds, and say what was done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider.mixpeek.client import (
    Bucket,
    MixpeekClient,
    MixpeekServerError,
    MixpeekStoppedError,
    MixpeekStorageError,
)
from airflow_provider.mixpeek.client._flow import RetryRules
from airflow_provider.mixpeek.client._upload_source import PIECE, FileSource
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import _threads as threads
from airflow_provider.mixpeek.ingest import upload_files
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._openable import OpenableFile

from .flaky import Flaky
from .shop import calls
from .signals import TaskTimeout, ours, signalled_when, until

pytestmark = pytest.mark.usefixtures("no_collection")

COUNT = 6
PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"
CONFIRM = "/v1/buckets/{bucket_identifier}/uploads/{upload_id}/confirm"
UPLOADS = "/v1/buckets/{bucket_identifier}/uploads"


@pytest.fixture(autouse=True)
def bucket(mixpeek: MixpeekClient) -> Bucket:
    return mixpeek.buckets.create("shoes", schema={"hero": "image"}, declare_metadata=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shoes"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number}.png").write_bytes(b"picture %d" % number)
    return folder


@pytest.fixture
def time_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bool]], threading.Thread]:
    """Raises what Airflow raises, in this thread, as soon as something holds."""

    def on_alarm(_number: int, _frame: object) -> None:
        raise TaskTimeout

    before = signal.signal(signal.SIGALRM, on_alarm)
    yield lambda condition: signalled_when(condition, signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)


def lines(directory: str) -> dict[str, list[dict[str, Any]]]:
    """What was written into a directory, by the end of the files' names."""
    fs, path = fsspec.url_to_fs(directory)
    return {
        name.partition(".")[2]: [json.loads(line) for line in fs.cat_file(name).splitlines()]
        for name in fs.find(path)
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "status", "status": 503, "path": "/_storage/*", "skip": 2},
        {"fault": "status", "status": 503, "path": UPLOADS, "skip": 2, "headers": {"Retry-After": "100"}},
    ],
    ids=["storage", "server"],
)
def test_a_time_out_does_not_wait_for_the_next_try(
    emulator: Emulator,
    connect: Callable[..., MixpeekClient],
    folder: Path,
    time_out: Any,
    fault: dict[str, Any],
) -> None:
    patient = connect(emulator, budget=600)
    slow = RetryRules(budget=600, longest=300, first=300)
    patient._face(replace(patient.session, retry=slow, jitter=lambda: 1.0), patient._transport, time.sleep)
    emulator.fault(fault)
    helper = time_out(lambda: emulator.faults()[0]["fired"] >= 2)
    started = time.monotonic()
    with pytest.raises(TaskTimeout) as raised:
        upload_files(patient, "shoes", folder, at_once=2)
    helper.join()
    assert time.monotonic() - started < 20
    (note,) = raised.value.__notes__
    assert note == (
        f"The upload of {COUNT} files was stopped: 2 files were stored, 0 rejected; running it again sends "
        "only the rest."
    )
    assert not ours()
    emulator.clear_faults()
    assert upload_files(patient, "shoes", folder).duplicates == 2


def test_a_time_out_does_not_wait_for_a_confirmation(
    make_emulator: Callable[..., Emulator], connect: Callable[..., MixpeekClient], folder: Path, time_out: Any
) -> None:
    emulator = make_emulator(task_seconds=3000)
    client = connect(emulator)
    client.buckets.create("shoes", schema={"hero": "image"}, declare_metadata=False)
    with (folder / "5.png").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    helper = time_out(lambda: calls(emulator, CONFIRM) == COUNT)
    started = time.monotonic()
    with pytest.raises(TaskTimeout) as raised:
        upload_files(client, "shoes", folder)
    helper.join()
    assert time.monotonic() - started < 10
    assert "5 files were stored" in raised.value.__notes__[0]
    assert not ours()


def test_ctrl_c_while_the_storage_hangs(
    emulator: Emulator, mixpeek: MixpeekClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "GRACE", 0.2)
    emulator.fault({"fault": "latency", "seconds": 600, "path": "/_storage/*", "skip": 3})
    helper = signalled_when(lambda: emulator.faults()[0]["fired"] == 2, signal.SIGINT)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as raised:
        upload_files(mixpeek, "shoes", folder, at_once=2)
    helper.join()
    assert time.monotonic() - started < 5
    assert "3 files were stored" in raised.value.__notes__[0]


def test_a_process_that_is_interrupted_ends(emulator: Emulator, mixpeek: MixpeekClient, folder: Path) -> None:
    """Threads whose requests hang must not keep a worker's process alive."""
    emulator.fault({"fault": "latency", "seconds": 600, "path": "/_storage/*"})
    script = (
        "from airflow_provider.mixpeek.client import MixpeekClient\n"
        "from airflow_provider.mixpeek.ingest import _threads, upload_files\n"
        "_threads.GRACE = 0.2\n"
        f"with MixpeekClient('sk', namespace='shop', base_url={emulator.url!r}) as client:\n"
        f"    upload_files(client, 'shoes', {str(folder)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    until(lambda: emulator.faults()[0]["fired"] >= 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert "0 files were stored" in said


def test_a_file_on_its_way_stops_between_two_pieces(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(5 * PIECE))
    stop = threading.Event()
    source = FileSource(OpenableFile(locate(str(tmp_path / "a.png")), stop))
    source.measure()
    pieces = source.chunks()
    assert len(next(pieces)) == PIECE
    stop.set()
    with pytest.raises(MixpeekStoppedError):
        list(pieces)
    with pytest.raises(MixpeekStoppedError):
        source.measure()


# -- what is told, and written down ----------------------------------------------------------------------


def test_a_failure_says_which_file_what_was_done_and_writes_it_down(
    emulator: Emulator, connect: Callable[..., MixpeekClient], folder: Path, directory: str, caplog: Any
) -> None:
    (folder / "1.png").write_bytes(b"")
    emulator.fault({"fault": "status", "status": 500, "path": "/_storage/*", "skip": 2})
    with pytest.raises(MixpeekServerError, match=r"upload upl_\w+ of .*/3\.png\)") as failed:
        upload_files(
            connect(emulator, budget=0.1),
            "shoes",
            folder,
            at_once=1,
            rejected_to=directory,
            receipt_to=directory,
        )
    told = "2 files were stored, 1 rejected; running it again sends only the rest."
    assert told in failed.value.__notes__[0]
    assert told in caplog.text
    assert "Rejected 1.png: " in caplog.text
    assert "try again later" in failed.value.hint
    written = lines(directory)
    assert [each["file"] for each in written["rejected-files.jsonl"]] == ["1.png"]
    outcomes = {each["file"]: each["outcome"] for each in written["files.jsonl"]}
    assert outcomes == {"0.png": "stored", "1.png": "rejected", "2.png": "stored"}


def test_a_call_that_fails_says_for_which_file_it_was(
    emulator: Emulator, connect: Callable[..., MixpeekClient], folder: Path
) -> None:
    emulator.fault({"fault": "status", "status": 500, "path": UPLOADS, "skip": 3})
    with pytest.raises(MixpeekServerError, match=r"\(file .*/3\.png\)"):
        upload_files(connect(emulator, budget=0.1), "shoes", folder, at_once=1)


def test_a_storage_s_refusal_says_which_file_and_what_to_do(
    emulator: Emulator, mixpeek: MixpeekClient, bucket: Bucket, folder: Path
) -> None:
    emulator.fault({"fault": "status", "status": 400, "path": "/_storage/*"})
    with pytest.raises(MixpeekStorageError, match=r"0\.png.*: the storage refused the file: 400") as refused:
        mixpeek.uploads.upload_file(bucket.bucket_id, folder / "0.png")
    assert "leave the file out" in refused.value.hint


def test_a_stop_before_anything_was_done_leaves_what_an_earlier_call_has_written(
    emulator: Emulator, connect: Callable[..., MixpeekClient], folder: Path, directory: str
) -> None:
    client = connect(emulator, budget=0.1)
    (folder / "readme.png").write_bytes(b"of no object")
    given = {
        "group_by": "(?P<object>\\d).*",
        "blob_property": "hero",
        "receipt_to": directory,
        "max_rejected": 1,
    }
    upload_files(client, "shoes", folder, **given)
    before = lines(directory)
    assert len(before["files.jsonl"]) == COUNT + 1
    emulator.fault({"fault": "status", "status": 500, "path": UPLOADS})
    with pytest.raises(MixpeekServerError):
        upload_files(client, "shoes", folder, **given)
    assert lines(directory) == before


def test_a_receipt_that_cannot_be_written_does_not_hide_what_stopped_the_files(
    emulator: Emulator,
    connect: Callable[..., MixpeekClient],
    folder: Path,
    flaky: type[Flaky],
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    emulator.fault({"fault": "status", "status": 500, "path": "/_storage/*", "skip": 2})

    def full(*_: object, **__: object) -> None:
        if calls(emulator, PUT):
            raise OSError("no space is left")

    monkeypatch.setattr(flaky, "pipe_file", full)
    with pytest.raises(MixpeekServerError):
        upload_files(connect(emulator, budget=0.1), "shoes", folder, at_once=1, receipt_to="flaky://receipts")
    assert "What became of the files could not be written down" in caplog.text
