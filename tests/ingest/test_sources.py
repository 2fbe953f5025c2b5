"""Every reader, and every way in which rows cannot be read. Files have a test module of their own."""

import csv
import datetime as dt
import json
import pickle
from collections import UserDict
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._identity import row_keyer
from airflow_provider.mixpeek.ingest._sources import BLOCK_BYTES, open_source
from airflow_provider.mixpeek.ingest._values import plain_column

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
ROWS = [
    {
        "id": 1, "stars": 4, "price": 12.5, "title": "8½", "day": dt.date(1963, 2, 14), "ok": True,
        "seen": NOON, "made": dt.datetime.fromisoformat("2026-07-01T12:00:00.250"),
        "raw": b"\xff", "tags": ["a", None],
        "took": dt.timedelta(seconds=1.5), "paid": Decimal("1.50"), "who": {"a": 1.0, "b": None},
    },
    {
        "id": 2, "stars": None, "price": 9.0, "title": None, "day": None, "ok": None,
        "seen": None, "made": None, "raw": None, "tags": None,
        "took": None, "paid": None, "who": None,
    },
    {
        "id": 2**53 + 1, "stars": -1, "price": None, "title": "", "day": dt.date(2026, 1, 1), "ok": False,
        "seen": NOON + dt.timedelta(microseconds=1),
        "made": dt.datetime.fromisoformat("1969-12-31"), "raw": b"", "tags": [],
        "took": dt.timedelta(days=-1), "paid": Decimal("2.00"), "who": {"a": 0.1, "b": "x"},
    },
]  # fmt: skip
NAMES = list(ROWS[0])


def arrow():
    kinds = {"who": pa.struct([("a", pa.float64()), ("b", pa.string())]), "tags": pa.list_(pa.string())}
    return pa.table({name: pa.array([row[name] for row in ROWS], kinds.get(name)) for name in NAMES})


def berlin():
    """The same instants, told in another zone."""
    return [
        {name: value.astimezone(dt.timezone(dt.timedelta(hours=2))) if name == "seen" and value else value
         for name, value in row.items()}
        for row in ROWS
    ]  # fmt: skip


def parquet(path, write):
    write(path)
    return path


READERS = {
    "dicts": lambda _: ROWS,
    "tuple of dicts": lambda _: tuple(ROWS),
    "dicts without the absent keys": lambda _: [
        {key: value for key, value in row.items() if value is not None} for row in ROWS
    ],
    "dicts in another zone": lambda _: berlin(),
    "mappings": lambda _: [UserDict(row) for row in ROWS],
    "iterator of dicts": lambda _: iter(ROWS),
    "generator of dicts": lambda _: (dict(reversed(row.items())) for row in ROWS),
    "iterable of dicts": lambda _: {index: row for index, row in enumerate(ROWS)}.values(),  # noqa: C416
    "pandas": lambda _: pd.DataFrame(ROWS),
    "pandas with an index": lambda _: pd.DataFrame(ROWS, index=[7, 7, 3]),
    "pandas with nullable types": lambda _: pd.DataFrame(ROWS).convert_dtypes(),
    "pandas over arrow": lambda _: arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas with objects": lambda _: pd.DataFrame(ROWS, dtype=object),
    "pandas from arrow": lambda _: arrow().to_pandas(),
    "polars": lambda _: pl.DataFrame(ROWS, strict=False),
    "polars in another zone": lambda _: pl.DataFrame(ROWS).with_columns(
        pl.col("seen").dt.convert_time_zone("Asia/Tokyo")
    ),
    "arrow table": lambda _: arrow(),
    "arrow batch": lambda _: arrow().combine_chunks().to_batches()[0],
    "arrow batch reader": lambda _: arrow().to_reader(max_chunksize=2),
    "iterator of pandas": lambda _: iter([pd.DataFrame(ROWS[:2]), pd.DataFrame(ROWS[2:])]),
    "generator of polars": lambda _: (
        pl.DataFrame(ROWS[begin : begin + 2], strict=False) for begin in (0, 2)
    ),
    "iterator of arrow tables": lambda _: iter([arrow().slice(0, 1), arrow().slice(1, 0), arrow().slice(1)]),
    "generator of arrow batches": lambda _: (batch for batch in arrow().to_batches(max_chunksize=1)),
    "iterator of frames of several libraries": lambda _: iter(
        [pd.DataFrame(ROWS[:1]), pl.DataFrame(ROWS[1:2], strict=False), arrow().slice(2)]
    ),
    "parquet of arrow": lambda path: parquet(path, lambda to: pq.write_table(arrow(), to)),
    "parquet in row groups": lambda path: parquet(
        path, lambda to: pq.write_table(arrow(), to, row_group_size=1)
    ),
    "parquet of pandas": lambda path: parquet(path, lambda to: pd.DataFrame(ROWS).to_parquet(to)),
    "parquet of polars": lambda path: parquet(path, lambda to: pl.DataFrame(ROWS).write_parquet(to)),
}


