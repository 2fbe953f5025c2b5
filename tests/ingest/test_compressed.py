"""CSV and JSON Lines in gzip and Zstandard: read like the texts in them, told when they are broken."""

import gzip
import random
import subprocess
import sys
import tracemalloc

import pytest

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._sources import open_source

from .keyed import keyed

zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

COMPRESS = {".gz": gzip.compress, ".zst": zstd.compress}
CSV = 'id,title\n0,Heat\n1,"8½\nand more"\n\n2,Alien\n' + "".join(f"{n},film {n}\n" for n in range(3, 500))
JSON_LINES = "".join(f'{{"id": {n}, "title": "film {n}"}}\n' for n in range(500))
TEXTS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("form", TEXTS)
def test_rows_and_positions_are_those_of_the_text(tmp_path, suffix, form):
    plain, compressed = tmp_path / f"a{form}", tmp_path / f"A{form}{suffix.upper()}"
    plain.write_text(TEXTS[form])
    compressed.write_bytes(COMPRESS[suffix](TEXTS[form].encode()))
    expected = keyed(plain, source_name="films")
    assert len(expected) == 500
    assert keyed(compressed, source_name="films") == expected
    after = expected[123].place
    assert keyed(compressed, source_name="films", after=after) == expected[124:]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_was_compressed_in_pieces_is_one_text(tmp_path, suffix):
    half = len(CSV) // 2
    pieces = [COMPRESS[suffix](part.encode()) for part in (CSV[:half], CSV[half:])]
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(b"".join(pieces))
    assert len(keyed(path)) == 500


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("form", TEXTS)
def test_what_is_cut_off_is_told_with_its_name(tmp_path, suffix, form):
    path = tmp_path / f"a{form}{suffix}"
    noise = "".join(f'{{"id": "{random.Random(n).random()}"}}\n' for n in range(20_000))
    text = noise if form != ".csv" else noise.replace('{"id": "', "").replace('"}', "")
    path.write_bytes(COMPRESS[suffix](text.encode())[:-100])
    blocks = open_source(path).blocks(block_rows=100)
    assert len(next(blocks)) == 100
    with pytest.raises(SourceError, match=rf"a{form}{suffix} is cut off"):
        list(blocks)


def test_what_is_damaged_is_told_with_its_name(tmp_path):
    for suffix, compress in COMPRESS.items():
        path = tmp_path / f"a.csv{suffix}"
        content = bytearray(compress(CSV.encode()))
        content[20:-20] = b"\xff" * (len(content) - 40)
        path.write_bytes(content)
        with pytest.raises(SourceError, match=rf"a\.csv{suffix} is damaged"):
            keyed(path)


REFUSED = {
    "plain text": ("a.csv.gz", b"a\n1\n", r"a\.csv\.gz is not what its suffix '\.gz' says"),
    "the other": ("a.csv.zst", gzip.compress(b"a\n1\n"), r"is not what its suffix '\.zst' says"),
    "json": ("a.csv.gz", gzip.compress(b'{"a": 1}'), "is not a CSV file: it is JSON"),
    "twice": ("a.csv.gz", gzip.compress(gzip.compress(b"a\n1\n")), "it is compressed with gzip"),
    "parquet": ("a.parquet.gz", gzip.compress(b"PAR1"), r"the suffix '\.parquet\.gz' cannot be read"),
    "nothing": ("a.gz", gzip.compress(b"a\n1\n"), r"the suffix '\.gz' cannot be read. Supported .* \.gz or"),
    "blank": ("a.csv.gz", gzip.compress(b""), "has no header"),
    "empty": ("a.csv.gz", b"", "is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_what_it_says_is_refused_before_it_is_read(tmp_path, name):
    file, content, message = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / file)


def test_zstandard_without_its_package_names_the_extra(tmp_path):
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstd.compress(b"a\n1\n"))
    program = (
        "import sys\n"
        "sys.modules['backports.zstd'] = sys.modules['compression.zstd'] = None\n"
        "from airflow_provider.mixpeek.ingest._sources import open_source\n"
        "open_source(sys.argv[1])"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert "needs backports.zstd. Install it with: pip install 'airflow-provider-mixpeek[zstd]'" in run.stderr


@pytest.mark.parametrize("suffix", COMPRESS)
def test_memory_is_bounded_by_a_block(tmp_path, suffix):
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(COMPRESS[suffix](b"text\n" + b"".join(b"%0500d\n" % n for n in range(20_000))))  # 10 MB
    next(iter(open_source(path).blocks(block_rows=1)))  # imports are not what is measured
    tracemalloc.start()
    try:
        rows = sum(len(block) for block in open_source(path).blocks(block_rows=500))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 20_000
    assert peak < 3_000_000
