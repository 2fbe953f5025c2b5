"""Rejected rows: written in parts, fixed by hand, and read again."""

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider.mixpeek.ingest import RejectedRow, split_source
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._part_files import open_folder
from airflow_provider.mixpeek.ingest._rejected_rows import RejectedRowsWriter
from airflow_provider.mixpeek.ingest._sources import Place, open_source

from .folders import content


def write(directory, *rows, prefix="abc", parts=(1_000,), uri=None):
    writer = RejectedRowsWriter(directory, prefix=prefix)
    writer.start(0)
    for row in rows:
        writer.add(row, uri=uri, position=uri and str(row.row * 100))
    for upto in parts:
        writer.close_part(upto)


def rejected(row, **values):
    return RejectedRow(row, "it is blank", column="title", error_type="TooShort", values=values)


def read(directory, block_rows=1_000):
    """Rows, positions and problems of every block, put together."""
    rows, positions, problems = [], [], {}
    for block in open_source(directory).blocks(block_rows=block_rows):
        assert block.first_row == len(rows)
        problems |= {block.first_row + index: problem for index, problem in block.problems.items()}
        rows += [block.row(index) for index in range(len(block))]
        positions += block.positions
    return rows, positions, problems


def edit(directory, name, change):
    """Change the lines of a part in place, as somebody with an editor would."""
    lines = content(directory, name).decode().splitlines(keepends=True)
    open_folder(directory).write(name, "".join(change(lines)).encode("utf-8", "surrogateescape"))


FIRST = "abc-000000000000.rejected.jsonl"


def test_a_line_tells_which_row_where_and_why(directory):
    write(
        directory,
        rejected(7, title=" ", poster=b"\xff"),
        RejectedRow(3, "no", values={"n": math.nan}),
        uri="s3://key:secret@bucket/films.csv",
    )
    lines = [json.loads(line) for line in content(directory, FIRST).splitlines()]
    assert lines == [
        {
            "row": 3,
            "uri": "s3://bucket/films.csv",
            "position": "300",
            "column": None,
            "reason": "no",
            "error_type": "",
            "values": {"n": {"$type": "float", "value": "nan"}},
        },
        {
            "row": 7,
            "uri": "s3://bucket/films.csv",
            "position": "700",
            "column": "title",
            "reason": "it is blank",
            "error_type": "TooShort",
            "values": {"title": " ", "poster": {"$type": "bytes", "value": "/w=="}},
        },
    ]


def test_rows_that_are_in_no_file_have_no_place(directory):
    writer = RejectedRowsWriter(directory, prefix="abc")
    writer.start(0)
    writer.add(rejected(0, title=""))
    writer.close_part(1)
    line = json.loads(content(directory, FIRST))
    assert (line["uri"], line["position"]) == (None, None)


ODD = {
    "text": "a\ud800\0\n\u2028",
    "bytes": b"\x00\xff",
    "price": Decimal("1.50"),
    "at": dt.datetime(2026, 11, 23, 4, 8, 30, 250_000, tzinfo=dt.UTC),
    "id": 2**200,
    "tags": ({1, 2}, None),
    "$type": "a column of that name",
    "\ud800": "a column with half a pair",
}


def test_rows_come_back_as_they_were_in_their_order(directory):
    write(directory, rejected(12, **ODD), rejected(4, a=1), rejected(11, a=2), parts=(10, 20))
    rows, positions, problems = read(directory)
    assert rows == [{"a": 1}, {"a": 2}, ODD]
    assert positions == ["abc:4", "abc:11", "abc:12"]
    assert problems == {}


def test_a_source_says_what_it_is(directory):
    write(directory, rejected(0, b=1), rejected(1, a=1))
    source = open_source(directory)
    uri = Path(directory).as_uri() if directory.startswith("/") else directory
    assert (source.kind, source.uri, source.columns) == ("file", uri, None)
    assert source.name == f"{uri} (rejected rows, 1 files)"
    assert (source.seeks, source.rereadable) == (False, True)
    (block,) = source.blocks(block_rows=10)
    assert (block.uri, source.columns) == (uri, ("b", "a"))
    mine = open_source(directory, source_name="mine")
    assert {block.uri for block in mine.blocks(block_rows=10)} == {mine.uri} == {"mine"}
    with pytest.raises(ValueError, match="from a row on"):
        next(source.blocks(block_rows=10, after=Place(0, uri, "abc:0")))


