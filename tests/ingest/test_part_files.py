"""Directories of parts: what is written, what a crash leaves, what a new try removes, and what fails."""

import pickle
import traceback
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest import PartError
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._part_files import (
    Folder,
    PartWriter,
    find_parts,
    open_folder,
    without_credentials,
)

from .folders import content


class Lines(PartWriter[str]):
    """The least that writes parts."""

    def __init__(self, directory, prefix="abc", kind="lines", extension="txt"):
        super().__init__(directory, prefix=prefix, kind=kind, extension=extension)

    def add(self, row):
        self._add(row, f"{row}\n")

    def _content(self, items):
        return "".join(items).encode()


def files(directory):
    """Name -> content of every file."""
    return {name: content(directory, name).decode() for name in open_folder(directory).names()}


def written(directory, *parts, rows=range(100), first_row=0, **settings):
    writer = Lines(directory, **settings)
    writer.start(first_row)
    for row in rows:
        writer.add(row)
    for upto in parts:
        writer.close_part(upto)
    return writer


def test_a_part_holds_the_rows_from_its_first_one_to_the_next(directory):
    written(directory, 2, 5, rows=range(7))
    assert files(directory) == {
        "abc-000000000000.lines.txt": "0\n1\n",
        "abc-000000000002.lines.txt": "2\n3\n4\n",
    }


def test_rows_that_come_in_any_order_are_written_in_theirs(directory):
    written(directory, 4, rows=[5, 3, 0, 2])
    assert files(directory) == {"abc-000000000000.lines.txt": "0\n2\n3\n"}


def test_where_nothing_is_there_is_no_file(directory):
    writer = written(directory, 5, 10, rows=[10])
    assert files(directory) == {}
    writer.close_part(11)
    assert files(directory) == {"abc-000000000010.lines.txt": "10\n"}


def test_a_crash_between_two_closes_costs_what_comes_after_and_nothing_else(directory):
    written(directory, 10, 20, 30)
    others = {
        "abcd-000000000020.lines.txt": "another load",
        "xabc-000000000020.lines.txt": "another load",
        "abc-000000000020-000000000000.lines.txt": "another load",
        "abc-000000000020.others.txt": "another kind",
        "abc-00000000020.lines.txt": "eleven digits",
        "abc-000000000020.lines": "no extension",
        "notes.txt": "the user's own",
    }
    for name, text in others.items():
        open_folder(directory).write(name, text.encode())
    # The watermark was last written at 10, so the rows from there on are told of again.
    again = Lines(directory)
    again.start(10)
    assert (
        files(directory) == {"abc-000000000000.lines.txt": "".join(f"{row}\n" for row in range(10))} | others
    )
    for row in range(10, 15):
        again.add(row)
    again.close_part(15)
    assert files(directory)["abc-000000000010.lines.txt"] == "10\n11\n12\n13\n14\n"


def test_a_part_of_another_format_is_removed_too(directory):
    written(directory, 10, extension="parquet")
    written(directory, 10)
    assert list(files(directory)) == ["abc-000000000000.lines.txt"]


def test_rows_beyond_twelve_digits_are_parts_like_others(directory):
    written(directory, 10**12 + 1, rows=[10**12], first_row=10**12)
    assert list(files(directory)) == ["abc-1000000000000.lines.txt"]
    assert [part.first_row for part in find_parts(directory, kind="lines")] == [10**12]
    Lines(directory).start(10**12)
    assert files(directory) == {}


def test_a_prefix_is_no_pattern(directory):
    written(directory, 1, prefix="abc")
    Lines(directory, prefix="a.c").start(0)
    assert len(files(directory)) == 1


def test_a_row_whose_part_is_closed_or_never_was_opened_is_refused(directory):
    with pytest.raises(RuntimeError):
        Lines(directory).add(0)
    with pytest.raises(RuntimeError):
        Lines(directory).close_part(0)
    with pytest.raises(RuntimeError):
        written(directory, 5).add(4)


class Remembering(MemoryFileSystem):
    """Lists a directory once, as the file systems of object stores do."""

    def ls(self, path, detail=True, **_):
        if path not in self.dircache:
            self.dircache[path] = super().ls(path, detail=False)
        return self.dircache[path]

    def invalidate_cache(self, path=None):
        self.dircache.clear()


