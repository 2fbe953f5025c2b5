"""Files that are named by URLs: nothing secret of a URL is sent, noted or told."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from fsspec.registry import _registry
from fsspec.spec import AbstractFileSystem

from airflow_provider.mixpeek.client import Bucket, MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Blob, FilesRejectedError, ingest, upload_files
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._openable import OpenableFile
from airflow_provider.mixpeek.ingest._typed import blob_column, typed_column

from .shop import calls

PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"
URL = "https://u:hunter2@h.example.com/in/red%20shoe.png?X-Amz-Signature=5ec7e7"
SECRETS = ("hunter2", "X-Amz", "5ec7e7")


class Web(AbstractFileSystem):
    """Files as fsspec has them from HTTP servers: a path is the whole URL."""

    protocol = "https"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": 7, "type": "file", "ETag": "e"}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if "missing" in path:
            raise FileNotFoundError(path)
        return io.BytesIO(b"picture")


@pytest.fixture(autouse=True)
def web(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_registry, "https", Web)


@pytest.fixture
def bucket(mixpeek: MixpeekClient) -> Bucket:
    return mixpeek.buckets.create(
        "shoes", schema={"hero": "image", "title": "string"}, declare_metadata=False
    )


def no_secret_in(*texts: object) -> bool:
    return not [text for text in map(str, texts) for secret in SECRETS if secret in text]


def load(mixpeek: MixpeekClient, *cells: str, folder: Path | None = None) -> Any:
    hero = Blob(column="file", source="file", folder=folder and str(folder))
    rows = [{"file": cell, "title": "Shoe"} for cell in cells]
    mapping = {"blobs": {"hero": hero}, "metadata": ["title"]}
    return ingest(mixpeek, "shoes", rows, mapping=mapping, scope="shoes", on_error="collect")


def test_a_file_is_called_like_the_path_of_its_url() -> None:
    file = OpenableFile(locate(URL))
    assert file.name == "red shoe.png"
    assert no_secret_in(file.name, file.shown)


def test_nothing_secret_of_a_url_is_sent_or_noted(
    mixpeek: MixpeekClient, bucket: Bucket, emulator: Emulator, directory: str, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    report = upload_files(mixpeek, "shoes", [URL], metadata={"title": "{stem}"}, receipt_to=directory)
    ((path, told),) = report.stored
    assert (path, told.filename) == ("red shoe.png", "red shoe.png")
    (upload,) = mixpeek.uploads.list(bucket.bucket_id)
    assert (upload.filename, upload.content_type) == ("red shoe.png", "image/png")
    loaded = load(mixpeek, URL)
    assert loaded.created == 1
    assert no_secret_in(report, loaded, upload, emulator.state()["requests"], caplog.text)


def test_nothing_secret_of_a_url_is_told_of_a_file_that_is_missing(
    mixpeek: MixpeekClient, bucket: Bucket, caplog: Any
) -> None:
    missing = URL.replace("red", "missing")
    with pytest.raises(FilesRejectedError, match="there is no such file") as caught:
        upload_files(mixpeek, "shoes", [missing])
    reasons = [each.reason for each in load(mixpeek, missing).rejected_rows]
    assert "there is no such file" in reasons[0]
    assert no_secret_in(caught.value, caught.value.report, reasons, caplog.text)


CELLS = [
    (URL, "the cell is a URL, or leads out of the folder"),
    (f" {URL}", "blank at an end"),
    (f"{URL} ", "blank at an end"),
    (f"photo: {URL}", "has a URL, with something before it"),
    (f"../{URL}", "has a URL, with something before it"),
]


@pytest.mark.parametrize(("cell", "why"), CELLS)
def test_a_cell_that_is_no_path_below_the_folder_is_not_repeated(
    mixpeek: MixpeekClient,
    bucket: Bucket,
    emulator: Emulator,
    tmp_path: Path,
    caplog: Any,
    cell: str,
    why: str,
) -> None:
    (row,) = load(mixpeek, cell, folder=tmp_path).rejected_rows
    assert why in row.reason
    assert no_secret_in(row, caplog.text)
    assert calls(emulator, PUT) == 0


@pytest.mark.parametrize(("cell", "why"), CELLS[1:])
def test_nor_is_one_that_is_no_url(
    mixpeek: MixpeekClient, bucket: Bucket, caplog: Any, cell: str, why: str
) -> None:
    (row,) = load(mixpeek, cell).rejected_rows
    assert why in row.reason
    assert no_secret_in(row, caplog.text)


def test_nor_is_the_query_of_a_url_that_lacks_its_scheme(mixpeek: MixpeekClient, bucket: Bucket) -> None:
    (row,) = load(mixpeek, "h.co/a.jpg?X-Amz-Signature=5ec7e7").rejected_rows
    assert "there is no such file" in row.reason
    assert no_secret_in(row)


VALUES = [
    (f"{URL} ", "blank at an end"),
    (f"\t{URL}", "blank at an end"),
    ("gs://u:hunter2@b/a.jpg?sig=5ec7e7", "'gs://***@b/a.jpg?***' is no file"),
    ("gs://b/a.jpg?5ec7e7", "'gs://b/a.jpg?***' is no file"),
    ("https://h.co/a b.jpg?sig=5ec7e7", "'https://h.co/a b.jpg?***' is no file"),
    ("h.co/a.jpg?sig=5ec7e7", "'h.co/a.jpg?***' is no file"),
    ("u:hunter2@h.co/a.jpg", "'***@h.co/a.jpg' is no file"),
    ("file:///a.jpg?sig=5ec7e7", "'file:///a.jpg?***' is a path of this machine"),
    ("gs://u:hunter2#3@b/a.jpg", "'gs://***' is no file"),
    ("u:hunter2?3@h.co/a.jpg", "'***' is no file"),
    ("image@2x.png", "'image@2x.png' is no file"),
]


@pytest.mark.parametrize(("value", "why"), VALUES)
def test_what_is_no_file_is_shown_without_what_is_secret(value: str, why: str) -> None:
    reason = blob_column([value], "image").problems[0]
    assert why in reason
    assert no_secret_in(reason)


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "date", "datetime"])
def test_nor_is_it_of_a_url_in_another_column(kind: str) -> None:
    assert no_secret_in(typed_column([URL], kind).problems[0])
