"""Parts of a source: every row in exactly one, under the key that it has in the whole."""

import gzip
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest import (
    FileCheckpoint,
    IngestError,
    SourceError,
    SourcePart,
    _parts,
    ingest,
    split_source,
)
from airflow_provider.mixpeek.ingest import _keeper as keeping
from airflow_provider.mixpeek.ingest._sources import open_source

from .keyed import keyed, keys
from .shop import BATCH, MAPPING, calls, stored
from .shop import rows as films
from .test_seeking import FORMS, cells, write


def csv(path, rows, *, begin=0):
    path.write_text("id\n" + "".join(f"{number}\n" for number in range(begin, begin + rows)))
    return path


def sizes(parts):
    return [part["rows"] for part in parts]


@pytest.mark.parametrize("form", FORMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    tables=st.lists(st.lists(st.tuples(cells, cells), min_size=1, max_size=20), min_size=1, max_size=4),
    group_rows=st.integers(1, 6),
    wish=st.fixed_dictionaries({"parts": st.integers(1, 12)})
    | st.fixed_dictionaries({"rows_per_part": st.integers(1, 12)}),
    data=st.data(),
)
def test_the_parts_have_together_the_keys_of_the_whole(
    tmp_path_factory, form, tables, group_rows, wish, data
):
    folder = tmp_path_factory.mktemp("films")
    for number, table in enumerate(tables):
        write(folder / f"{number}.{form}", form, table, group_rows)
    rows = folder / f"0.{form}" if len(tables) == 1 else folder
    name = data.draw(st.none() | st.just("films"))
    whole = keyed(rows, source_name=name)
    parts = split_source(rows, source_name=name, **wish)
    assert len(parts) <= wish.get("parts", len(whole))
    read = [keyed(json.loads(json.dumps(part))) for part in parts]
    assert [row.key for part in read for row in part] == [row.key for row in whole]
    assert [row.values for part in read for row in part] == [row.values for row in whole]
    assert sizes(parts) == list(map(len, read))
    chosen = data.draw(st.integers(0, len(read) - 1))
    last = data.draw(st.integers(0, len(read[chosen]) - 1))
    assert keyed(parts[chosen], after=read[chosen][last].place) == read[chosen][last + 1 :]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_one_file_is_cut_into_as_many_parts_as_are_wanted(tmp_path, form):
    path = tmp_path / f"a.{form}"
    write(path, form, [("a", "b")] * 100, 100)
    for parts in (1, 2, 3, 7, 10, 100):
        made = sizes(split_source(path, parts=parts))
        assert len(made) == parts
        assert max(made) - min(made) <= max(1, 100 // parts // 5)
    assert len(split_source(path, parts=101)) == 100


def test_rows_per_part_is_kept(tmp_path):
    assert sizes(split_source(csv(tmp_path / "a.csv", 10), rows_per_part=4)) == [4, 4, 2]
    assert sizes(split_source(csv(tmp_path / "a.csv", 10), rows_per_part=10)) == [10]


def test_small_row_groups_stay_whole_and_large_ones_are_cut(tmp_path):
    table = pa.table({"id": range(100)})
    pq.write_table(table, tmp_path / "small.parquet", row_group_size=9)
    assert sizes(split_source(tmp_path / "small.parquet", rows_per_part=20)) == [18, 18, 27, 18, 19]
    pq.write_table(table, tmp_path / "large.parquet")
    assert sizes(split_source(tmp_path / "large.parquet", rows_per_part=20)) == [20] * 5


def test_small_files_are_put_together_and_large_ones_cut(tmp_path):
    for name, rows in {"a": 2, "b": 3, "c": 0, "d": 11, "e": 4, "f": 1}.items():
        csv(tmp_path / f"{name}.csv", rows)
    made = [SourcePart.of(part) for part in split_source(tmp_path, rows_per_part=5)]
    assert [part.name.replace(tmp_path.as_uri(), "") for part in made] == [
        "2 files, /a.csv to /b.csv",
        "rows 0 to 4 of /d.csv",
        "rows 5 to 9 of /d.csv",
        "rows 10 to 10 of /d.csv",
        "2 files, /e.csv to /f.csv",
    ]
    assert len({part.uri for part in made}) == 5


def test_the_numbers_of_rows_are_those_in_their_file(tmp_path):
    parts = split_source(csv(tmp_path / "a.csv", 10), rows_per_part=4)
    assert [[row.number for row in keyed(part)] for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_what_a_part_knows_of_itself(tmp_path):
    path = csv(tmp_path / "films.csv", 250_000)
    parts = split_source(path)
    assert sizes(parts) == [100_000, 100_000, 50_000]
    source = open_source(parts[1])
    assert source.kind == "file"
    assert source.name == f"rows 100,000 to 199,999 of {path.as_uri()}"
    assert source.uri == f"{path.as_uri()}#rows=100000-199999"
    assert source.fingerprint() == open_source(path).fingerprint()
    assert source.columns == ("id",)
    assert SourcePart.of(parts[1]).as_dict() == parts[1]
    assert open_source(SourcePart.of(parts[1])).uri == source.uri
    assert parts[1]["mixpeek_part"] == 1
    assert len(json.dumps(parts[1])) < 500


def test_a_whole_file_as_a_part_is_that_file(tmp_path):
    path = csv(tmp_path / "a.csv", 3)
    (part,) = split_source(path)
    assert open_source(part).uri == path.as_uri()
    assert keyed(part) == keyed(path)


def test_parts_of_json_lines_have_the_columns_of_the_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": 2, "b": 3}\n{"c": 4}\n')
    parts = split_source(path, rows_per_part=1)
    assert [open_source(part).columns for part in parts] == [("a", "b", "c")] * 3


@pytest.mark.parametrize("parts", [1, 2])
def test_a_part_of_a_file_that_has_changed_is_refused(tmp_path, parts):
    path = csv(tmp_path / "a.csv", 10)
    made = split_source(path, parts=parts)
    csv(path, 11)
    for part in made:
        with pytest.raises(SourceError, match=r"a\.csv has changed since it was split\. Split it again"):
            open_source(part)
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.csv: there is no such file"):
        open_source(made[0])


def test_a_place_outside_of_the_part_is_refused(tmp_path):
    path = csv(tmp_path / "a.csv", 10)
    pq.write_table(pa.table({"id": range(10)}), tmp_path / "a.parquet", row_group_size=2)
    for rows in (path, tmp_path / "a.parquet"):
        first, second = split_source(rows, parts=2)
        for part, other in ((first, second), (second, first)):
            place = keyed(other)[-1].place
            with pytest.raises(SourceError, match=f"no row begins at {place.position}"):
                keyed(part, after=place)


def test_no_rows_are_one_part_without(tmp_path):
    (part,) = split_source(csv(tmp_path / "a.csv", 0))
    assert keyed(part) == []
    (part,) = split_source(csv(tmp_path / "a.csv", 0), parts=3)
    assert part["rows"] == 0


def test_there_are_no_more_parts_than_airflow_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(_parts, "_MOST_PARTS", 10)
    monkeypatch.setattr(_parts, "_ROWS_PER_PART", 2)
    path = csv(tmp_path / "a.csv", 45)
    assert len(split_source(path)) <= 10
    with pytest.raises(SourceError, match=r"would become 12 parts, and 10 are the most\. .* Its 45 rows"):
        split_source(path, rows_per_part=4)
    with pytest.raises(MixpeekConfigError, match="parts is 11, and 10 are the most"):
        split_source(path, parts=11)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"parts": 2, "rows_per_part": 2}, "are both given"),
        ({"parts": 0}, "parts is 0, and must be a whole number above 0"),
        ({"rows_per_part": True}, "rows_per_part is True"),
        ({"rows_per_part": "9"}, "rows_per_part is '9'"),
    ],
)
def test_a_wish_that_is_none(tmp_path, wish, message):
    with pytest.raises(MixpeekConfigError, match=message):
        split_source(csv(tmp_path / "a.csv", 3), **wish)