def test_parts_that_another_process_wrote_since_are_seen(memory_url):
    path = SimpleNamespace(fs=Remembering(use_listings_cache=True), path=open_folder(memory_url).path)
    written(memory_url, 1)
    assert len(open_folder(path).names()) == 1
    written(memory_url, 1, 2)
    assert len(open_folder(path).names()) == 2


# ---- how a part gets there -----------------------------------------------------------------------------


def test_a_write_that_breaks_off_leaves_the_old_part_and_no_other_file(tmp_path, monkeypatch):
    writer = written(tmp_path, 10)
    before = files(tmp_path)

    def interrupted(self, target):
        assert target.read_bytes() == before[target.name].encode()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_folder(tmp_path).write("abc-000000000000.lines.txt", b"new")
    assert files(tmp_path) == before
    assert writer.uri == tmp_path.as_uri()


def test_who_may_read_other_files_may_read_a_part(tmp_path):
    (tmp_path / "other").touch()
    open_folder(tmp_path).write("part", b"")
    assert (tmp_path / "part").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_left_half_written_are_removed_when_the_load_begins_again(tmp_path):
    (tmp_path / ".abc-000000000000.lines.txt-x1y2.tmp").write_text("ha")
    (tmp_path / ".abcd-000000000000.lines.txt-x1y2.tmp").write_text("another load, which may be under way")
    Lines(tmp_path).start(50)
    assert list(files(tmp_path)) == [".abcd-000000000000.lines.txt-x1y2.tmp"]


def test_a_part_goes_to_remote_storage_in_one_put(memory_url, monkeypatch):
    puts = []
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", lambda self, path, value, **_: puts.append((path, value))
    )
    written(memory_url, 3)
    assert [value for _, value in puts] == [b"0\n1\n2\n"]


# ---- what fails ----------------------------------------------------------------------------------------


def test_a_directory_that_can_be_used_is_as_it_was(directory):
    Lines(directory).check()
    assert files(directory) == {}


def test_a_directory_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MixpeekConfigError, match=r"FileExistsError|NotADirectoryError") as caught:
        Lines(tmp_path / "file" / "parts").check()
    assert (tmp_path / "file" / "parts").as_uri() in str(caught.value)
    assert "On this machine it is made" in str(caught.value)


def test_a_file_in_place_of_the_directory_is_refused(directory):
    above, _, name = directory.rpartition("/")
    open_folder(above).write(name, b"x")
    with pytest.raises(MixpeekConfigError, match="cannot be used"):
        Lines(directory).check()


def test_a_directory_in_which_nothing_can_be_removed_is_refused(memory_url, monkeypatch):
    def refused(self, path):
        raise PermissionError("deleting is not allowed")

    monkeypatch.setattr(MemoryFileSystem, "rm_file", refused)
    with pytest.raises(MixpeekConfigError, match=r"removing .* deleting is not allowed"):
        Lines(memory_url).check()


def test_a_write_that_fails_names_the_part_and_can_be_made_again(tmp_path):
    directory = tmp_path / "parts"
    writer = written(directory, rows=range(3))
    directory.write_text("in the way")
    with pytest.raises(PartError, match=r"writing .*abc-000000000000\.lines\.txt failed: ") as caught:
        writer.close_part(3)
    assert "run again" in caught.value.hint
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    directory.unlink()
    writer.close_part(3)
    assert files(directory) == {"abc-000000000000.lines.txt": "0\n1\n2\n"}


