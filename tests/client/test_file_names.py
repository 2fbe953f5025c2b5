"""The names that files have for the server: of their URLs nothing but that."""

from __future__ import annotations

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from upath import UPath

from airflow_provider.mixpeek.client import MixpeekFileError
from airflow_provider.mixpeek.client._file_names import name_of_url
from airflow_provider.mixpeek.client._upload_source import FileSource

NAMES = [
    ("https://h.co/a.jpg?X-Amz-Signature=S", "a.jpg"),
    ("https://h.co/a.jpg?token", "a.jpg"),
    ("https://h.co/a.jpg#part", "a.jpg"),
    ("https://u:pw@h.co/in/a%20b.jpg?sig=a/b", "a b.jpg"),
    ("HTTPS://h.co/o/folder%2Fa.jpg?alt=media", "a.jpg"),
    ("https://h.co/folder/", "folder"),
    ("https://u:pw@h.co", ""),
    ("https://u:pw@h.co/?sig=S", ""),
    ("s3://shop/shoes/a%20b.jpg", "a%20b.jpg"),
    ("s3://shop/a.jpg?versionId=7", "a.jpg"),
    ("memory://a.png", "a.png"),
    ("sftp://u:pw@h.co", "h.co"),
    ("sftp://u:pw@h.co/in/image@2x.png", "image@2x.png"),
    ("zip://in/a.jpg::https://h.co/x.zip?sig=S", "a.jpg"),
    ("simplecache::https://h.co/a.jpg?sig=S", "a.jpg"),
]


@pytest.mark.parametrize(("url", "name"), NAMES)
def test_a_file_is_called_like_the_path_of_its_url(url: str, name: str):
    assert name_of_url(url) == name


def test_the_query_of_a_url_is_no_part_of_what_is_sent_or_told():
    source = FileSource("https://h.co/a.jpg?X-Amz-Signature=" + "S" * 300)
    assert (source.filename, source.shown, source.content_type) == ("a.jpg", "a.jpg", "image/jpeg")


@pytest.mark.parametrize("kind", [UPath, ObjectStoragePath])
def test_nor_is_it_of_a_path_that_is_a_url(kind: type, monkeypatch: pytest.MonkeyPatch):
    # Only the name matters here, and a file system of HTTP needs a package more.
    monkeypatch.setitem(_registry, "https", MemoryFileSystem)
    source = FileSource(kind("https://h.co/in/red.jpg?X-Amz-Signature=S"))
    assert (source.filename, source.shown) == ("red.jpg", "red.jpg")
    assert FileSource(kind("memory://in/a%20b.jpg")).filename == "a%20b.jpg"


def test_a_url_without_a_path_names_no_file():
    with pytest.raises(MixpeekFileError, match="name is missing") as caught:
        FileSource("https://u:pw@h.co?sig=S")
    assert "pw" not in str(caught.value)
