"""Reading from a row on: exactly the rest, keys included, without reading what is before."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import Place, open_source

from .keyed import keyed

cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5
) | st.sampled_from(['"', ",", "\n", "\r\n", " ", "\ufeff", "NA", "8½"])
FORMS = ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]


def as_csv(table):
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table]
    # Blank lines are no rows, and lie between the records.
    return "a,b\r\n" + "".join(line + ("\r\n\n" if len(line) % 2 else "\n") for line in quoted)


def as_json_lines(table):
    return "".join(json.dumps({"a": a, "b": b}) + ("\n\n" if len(a) % 2 else "\n") for a, b in table)


def write(path, form, table, group_rows):
    if form == "parquet":
        columns = {"a": [a for a, _ in table], "b": [b for _, b in table]}
        pq.write_table(pa.table(columns), path, row_group_size=group_rows)
        return
    text = (as_csv if form.startswith("csv") else as_json_lines)(table).encode()
    path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)


@pytest.mark.parametrize("form", FORMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    tables=st.lists(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), min_size=1, max_size=3),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    data=st.data(),
)
def test_the_rest_is_what_a_reading_from_the_beginning_has_left(tmp_path_factory, form, tables, sizes, data):
    folder = tmp_path_factory.mktemp("films")
    for number, table in enumerate(tables):
        write(folder / f"{number}.{form}", form, table, sizes[2])
    rows = folder / f"0.{form}" if len(tables) == 1 else folder
    whole = keyed(rows, block_rows=sizes[0])
    assert len(whole) == sum(map(len, tables))
    last = data.draw(st.integers(0, len(whole) - 1))
    assert keyed(rows, block_rows=sizes[1], after=whole[last].place) == whole[last + 1 :]


def test_row_groups_before_the_place_are_not_read(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(3_000)}), path, row_group_size=1_000, compression="zstd")
    content = bytearray(path.read_bytes())
    for group in (0, 1):
        start = pq.ParquetFile(path).metadata.row_group(group).column(0).data_page_offset
        content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    place = Place(1_999, path.as_uri(), "1:999")
    rows = [
        number
        for block in open_source(path).blocks(block_rows=700, after=place)
        for number in block.column("n")
    ]
    assert rows == list(range(2_000, 3_000))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_text_before_the_place_is_not_read(tmp_path, name):
    path = tmp_path / name
    row = {"a.csv": b"%d\n", "a.jsonl": b'{"n": %d}\n'}[name]
    before = b"".join(row % number for number in range(100))
    head = {"a.csv": b"n\n", "a.jsonl": b""}[name]
    path.write_bytes(head + before + row % 100 + row % 101)
    place = Place(100, path.as_uri(), str(len(head + before)))
    source = open_source(path)
    next(source.blocks(block_rows=1))  # JSON Lines learn their columns
    # It would be no UTF-8 any more, had it been read.
    path.write_bytes(head + b"\xff" * (len(before) - 1) + b"\n" + row % 100 + row % 101)
    (block,) = source.blocks(block_rows=10, after=place)
    assert (block.first_row, list(map(int, block.column("n")))) == (101, [101])


def test_files_before_the_place_are_not_opened(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(f"id\n{number}\n")
    source = open_source(tmp_path)
    (tmp_path / "0.csv").unlink()
    place = Place(41, (tmp_path / "1.csv").as_uri(), "3")
    assert [(block.first_row, block.column("id")) for block in source.blocks(block_rows=5, after=place)] == [
        (42, ("2",))
    ]


def test_json_lines_have_the_columns_of_the_beginning_wherever_reading_begins(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"b": 2}\n{"c": 3}\n{"d": 4}\n')
    source = open_source(path)
    list(source.blocks(block_rows=2, after=Place(2, path.as_uri(), "18")))
    assert source.columns == ("a", "b")


def test_a_rest_without_columns_of_its_own_is_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"a": 2}\n[3]\n')
    source = open_source(tmp_path)
    place = Place(1, (tmp_path / "b.jsonl").as_uri(), "0")
    (block,) = source.blocks(block_rows=5, after=place)
    assert list(block.problems.values()) == ["the line is a list, not an object (byte 9)"]
    assert source.columns == ("a",)


def test_behind_the_last_row_is_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n2\n")
    (_, last) = keyed(path)
    assert list(open_source(path).blocks(block_rows=5, after=last.place)) == []


NOWHERE = {
    "a.csv": ["0", "1", "4", "7", "8", "99", "-3", "x", "", "0:1"],
    "a.jsonl": ["3", "9", "99", "-1", "x", "0:1"],
    "a.parquet": ["0:2", "1:2", "2:0", "0", "-1:0", "0:-1", "a:b", "9", ""],
}


@pytest.mark.parametrize("name", NOWHERE)
def test_a_place_at_which_no_row_begins_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"id": [1, 2, 3, 4]}), path, row_group_size=2)
    else:
        path.write_text({"a.csv": "id\n1\n2\n\n", "a.jsonl": '{"a": 1}\n\n{"a": 2}\n'}[name])
    for position in NOWHERE[name]:
        with pytest.raises(SourceError, match=f"{name}: no row begins at {position}"):
            list(open_source(path).blocks(block_rows=5, after=Place(0, path.as_uri(), position)))


def test_a_place_in_a_file_that_is_not_there_is_refused(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id\n1\n")
    with pytest.raises(
        SourceError, match=r"the file file:///c\.csv, at which .* is not in it\. Was it removed"
    ):
        list(open_source(tmp_path).blocks(block_rows=5, after=Place(0, "file:///c.csv", "3")))


def test_rows_in_memory_have_no_place_to_begin_at():
    for rows in ([{"a": 1}], iter([{"a": 1}]), pa.table({"a": [1]}), pa.table({"a": [1]}).to_reader()):
        source = open_source(rows)
        assert not source.seeks
        with pytest.raises(ValueError, match="only files can be read from a row on"):
            list(source.blocks(block_rows=5, after=Place(0, "u", "0")))