def read(source, names=NAMES, block_rows=2):
    """The plain values of every column, the blocks put together again."""
    columns = {name: [] for name in names}
    expected = 0
    for block in source.blocks(block_rows=block_rows):
        assert block.first_row == expected
        assert 0 < len(block) <= block_rows
        expected += len(block)
        assert block.problems == {}
        for name in names:
            plain = plain_column(block.column(name))
            assert plain.problems == {}
            columns[name] += plain.values
    return columns


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("block_rows", [1, 2, 100])
def test_one_table_has_the_same_values_and_keys_whatever_reads_it(reader, block_rows, tmp_path):
    rows = READERS[reader](tmp_path / "table.parquet")
    source = open_source(rows)
    columns = read(source, block_rows=block_rows)
    expected = {name: list(plain_column([row[name] for row in ROWS]).values) for name in NAMES}
    assert columns == expected
    assert sorted(source.columns) == sorted(NAMES)

    def keys(table):
        keyer = row_keyer("content", bucket_id="bkt_1", scope="shop")
        return keyer.keys(list(table), list(table.values()), first_row=0).keys

    assert keys(columns) == keys(expected)


@pytest.mark.parametrize("reader", READERS)
def test_a_row_comes_back_as_it_came(reader, tmp_path):
    blocks = open_source(READERS[reader](tmp_path / "table.parquet")).blocks(block_rows=10)
    row = next(block.row(1 - block.first_row) for block in blocks if block.first_row + len(block) > 1)
    assert set(row) <= set(NAMES)
    assert row["id"] == 2
    assert isinstance(row["id"], int)
    assert row["price"] == 9


def test_nanoseconds_survive_every_reader(tmp_path):
    times = pd.to_datetime(["2026-11-23T04:08:30.123456789", None])
    frame = pd.DataFrame({"at": times.as_unit("ns"), "in": times.as_unit("ns").tz_localize("Europe/Berlin")})
    frame["took"] = pd.to_timedelta([1_500_000_001, None], unit="ns").as_unit("ns")
    table = pa.Table.from_pandas(frame)
    expected = {
        "at": ["2026-11-23T04:08:30.123456789", None],
        "in": ["2026-11-23T03:08:30.123456789Z", None],
        "took": [1.500000001, None],
    }
    pq.write_table(table, tmp_path / "t.parquet")
    for rows in (frame, table, pl.from_arrow(table), frame.to_dict("records"), tmp_path / "t.parquet"):
        assert read(open_source(rows), list(expected)) == expected


def test_what_a_source_knows_of_itself(tmp_path):
    def known(rows, **more):
        source = open_source(rows, **more)
        assert source.name == source.uri or source.name == f"a {type(rows).__name__}"
        return source.kind, source.uri, source.columns

    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert known(frame) == ("frame", None, ("a", "b"))
    assert known(frame, source_name="films") == ("frame", "films", ("a", "b"))
    assert known([{"a": 1}, {"b": 2, "a": 3}]) == ("rows", None, ("a", "b"))
    assert known(iter([{"a": 1}])) == ("rows", None, None)
    frame.to_parquet(tmp_path / "t.pq")
    assert known(tmp_path / "t.pq") == ("file", (tmp_path / "t.pq").as_uri(), ("a", "b"))
    assert known(tmp_path / "t.pq", source_name="films")[1] == "films"


@pytest.mark.parametrize(
    "rows",
    [pd.DataFrame({"a": [1]}), [{"a": 1}], iter([{"a": 1}]), iter([pl.DataFrame({"a": [1]})])],
    ids=["frame", "list", "iterator", "frames"],
)
def test_rows_in_memory_have_no_place_and_no_fingerprint(rows):
    source = open_source(rows, source_name="films")
    assert (source.seeks, source.fingerprint()) == (False, None)
    (block,) = source.blocks(block_rows=5)
    assert (block.uri, block.positions) == (None, None)