def test_no_error_holds_the_credentials_of_its_url(monkeypatch):
    def refused(self, path, value, **_):
        raise ConnectionError(f"cannot reach memory://user:sesame@host{path}?token=sesame for now")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refused)
    directory = "memory://user:sesame@host/parts?token=sesame"
    writer = written(directory, rows=[0])
    with pytest.raises(PartError) as caught:
        writer.close_part(1)
    assert "memory://host/parts/abc-" in str(caught.value)
    assert "for now" in str(caught.value)
    assert "sesame" not in "".join(traceback.format_exception(caught.value)) + writer.uri


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:se/cret", "s3://key:se/cret"),
        ("s3://key:secret@bucket/dir", "s3://bucket/dir"),
        ("ftp://me:p@ss@host/dir", "ftp://host/dir"),
        ("s3://aws_default@bucket/dir", "s3://aws_default@bucket/dir"),
        ("abfs://container@account/dir?sig=secret", "abfs://container@account/dir"),
        ("not so: http://a/b?c=d, and ftp://e:f@g", "not so: http://a/b and ftp://g"),
        ("/plain/what?/a:b@c", "/plain/what?/a:b@c"),
    ],
)
def test_credentials_are_dropped_and_the_rest_stays(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize("directory", ["", "  ", None, 5, b"bytes", "nosuchscheme://x"], ids=repr)
def test_what_is_no_directory_is_refused(directory):
    with pytest.raises(MixpeekConfigError):
        Lines(directory)


# ---- how a directory is named --------------------------------------------------------------------------


def test_every_name_of_a_local_directory_is_the_same_directory(tmp_path, monkeypatch):
    (tmp_path / "ä b").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ä b"
    written(path, 1)
    for name in [
        path,
        str(path),
        f"{path}/",
        path.as_uri(),
        "ä b",
        UPath(path),
        f"file://{quote(str(path))}/",
    ]:
        folder = open_folder(name)
        assert folder.uri == path.as_uri()
        assert folder.names() == ["abc-000000000000.lines.txt"]
    assert [part.uri for part in find_parts(folder.uri, kind="lines")] == [
        f"{path.as_uri()}/abc-000000000000.lines.txt"
    ]


def test_a_path_that_brings_its_file_system_along_is_written_through_it(memory_url):
    written(UPath(memory_url), 1)
    assert open_folder(memory_url).names() == ["abc-000000000000.lines.txt"]
    assert open_folder(UPath(memory_url)).uri == memory_url


# ---- what is found -------------------------------------------------------------------------------------


def test_parts_are_found_in_the_order_of_loads_and_rows(directory):
    written(directory, 10**12, 10**12 + 1, rows=[10**12 - 1, 10**12], prefix="b", first_row=10**12 - 1)
    written(directory, 1, 2, prefix="a-2")
    open_folder(directory).write("a-2-000000000000.others.txt", b"")
    found = find_parts(directory, kind="lines")
    assert [(part.prefix, part.first_row) for part in found] == [
        ("a-2", 0),
        ("a-2", 1),
        ("b", 10**12 - 1),
        ("b", 10**12),
    ]
    assert {part.folder.uri for part in found} == {open_folder(directory).uri}


def test_one_part_is_found_alone_and_knows_its_directory(directory):
    written(directory, 1, 2)
    (part,) = find_parts(f"{directory}/abc-000000000001.lines.txt", kind="lines")
    with part.open() as file:
        assert file.read() == b"1\n"
    assert part.folder.uri == open_folder(directory).uri
    assert part.uri == f"{open_folder(directory).uri}/abc-000000000001.lines.txt"


def test_where_there_is_nothing_that_is_said(directory):
    with pytest.raises(SourceError, match=r"no files \*\.lines\.\*"):
        find_parts(directory, kind="lines")
    written(directory, 1)
    with pytest.raises(SourceError, match="no such file"):
        find_parts(f"{directory}/abc-000000000001.lines.txt", kind="lines")
    open_folder(directory).write("other.txt", b"")
    with pytest.raises(SourceError, match=r"no files \*\.lines\.\*"):
        find_parts(f"{directory}/other.txt", kind="lines")


def test_a_directory_that_cannot_be_listed_or_read_is_no_source(memory_url, monkeypatch):
    written(memory_url, 1)
    (part,) = find_parts(memory_url, kind="lines")

    def refused(*_, **__):
        raise ConnectionError("gone")

    monkeypatch.setattr(MemoryFileSystem, "_open", refused)
    with pytest.raises(
        SourceError, match=r"abc-000000000000\.lines\.txt cannot be read: ConnectionError: gone"
    ):
        part.open()
    monkeypatch.setattr(MemoryFileSystem, "ls", refused)
    with pytest.raises(SourceError, match=r"listing .* failed"):
        find_parts(memory_url, kind="lines")


def test_a_folder_shows_its_uri_and_no_file_system():
    assert "fs=" not in repr(Folder(object(), "/x", "memory://x"))
