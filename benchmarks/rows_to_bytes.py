"""The CPU that a row costs, from the frame to the bodies of requests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from airflow_provider.mixpeek.client import Bucket, MixpeekClient
from airflow_provider.mixpeek.ingest._chunks import Cutter
from airflow_provider.mixpeek.ingest._design import Design
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping
from airflow_provider.mixpeek.ingest._options import Options
from airflow_provider.mixpeek.ingest._reading import Reader
from airflow_provider.mixpeek.ingest._sources import is_path, open_source
from benchmarks.measuring import ROOT, Line, growth, in_a_process, in_turn
from benchmarks.tables import MAPPING, SCHEMA, frame
from tests.contract.conftest import sdk_python

ROWS = 100_000
_OPTIONS = Options(
    on_error="fail",
    process="new",
    batch_size=1_000,
    max_request_bytes=8_000_000,
    in_flight=8,
    max_rejected=None,
    allow_empty=False,
    rerun=None,
    rerun_number=None,
    on_source_change="fail",
    on_changed="keep",
    policy=None,
    skip_duplicates=False,
    markers=True,
)


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of the fastest round: of pandas, of ours by source; and of one row through the SDK's models."""

    lines: list[Line]
    sizes: list[int]
    seconds: list[float]


def bodies(mixpeek: MixpeekClient, rows: Any) -> int:
    """Make the bodies of all requests; return how many bytes they have."""
    properties = {name: {"type": kind} for name, kind in SCHEMA.items()} | {"metadata": {"type": "object"}}
    bucket = Bucket.model_validate(
        {"bucket_id": "bkt_1", "bucket_name": "b", "bucket_schema": {"properties": properties}}
    )
    source = open_source(rows)
    mode = "position" if is_path(rows) else "content"
    mapping = ObjectMapping.of(MAPPING)
    design = Design(mixpeek, bucket, source, mapping=mapping, mode=mode, scope="bench", options=_OPTIONS)
    cutter = Cutter(max_objects=design.max_objects, max_bytes=_OPTIONS.max_request_bytes)
    size = 0
    for prepared in Reader(source, design).read():
        cutter.add(prepared.rows)
        while chunk := cutter.cut(rest=False):
            size += len(b'{"objects":[' + b",".join(row.body for row in chunk) + b"]}")
    while chunk := cutter.cut(rest=True):
        size += len(b'{"objects":[' + b",".join(row.body for row in chunk) + b"]}")
    return size


def measure(rows: int = ROWS, rounds: int = 5) -> Result:
    """Measure each source beside ``DataFrame.to_json`` of the same frame."""
    table = frame(rows)
    few = frame(rows // 10)
    with tempfile.TemporaryDirectory() as folder, MixpeekClient("sk_bench", namespace="b") as mixpeek:
        mixpeek.has_idempotency_keys = lambda: True  # type: ignore[method-assign] - nobody is asked here
        path = Path(folder, "rows.parquet")
        table.to_parquet(path)
        sources: dict[str, Any] = {
            "pandas": table,
            "polars": pl.from_pandas(table),
            "Arrow": pa.Table.from_pandas(table),
            "a Parquet file": path,
            "a list of dicts": table.to_dict("records"),
        }
        calls: list[Callable[[], object]] = [lambda: table.to_json(orient="records")]
        calls += [lambda source=source: bodies(mixpeek, source) for source in sources.values()]
        calls.append(lambda: bodies(mixpeek, few))
        pandas, *ours, ours_few = in_turn(rounds, *calls)
    sdk = in_a_process(
        Path(__file__).with_name("sdk_models.py"),
        python=str(sdk_python(ROOT / "tests" / "contract" / "sdk-current.txt")),
    )
    lines = [
        Line(
            f"{name}: {rows:,} rows to bodies of 100 objects with keys",
            f"{rows / took:,.0f} rows/s, {pandas / took:.2f} of `to_json`",
            "0.5 of `to_json`" if name == "pandas" else "",
            pandas / took >= 0.5 if name == "pandas" else None,
        )
        for name, took in zip(sources, ours, strict=True)
    ]
    times = (sdk["seconds"] / sdk["rows"]) / (ours[0] / rows)
    lines.append(
        Line("pandas, beside the vendor SDK's models", f"{times:.0f} times as fast", "25 times", times >= 25)
    )
    grown = growth([rows // 10, rows], [ours_few, ours[0]])
    lines.append(Line("ten times the rows, per row", f"{grown:.2f} times the cost", "no growth", grown < 1.3))
    return Result(lines, [rows // 10, rows], [ours_few, ours[0]])
