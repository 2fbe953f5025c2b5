"""Files that fsspec reaches: the same rows, by ranges, and no credentials in anything that is said."""

import gzip
import io
import itertools
import logging
import pickle
import traceback
from urllib.parse import quote

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from fsspec.registry import known_implementations
from upath import UPath

from airflow_provider.mixpeek.ingest import split_source
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import Place, open_source

from .keyed import keyed, keys

_folders = itertools.count()


@pytest.fixture
def memory():
    """A folder in memory, of this test alone."""
    fs = fsspec.filesystem("memory")
    path = f"/films-{next(_folders)}"
    fs.mkdir(path)
    yield f"memory:/{path}"
    fs.rm(path, recursive=True)


def put(url, content):
    with fsspec.open(url, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return url


def parquet(rows=9, group=3):
    file = io.BytesIO()
    pq.write_table(
        pa.table({"id": range(rows), "title": [f"film {n}" for n in range(rows)]}), file, row_group_size=group
    )
    return file.getvalue()


CSV = "id,title\n" + "".join(f"{n},film {n}\n" for n in range(9))
JSON_LINES = "".join(f'{{"id": {n}, "title": "film {n}"}}\n' for n in range(9))
FILES = {
    "a.csv": CSV.encode(),
    "a.jsonl": JSON_LINES.encode(),
    "a.parquet": parquet(),
    "a.csv.gz": gzip.compress(CSV.encode()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_same_wherever_it_is(memory, tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    url = put(f"{memory}/{name}", FILES[name])
    local = keyed(tmp_path / name, source_name="films")
    assert len(local) == 9
    assert keyed(url, source_name="films") == local
    assert keyed(url, source_name="films", after=local[4].place) == local[5:]
    assert keyed(UPath(url), source_name="films") == local
    assert keys(UPath(url)) == keys(url) != [row.key for row in local]


def test_folders_and_globs(memory):
    for name in ("b/2.csv", "b/1.csv", "a/3.csv", "_tmp/4.csv", "a/.5.csv"):
        put(f"{memory}/{name}", CSV)
    whole = keyed(memory)
    assert [row.place.uri.removeprefix(memory) for row in whole][::9] == ["/a/3.csv", "/b/1.csv", "/b/2.csv"]
    expected = [row.key for row in whole]
    assert keys(f"{memory}/") == expected
    assert keys(f"{memory}/*/*.csv") == expected
    assert keys(f"{memory}/**/*.csv") == expected
    assert keys(f"{memory}/[ab]") == expected
    assert [key for name in ("a/3.csv", "b/1.csv", "b/2.csv") for key in keys(f"{memory}/{name}")] == expected
    assert keys(UPath(memory)) == expected
    with pytest.raises(SourceError, match=r"/x\*\.csv: there is no such file"):
        open_source(f"{memory}/x*.csv")
    with pytest.raises(SourceError, match="there is no such file"):
        open_source(f"{memory}/x.csv")


def test_object_storage_path_of_airflow(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_text(CSV)
    path = ObjectStoragePath(f"file://{tmp_path}")
    for rows in (path / "a" / "1.csv", path / "a", path / "a" / "*.csv"):
        assert keys(rows) == keys(tmp_path / "a" / "1.csv")


class Bucket(MemoryFileSystem):
    """An object store as Airflow attaches it: named by a URL with a connection, opened through ``fs``."""

    protocol = "bucket"
    store, pseudo_dirs = {}, [""]

    def info(self, path, **kwargs):
        info = super().info(path, **kwargs)
        return {"name": info["name"], "type": info["type"], "size": info["size"], "ETag": '"e1"'}


class Attached:
    """Like ``ObjectStoragePath("s3://aws@shop/...")``, which needs a provider to be installed."""

    protocol = "s3"
    file_system = Bucket

    def __init__(self, url):
        self._url = url
        self.storage_options = {}

    @property
    def fs(self):
        return self.file_system()

    @property
    def path(self):
        return "/" + self._url.partition("://")[2].rpartition("@")[2]

    def __str__(self):
        return self._url


@pytest.mark.parametrize("rows", ["memory://twice/a", "memory://twice/a/", "memory://twice/a/**"])
def test_files_whose_names_differ_in_slashes_alone_are_all_read(rows):
    fs = fsspec.filesystem("memory")
    names = {"/twice/a//x.csv": b"id,title\n1,two\n", "/twice/a/x.csv": b"id,title\n1,one\n"}
    for name, content in names.items():
        fs.store[name] = MemoryFile(fs, name, content)  # as an object store has it; pipe() would tidy up
    try:
        found = keyed(rows)
        parts = split_source(rows, rows_per_part=1)
        in_parts = [key for part in parts for key in keys(part)]
    finally:
        for name in names:
            del fs.store[name]
    assert [row.values["title"] for row in found] == ["two", "one"]
    assert [row.place.uri for row in found] == ["memory://twice/a//x.csv", "memory://twice/a/x.csv"]
    assert in_parts == [row.key for row in found]
    assert len(set(in_parts)) == 2


def test_a_path_that_brings_its_file_system_is_read_through_it():
    Bucket().pipe("/shop/day=1/a.csv", CSV.encode())
    Bucket().pipe("/shop/day=2/a.csv", CSV.encode())
    source = open_source(Attached("s3a://aws@shop/day=1/a.csv"))
    assert (source.uri, source.fingerprint()) == (
        "s3://shop/day=1/a.csv",
        {"size": len(CSV), "ETag": '"e1"'},
    )
    whole = keys(Attached("s3://aws@shop"))
    assert whole == keys(Attached("s3://aws@shop/day=*/a.csv"))
    assert whole[:9] == keys(Attached("s3://shop/day=1/a.csv"))
    (part, _) = split_source(Attached("s3://aws@shop/day=*/a.csv"), rows_per_part=9)
    assert part["files"][0]["path"] == "s3://aws@shop/day=1/a.csv"
    assert part["files"][0]["uri"] == "s3://shop/day=1/a.csv"


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("s3a://films//2026/a.csv", "s3://films/2026/a.csv"),
        ("S3://films/a.csv?versionId=1", "s3://films/a.csv"),
        ("gcs://films/a.csv", "gs://films/a.csv"),
        ("https://u:p@films.test/x/a.csv?token=t#top", "https://films.test/x/a.csv"),
        ("sftp://u:p@films.test:22/x/a.csv", "sftp://films.test:22/x/a.csv"),
        ("abfss://films@shop.test/a.csv", "abfs://films@shop.test/a.csv"),
        ("az://films/a.csv?sv=1&sig=x", "az://films/a.csv"),
        ("simplecache::s3a://films/a.csv", "simplecache::s3://films/a.csv"),
        ("zip://a.csv::https://u:p@films.test/x.zip?token=t", "zip://a.csv::https://films.test/x.zip"),
        ("s3://films/us@home/a.csv", "s3://films/us@home/a.csv"),
    ],
)
def test_uris_are_normalised_and_without_credentials(url, uri):
    class Path(Attached):
        path = "/films/a.csv"

    Bucket().pipe("/films/a.csv", CSV.encode())
    assert open_source(Path(url)).uri == uri


def test_one_file_has_one_uri(memory):
    put(f"{memory}/a.csv", CSV)
    name = memory.removeprefix("memory://")
    for url in (f"memory://{name}/a.csv", f"memory:///{name}/a.csv", f"memory:////{name}/a.csv"):
        assert open_source(url).uri == f"memory://{name}/a.csv"


SECRETS = ["hunter2", "tok%2Fen", "tok/en", "sig-1"]


class Leaky(MemoryFileSystem):
    """Puts the whole URL into each error, as HTTP libraries do. Its path says when to fail."""

    protocol = "leaky"
    store, pseudo_dirs = {}, [""]
    url = "https://me:hunter2@films.test/{}?token=tok%2Fen&sig=sig-1"

    def _failing(self, what, path):
        if what in path:
            raise RuntimeError(f"401, url={self.url.format(path)}, token tok/en")

    def info(self, path, **kwargs):
        self._failing("info", path)
        if "missing" in path:
            raise FileNotFoundError(self.url.format(path))
        return {"name": path, "type": "file", "size": 4, "ETag": "e"}

    def _open(self, path, mode="rb", **kwargs):
        self._failing("open", path)
        fs = self

        class File(io.BytesIO):
            def read(self, *size):
                fs._failing("read", path)
                if self.tell() > 10:
                    fs._failing("break", path)
                return super().read(*size)

        return File(fs.contents)

    contents = b"id\n" + b"1\n" * 200_000


def private(name):
    class Private(Attached):
        file_system = Leaky
        path = "/" + name

    return Private(Leaky.url.format(name))


@pytest.mark.parametrize(
    "name",
    [
        "info.csv",
        "open.csv",
        "read.csv",
        "break.csv",
        "missing.csv",
        "a.txt",
        "open.parquet",
        "break.parquet",
        "a.parquet",
        "a.jsonl",
        "a.csv.gz",
    ],
)
def test_no_error_holds_credentials_whoever_raised_it(name, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceError) as caught:
        for _ in open_source(private(name)).blocks(block_rows=1_000):
            pass
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    shown += repr(pickle.loads(pickle.dumps(caught.value)))
    assert f"https://films.test/{name}" in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_neither_identity_nor_fingerprint_holds_credentials():
    source = open_source(private("a.csv"))
    (block, *_) = source.blocks(block_rows=5)
    file = source.slices[0].file
    shown = repr((source.uri, source.name, source.fingerprint(), block.uri, file))
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize(
    "url",
    [
        "https://films.test/a.csv?token=tok",
        "https://films.test/a.csv?token=tok/1",
        "https://tok@films.test/a.csv",
        "sftp://me:tok@films.test/a.csv",
        "zip://a.csv::https://me:tok@films.test/x.zip",
    ],
)
def test_a_url_with_credentials_is_not_split_and_its_errors_do_not_hold_them(url):
    class Path(Attached):
        path = "/films/a.csv"

    Bucket().pipe("/films/a.csv", CSV.encode())
    with pytest.raises(
        SourceError, match=r"is reached with credentials, which its parts would carry"
    ) as caught:
        split_source(Path(url))
    assert "tok" not in str(caught.value)

    class Broken(Attached):
        path = "/films/a.csv"

        @property
        def fs(self):
            quoted = quote(url.rpartition("token=")[2], safe="")
            raise RuntimeError(f"no connection to {url}, key {quoted}")

    with pytest.raises(SourceError, match="cannot be reached: no connection to") as caught:
        open_source(Broken(url))
    assert "tok" not in str(caught.value)


def test_storage_options_are_not_split():
    path = Attached("s3://films/a.csv")
    Bucket().pipe("/films/a.csv", CSV.encode())
    assert split_source(path)
    path.storage_options = {"key": "k"}
    with pytest.raises(SourceError, match="is reached with credentials"):
        split_source(path)


def test_a_connection_in_a_bare_url_is_told_how_to_be_used():
    with pytest.raises(SourceError, match=r"s3://films/a\.csv: .*ObjectStoragePath\(url, conn_id="):
        open_source("s3://aws_default@films/a.csv")


def test_a_protocol_whose_package_is_missing_says_which(monkeypatch):
    monkeypatch.setitem(
        known_implementations,
        "quark",
        {"class": "no_such_package.QuarkFileSystem", "err": "Install quarkfs to access quarks"},
    )
    with pytest.raises(SourceError, match=r"quark://films/a\.csv: .* Install quarkfs to access quarks\."):
        open_source("quark://films/a.csv")


def test_parquet_is_read_by_ranges(counting):
    file = io.BytesIO()
    frame = pd.DataFrame({"text": [f"{number:0100}" for number in range(50_000)]})
    frame.to_parquet(file, row_group_size=1_000, compression=None)
    url = put("counting://films/a.parquet", file.getvalue())
    source = open_source(url)
    assert sum(counting) < 100_000
    counting.clear()
    place = Place(48_999, source.uri, "48:999")
    assert sum(map(len, source.blocks(block_rows=1_000, after=place))) == 1_000
    assert sum(counting) < len(file.getvalue()) / 10


def test_what_a_file_system_remembers_of_an_earlier_run_is_forgotten():
    forgotten = []

    class Remembering(Bucket):
        protocol = "remembering"

        def invalidate_cache(self, path=None):
            forgotten.append(path)

    fsspec.register_implementation("remembering", Remembering, clobber=True)
    url = put("remembering://films/a.csv", CSV)
    forgotten.clear()
    open_source(url)
    assert forgotten == [None]


def test_the_fingerprint_of_what_says_nothing_of_its_content_is_what_the_file_system_makes_of_it(memory):
    url = put(f"{memory}/a.csv", "id\n1\n")
    before = open_source(url).fingerprint()
    assert before == open_source(url).fingerprint()
    assert set(before) == {"size", "ukey"}
    put(url, "id\n2\n")
    assert open_source(url).fingerprint() != before
