"""Files become objects: each once, whatever happens, and those that cannot are told."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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


@pytest.mark.parametrize("asked_for", [True, False])
def test_the_log_names_the_first_that_are_rejected_and_says_where_all_of_them_are(
    mixpeek: Any, tmp_path: Path, caplog: Any, asked_for: bool
):
    for number in range(23):
        (tmp_path / f"empty-{number:02}.png").touch()
    rejected_to = tmp_path / "_rejected" if asked_for else None
    with pytest.raises(FilesRejectedError) as caught:
        upload_files(mixpeek, "shoes", f"{tmp_path}/*.png", rejected_to=rejected_to)
    said = [record.getMessage() for record in caplog.records if "jected" in record.getMessage()]
    assert len(said) == 21
    assert said[0].startswith("Rejected empty-00.png: ")
    assert "is empty" in said[0]
    uri = caught.value.report.rejected_uri
    where = (
        f"all of them are in {uri}" if asked_for else "with rejected_to= all of them are written into a file"
    )
    assert said[20] == f"... and 3 more rejected files; {where}"
    assert where.removeprefix("with").removeprefix("all") in caught.value.hint


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
        ({"metadata": {"title": "{stem:d}"}}, "'title' has a format or a conversion, and takes none"),
        ({"metadata": {"title": "{stem!r}"}}, "has a format or a conversion"),
        ({"metadata": {"title": "{stem:{name}}"}}, "has a format or a conversion"),
        ({"metadata": {"title": "{stem.upper}"}}, "no template of path"),
        ({"blob_property": "back"}, "'back', and the bucket's properties for files are hero"),
        ({"blob_property": "title"}, "'title', and the bucket's properties for files are hero"),
        ({"at_once": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(
    mixpeek: Any, folder: Path, emulator: Any, given: dict[str, Any], why: str
):
    with pytest.raises(MixpeekConfigError, match=why):
        upload_files(mixpeek, "shoes", given.pop("files", folder), **given)
    assert puts(emulator) == 0


# -- what is written down ----------------------------------------------------------------------------------


def lines(uri: str | None) -> list[dict[str, Any]]:
    assert uri is not None
    with fsspec.open(unquote(uri)) as file:
        return [json.loads(line) for line in file]


def test_what_became_of_each_file_is_written_down(mixpeek: Any, folder: Path, emulator: Any, directory: str):
    (folder / "empty.png").touch()
    with pytest.raises(FilesRejectedError) as caught:
        upload_files(mixpeek, "shoes", folder, rejected_to=directory, receipt_to=directory)
    report = caught.value.report
    (rejected,) = lines(report.rejected_uri)
    assert (rejected["file"], "is empty" in rejected["reason"]) == ("empty.png", True)
    told = lines(report.receipt_uri)
    assert sorted(each["outcome"] for each in told) == ["rejected"] + ["stored"] * 8
    stored = {each["sha256"]: each["object_id"] for each in told if each["sha256"]}
    assert stored.keys() == emulator.state()["files"].keys()
    (folder / "empty.png").unlink()
    again = upload_files(mixpeek, "shoes", folder, rejected_to=directory, receipt_to=directory)
    assert again.rejected_uri is None
    assert {each["outcome"] for each in lines(again.receipt_uri)} == {"duplicate"}
    # What was rejected the last time is not told any more.
    fs, path = fsspec.url_to_fs(directory)
    assert len(fs.ls(path, detail=False)) == 1


def test_receipts_are_not_written_where_they_would_be_uploaded(mixpeek: Any, folder: Path, emulator: Any):
    with pytest.raises(MixpeekConfigError, match="would be uploaded the next time"):
        upload_files(mixpeek, "shoes", folder, receipt_to=folder / "receipts")
    assert puts(emulator) == 0
    report = upload_files(mixpeek, "shoes", folder, receipt_to=folder / "_receipts")
    assert len(upload_files(mixpeek, "shoes", folder).stored) == len(report.stored) == 8


# -- values from a table ---------------------------------------------------------------------------------


def test_a_table_says_what_the_templates_do_not(mixpeek: Any, folder: Path, emulator: Any, tmp_path: Path):
    table = tmp_path / "shoes.csv"
    lines = [f"shelf {number % 2}/shoe-{number}.png,Shoe {number},x" for number in range(7)]
    table.write_text("\n".join(["file,title,colour", *lines, "shoe-7.png,By its name,x", "gone.png,Gone,x"]))
    report = upload_files(mixpeek, "shoes", folder, metadata={"shelf": "{folder}"}, table=table)
    assert len(report.stored) == 8
    assert sorted((each["title"], each["shelf"]) for each in objects(mixpeek))[:2] == [
        ("By its name", "shelf 1"),
        ("Shoe 0", "shelf 0"),
    ]


def test_a_file_without_a_row_that_can_be_used_is_rejected(mixpeek: Any, folder: Path):
    rows = [{"sku": f"shoe-{number}.png", "title": f"Shoe {number}", "size": 40} for number in range(6)]
    rows.append({"sku": "shoe-5.png", "title": "Again", "size": 41})
    rows[2]["size"] = "large"
    mixpeek.buckets.create("sized", schema=SCHEMA | {"size": "integer"}, declare_metadata=False)
    with pytest.raises(FilesRejectedError) as caught:
        upload_files(mixpeek, "sized", folder, table=rows, table_key="sku")
    report = caught.value.report
    assert len(report.stored) == 4
    assert sorted((each.file.rpartition("/")[2], each.reason) for each in report.rejected) == [
        ("shoe-2.png", "column 'size': 'large' is no number"),
        ("shoe-5.png", "the table has several rows for it"),
        ("shoe-6.png", "the table has no row for it"),
        ("shoe-7.png", "the table has no row for it"),
    ]


# -- several files per object ---------------------------------------------------------------------------

SIDES = r"(?:.*/)?(?P<object>[^/]+)-(?P<property>hero|back)\.png"


@pytest.fixture
def sides(mixpeek: MixpeekClient, tmp_path: Path) -> Path:
    """Six shoes from two sides."""
    mixpeek.buckets.create("pairs", schema=SCHEMA | {"back": "image"}, declare_metadata=False)
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(6):
        for side in ("hero", "back"):
            (folder / f"{number}-{side}.png").write_bytes(f"{side} of {number}".encode())
    return folder


def pairs(mixpeek: MixpeekClient) -> list[tuple[str, list[str]]]:
    bucket_id = mixpeek.buckets.find("pairs").bucket_id
    return sorted(
        (str((one.model_extra or {}).get("title")), sorted(blob.property for blob in one.blobs))
        for one in mixpeek.objects.list(bucket_id)
    )


def test_several_files_are_one_object_and_a_second_call_finds_it(mixpeek: Any, sides: Path, emulator: Any):
    table = [{"shoe": str(number), "shelf": "top"} for number in range(6)]
    given = {"group_by": SIDES, "metadata": {"title": "Shoe {object}"}, "table": table, "table_key": "shoe"}
    report = upload_files(mixpeek, "pairs", sides, **given)
    assert pairs(mixpeek) == [(f"Shoe {number}", ["back", "hero"]) for number in range(6)]
    assert len(report.stored) == 12
    assert len({file.object_id for _, file in report.stored}) == 6
    again = upload_files(mixpeek, "pairs", sides, **given)
    assert again.duplicates == 12
    assert {file.object_id for _, file in again.stored} == {file.object_id for _, file in report.stored}
    assert len(pairs(mixpeek)) == 6
    assert emulator.state()["files"] == hashes(sides)


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_an_object_of_several_files_is_there_once_though_its_answer_is_lost(
    mixpeek: Any, sides: Path, emulator: Any, fault: str
):
    emulator.fault({"fault": fault, "path": "/v1/buckets/*/objects", "times": 3})
    emulator.fault({"fault": fault, "path": "/_storage/*", "times": 3})
    upload_files(mixpeek, "pairs", sides, group_by=SIDES)
    assert len(pairs(mixpeek)) == 6
    assert emulator.state()["files"] == hashes(sides)


def test_files_of_changed_bytes_are_another_object(mixpeek: Any, sides: Path):
    upload_files(mixpeek, "pairs", sides, group_by=SIDES)
    (sides / "3-back.png").write_bytes(b"mended")
    upload_files(mixpeek, "pairs", sides, group_by=SIDES)
    assert len(pairs(mixpeek)) == 7


def test_files_that_fit_in_no_object_are_told(mixpeek: Any, sides: Path):
    for name in ("readme.png", "old/0-back.png"):
        (sides / name).parent.mkdir(exist_ok=True)
        (sides / name).write_bytes(name.encode())
    (sides / "5-hero.png").write_bytes(b"")
    report = upload_files(mixpeek, "pairs", sides, group_by=SIDES, max_rejected=9)
    assert len(pairs(mixpeek)) == 5
    told = {each.file: each.reason for each in report.rejected}
    assert sorted(told) == ["5-back.png", "5-hero.png", "old/0-back.png", "readme.png"]
    assert told["readme.png"] == "its path does not match group_by"
    assert told["old/0-back.png"] == "0-back.png is the 'back' of the object '0' already"
    assert "is empty" in told["5-hero.png"]
    assert told["5-back.png"] == "no object is made of it, since another file of '5' is rejected"


def test_files_whose_match_names_no_object_or_property_are_no_object(mixpeek: Any, sides: Path):
    for name in ("loose.png", "other.png", "-back.png"):
        (sides / name).write_bytes(name.encode())
    rule = r"(?:(?P<object>\d*)-)?(?P<property>hero|back)?.*\.png"
    report = upload_files(mixpeek, "pairs", sides, group_by=rule, max_rejected=9)
    assert len(pairs(mixpeek)) == 6
    (sides / "6-side.png").write_bytes(b"side")
    report = upload_files(mixpeek, "pairs", sides, group_by=rule, max_rejected=9)
    assert len(pairs(mixpeek)) == 6
    without = "its path matches group_by without the group {!r}"
    assert {each.file: each.reason for each in report.rejected} == {
        "-back.png": without.format("object"),
        "loose.png": without.format("object"),
        "other.png": without.format("object"),
        "6-side.png": without.format("property"),
    }


def test_a_refused_object_rejects_its_files(mixpeek: Any, sides: Path, emulator: Any):
    emulator.fault({"fault": "status", "status": 422, "path": "/v1/buckets/*/objects", "times": 1})
    report = upload_files(mixpeek, "pairs", sides, group_by=SIDES, at_once=1, max_rejected=2)
    assert [each.error_type for each in report.rejected] == ["ValidationError"] * 2
    assert len(report.stored) == 10


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"group_by": "("}, "no regular expression"),
        ({"group_by": "(?P<stem>.*)"}, "has to name the group 'object'"),
        ({"group_by": "(?P<object>.*)"}, "names no group 'property'"),
        ({"group_by": SIDES, "metadata": {"title": "{stem}"}}, "no template of object"),
        ({}, "does not say what files become, and the bucket's properties for files are hero, back"),
        ({"group_by": "(?P<object>.*)", "blob_property": "title"}, "blob_property is 'title'"),
        ({"group_by": SIDES, "blob_property": "side"}, "blob_property is 'side'"),
        ({"blob_property": "hero", "table": [{"name": "a"}]}, "the table has no column 'file'"),
        ({"blob_property": "hero", "table": "nowhere.csv"}, "no such file"),
    ],
)
def test_wrong_rules_and_tables_are_told_before_anything_is_sent(
    mixpeek: Any, sides: Path, emulator: Any, given: dict[str, Any], why: str
):
    with pytest.raises(MixpeekConfigError, match=why):
        upload_files(mixpeek, "pairs", sides, **given)
    assert puts(emulator) == 0


def test_buckets_that_take_no_idempotency_keys_are_refused(mixpeek: Any, sides: Path, emulator: Any):
    mixpeek.buckets.create("unique", schema=SCHEMA, unique_key={"fields": ["title"]}, declare_metadata=False)
    with pytest.raises(MixpeekConfigError, match="need idempotency keys"):
        upload_files(mixpeek, "unique", sides, group_by=SIDES)
    assert puts(emulator) == 0
