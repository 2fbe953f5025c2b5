"""Parquet, CSV and JSON Lines files: what they hold, where it stands, and how they can be broken."""

import subprocess
import sys
import tracemalloc

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider.mixpeek.ingest import _csv_file
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._files import file_at
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._sources import open_source


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(rows, block_rows=2):
    """All rows as dicts, their positions, and the problems by row number."""
    found, positions, problems = [], [], {}
    for block in open_source(rows).blocks(block_rows=block_rows):
        positions += block.positions
        problems |= {block.first_row + index: reason for index, reason in block.problems.items()}
        found += [block.row(index) for index in range(len(block))]
    return found, positions, problems


# ---- CSV ----------------------------------------------------------------------------------------------


def test_csv_cells_are_texts_and_only_the_empty_one_is_absent(written):
    path = written("a.csv", 'code,country,n\n007,NA,1.0\n,"",NaN\n" ",null,\n')
    rows, _, problems = read(path)
    assert rows == [
        {"code": "007", "country": "NA", "n": "1.0"},
        {"code": None, "country": None, "n": "NaN"},
        {"code": " ", "country": "null", "n": None},
    ]
    assert problems == {}


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_csv_positions_are_the_bytes_at_which_records_begin(written, line_break, mark, block_rows):
    records = ["id,text", "1,é", '2,"a\nb,""c"""', "", '3,"x\u2028y\x85z"', "4,end"]
    content = (mark + line_break.join(records)).encode()
    rows, positions, problems = read(written("a.csv", content), block_rows)
    assert [row["text"] for row in rows] == ["é", 'a\nb,"c"', "x\u2028y\x85z", "end"]
    assert problems == {}
    for position, row in zip(map(int, positions), rows, strict=True):
        assert content[position:].startswith(row["id"].encode())


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
) | st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", " ", "\ufeff", "NA"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(st.integers(), cells, cells), min_size=1, max_size=8), size=st.integers(1, 4))
def test_csv_reads_what_rfc_4180_writes(written, table, size):
    def quoted(cell):
        return '"' + cell.replace('"', '""') + '"'

    lines = ['"id","a","b"', *(",".join((str(key), quoted(a), quoted(b))) for key, a, b in table)]
    content = "\r\n".join(lines).encode()
    rows, positions, _ = read(written("a.csv", content), size)
    assert rows == [{"id": str(key), "a": a or None, "b": b or None} for key, a, b in table]
    starts = [len("\r\n".join(lines[:number]).encode()) + 2 for number in range(1, len(lines))]
    assert positions == list(map(str, starts))


def test_csv_records_with_missing_or_extra_cells_are_problems_of_their_own(written):
    path = written("a.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n")
    rows, _, problems = read(path, block_rows=3)
    assert problems == {
        1: "the record has 1 cells, the header 2 (line 3, byte 8)",
        2: "the record has 3 cells, the header 2 (line 4, byte 10)",
    }
    assert rows[1:3] == [{"a": "3", "b": None}, {"a": "4", "b": "5", "column 3": "6"}]
    columns = [block.column("b") for block in open_source(path).blocks(block_rows=10)]
    assert [list(column) for column in columns] == [["2", None, None, "8"]]


def test_csv_takes_texts_longer_than_the_standard_readers_limit(written):
    rows, _, _ = read(written("a.csv", f"a\n{'x' * 1_000_000}\n"))
    assert len(rows[0]["a"]) == 1_000_000


@pytest.mark.parametrize("before", ["header", "row"])
def test_csv_does_not_end_with_more_blank_lines_than_a_block_has_bytes(written, before, monkeypatch):
    monkeypatch.setattr(_csv_file, "BLOCK_BYTES", 1_000)
    blank = "\n" * 3_000
    content = f"{blank}a\n1\n2\n" if before == "header" else f"a\n1\n{blank}2\n"
    path = written("a.csv", content)
    rows, positions, _ = read(path)
    assert rows == [{"a": "1"}, {"a": "2"}]
    assert [content[int(position)] for position in positions] == ["1", "2"]
    cuts = _csv_file.CsvReader(file_at(locate(path), uri="a")).cuts(step=1, most=9)
    assert (cuts.count, cuts.starts) == (2, [int(positions[1])])