@pytest.mark.parametrize("reader", READERS)
def test_what_can_be_read_again_gives_the_same_rows(reader, tmp_path):
    source = open_source(READERS[reader](tmp_path / "table.parquet"))
    once = "iterator" in reader or "generator" in reader or "reader" in reader
    assert source.rereadable is not once
    first = read(source)
    if not once:
        assert read(source) == first


def test_pandas_reads_a_file_in_chunks(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 7)
    with pd.read_csv(tmp_path / "a.csv", chunksize=3) as chunks:
        source = open_source(chunks)
        assert [len(block) for block in source.blocks(block_rows=2)] == [2, 1, 2, 1, 1]
    assert source.columns == ("a", "b")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            [pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [1]})],
            "frame 1, from row 1 on, .*lacks 'b'",
        ),
        ([pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1], "c": [1]})], "frame 1, .*: it adds 'c'"),
        ([pd.DataFrame({"a": [1]}), {"a": 1}], "among the frames is a dict, which is none"),
        ([pd.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]})], "the frame is lazy"),
        ([pd.DataFrame([[1]])], "the column names 0 are of type int"),
        ([pl.LazyFrame({"a": [1]})], "the frame is lazy"),
    ],
)
def test_frames_that_do_not_go_together_are_refused(frames, message):
    with pytest.raises(SourceError, match=message):
        list(open_source(iter(frames)).blocks(block_rows=5))


def test_an_iterator_of_frames_is_read_no_further_than_it_must():
    taken = []
    source = open_source(taken.append(number) or pd.DataFrame({"a": [number]}) for number in range(100))
    blocks = source.blocks(block_rows=3)
    next(blocks)
    assert (taken, source.columns) == ([0], ("a",))
    next(blocks)
    assert taken == [0, 1]


def test_an_iterator_knows_its_columns_after_its_first_block():
    source = open_source({"a": 1} if number < 2 else {"b": 1} for number in range(4))
    blocks = source.blocks(block_rows=2)
    next(blocks)
    assert source.columns == ("a",)
    later = next(blocks)
    assert source.columns == ("a",)
    assert later.column("a") == [None, None]


def test_an_iterator_is_read_no_further_than_it_must():
    taken = []
    source = open_source(taken.append(number) or {"a": number} for number in range(100))
    next(source.blocks(block_rows=3))
    assert taken == [0, 1, 2]


@pytest.mark.parametrize(
    "rows",
    [[], (), iter([]), pd.DataFrame({"a": []}), pl.DataFrame({"a": []}), pa.table({"a": []})],
    ids=lambda rows: type(rows).__name__,
)
def test_no_rows_are_no_blocks(rows):
    assert list(open_source(rows).blocks(block_rows=5)) == []


@pytest.mark.parametrize("wrap", [list, iter])
def test_a_row_that_is_no_dict_is_a_problem_of_its_own(wrap):
    (block,) = open_source(wrap([{"a": 1}, ["x"], None, {"a": 2}])).blocks(block_rows=5)
    assert block.problems == {1: "the row is a list, not a dict", 2: "the row is a NoneType, not a dict"}
    assert block.column("a") == [1, None, None, 2]
    assert block.row(1) == {"row": ["x"]}


async def coroutine():
    return [{"a": 1}]


async def asynchronous():
    yield {"a": 1}


@pytest.fixture
def awaitable():
    waiting = coroutine()
    yield waiting
    waiting.close()


def test_a_coroutine_is_no_source(awaitable):
    with pytest.raises(SourceError, match="Await it first"):
        open_source(awaitable)