def test_only_files_can_be_split():
    for rows, kind in ((pa.table({"a": [1]}), "Table"), ([{"a": 1}], "list"), (None, "NoneType")):
        with pytest.raises(SourceError, match=f"a {kind} cannot be split, only files can"):
            split_source(rows)


def test_what_is_no_part_is_refused(tmp_path):
    (part,) = split_source(csv(tmp_path / "a.csv", 3))
    for broken, message in (
        (part | {"mixpeek_part": 2}, "a part of version 2 cannot be read, only of 1"),
        ({"mixpeek_part": 1}, r"it is no part of a source: 'columns'\. split_source\(\) makes them"),
        (part | {"files": [{"path": "a.csv"}]}, "it is no part of a source"),
        (part | {"files": []}, "it is no part of a source"),
    ):
        with pytest.raises(SourceError, match=message):
            open_source(broken)
    with pytest.raises(SourceError, match=r"takes no other\. Give source_name to split_source"):
        open_source(part, source_name="films")


def test_parts_can_be_opened_through_other_paths(tmp_path):
    path = csv(tmp_path / "a.csv", 3)
    (part,) = split_source(path, source_name="films")
    moved = SourcePart.of(part).with_paths(lambda text: f"file://{text}")
    assert moved.files[0].path == path.as_uri()
    assert keys(moved) == keys(path, source_name="films")


# -- parts are ingested ------------------------------------------------------------------------------------


@pytest.fixture
def one_file(tmp_path):
    """A file of 500 rows whose row groups fit no part."""
    path = tmp_path / "films.parquet"
    pq.write_table(pa.Table.from_pylist(films(500)), path, row_group_size=70)
    return path


@pytest.fixture
def load(mixpeek, bucket, monkeypatch):
    monkeypatch.setattr(keeping, "EVERY", 0.0)

    def load(part, **settings):
        given = {"mapping": MAPPING, "scope": "load", "in_flight": 1, "batch_size": 50}
        return ingest(mixpeek, bucket.bucket_id, part, **(given | settings))

    return load