def test_its_fingerprint_tells_that_somebody_fixed_a_row(directory):
    write(directory, rejected(0, a=1), rejected(10, a=1), parts=(10, 20))
    before = open_source(directory).fingerprint()
    assert open_source(directory).fingerprint() == before
    edit(directory, FIRST, lambda lines: [lines[0].replace('"a":1', '"a":22')])
    changed = open_source(directory).fingerprint()
    open_folder(directory).remove(FIRST)
    assert len({json.dumps(each) for each in (before, changed, open_source(directory).fingerprint())}) == 3


def test_a_row_of_a_file_is_known_by_its_place_there_however_the_file_was_cut(directory):
    write(directory, rejected(3, a=1), prefix="load-whole", uri="file:///films.csv")
    write(directory, rejected(3, a=1), prefix="load-rows=3-7", uri="file:///films.csv")
    write(directory, rejected(3, a=1), prefix="another-whole", uri="file:///films.csv")
    assert read(directory)[1] == [f"{load}:file:///films.csv:300" for load in ("another", "load", "load")]


def test_parts_are_known_by_their_names_whoever_gave_them(directory):
    write(directory, rejected(4, a=1))
    folder = open_folder(directory)
    folder.write("mine.rejected.jsonl", content(directory, FIRST))
    folder.write("abc-000000000000.receipt.jsonl", b"{}")
    folder.write("abc-000000000000.receipt.parquet", b"PAR1")
    assert read(directory)[1] == ["abc:4", "mine:4"]
    assert read(f"{directory}/mine.rejected.jsonl")[1] == ["mine:4"]
    assert read(f"{directory}/*.rejected.jsonl") == read(directory)


@pytest.mark.parametrize("other", ["films.jsonl", "abc-000000000000.films.jsonl", "more/a.rejected.jsonl"])
def test_rejected_rows_are_not_read_with_others(directory, other):
    write(directory, rejected(4, a=1))
    open_folder(directory).write(other, b'{"a": 1}\n') if "/" not in other else write(
        f"{directory}/more", rejected(4, a=1)
    )
    with pytest.raises(SourceError, match=r"holds rejected rows, and .* is read with it"):
        open_source(directory)


def test_rejected_rows_are_not_split(directory):
    write(directory, rejected(4, a=1))
    with pytest.raises(SourceError, match=r"\(rejected rows, 1 files\) cannot be split"):
        split_source(directory)


def test_a_row_has_the_same_place_in_its_part_alone_and_in_the_directory(directory):
    write(directory, rejected(4, a=1), rejected(12, a=2), parts=(10, 20))
    part = f"{directory}/abc-000000000010.rejected.jsonl"
    assert read(part) == ([{"a": 2}], ["abc:12"], {})
    assert open_source(part).uri == open_source(directory).uri


def test_loads_are_read_one_after_the_other(directory):
    write(directory, rejected(5, a=2), prefix="b")
    write(directory, rejected(9, a=1), prefix="a")
    assert read(directory)[:2] == ([{"a": 1}, {"a": 2}], ["a:9", "b:5"])


def test_blocks_are_no_larger_than_asked_for(directory):
    write(directory, *(rejected(row, a=row) for row in range(7)), parts=(3, 10))
    blocks = list(open_source(directory).blocks(block_rows=2))
    assert [len(block) for block in blocks] == [2, 2, 2, 1]
    assert [block.first_row for block in blocks] == [0, 2, 4, 6]
    assert read(directory, block_rows=2)[0] == [{"a": row} for row in range(7)]


def test_blocks_of_large_rows_are_short(directory):
    write(directory, *(rejected(row, a=b"x" * 3_000_000) for row in range(4)))
    assert [len(block) for block in open_source(directory).blocks(block_rows=1_000)] == [2, 2]


