"""Folders and globs: which files, in which order, under which names, and what does not go together."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import open_source

from .keyed import keyed, keys


@pytest.fixture
def folder(tmp_path):
    """Films by year; what stands beside them is no data."""
    for name, content in {
        "2025/b.csv": "id,title\n3,Alien\n",
        "2025/a.csv": "id,title\n1,Heat\n2,Brazil\n",
        "2024/z.csv": "title,id\nNosferatu,0\n",
        "2025/_SUCCESS": "",
        "2025/.a.csv.crc": "crc",
        "_tmp/half.csv": "id,title\n9,",
        ".cache/old.csv": "no,data\n1,2\n",
    }.items():
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "films"


def titles(rows, **how):
    return [row.values["title"] for row in keyed(rows, **how)]


def test_a_folder_is_its_files_by_path_with_all_below_and_nothing_hidden(folder):
    rows = keyed(folder)
    assert [row.values for row in rows] == [
        {"title": "Nosferatu", "id": "0"},
        {"id": "1", "title": "Heat"},
        {"id": "2", "title": "Brazil"},
        {"id": "3", "title": "Alien"},
    ]
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert [row.place.uri for row in rows] == [
        (folder / name).as_uri() for name in ("2024/z.csv", "2025/a.csv", "2025/a.csv", "2025/b.csv")
    ]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*/*.csv", ["Nosferatu", "Heat", "Brazil", "Alien"]),
        ("**/*.csv", ["Nosferatu", "Heat", "Brazil", "Alien"]),
        ("2025/[ab].csv", ["Heat", "Brazil", "Alien"]),
        ("2025/?.csv", ["Heat", "Brazil", "Alien"]),
        ("*5", ["Heat", "Brazil", "Alien"]),
        ("2024/*", ["Nosferatu"]),
    ],
)
@pytest.mark.parametrize("as_url", [False, True])
def test_a_glob_is_the_files_that_it_matches_and_those_of_the_folders(folder, glob, expected, as_url):
    assert titles(f"file://{folder}/{glob}" if as_url else f"{folder}/{glob}") == expected


def test_the_order_is_that_of_the_paths_however_they_are_found(tmp_path):
    for name in ("a", "a-b"):  # the folders come in this order, their files in the other
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.csv").write_text(f"title\n{name}\n")
    assert titles(f"{tmp_path}/a*") == titles(tmp_path) == ["a-b", "a"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "films[1].csv").write_text("title\nHeat\n")
    (tmp_path / "films1.csv").write_text("title\nAlien\n")
    assert titles(tmp_path / "films[1].csv") == ["Heat"]
    assert titles(tmp_path / "films[12].csv") == ["Alien"]


def test_keys_are_the_same_from_the_folder_a_glob_and_each_file(folder):
    whole = keys(folder)
    assert len(set(whole)) == 4
    assert keys(f"{folder}/*/*.csv") == whole
    assert keys(folder, block_rows=1) == whole
    one_by_one = [key for name in ("2024/z.csv", "2025/a.csv", "2025/b.csv") for key in keys(folder / name)]
    assert one_by_one == whole


def test_a_name_stands_for_the_folder_wherever_it_is(folder, tmp_path):
    named = keyed(folder, source_name="films")
    assert [row.place.uri for row in named][::3] == ["films/2024/z.csv", "films/2025/b.csv"]
    folder.rename(tmp_path / "elsewhere")
    assert [row.key for row in named] == keys(tmp_path / "elsewhere", source_name="films")
    assert [row.key for row in named] == keys(f"{tmp_path}/elsewhere/*/*.csv", source_name="films")
    assert keyed(tmp_path / "elsewhere/2024/z.csv", source_name="films")[0].place.uri == "films"


def test_what_a_folder_knows_of_itself(folder):
    source = open_source(f"{folder}/")
    assert (source.kind, source.uri, source.columns) == ("file", folder.as_uri(), ("title", "id"))
    assert source.name == f"{folder.as_uri()} (3 files)"
    assert (source.seeks, source.rereadable) == (True, True)
    assert open_source(folder, source_name="films").uri == "films"


def test_the_fingerprint_of_a_folder_changes_with_its_files_and_their_names(folder):
    seen = [open_source(folder).fingerprint()]
    assert seen[0] == open_source(f"{folder}/*/*").fingerprint()
    assert seen[0]["files"] == 3
    (folder / "2025/a.csv").write_text("id,title\n1,HEAT\n2,Brazil\n")
    seen.append(open_source(folder).fingerprint())
    (folder / "2025/b.csv").rename(folder / "2025/c.csv")
    seen.append(open_source(folder).fingerprint())
    (folder / "2025/c.csv").unlink()
    seen.append(open_source(folder).fingerprint())
    assert len({each["digest"] for each in seen}) == 4
    (folder / "2025/_log").write_text("x")
    assert open_source(folder).fingerprint() == seen[-1]


def test_a_file_that_was_written_again_is_another_even_when_it_says_the_same(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    before = open_source(path).fingerprint()
    assert before == open_source(path).fingerprint() == {"size": 5, "mtime_ns": path.stat().st_mtime_ns}
    os.utime(path, ns=(0, 1_700_000_000_000_000_001))
    assert open_source(path).fingerprint() == {"size": 5, "mtime_ns": 1_700_000_000_000_000_001}


REFUSED = {
    "nothing in it": ({}, "is a folder without a file. Files and folders whose names begin with '.' or '_'"),
    "only hidden": ({"_a.csv": "a\n1\n"}, "is a folder without a file"),
    "formats": (
        {"a.csv": "a\n1\n", "b.jsonl": '{"a": 1}\n'},
        r"different formats: .*a\.csv is CSV, .*b\.jsonl JSON Lines\. A glob",
    ),
    "no format": ({"a.csv": "a\n1\n", "b.txt": "a\n1\n"}, r"b\.txt: files with the suffix '\.txt'"),
    "lacks": ({"a.csv": "a,b\n1,2\n", "b.csv": "a\n1\n"}, r"b\.csv has other .*a\.csv: it lacks 'b'"),
    "adds": ({"a.csv": "a\n1\n", "b.csv": "a,c\n1,2\n"}, r"b\.csv has other columns than .*: it adds 'c'"),
    "both": ({"a.csv": "a,b\n1,2\n", "b.csv": "a,c\n1,2\n"}, "it lacks 'b' and it adds 'c'"),
    "empty file": ({"a.csv": "a\n1\n", "b.csv": ""}, r"b\.csv is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_no_table_is_refused_before_it_is_read(tmp_path, name):
    files, message = REFUSED[name]
    for file, content in files.items():
        (tmp_path / file).write_text(content)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path)


def test_parquet_files_of_other_columns_are_refused_before_they_are_read(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"b": [1]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet has other columns .*it lacks 'a' and it adds 'b'"):
        open_source(tmp_path)


def test_a_glob_that_matches_nothing(tmp_path):
    with pytest.raises(SourceError, match=r"x\*\.csv: there is no such file\.$"):
        open_source(tmp_path / "x*.csv")
    (tmp_path / "_x.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"matches no file that is read\. Files and folders whose names"):
        open_source(tmp_path / "*.csv")


def test_json_lines_of_a_folder_have_the_columns_of_the_first_file(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"a": 2, "b": 3}\n')
    source = open_source(tmp_path)
    assert source.columns is None
    blocks = list(source.blocks(block_rows=5))
    assert source.columns == ("a",)
    assert [block.column("a") for block in blocks] == [[1], [2]]


def test_a_folder_of_many_files_holds_none_of_them_open(tmp_path):
    for number in range(300):
        (tmp_path / f"{number:03}.csv").write_text(f"id\n{number}\n")
    program = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\n"
        "from airflow_provider.mixpeek.ingest._sources import open_source\n"
        "print(sum(len(block) for block in open_source(sys.argv[1]).blocks(block_rows=5)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "300\n"