@pytest.fixture
def stopped(emulator, load):
    """A part that the server stops after some requests, and then lets go on."""

    def stopped(part, *, after, **settings):
        emulator.fault({"fault": "status", "status": 403, "path": BATCH, "skip": after})
        with pytest.raises(IngestError):
            load(part, **settings)
        emulator.clear_faults()

    return stopped


def once(emulator, mixpeek, bucket, count=500):
    assert set(stored(mixpeek, bucket)) == {row["sku"] for row in films(count)}
    assert emulator.state()["objects_processed"] == {"1": count}


KEYS = pytest.mark.parametrize(
    "mapping", [MAPPING, MAPPING | {"idempotency_key": ["sku"]}], ids=["position", "columns"]
)


@KEYS
def test_a_source_cut_otherwise_in_the_next_try_is_stored_once(
    emulator, mixpeek, bucket, load, one_file, mapping
):
    first = [load(part, mapping=mapping) for part in split_source(one_file, rows_per_part=60)[:4]]
    second = [load(part, mapping=mapping) for part in split_source(one_file, parts=3)]
    whole = load(one_file, mapping=mapping)
    assert sum(report.created for report in first + second) == 500
    assert sum(report.replayed for report in second) == sum(report.created for report in first) > 0
    assert (whole.created, whole.replayed) == (0, 500)
    once(emulator, mixpeek, bucket)


@pytest.mark.parametrize("form", ["csv", "jsonl", "csv.gz"])
def test_a_text_cut_otherwise_in_the_next_try_is_stored_once(emulator, mixpeek, bucket, load, tmp_path, form):
    text = "".join(json.dumps(row) + "\n" for row in films(500))
    if form != "jsonl":
        text = "title,sku,price,stars\n" + "".join(
            ",".join(map(str, row.values())) + "\n" for row in films(500)
        )
    content = text.encode()
    (tmp_path / f"films.{form}").write_bytes(gzip.compress(content) if form.endswith("gz") else content)
    for parts in (4, 3):
        for part in split_source(tmp_path / f"films.{form}", parts=parts):
            load(part)
    once(emulator, mixpeek, bucket)


@KEYS
def test_parts_go_on_where_they_were_each_with_its_checkpoint(
    emulator, mixpeek, bucket, load, stopped, one_file, tmp_path, mapping
):
    for number, part in enumerate(split_source(one_file, parts=2)):
        given = {"checkpoint": FileCheckpoint(tmp_path / str(number)), "mapping": mapping}
        before = calls(emulator, BATCH, 200)
        stopped(part, after=2, **given)
        report = load(part, **given)
        assert (report.rows_read, report.resumed, report.created) == (part["rows"], 200, part["rows"])
        # Three requests in all for 280 and 220 rows: none came twice.
        assert calls(emulator, BATCH, 200) - before == 3
    once(emulator, mixpeek, bucket)


@KEYS
def test_another_cut_under_the_same_checkpoints_stores_and_processes_each_row_once(
    emulator, mixpeek, bucket, load, stopped, one_file, tmp_path, mapping
):
    def given(number):
        return {"checkpoint": FileCheckpoint(tmp_path / str(number)), "mapping": mapping}

    first, second = split_source(one_file, parts=2)
    stopped(first, after=2, **given(0))
    load(second, **given(1))
    reports = [load(part, **given(number)) for number, part in enumerate(split_source(one_file, parts=3))]
    # What the checkpoints say of other rows counts for nothing.
    assert [report.resumed for report in reports] == [0, 0, 0]
    assert sum(report.replayed for report in reports) == 200 + second["rows"] == 420
    assert sum(report.created for report in reports) == 80
    once(emulator, mixpeek, bucket)
    # The batches of before are waited for all the same.
    assert {batch.batch_id for report in reports for batch in report.batches} == {
        batch.batch_id for batch in mixpeek.batches.list(bucket.bucket_id)
    }


@KEYS
def test_parts_that_are_ingested_side_by_side_store_each_row_once(
    emulator, connect, mixpeek, bucket, load, one_file, tmp_path, mapping
):
    parts = split_source(one_file, parts=8)
    # One part twice, as when a worker is taken for dead and lives on.
    with ThreadPoolExecutor(4) as workers:
        reports = list(
            workers.map(lambda part: load(part, mapping=mapping, process=False), [*parts, parts[2]])
        )
    assert sum(report.created for report in reports) == 500
    assert sum(report.replayed for report in reports) == parts[2]["rows"]
    assert len(stored(mixpeek, bucket)) == 500
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda part: load(part, mapping=mapping), parts))
    once(emulator, mixpeek, bucket)


@pytest.mark.parametrize("wish", [{"parts": 10}, {"rows_per_part": 10_000}, {}])
def test_finding_the_places_to_cut_takes_little_memory(tmp_path, monkeypatch, wish):
    monkeypatch.setattr(_parts, "_MOST_CUTS", 200)
    path = csv(tmp_path / "a.csv", 100_000)
    split_source(path, rows_per_part=50_000)  # imports are not what is measured
    tracemalloc.start()
    try:
        made = sizes(split_source(path, **wish))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(made) == 100_000
    assert len(made) == (10 if wish else 1)
    assert max(made) <= 11_000 or not wish
    assert peak < 1_500_000
