"""Rows that bring files: each file is uploaded once, each row is one object, whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider.mixpeek.client import Bucket, MixpeekClient, MixpeekConfigError, MixpeekGenerationError
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import (
    Blob,
    FileCheckpoint,
    IngestError,
    MappingError,
    ObjectMapping,
    RowsRejectedError,
    ingest,
)

from .shop import calls, stored

PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"
SCHEMA = {"hero": "image", "back": "image", "title": "text", "sku": "string"}
COUNT = 25


@pytest.fixture
def bucket(mixpeek: MixpeekClient) -> Bucket:
    return mixpeek.buckets.create("shoes", schema=SCHEMA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        (tmp_path / f"shoe-{number}.png").write_bytes(b"front of %d" % number)
        (tmp_path / f"shoe-{number}-back.png").write_bytes(b"back of %d" % number)
    return tmp_path


def mapping(folder: Any = None) -> ObjectMapping:
    return ObjectMapping(
        blobs={
            "hero": Blob(column="front", source="file", folder=folder and str(folder)),
            "back": Blob(column="rear", source="file", folder=folder and str(folder)),
            "title": "title",
        },
        metadata=["sku"],
    )


def table(count: int = COUNT) -> list[dict[str, Any]]:
    return [
        {
            "front": f"shoe-{number}.png",
            "rear": f"shoe-{number}-back.png",
            "title": f"Shoe {number}",
            "sku": f"S{number}",
        }
        for number in range(count)
    ]


def load(mixpeek: MixpeekClient, folder: Any, rows: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    more = {"mapping": mapping(folder), "scope": "shoes"} | more
    return ingest(mixpeek, "shoes", table() if rows is None else rows, **more)


def hashes(folder: Path) -> dict[str, int]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): 1 for path in folder.rglob("*.png")}


def files_of(mixpeek: MixpeekClient, bucket: Bucket) -> dict[str, list[tuple[str, str]]]:
    """By sku: the property and the name of the file of each blob."""
    return {
        sku: [
            (blob.property, str(blob.properties["url"]).rpartition("/")[2])
            for blob in one.blobs
            if blob.property != "title"
        ]
        for sku, one in stored(mixpeek, bucket).items()
    }


def test_each_row_is_an_object_that_refers_to_its_files(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator
) -> None:
    report = load(mixpeek, folder)
    assert (report.created, report.rejected) == (COUNT, 0)
    assert emulator.state()["files"] == hashes(folder)
    assert emulator.state()["objects_processed"] == {"1": COUNT}
    assert files_of(mixpeek, bucket)["S7"] == [("hero", "shoe-7.png"), ("back", "shoe-7-back.png")]


def test_a_second_call_sends_no_file_and_makes_no_object(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator
) -> None:
    load(mixpeek, folder)
    sent = calls(emulator, PUT)
    report = load(mixpeek, folder)
    assert (report.replayed, report.created) == (COUNT, 0)
    assert calls(emulator, PUT) == sent == 2 * COUNT
    assert len(stored(mixpeek, bucket)) == COUNT


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "reset_after", "path": "/v1/buckets/*/objects/batch", "times": 3},
        {"fault": "reset_before", "path": "/v1/buckets/*/objects/batch", "times": 3},
        {"fault": "reset_before", "path": "/_storage/*", "times": 5},
        {"fault": "reset_after", "path": "/_storage/*", "times": 5},
        {"fault": "reset_after", "path": "/v1/buckets/*/uploads/*/confirm", "times": 5},
        {"fault": "reset_after", "path": "/v1/buckets/*/uploads", "times": 5},
    ],
    ids=lambda fault: f"{fault['fault']} {fault['path']}",
)
def test_faults_in_each_step_neither_lose_nor_double(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator, fault: dict[str, Any]
) -> None:
    emulator.fault(fault)
    report = load(mixpeek, folder)
    assert report.created + report.replayed == COUNT
    assert emulator.state()["files"] == hashes(folder)
    assert len(stored(mixpeek, bucket)) == COUNT


def test_a_load_that_failed_in_the_middle_is_taken_up(
    emulator: Emulator,
    connect: Callable[..., MixpeekClient],
    mixpeek: MixpeekClient,
    bucket: Bucket,
    folder: Path,
) -> None:
    noted = FileCheckpoint(folder / "noted.json")
    emulator.fault({"fault": "status", "status": 500, "path": "/_storage/*", "skip": 31})
    with pytest.raises(IngestError) as failed:
        load(connect(emulator, budget=0.1), folder, checkpoint=noted, in_flight=1)
    first = failed.value.report
    # What broke was a file on its way: no row is in doubt for that.
    assert (first.created, first.in_doubt) == (10, 0)
    emulator.clear_faults()
    load(mixpeek, folder, checkpoint=noted)
    assert emulator.state()["files"] == hashes(folder)
    assert emulator.state()["objects_processed"] == {"1": COUNT}


def test_files_that_cannot_be_read_reject_their_rows_and_no_other(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path
) -> None:
    rows = table(6)
    rows[1]["front"] = "nowhere.png"
    (folder / "shoe-2-back.png").write_bytes(b"")
    rows[3]["rear"] = 5
    rows[4]["front"] = None
    rows[5] |= {"front": None, "rear": None, "title": None}
    report = load(mixpeek, folder, rows, on_error="collect")
    assert report.created == 2
    assert files_of(mixpeek, bucket)["S4"] == [("back", "shoe-4-back.png")]
    assert [(each.row, each.column) for each in report.rejected_rows] == [
        (1, "front"),
        (2, "rear"),
        (3, "rear"),
        (5, None),
    ]
    assert "no such file" in report.rejected_rows[0].reason
    assert report.rejected_rows[0].values == rows[1]
    with pytest.raises(RowsRejectedError, match=r"nowhere\.png"):
        load(mixpeek, folder, rows[1:2])


def test_who_is_to_blame_is_found_beside_rows_whose_files_are_missing(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator
) -> None:
    rows = table(8)
    rows[0]["front"] = rows[5]["rear"] = "nowhere.png"
    wrong = {
        "loc": ["body", "objects", 2, "blobs", 1, "upload_id"],
        "msg": "not like this",
        "type": "value_error",
    }
    emulator.fault(
        {
            "fault": "status",
            "status": 422,
            "path": "/v1/buckets/*/objects/batch",
            "times": 1,
            "body": {"detail": [wrong]},
        }
    )
    report = load(mixpeek, folder, rows, on_error="collect")
    assert [each.row for each in report.rejected_rows] == [0, 5]
    assert report.created == 6


@pytest.mark.parametrize(
    "cell", ["/etc/passwd", "../secret.png", "a/../../b.png", "file:///etc/passwd", "C:\\x.png"]
)
def test_cells_do_not_lead_out_of_the_folder(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator, cell: str
) -> None:
    rows = table(1)
    rows[0]["front"] = cell
    report = load(mixpeek, folder, rows, on_error="collect")
    assert "leads out of the folder" in report.rejected_rows[0].reason
    assert calls(emulator, PUT) == 0


def test_rows_that_share_a_file_share_its_upload(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator
) -> None:
    rows = [row | {"front": "shoe-0.png", "rear": None} for row in table(12)]
    report = load(mixpeek, folder, rows, in_flight=1)
    assert (report.created, calls(emulator, PUT)) == (12, 1)
    assert len(stored(mixpeek, bucket)) == 12


def test_files_may_be_anywhere(mixpeek: MixpeekClient, bucket: Bucket, folder: Path, memory_url: str) -> None:
    fsspec.filesystem("memory").pipe(f"{memory_url.partition('://')[2]}/one.png", b"far away")
    rows = [
        {"front": f"{memory_url}/one.png", "title": "One", "sku": "1", "rear": None},
        {"front": str(folder / "shoe-0.png"), "title": "Two", "sku": "2", "rear": None},
    ]
    assert load(mixpeek, None, rows).created == 2
    assert load(mixpeek, memory_url, [rows[0] | {"front": "one.png", "sku": "3"}]).created == 1
    assert files_of(mixpeek, bucket) == {
        "1": [("hero", "one.png")],
        "2": [("hero", "shoe-0.png")],
        "3": [("hero", "one.png")],
    }


def test_a_table_in_a_file_names_the_files_beside_it(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path, emulator: Emulator
) -> None:
    (folder / "shoes.csv").write_text(
        "file,title,sku\n" + "".join(f"shoe-{number}.png,Shoe {number},S{number}\n" for number in range(5))
    )
    report = ingest(
        mixpeek,
        "shoes",
        folder / "shoes.csv",
        mapping={
            "blobs": {"hero": {"column": "file", "source": "file", "folder": str(folder)}, "title": "title"},
            "metadata": ["sku"],
        },
    )
    assert report.created == 5
    assert files_of(mixpeek, bucket)["S3"] == [("hero", "shoe-3.png")]


def test_servers_without_uploads_say_so_before_anything_is_sent(
    make_emulator: Callable[..., Emulator], connect: Callable[..., MixpeekClient], folder: Path
) -> None:
    emulator = make_emulator(generation="legacy")
    legacy = connect(emulator, generation="legacy")
    legacy.buckets.create("shoes", schema=SCHEMA)
    with pytest.raises(MixpeekGenerationError, match="cannot take files"):
        load(legacy, folder)
    assert emulator.state()["objects"] == 0


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (Blob(column="a", source="url"), "source is one of value, file"),  # type: ignore[arg-type]
        (Blob(column=""), "both texts"),
        (Blob(column="a", folder="b"), 'folder is for source="file"'),
        (Blob(column="a", source="file", folder=""), "folder is a text"),
        ({"source": "file"}, "both texts"),
        ({"column": "a", "sauce": "file"}, "both texts"),
    ],
)
def test_wrong_blobs_are_refused_when_they_are_made(blob: Any, why: str) -> None:
    with pytest.raises(MappingError, match=why):
        ObjectMapping(blobs={"hero": blob})


def test_a_property_that_holds_no_file_is_refused(
    mixpeek: MixpeekClient, bucket: Bucket, folder: Path
) -> None:
    with pytest.raises(MixpeekConfigError, match="'sku' is of type string, which is no file's"):
        load(mixpeek, folder, mapping={"blobs": {"sku": {"column": "front", "source": "file"}}})
