"""Bad input: each a clear error before anything is sent, or a rejected row; never silence."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider.mixpeek.client import (
    AsyncMixpeekClient,
    MixpeekAnswerError,
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekConnectionError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekTimeoutError,
)
from airflow_provider.mixpeek.ingest import (
    IngestError,
    MappingError,
    RowsRejectedError,
    SourceError,
    ingest,
)
from airflow_provider.mixpeek.ingest import _reading as reading

from .shop import BATCH, MAPPING, SCHEMA, calls, rows, stored, writes


@pytest.fixture
def nothing_sent(emulator) -> Callable[[], bool]:
    """Whether nothing was sent to any bucket."""
    return lambda: writes(emulator) == 0 and emulator.state()["objects"] == 0


# -- arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, and must be a whole number above 0"),
        ({"batch_size": 2.5}, r"batch_size is 2\.5"),
        ({"max_request_bytes": -1}, "max_request_bytes is -1"),
        ({"in_flight": True}, "in_flight is True"),
        ({"on_error": "ignore"}, "on_error is 'ignore', and must be one of 'fail', 'collect'"),
        ({"process": "none"}, "process is 'none', and must be one of 'new', 'all', False"),
        ({"process": True}, "process is True"),
        ({"process": 0}, "process is 0"),
        ({"process": None}, "process is None"),
        ({"keys": "rows"}, "keys is 'rows', and must be one of 'content', 'position', 'columns'"),
        ({"keys": "columns"}, "keys='columns' and the mapping's idempotency_key do not go together"),
        ({"keys": "position"}, "keys='position' is for files"),
        (
            {"keys": "content", "mapping": MAPPING | {"idempotency_key": ["sku"]}},
            "keys='content' and the mapping's idempotency_key do not go together",
        ),
        ({"scope": ""}, "need a scope="),
        ({"scope": None}, "scope is None, and must be a text"),
        ({"scope": lambda mode: 7}, "scope is 7, and must be a text"),
        ({"bucket": ""}, "the bucket is ''"),
        ({"bucket": None}, "the bucket is None"),
        ({"bucket": 7}, "the bucket is 7"),
        ({"mapping": "title"}, "a mapping is an ObjectMapping or a dict"),
        ({"mapping": {"blob": {}}}, "it has no part 'blob'; did you mean 'blobs'?"),
        ({"rows": None}, "rows is None"),
        ({"rows": 7}, "int is no source of rows"),
        ({"rows": [1, 2]}, "the rows are of type int, not dicts"),
        ({"rows": iter([1, 2])}, "the rows are of type int, not dicts"),
        ({"rows": {"title": ["a"]}}, "a single dict is no source of rows"),
    ],
)
def test_wrong_arguments(wrong, message, mixpeek, bucket, nothing_sent):
    good: dict[str, Any] = {"bucket": "products", "rows": rows(2), "mapping": MAPPING, "scope": "load"}
    with pytest.raises(MixpeekConfigError, match=message):
        ingest(mixpeek, **(good | wrong))
    assert nothing_sent()


def test_an_asynchronous_client():
    with pytest.raises(
        MixpeekConfigError, match=r"of type AsyncMixpeekClient. Ingestion takes a MixpeekClient"
    ):
        ingest(AsyncMixpeekClient("sk_test", namespace="shop"), "products", rows(1))  # type: ignore[arg-type]


# -- bucket and mapping -------------------------------------------------------------------------------------


def test_an_unknown_bucket_and_what_it_may_be_called(mixpeek, bucket, nothing_sent):
    with pytest.raises(MixpeekNotFoundError, match=r"no bucket 'product' .* Did you mean 'products'"):
        ingest(mixpeek, "product", rows(2), mapping=MAPPING, scope="load")
    assert nothing_sent()


def test_a_wrong_key(make_emulator, connect):
    emulator = make_emulator(api_keys=["sk_right"])
    with pytest.raises(MixpeekAuthenticationError, match="Check the API key"):
        ingest(connect(emulator), "products", rows(2), mapping=MAPPING, scope="load")
    assert writes(emulator) == 0


def test_a_key_that_may_not_write(emulator, mixpeek, bucket):
    emulator.fault({"fault": "status", "status": 403, "path": BATCH})
    with pytest.raises(IngestError, match=r"403 .* permission") as raised:
        ingest(mixpeek, "products", rows(250), mapping=MAPPING, scope="load")
    assert isinstance(raised.value.__cause__, MixpeekPermissionError)
    assert (raised.value.report.unsent, raised.value.report.in_doubt) == (250, 0)


def test_a_bucket_with_a_unique_key(mixpeek, nothing_sent):
    mixpeek.buckets.create("unique", schema=SCHEMA, unique_key=["sku"])
    with pytest.raises(MixpeekConfigError, match="'unique' has a unique key"):
        ingest(mixpeek, "unique", rows(2), mapping=MAPPING, scope="load")
    assert nothing_sent()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"blobs": {"title": "titel"}}, r"the rows have no column 'titel'; did you mean 'title'\?"),
        ({"blobs": {"titel": "title"}}, r"the bucket has no property 'titel'; did you mean 'title'\?"),
        ({"blobs": {"title": "title"}, "metadata": ["prize"]}, "the rows have no column 'prize'"),
        (MAPPING | {"key_prefix": "/{kind}"}, "key_prefix: the rows have no column 'kind'"),
        (MAPPING | {"idempotency_key": ["id"]}, "idempotency_key: the rows have no column 'id'"),
        ({"blobs": {}}, "no column becomes a blob"),
    ],
)
@pytest.mark.parametrize("kind", [list, iter, pd.DataFrame])
def test_a_mapping_that_does_not_fit(kind, mapping, message, mixpeek, bucket, nothing_sent):
    with pytest.raises(MappingError, match=message):
        ingest(mixpeek, "products", kind(rows(2)), mapping=mapping, scope="load")
    assert nothing_sent()


@pytest.mark.parametrize("kind", ["list", "iterator", "frame", "csv", "parquet"])
def test_no_rows_at_all(kind, mixpeek, bucket, tmp_path, nothing_sent):
    empty = pd.DataFrame({name: [] for name in rows(1)[0]})
    empty.to_csv(tmp_path / "empty.csv", index=False)
    pq.write_table(pa.Table.from_pandas(empty), tmp_path / "empty.parquet")
    sources = {
        "list": [], "iterator": iter([]), "frame": empty,
        "csv": tmp_path / "empty.csv", "parquet": tmp_path / "empty.parquet",
    }  # fmt: skip
    with pytest.raises(
        SourceError, match=r"there are no rows at all. If that is fine, pass allow_empty=True"
    ):
        ingest(mixpeek, "products", sources[kind], mapping=MAPPING, scope="load")
    assert nothing_sent()


# -- files --------------------------------------------------------------------------------------------------


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def damaged(path: Path) -> Path:
    """A Parquet file whose third row group is overwritten: its footer still promises it."""
    table = pa.Table.from_pylist(rows(4_000))
    pq.write_table(table, path, row_group_size=1_000, compression="none", use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "there is no such file"),
        ("empty.csv", b"", r"is empty \(0 bytes\)"),
        ("empty.parquet", b"", r"is empty \(0 bytes\)"),
        ("films.xlsx", b"PK\x03\x04", "the suffix '.xlsx' cannot be read"),
        ("films.parquet", b"title,sku\n", "is not a Parquet file"),
        ("films.csv", b"PAR1", "is not a CSV file: it is a Parquet file"),
        ("films.jsonl", b'{"title": "a"}\n{"tit', "is cut off"),
    ],
)
def test_a_file_that_cannot_be_read(name, content, message, mixpeek, bucket, tmp_path, nothing_sent):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        ingest(mixpeek, "products", path, mapping=MAPPING)
    assert nothing_sent()


def test_a_parquet_file_that_is_cut_off(mixpeek, bucket, tmp_path, nothing_sent):
    pq.write_table(pa.Table.from_pylist(rows(100)), tmp_path / "films.parquet")
    with pytest.raises(SourceError, match="its footer is missing"):
        ingest(mixpeek, "products", cut(tmp_path / "films.parquet"), mapping=MAPPING)
    assert nothing_sent()


def test_a_file_that_breaks_off_half_way_through(emulator, mixpeek, bucket, tmp_path):
    path = damaged(tmp_path / "films.parquet")
    with pytest.raises(IngestError, match="row group 2 is damaged") as raised:
        ingest(mixpeek, "products", path, mapping=MAPPING)
    assert isinstance(raised.value.__cause__, SourceError)
    report = raised.value.report
    assert report.rows_read == 2_000
    # What was under way was answered; nobody has to guess.
    assert (report.in_doubt, report.created + report.unsent) == (0, 2_000)
    assert emulator.state()["objects"] == report.created > 0


def test_a_csv_file_with_a_lost_quote_half_way_through(emulator, mixpeek, bucket, tmp_path):
    lines = [f"Film {number},S{number:06}\n" for number in range(5_000)]
    lines[4_500] = '"Film,S004500\n'
    (tmp_path / "films.csv").write_text("title,sku\n" + "".join(lines))
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku"]}
    with pytest.raises(IngestError, match=r"cannot be read \(line 4502, byte 79900\)") as raised:
        ingest(mixpeek, "products", tmp_path / "films.csv", mapping=mapping)
    assert raised.value.report.rows_read == 4_000
    # And after the file is mended, only what is missing is created.
    lines[4_500] = "Film,S004500\n"
    (tmp_path / "films.csv").write_text("title,sku\n" + "".join(lines))
    report = ingest(mixpeek, "products", tmp_path / "films.csv", mapping=mapping)
    assert report.replayed == raised.value.report.created
    assert emulator.state()["objects"] == report.created + report.replayed == 5_000


def test_an_iterator_that_raises_something_of_its_own(emulator, mixpeek, bucket):
    def source():
        yield from rows(4_500)
        raise LookupError("the database went away")

    with pytest.raises(IngestError, match="the rows broke off, after 4,000 of them: LookupError") as raised:
        ingest(mixpeek, "products", source(), mapping=MAPPING, scope="load")
    assert isinstance(raised.value.__cause__.__cause__, LookupError)
    report = raised.value.report
    assert (report.rows_read, report.in_doubt) == (4_000, 0)
    assert emulator.state()["objects"] == report.created


def test_an_iterator_that_raises_at_once(mixpeek, bucket, nothing_sent):
    with pytest.raises(SourceError, match="the rows broke off, after 0 of them: ZeroDivisionError"):
        ingest(mixpeek, "products", (1 / 0 for _ in range(3)), mapping=MAPPING, scope="load")
    assert nothing_sent()


class Lazy(Mapping[str, Any]):
    """A row whose cells are fetched when they are asked for, which may fail."""

    def __init__(self, row: dict[str, Any], *, fails_at: str = "") -> None:
        self._row = row
        self._fails_at = fails_at

    def __getitem__(self, name: str) -> Any:
        if name == self._fails_at:
            raise RuntimeError("cannot be decoded")
        return self._row[name]

    def __iter__(self) -> Iterator[str]:
        if self._fails_at == "keys":
            raise RuntimeError("there is no cursor")
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


@pytest.mark.parametrize("kind", [list, iter])
def test_a_row_whose_cells_raise_is_rejected_and_the_others_are_sent(kind, emulator, mixpeek, bucket):
    many = [Lazy(row, fails_at="sku" if number == 3 else "") for number, row in enumerate(rows(6))]
    report = ingest(mixpeek, "products", kind(many), mapping=MAPPING, scope="load", on_error="collect")
    (rejected,) = report.rejected_rows
    assert (rejected.row, rejected.column) == (3, "sku")
    assert rejected.reason == "it cannot be read: RuntimeError: cannot be decoded"
    assert rejected.values["title"] == "Film 3"
    assert (report.created, emulator.state()["objects"]) == (5, 5)


@pytest.mark.parametrize("kind", [list, iter])
def test_a_row_whose_keys_raise_is_read_by_those_of_the_others(kind, emulator, mixpeek, bucket):
    many = [Lazy(row, fails_at="keys" if number == 3 else "") for number, row in enumerate(rows(6))]
    report = ingest(mixpeek, "products", kind(many), mapping=MAPPING, scope="load", on_error="collect")
    assert (report.created, emulator.state()["objects"]) == (6, 6)


# -- rows ---------------------------------------------------------------------------------------------------

BAD_ROWS = {
    "no blob": ({"title": None}, None, "it has no blob: blank in 'title'"),
    "NaN for a blob": ({"title": float("nan")}, None, "it has no blob"),
    "NaT for a blob": ({"title": pd.NaT}, None, "it has no blob"),
    "NA for a blob": ({"title": pd.NA}, None, "it has no blob"),
    "no JSON form": ({"price": object()}, "price", "object"),
    "no JSON form inside": ({"note": {"a": [object()]}}, "note", "object"),
    "infinite": ({"price": float("inf")}, "price", "an infinite number has no JSON form"),
    "no number": ({"price": "cheap"}, "price", "'cheap' is no number"),
    "too large": ({"title": "x" * 30_000}, None, "bytes are more than a request may have (20,000)"),
    "half a character": ({"sku": "\ud800"}, "sku", "half of a surrogate pair"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_a_row_that_cannot_be_sent(case, on_error, mixpeek, bucket, nothing_sent, caplog):
    wrong, column, reason = BAD_ROWS[case]
    many = [row | {"note": {"a": 1}} for row in rows(5)]
    many[3] |= wrong
    mapping = MAPPING | {"metadata": ["sku", "price", "stars", "note"]}

    def load() -> Any:
        return ingest(
            mixpeek, "products", many, mapping=mapping, scope="x", on_error=on_error, max_request_bytes=20_000
        )

    if on_error == "fail":
        with pytest.raises(RowsRejectedError, match='Mend the row, or pass on_error="collect"') as raised:
            load()
        report = raised.value.report
        assert (report.rejected, report.unsent) == (1, 4)
        assert "row 3" in str(raised.value)
        assert reason in str(raised.value)
        assert nothing_sent()
    else:
        report = load()
        assert (report.created, report.rejected) == (4, 1)
        assert set(stored(mixpeek, bucket)) == {f"S{number:06}" for number in (0, 1, 2, 4)}
    (row,) = report.rejected_rows
    assert (row.row, row.column) == (3, column)
    assert reason in row.reason
    assert row.values == many[3]
    assert f"Rejected row 3{f', column {column!r}' if column else ''}" in caplog.text


@pytest.mark.parametrize("blank", [None, float("nan"), np.nan, pd.NaT, pd.NA])
def test_blanks_in_properties_that_are_required_and_that_are_not(blank, emulator, mixpeek):
    schema = {"properties": {"title": {"type": "text"}, "sku": {"type": "string"}}}
    schema["properties"] |= {
        "price": {"type": "float"},
        "stars": {"type": "integer", "required": True},  # type: ignore[dict-item]
    }
    mixpeek.buckets.create("strict", schema=schema)
    many = rows(4)
    many[1]["price"] = blank
    many[2]["stars"] = blank
    report = ingest(mixpeek, "strict", many, mapping=MAPPING, scope="load", on_error="collect")
    assert [(row.row, row.column, row.reason) for row in report.rejected_rows] == [
        (2, "stars", "it is blank, and the bucket requires it")
    ]
    found = stored(mixpeek, mixpeek.buckets.find("strict"))
    assert found["S000001"].model_extra.get("price") is None
    assert emulator.state()["invalid_json"] == 0


def test_a_wrong_row_in_a_later_block_stops_after_what_was_sent(emulator, mixpeek, bucket, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_ROWS", 100)
    many = rows(1_000)
    many[850]["price"] = "cheap"
    with pytest.raises(RowsRejectedError) as raised:
        ingest(mixpeek, "products", many, mapping=MAPPING, scope="load")
    report = raised.value.report
    assert report.rejected_rows[0].row == 850
    assert report.created + report.unsent + 1 == report.rows_read == 900
    assert emulator.state()["objects"] == report.created > 0


def test_many_rejected_rows_do_not_flood_the_log(mixpeek, bucket, caplog):
    many = [*rows(1), *({"title": None, "sku": str(number)} for number in range(500))]
    mapping = {"blobs": {"title": "title"}, "metadata": ["sku"]}
    report = ingest(mixpeek, "products", many, mapping=mapping, scope="load", on_error="collect")
    assert report.rejected == 500
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 21
    assert warnings[-1].getMessage() == "... and 480 more rejected rows; all of them are in the report"


# -- the server ---------------------------------------------------------------------------------------------


def test_a_server_that_is_down(connect):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(MixpeekConnectionError, match="the server cannot be reached"):
        ingest(connect(url, budget=0.05), "products", rows(2), mapping=MAPPING, scope="load")


def test_a_server_that_goes_down_in_the_middle(make_emulator, connect):
    emulator = make_emulator(task_seconds=0)
    mixpeek = connect(emulator, budget=0.3)
    mixpeek.buckets.create("products", schema=SCHEMA)

    def source():
        yield from rows(4_000)
        emulator.stop()
        yield from rows(4_000, start=4_000)

    with pytest.raises(IngestError, match=r"What was done: .* rows read") as raised:
        ingest(mixpeek, "products", source(), mapping=MAPPING, scope="load", in_flight=2)
    assert isinstance(raised.value.__cause__, MixpeekConnectionError)
    report = raised.value.report
    assert report.unsent > 0
    assert report.created <= emulator.state()["objects"] <= report.created + report.in_doubt


def test_a_server_that_is_too_slow(emulator, connect, bucket):
    emulator.fault({"fault": "latency", "seconds": 20, "path": BATCH})
    with pytest.raises(IngestError, match="no answer in time") as raised:
        ingest(connect(emulator, budget=0.1, timeout=0.2), "products", rows(50), mapping=MAPPING, scope="x")
    assert isinstance(raised.value.__cause__, MixpeekTimeoutError)
    assert raised.value.report.in_doubt == 50


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html><body>Welcome</body></html>", "a web page"),
        ({"succeeded": [{"object_index": 0}], "failed": []}, "object_id"),
        ({"succeeded": [], "failed": []}, "it speaks of 0 objects and 3 were sent"),
        ("", "JSON"),
        ("[]", "cannot be used"),
        (
            {"succeeded": [{"object_id": f"obj_{n}", "object_index": n} for n in (0, 1, 7)], "failed": []},
            "each of the 3 objects that were sent once",
        ),
    ],
)
def test_an_answer_that_is_none(body, message, emulator, mixpeek, bucket):
    emulator.fault({"fault": "status", "status": 200, "body": body, "path": BATCH})
    with pytest.raises(IngestError, match=message) as raised:
        ingest(mixpeek, "products", rows(3), mapping=MAPPING, scope="load")
    assert isinstance(raised.value.__cause__, MixpeekAnswerError)
    assert raised.value.report.in_doubt == 3
    assert calls(emulator, BATCH) == 1
