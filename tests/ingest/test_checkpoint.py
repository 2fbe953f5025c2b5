"""The folder that a load writes down in how far it is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest import FileCheckpoint

#: Writes two values of growing length in turn for ever, and says so after each.
WRITER = """
import sys
from itertools import count
from airflow_provider.mixpeek.ingest import FileCheckpoint
checkpoint = FileCheckpoint(sys.argv[1])
for number in count(int(sys.argv[2])):
    checkpoint.set("progress", {"number": number, "text": str(number) * (number % 7_000)})
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
"""


def is_whole(value: Any) -> bool:
    number = value["number"]
    return value == {"number": number, "text": str(number) * (number % 7_000)}


def complete(folder: Path) -> list[str]:
    """The names in a folder, but for those of writes that were broken off."""
    return sorted(each.name for each in folder.iterdir() if each.suffix != ".tmp")


VALUES = [
    {},
    [],
    "",
    0,
    -1.5,
    2**53,
    True,
    False,
    "\ud800",
    'é日本🎬\0"\\\n',
    {"a": {"b": [1, {"c": "é"}]}},
    [[1, "x"], [2, "y"]],
    {"ключ": 1, "": 2},
    ["x" * 50_000],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_value_comes_back_as_it_was(value, tmp_path):
    FileCheckpoint(tmp_path).set("load", value)
    found = FileCheckpoint(tmp_path).get("load")
    assert (found, type(found)) == (value, type(value))


def test_what_was_never_set_is_none(tmp_path):
    checkpoint = FileCheckpoint(tmp_path / "not there")
    assert checkpoint.get("load") is None
    assert not (tmp_path / "not there").exists()
    checkpoint.set("load", 1)
    assert checkpoint.get("progress") is None


@pytest.mark.parametrize("name", ["a folder", "день 1/фильмы 🎬", "..x", "50%", "a'b\"c", "[*]?", "x" * 200])
def test_a_folder_may_have_any_name(name, tmp_path):
    folder = tmp_path / name
    FileCheckpoint(folder).set("batches-000", {"items": [1]})
    FileCheckpoint(str(folder)).set("batches-001", {"items": [2]})
    assert [FileCheckpoint(folder).get(f"batches-00{number}") for number in (0, 1)] == [
        {"items": [1]},
        {"items": [2]},
    ]
    assert complete(folder) == ["batches-000.json", "batches-001.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"row": 1', b"\xff\xfe", b"{} {}", b"\0" * 100])
def test_what_is_no_json_is_told_with_the_file_and_what_to_do(content, tmp_path):
    (tmp_path / "load.json").write_bytes(content)
    with pytest.raises(MixpeekConfigError, match=r"load\.json holds no JSON") as raised:
        FileCheckpoint(tmp_path).get("load")
    assert "Delete its folder to begin again" in str(raised.value)


def test_a_value_that_cannot_be_written_leaves_the_one_before(tmp_path):
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.set("load", {"row": 1})
    with pytest.raises(TypeError):
        checkpoint.set("load", {"row": [2, object()]})
    assert checkpoint.get("load") == {"row": 1}
    assert os.listdir(tmp_path) == ["load.json"]  # noqa: PTH208 - names that begin with a point, too


def test_a_disk_that_is_full_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint = FileCheckpoint(tmp_path)
    checkpoint.set("load", {"row": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.set("load", {"row": 2})
    assert checkpoint.get("load") == {"row": 1}
    assert os.listdir(tmp_path) == ["load.json"]  # noqa: PTH208


def test_a_writer_that_is_killed_leaves_a_whole_value(tmp_path):
    chance = random.Random(5)
    folder = tmp_path / "a load"
    checkpoint = FileCheckpoint(folder)
    last = 0
    for _ in range(30):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, folder, str(last + 1)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 40)):
            said = int(writer.stdout.readline())
        # Somewhere in the middle of the next ones.
        os.sched_yield()
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].split()
        said = max([said, *map(int, rest)])
        found = checkpoint.get("progress")
        assert is_whole(found)
        # The last that was told, or the one that was being written.
        assert found["number"] in (said, said + 1)
        last = found["number"]
    assert complete(folder) == ["progress.json"]
    assert len(list(folder.iterdir())) <= 1 + 30
    # What was broken off does not matter to the next.
    checkpoint.set("progress", {"number": 0, "text": ""})
    assert checkpoint.get("progress") == {"number": 0, "text": ""}


def test_two_writers_never_mix(tmp_path):
    def write(start: int) -> None:
        checkpoint = FileCheckpoint(tmp_path)
        for number in range(start, start + 200):
            checkpoint.set("progress", {"number": number, "text": str(number) * (number % 7_000)})

    threads = [Thread(target=write, args=(start,)) for start in (1_000, 6_000)]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        if (found := FileCheckpoint(tmp_path).get("progress")) is not None:
            assert is_whole(found)
            seen.add(found["number"])
    for thread in threads:
        thread.join()
    assert FileCheckpoint(tmp_path).get("progress")["number"] in (1_199, 6_199)
    assert {number // 5_000 for number in seen} == {0, 1}
    assert complete(tmp_path) == ["progress.json"]
    assert len(list(tmp_path.iterdir())) == 1


def test_it_says_where_it_is(tmp_path):
    assert repr(FileCheckpoint(tmp_path)) == f"FileCheckpoint({str(tmp_path)!r})"


def test_the_file_is_json_that_anybody_reads(tmp_path):
    FileCheckpoint(tmp_path).set("progress", {"row": 7})
    assert json.loads((tmp_path / "progress.json").read_text()) == {"row": 7}