def test_what_was_fixed_emptied_and_removed_in_place(directory):
    write(directory, *(rejected(row, title="") for row in range(5)))

    def fix(lines):
        fixed = json.loads(lines[3])
        fixed["values"]["title"] = "Alien"
        return [lines[0], "\n", "  \r\n", json.dumps(fixed, indent=None) + "\r\n", lines[4].rstrip("\n")]

    edit(directory, FIRST, fix)
    assert read(directory) == (
        [{"title": ""}, {"title": "Alien"}, {"title": ""}],
        ["abc:0", "abc:3", "abc:4"],
        {},
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"row": 1, "values": {"a": 1}', "line 2 of abc-000000000000.rejected.jsonl cannot be read"),
        ("[1]", "no object with a number 'row'"),
        ("null", "no object with a number 'row'"),
        ('{"values": {"a": 1}}', "no object with a number 'row'"),
        ('{"row": "1", "values": {"a": 1}}', "no object with a number 'row'"),
        ('{"row": true, "values": {"a": 1}}', "no object with a number 'row'"),
        ('{"row": 1}', "'values' are no object"),
        ('{"row": 1, "values": [1]}', "'values' are no object"),
        ('{"row": 1, "values": {"$type": "dict", "value": [[1, 2]]}}', "'values' are no object"),
        ('{"row": 1, "values": {"a": {"$type": "bytes", "value": "?"}}}', "'bytes' cannot be read"),
        ('{"row": 1, "values": {"a": {"$type": "typo"}}}', "'typo'"),
        ('{"row": 1, "values": {"a": "\udcff"}}', "cannot be read"),
        ('{"row": 1, "values": {"a": ' + "[" * 100_000, "cannot be read"),
    ],
    ids=lambda text: text[:40].encode("ascii", "replace").decode(),
)
def test_a_damaged_line_is_a_problem_of_its_row_alone(directory, line, reason):
    write(directory, *(rejected(row, a=row) for row in range(3)))
    edit(directory, FIRST, lambda lines: [lines[0], line + "\n", lines[2]])
    rows, positions, problems = read(directory)
    assert [*problems] == [1]
    assert reason in problems[1]
    assert [rows[0], rows[2]] == [{"a": 0}, {"a": 2}]
    # It is set aside once more as it came.
    assert rows[1] == {"row": line.encode("utf-8", "surrogateescape").decode(errors="replace")}
    assert len(set(positions)) == 3


def test_values_nested_beyond_reason_are_a_problem_too(directory):
    write(directory, rejected(0, a=1), rejected(1, a=1))
    deep = '{"row": 1, "values": {"a": ' + "[" * 990 + "]" * 990 + "}}\n"
    edit(directory, FIRST, lambda lines: [lines[0], deep])
    assert [*read(directory)[2]] == [1]


def test_rows_of_which_none_can_be_read_have_no_columns(directory):
    write(directory, rejected(0, a=1))
    edit(directory, FIRST, lambda lines: ["{\n"])
    with pytest.raises(SourceError, match="no columns"):
        read(directory)


def test_where_everything_was_removed_there_are_no_blocks(directory):
    write(directory, rejected(0, a=1))
    edit(directory, FIRST, lambda lines: [])
    assert list(open_source(directory).blocks(block_rows=10)) == []


def test_a_part_that_is_gone_meanwhile_is_named(directory):
    write(directory, rejected(0, a=1))
    source = open_source(directory)
    open_folder(directory).remove(FIRST)
    with pytest.raises(SourceError, match=r"abc-000000000000\.rejected\.jsonl: there is no such file"):
        list(source.blocks(block_rows=10))


def test_a_try_after_a_crash_writes_each_row_once(directory):
    write(directory, *(rejected(row, a=row) for row in range(30)), parts=(10, 20, 30))
    # The watermark stood at 10 when the process was killed.
    again = RejectedRowsWriter(directory, prefix="abc")
    again.start(10)
    for row in range(10, 30):
        again.add(rejected(row, a=row))
    again.close_part(15)
    again.close_part(30)
    assert read(directory)[1] == [f"abc:{row}" for row in range(30)]


def test_a_row_is_written_as_it_was_when_it_was_added(directory):
    values = {"a": [1]}
    writer = RejectedRowsWriter(directory, prefix="abc")
    writer.start(0)
    writer.add(RejectedRow(0, "no", values=values))
    values["a"].append(2)
    writer.close_part(1)
    assert read(directory)[0] == [{"a": [1]}]