def test_csv_with_a_header_alone_has_no_rows(written):
    source = open_source(written("a.csv", "a,b\n"))
    assert source.columns == ("a", "b")
    assert list(source.blocks(block_rows=5)) == []


# ---- JSON Lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".JSONL"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_json_lines(written, suffix, mark, block_rows):
    content = mark + '{"a": 1, "b": "é\u2028"}\r\n\n  \n{"a": null, "c": [1.5]}\n{"a": 2}'.encode()
    path = written(f"a{suffix}", content)
    rows, positions, problems = read(path, block_rows)
    assert rows == [{"a": 1, "b": "é\u2028"}, {"a": None, "c": [1.5]}, {"a": 2}]
    assert problems == {}
    expected = [0, content.index(b'{"a": null'), content.index(b'{"a": 2')]
    assert positions == list(map(str, expected))
    (whole,) = open_source(path).blocks(block_rows=10)
    assert whole.column("a") == [1, None, 2]
    assert whole.column("c") == [None, [1.5], None]


def test_json_lines_keep_every_digit_of_an_integer(written):
    numbers = [2**53 + 1, 2**64 - 1, 2**64, -(10**40)]
    rows, _, problems = read(written("a.jsonl", "".join(f'{{"n": {number}}}\n' for number in numbers)))
    assert [row["n"] for row in rows] == numbers
    assert problems == {}


def test_json_lines_know_their_columns_after_the_first_block(written):
    source = open_source(written("a.jsonl", '{"a": 1}\n{"b": 1}\n{"c": 1}\n'))
    assert source.columns is None
    assert len(list(source.blocks(block_rows=2))) == 2
    assert source.columns == ("a", "b")


def test_a_line_that_is_no_object_is_a_problem_of_its_own(written):
    path = written("a.jsonl", '{"a": 1}\n[2]\n{"a": NaN}\n{"a": 4}\n')
    rows, _, problems = read(path)
    assert rows == [{"a": 1}, {"row": [2]}, {"row": '{"a": NaN}'}, {"a": 4}]
    assert problems[1] == "the line is a list, not an object (line 2, byte 9)"
    assert problems[2].startswith("the line is not JSON (line 3, byte 13): ")


@pytest.mark.parametrize(("number", "depth"), [(1, 100_000), (1234567890123456789012, 1_000)])
def test_a_line_that_is_nested_too_deeply_is_a_problem_of_its_own(written, number, depth):
    line = f'{{"n": {number}, "deep": {"[" * depth}{"]" * depth}}}'
    rows, _, problems = read(written("a.jsonl", f'{{"n": 1}}\n{line}\n{{"n": 3}}\n'))
    assert (rows[0], rows[2]) == ({"n": 1}, {"n": 3})
    assert list(problems) == [1]
    assert problems[1].startswith("the line is not JSON (line 2, byte 9): ")


@pytest.mark.parametrize("before", [0, 3, 20_000])
def test_a_json_lines_file_that_is_cut_off_is_refused_before_it_is_read(written, before):
    whole = b'{"a": "\xc3\xa9"}\n' * before
    for cut in (b"{", b'{"a": "\xc3', b'{"a": 1', b'{"a": "' + b"x" * 200_000):
        path = written("a.jsonl", whole + cut)
        with pytest.raises(SourceError) as caught:
            open_source(path)
        assert f"its last line, {before + 1} (byte {len(whole)}), ends in the middle" in str(caught.value)


# ---- Parquet ------------------------------------------------------------------------------------------


def table(rows=7):
    return pa.table({"n": range(rows), "text": [f"row {number}" for number in range(rows)]})