DUPLICATES = pd.DataFrame([[1, 2]], columns=["a", "a"])
REFUSED = {
    "none": (None, "rows is None"),
    "number": (7, "int is no source of rows. Rows are a pandas"),
    "object": (object(), "object is no source of rows"),
    "bytes": (b"a,b", "bytes is no source of rows. Pass the file's path"),
    "dict": ({"a": [1]}, "a single dict is no source of rows. Put one row into a list"),
    "set": ({1}, "set has no order"),
    "async generator": (asynchronous(), "is asynchronous. Await it first"),
    "series": (pd.Series([1]), r"a single column is no table. Call .to_frame\(\)"),
    "polars series": (pl.Series([1]), "a single column is no table"),
    "array": (np.zeros((2, 2)), "numpy.ndarray is no source"),
    "lazy": (pl.LazyFrame({"a": [1]}), r"the frame is lazy.*Call .collect\(\)"),
    "list of lists": ([[1, 2]], "rows are of type list, not dicts"),
    "list of texts": (["a.csv"], "rows are of type str, not dicts"),
    "key that is no text": ([{"a": 1}, {2: 1}], "the row 1 has the key 2, a int"),
    "empty dicts": ([{}, {}], "the rows have no columns"),
    "integer columns": (pd.DataFrame([[1, 2]]), "the column names 0, 1 are of type int"),
    "levels": (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "a MultiIndex"),
    "no columns": (pd.DataFrame(index=[0, 1]), r"the rows have no columns.*reset_index\(\)"),
    "columns twice": (DUPLICATES, "columns come more than once: 'a'"),
    "arrow columns twice": (pa.table([[1], [2]], names=["a", "a"]), "columns come more than once: 'a'"),
    "arrow reader": (
        pa.table([[1], [2]], names=["a", "a"]).to_reader(), "columns come more than once: 'a'"
    ),
    "url": ("quark://bucket/films.csv", "cannot be reached: Protocol not known: quark"),
    "no path": (" ", "the path is empty"),
    "text": ("select * from films", "there is no such file. Is it meant to be a path"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_source_is_refused_and_says_what_would_be(name):
    rows, message = REFUSED[name]
    with pytest.raises(SourceError, match=message) as caught:
        open_source(rows)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_open_file_is_no_source(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    with path.open() as file, pytest.raises(SourceError, match="Pass the file's path"):
        open_source(file)
    with path.open() as file:
        assert read(open_source(csv.DictReader(file)), ["a"]) == {"a": ["1"]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a"], ["b"]], "rows are of type list, not dicts"),
        ([{1: "a"}], "the row 0 has the key 1"),
        ([{}, {}], "the rows have no columns"),
    ],
)
def test_an_iterator_is_judged_by_its_first_block(rows, message):
    with pytest.raises(SourceError, match=message):
        next(open_source(iter(rows)).blocks(block_rows=5))


def test_a_cell_that_python_cannot_hold_is_the_problem_of_its_row():
    table = pa.table({"day": pa.array([10**9, 0], pa.int32()).cast(pa.date32())})
    (block,) = open_source(table).blocks(block_rows=5)
    column = plain_column(block.column("day"))
    assert list(column.values) == [None, "1970-01-01"]
    assert "it cannot be read as Date" in column.problems[0]
    assert "cannot be read" in block.row(0)["day"].reason


def test_a_dict_that_fails_when_it_is_looked_into_is_the_problem_of_its_row():
    class Broken(UserDict):
        def get(self, key, default=None):
            raise LookupError("the session is closed")

    (block,) = open_source([{"a": 1}, Broken(a=1), {"a": 2}]).blocks(block_rows=5)
    column = plain_column(block.column("a"))
    assert list(column.values) == [1, None, 2]
    assert column.problems == {1: "it cannot be read: LookupError: the session is closed"}


def many_texts(length, count, path, kind):
    rows = [{"id": str(number), "text": f"{number:08}" * (length // 8)} for number in range(count)]
    frame = pd.DataFrame(rows)
    if kind == "csv":
        frame.to_csv(path / "a.csv", index=False)
        return path / "a.csv"
    if kind == "json lines":
        (path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path / "a.jsonl"
    if kind == "parquet":
        # Texts of their own: what repeats would be stored once.
        pq.write_table(pa.Table.from_pylist(rows), path / "a.parquet", compression="none")
        return path / "a.parquet"
    table = pa.Table.from_pylist(rows)
    return {
        "list": rows,
        "iterator": iter(rows),
        "pandas": frame,
        "polars": pl.DataFrame(rows),
        "arrow": table,
        "batches": pa.RecordBatchReader.from_batches(table.schema, table.to_batches()),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["list", "iterator", "pandas", "polars", "arrow", "batches", "parquet", "csv", "json lines"]
)
def test_rows_that_are_large_are_read_a_few_at_a_time_and_small_ones_many(kind, tmp_path):
    for length, count, most in ((BLOCK_BYTES // 4, 10, 5), (BLOCK_BYTES * 2, 2, 1), (80, 600, 500)):
        blocks = list(open_source(many_texts(length, count, tmp_path, kind)).blocks(block_rows=500))
        assert max(map(len, blocks)) <= most
        assert [block.first_row for block in blocks] == [
            sum(map(len, blocks[:n])) for n in range(len(blocks))
        ]
        assert [row for block in blocks for row in block.column("id")] == list(map(str, range(count)))
    assert len(blocks) == 2