@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_parquet_positions_are_row_group_and_row(tmp_path, block_rows):
    pq.write_table(table(), tmp_path / "a.parquet", row_group_size=3)
    rows, positions, _ = read(tmp_path / "a.parquet", block_rows)
    assert positions == ["0:0", "0:1", "0:2", "1:0", "1:1", "1:2", "2:0"]
    assert rows == table().to_pylist()


def test_parquet_row_groups_without_rows_are_no_blocks(tmp_path):
    with pq.ParquetWriter(tmp_path / "a.parquet", table(1).schema) as writer:
        for rows in (0, 1, 0):
            writer.write_table(table(1).slice(0, rows))
    assert [len(block) for block in open_source(tmp_path / "a.parquet").blocks(block_rows=5)] == [1]


def test_the_index_of_a_pandas_frame_that_parquet_keeps_is_a_column(tmp_path):
    pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="key")).to_parquet(tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").columns == ("a", "key")


def test_parquet_without_pyarrow_names_the_extra(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet")
    program = (
        "import sys\n"
        "sys.modules['pyarrow'] = sys.modules['pyarrow.parquet'] = None\n"
        "from airflow_provider.mixpeek.ingest._sources import open_source\n"
        "open_source(sys.argv[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.parquet"], capture_output=True, text=True, check=False
    )
    assert (
        "reading Parquet needs pyarrow. Install it with: pip install 'airflow-provider-mixpeek[parquet]'"
        in (run.stderr)
    )


def test_a_damaged_row_group_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(table(1000), path, row_group_size=500, compression="zstd")
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    blocks = open_source(path).blocks(block_rows=500)
    assert len(next(blocks)) == 500
    with pytest.raises(SourceError, match="row group 1 is damaged"):
        next(blocks)


# ---- All of them --------------------------------------------------------------------------------------


def in_parquet(tmp_path, names=("a",)):
    pq.write_table(pa.table([[1]] * len(names), names=list(names)), tmp_path / "whole")
    return (tmp_path / "whole").read_bytes()


REFUSED = {
    "empty": ("a.csv", "", "is empty (0 bytes)"),
    "empty parquet": ("a.parquet", "", "is empty (0 bytes)"),
    "blank csv": ("a.csv", "\n\r\n", "has no header: every line is blank"),
    "suffix": (
        "a.xlsx",
        "PK\x03\x04",
        "suffix '.xlsx' cannot be read. Supported are .parquet, .pq, .csv, .jsonl",
    ),
    "no suffix": ("films", "a,b\n", "suffix '' cannot be read"),
    "zip as csv": ("a.csv", b"PK\x03\x04rest", "is not a CSV file: it is a ZIP archive or an Excel workbook"),
    "gzip as jsonl": ("a.jsonl", b"\x1f\x8b\x08", "is not a JSON Lines file: it is compressed with gzip"),
    "utf-16": ("a.csv", "a,b\n".encode("utf-16"), "it is text in UTF-16"),
    "binary": ("a.csv", b"abc\0def", "it is binary: there is a NUL at byte 3"),
    "json as csv": ("a.csv", '{"a": 1}\n', "is not a CSV file: it is JSON"),
    "array": ("a.jsonl", '[{"a": 1}]', "one JSON array, not an object on each line"),
    "csv as jsonl": ("a.jsonl", "a,b\n1,2\n", "not JSON: line 1 is no object"),
    "csv as parquet": ("a.parquet", "a,b\n1,2\n", "is not a Parquet file: it does not begin with PAR1"),
    "zip as parquet": ("a.parquet", b"PK\x03\x04rest", "is not a Parquet file: it is a ZIP archive"),
    "only magic": ("a.parquet", b"PAR1", "is damaged"),
    "columns twice": ("a.csv", "a,b,a\n1,2,3\n", "columns come more than once: 'a'"),
    "semicolons": ("a.csv", "a;b\n1;2\n", "the header is one cell, 'a;b'. It looks as if ';' separates"),
    "header not utf-8": ("a.csv", b"a,\xe9\n", "is not UTF-8: 0xe9 (line 1, byte 2)"),
    "open quote in header": ("a.csv", 'a,"b\n1,2\n', "a record cannot be read (line 1, byte 0)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_what_it_says_is_refused_before_it_is_read(written, name):
    file, content, message = REFUSED[name]
    with pytest.raises(SourceError) as caught:
        open_source(written(file, content))
    assert message in str(caught.value)


LATER = {
    "csv not utf-8": ("a.csv", b"a\n1\n2\n\xc3\xa9\xe9\n", "is not UTF-8: 0xe9 (line 4, byte 8)"),
    "jsonl not utf-8": ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', "is not UTF-8: 0xe9 (line 2, byte 16)"),
    "open quote": ("a.csv", 'a,b\n1,2\n3,"4\n5,6\n', "a record cannot be read (line 3, byte 8)"),
    "stray quote": ("a.csv", 'a,b\n1,"2"3\n', "a record cannot be read (line 2, byte 4)"),
    "old line breaks": ("a.csv", "a,b\r1,2\r3,4\r", "cannot be read"),
    "jsonl without keys": ("a.jsonl", "{}\n{}\n", "the rows have no columns"),
}


@pytest.mark.parametrize("name", LATER)
def test_what_breaks_further_on_says_where(written, name):
    file, content, message = LATER[name]
    with pytest.raises(SourceError) as caught:
        read(written(file, content))
    assert message in str(caught.value)


def test_parquet_in_disguise_and_cut_off(written, tmp_path):
    whole = in_parquet(tmp_path)
    for name, content, message in (
        ("a.csv", whole, "is not a CSV file: it is a Parquet file"),
        ("a.jsonl", whole, "is not a JSON Lines file: it is a Parquet file"),
        ("a.parquet", whole[:-20], "is cut off: its footer is missing"),
        ("b.parquet", in_parquet(tmp_path, ("a", "a")), "columns come more than once: 'a'"),
    ):
        with pytest.raises(SourceError) as caught:
            open_source(written(name, content))
        assert message in str(caught.value)


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(SourceError, match=r"films.csv: there is no such file\."):
        open_source(tmp_path / "films.csv")
    with pytest.raises(SourceError, match="cannot be read"):
        open_source("a\0b.csv")
    with pytest.raises(SourceError, match=r"file://data/films\.csv: the URL names another machine, 'data'"):
        open_source("file://me:secret@data/films.csv")


def test_a_file_has_one_uri_however_it_is_named(written, tmp_path, monkeypatch):
    path = written("ä b.csv", "a\n1\n")
    uri = path.as_uri()
    monkeypatch.chdir(tmp_path)
    for name in (
        path,
        str(path),
        "ä b.csv",
        "./x/../ä b.csv",
        uri,
        uri.replace("file://", "file://localhost"),
    ):
        assert open_source(name).uri == uri
    assert "%20" in uri


def test_a_link_keeps_its_own_name(written, tmp_path):
    written("a.csv", "a\n1\n")
    (tmp_path / "latest.csv").symlink_to(tmp_path / "a.csv")
    assert open_source(tmp_path / "latest.csv").uri == (tmp_path / "latest.csv").as_uri()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_memory_is_bounded_by_a_block(tmp_path, name):
    frame = pd.DataFrame({"text": [f"{number:0500}" for number in range(20_000)]})  # 10 MB
    path = tmp_path / name
    if name == "a.csv":
        frame.to_csv(path, index=False)
    elif name == "a.jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, row_group_size=1_000)
    next(iter(open_source(path).blocks(block_rows=1))).column("text")  # imports are not what is measured
    tracemalloc.start()
    try:
        for block in open_source(path).blocks(block_rows=500):
            block.column("text")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
