"""Every request body that our client and our ingestion can send, taken down while the emulator answers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekNotFoundError, NewBlob, NewUpload
from airflow_provider.mixpeek.client._flow import Answer, Request
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.ingest import Blob, ObjectMapping, ingest, upload_files
from airflow_provider.mixpeek.ingest._checkpoint import MemoryCheckpoint

Sent = dict[str, Any]

#: Types of a schema, with a column that fits and what else a blob of it may be given as.
DATA: dict[str, list[Any]] = {
    "string": ["a", 7, 1.5, True, UUID(int=7), Decimal("1.10")],
    "number": [1, 2.5, "3", Decimal("4.25")],
    "integer": [1, 2.0, "3", 2**70],
    "float": [1, 2.5, np.float32(0.5)],
    "boolean": [True, False, "true"],
    "object": [{"a": {"b": [1, None, "c"]}}, {}],
    "array": [[1, "a", None, {"b": 2}], []],
    "date": [date(2026, 11, 23), "2026-11-23"],
    "datetime": [
        datetime(2026, 11, 23, 4, 8, tzinfo=UTC),
        pd.Timestamp("2026-11-23"),
        "2026-11-23T04:08:00Z",
    ],
}
TEXTS: list[Any] = ["a text", "https://looks.like/a/url", 7]
URLS: list[Any] = ["https://example.com/a", "s3://bucket/a"]
DATA_URI = "data:image/png;base64,iVBORw0KGgo="

#: Values of columns that no schema declares.
LOOSE: list[Any] = [
    *("text", "\u2603 \U0001f600 \x00", 1, 2**70, -1.5, float("nan"), None, pd.NaT, pd.NA, True),
    *(Decimal("1.10"), UUID(int=7), date(2026, 11, 23), time(4, 8), timedelta(seconds=90)),
    *(datetime(2026, 11, 23, 4, 8, tzinfo=UTC), pd.Timestamp("2026-11-23 04:08:00.123456789")),
    *(np.int64(5), np.float32(0.5), np.bool_(True), np.datetime64("2026-11-23"), np.array([1, 2])),
    *([1, [2, {"a": None}]], {"a": {"b": [True]}}),
]


@contextlib.contextmanager
def taken_down(generation: str, **settings: Any) -> Iterator[tuple[MixpeekClient, list[Sent]]]:
    """A client of an emulator, and the bodies that it sends: ``[{"method", "path", "body"}]``."""
    sent: list[Sent] = []
    with (
        Emulator(generation=generation, task_seconds=0, submit_interval=0, **settings) as emulator,  # type: ignore[arg-type]
        MixpeekClient(
            "sk_contract", namespace="contract", base_url=emulator.url, generation=generation
        ) as client,
    ):
        deliver = client._transport.send

        def send(request: Request) -> Answer:
            if request.body is not None:
                body = json.loads(request.body)
                sent.append({"method": request.method, "path": request.path, "body": body})
            return deliver(request)

        client._transport.send = send  # type: ignore[method-assign]
        yield client, sent


def calls_of_the_client(generation: str) -> list[Sent]:
    """Bodies of every method of the client, with few arguments and with all."""
    with taken_down(generation) as (client, sent):
        _buckets(client, generation)
        bucket = client.buckets.find("full").bucket_id
        _objects(client, generation, bucket)
        if generation == "current":
            _batches(client, bucket)
            _uploads(client)
            _collections(client, bucket)
            list(client.tasks.list())
            list(client.tasks.list(status="FAILED", limit=3))
    return sent


def _buckets(client: MixpeekClient, generation: str) -> None:
    extractor = {
        "feature_extractor_name": "text_extractor",
        "description": "texts",
        "supported_input_types": ["text"],
        "version": "v1",
    }
    if generation == "current":
        client.namespaces.create("small")
        extractor = {"feature_extractor_name": "text_extractor", "version": "v1"}
    client.namespaces.create("full", description="All", feature_extractors=[extractor])
    list(client.namespaces.list())
    api = client.session.api
    schema: dict[str, Any] = {name: name for name in sorted(api.property_types)}
    schema["tags"] = {"type": "array", "items": {"type": "string"}, "description": "words", "default": []}
    schema["size"] = {"type": "object", "properties": {"width": {"type": "integer"}}}
    schema["colour"] = {"type": "string", "enum": ["red", "blue"]}
    client.buckets.create("small", schema={"title": "text"}, declare_metadata=False)
    full: dict[str, Any] = {"description": "All", "metadata": {"team": "etl"}}
    if generation == "current":
        schema["title"] = {"type": "text", "required": False, "examples": ["A film"]}
    else:
        schema["title"] = {"type": "text", "example": "A film"}
    made = client.buckets.create("full", schema=schema, **full).bucket_id
    list(client.buckets.list())
    list(client.buckets.list(limit=3, offset=1, **_query("bucket_name")))
    client.buckets.update(made, description="Some")
    client.buckets.update(made, name="full", description="All", metadata={"team": "etl", "more": [1]})
    if generation == "current":
        keyed = client.buckets.create("keyed", schema={"sku": "string"}, unique_key="sku").bucket_id
        unique = {"fields": ["sku"], "default_policy": "upsert"}
        client.buckets.create("policed", schema={"sku": "string"}, unique_key=unique)
        client.buckets.update(keyed, schema={"sku": "string", "more": "float"}, unique_key=unique)


def _query(field: str) -> dict[str, Any]:
    def rule(operator: str, value: Any) -> dict[str, Any]:
        return {"field": field, "operator": operator, "value": value}

    return {
        "filters": {
            "AND": [rule("ne", "a"), rule("contains", "u")],
            "OR": [rule("in", ["full", "small"]), rule("starts_with", "f")],
            "NOT": [rule("eq", "b")],
            "case_sensitive": True,
        },
        "sort": {"field": field, "direction": "desc"},
        "search": "full",
    }


def _objects(client: MixpeekClient, generation: str, bucket: str) -> None:
    blob = NewBlob(property="title", type="text", data={"text": "A film"})
    full: dict[str, Any] = {
        "blobs": [
            blob,
            {
                "property": "image",
                "type": "image",
                "data": "https://example.com/a.jpg",
                "key_prefix": "/images",
                "metadata": {"side": "left"},
            },
        ],
        "fields": {"string": "a", "object": {"b": [1]}, "integer": 7},
        "metadata": {"year": 1963},
        "key_prefix": "/films",
        "skip_duplicates": True,
    }
    client.objects.create(bucket)
    client.objects.create(bucket, auto_process=True, **full)
    if generation == "current":
        summed = {**full["blobs"][1], "checksum": f"sha256:{'0' * 64}"}
        client.objects.create(bucket, idempotency_key="k", **{**full, "blobs": [summed]})
        client.objects.create(client.buckets.find("keyed").bucket_id, fields={"sku": "1"}, policy="upsert")
        client.objects.create_many(bucket, [{}, {**full, "idempotency_key": "many"}], auto_process=True)
        client.objects.create_encoded(bucket, [b'{"string":"a"}', b"{}"], repeatable=False)
    client.objects.create_one_encoded(bucket, b'{"blobs":[]}', repeatable=False)
    found = next(iter(client.objects.list(bucket))).object_id
    list(client.objects.list(bucket, limit=3, offset=1, **_query("metadata.year")))
    client.objects.update(bucket, found, fields={"string": "b", "integer": 8})
    client.objects.update(bucket, found, fields={"string": "c"}, metadata={"string": "d"}, key_prefix="/more")
    client.objects.update(bucket, found, key_prefix="/less")
    if generation == "legacy":
        client.objects.update(bucket, found, blobs=full["blobs"], metadata={"year": 1964})


def _batches(client: MixpeekClient, bucket: str) -> None:
    ids = [found.object_id for found in client.objects.list(bucket)]
    batch = client.batches.create(bucket, ids[:1]).batch_id
    client.batches.create(bucket, ids, collection_ids=["col_1"], name="full", dedup_strategy="replace")
    year = {"AND": [{"field": "metadata.year", "operator": "gte", "value": 1963}]}
    client.batches.create(bucket, filters=year, limit=2)
    client.batches.add_objects(bucket, batch, ids[1:])
    client.batches.submit(bucket, batch)
    client.batches.retry(bucket, batch)
    client.batches.retry(bucket, batch, mode="all")
    client.batches.resubmit(bucket, batch, from_tier=0)
    list(client.batches.list(bucket))
    list(client.batches.list(bucket, status="DRAFT", limit=1))


def _uploads(client: MixpeekClient) -> None:
    bucket = client.buckets.create("files", schema={"hero": "image", "sku": "string"}).bucket_id
    few: dict[str, Any] = {"filename": "a.png", "content_type": "image/png"}
    full = NewUpload(
        **few,
        file_size_bytes=3,
        presigned_url_expiration=60,
        object_metadata={"sku": "1"},
        metadata={"by": "us"},
        blob_property="hero",
        blob_type="image",
        file_hash=hashlib.sha256(b"abc").hexdigest(),
    )
    client.uploads.create(bucket, few)
    made = client.uploads.create_many(bucket, [few, full])
    for upload in made:
        client.uploads.put(upload, io.BytesIO(b"abc"))
    client.uploads.confirm(bucket, made[0].upload_id)
    client.uploads.confirm_many(bucket, [{"upload_id": made[1].upload_id, "file_size_bytes": 3}])
    whole = {"object_metadata": {"sku": "2"}, "metadata": {"by": "us"}, "blob_property": "hero"}
    client.uploads.upload_file(bucket, io.BytesIO(b"def"), filename="b.png", blob_type="image", **whole)
    loose = client.uploads.upload_file(bucket, io.BytesIO(b"ghi"), filename="c.png", create_object=False)
    blob = NewBlob(property="hero", type="image", upload_id=loose.upload_id)
    client.objects.create(bucket, blobs=[blob])
    list(client.uploads.list(bucket))


def _collections(client: MixpeekClient, bucket: str) -> None:
    list(client.collections.list())
    list(client.collections.list(search="capt", limit=3))
    list(client.collections.batches("col_1"))
    one = next(iter(client.objects.list(bucket))).object_id
    year = {"AND": [{"field": "metadata.year", "operator": "gte", "value": 1963}]}
    full: dict[str, Any] = {"buckets": [bucket], "object_ids": [one], "filters": year}
    for how in ({}, full | {"dedup_strategy": "replace"}):
        with contextlib.suppress(MixpeekNotFoundError):
            client.collections.trigger("captions", **how)


def calls_of_ingestion(generation: str) -> list[Sent]:
    """Bodies of ingestion: rows for each type of blob and field, and for values that no schema declares."""
    with taken_down(generation) as (client, sent):
        api = client.session.api
        given = {kind: _given(kind, base64=api.blob_forms.base64) for kind in sorted(api.property_types)}
        client.buckets.create("all", schema={kind: kind for kind in given})

        def take(values: list[Any], blobs: dict[str, str], metadata: list[str], **more: Any) -> None:
            rows = [{"value": value, "row": number, "title": "A film"} for number, value in enumerate(values)]
            for row in rows:
                row |= dict.fromkeys(metadata, row["value"])
            mapping = ObjectMapping(blobs=blobs, metadata=["row", *metadata], **more.pop("mapping", {}))
            report = ingest(client, bucket="all", rows=rows, mapping=mapping, on_error="collect", **more)
            assert not report.rejected_rows, report.rejected_rows

        for kind, values in given.items():
            take(values, {kind: "value"}, [], scope=f"blob {kind}", mapping={"key_prefix": "/rows/{row}"})
        for kind in DATA:
            take(given[kind], {"text": "title"}, [kind], scope=f"field {kind}")
        take(LOOSE, {"text": "title"}, ["loose"], scope="loose")
        take(TEXTS, {"text": "value"}, [], mapping={"idempotency_key": ["row"]})
        take(TEXTS, {"text": "value"}, [], scope="all", process="all")
        take(TEXTS, {"text": "value"}, [], scope="once", skip_duplicates=True)
        if generation == "current":
            _with_files(client)
            _with_a_unique_key(client)
            with taken_down(generation, api_version="0.81") as (older, marked):
                _with_markers(older)
            sent += marked
        else:
            _with_markers(client)
    return sent


def _with_files(client: MixpeekClient) -> None:
    """Rows that name files, and files that are one object together."""
    client.buckets.create("pictured", schema={"hero": "image", "back": "image", "sku": "string"})
    with tempfile.TemporaryDirectory() as folder:
        for side in ("hero", "back"):
            Path(folder, f"1-{side}.png").write_bytes(side.encode())
        mapping = ObjectMapping(blobs={"hero": Blob(column="file", source="file")}, metadata=["sku"])
        rows = [{"file": f"{folder}/1-hero.png", "sku": "1"}]
        ingest(client, "pictured", rows, mapping=mapping, scope="files", process=False)
        rule = r"(?P<object>.+)-(?P<property>.+)\.png"
        upload_files(client, "pictured", folder, group_by=rule, metadata={"sku": "{object}"})


def _with_a_unique_key(client: MixpeekClient) -> None:
    """Rows that are new, that are there, and that are others than what is there, which is looked at then."""
    client.buckets.create(
        "unique", schema={"title": "text", "sku": "string", "year": "integer"}, unique_key="sku"
    )
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=["sku", "year", "loose"])
    films = [{"title": "A film", "sku": str(year), "year": year, "loose": 1} for year in (1963, 1964)]
    for policy, years in (("insert", 0), ("insert", 1), ("update", 2), ("upsert", 3)):
        rows = [film | {"year": film["year"] + years} for film in films]
        rows.append(films[0] | {"sku": f"new {policy}"})
        ingest(client, "unique", rows, mapping=mapping, policy=policy, on_error="collect")  # type: ignore[arg-type]


def _with_markers(client: MixpeekClient) -> None:
    """Objects that keep the keys of their rows, and the look for those of a load that is replayed."""
    client.buckets.create("marked", schema={"title": "text", "sku": "string"})
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=["sku", "loose"], idempotency_key=["sku"])
    films = [{"title": "A film", "sku": str(year), "loose": 1} for year in (1963, 1964)]
    checkpoint = MemoryCheckpoint()
    for _ in range(2):
        report = ingest(client, "marked", films, mapping=mapping, checkpoint=checkpoint, rerun="replay")
    assert report.replayed == len(films)


def _given(kind: str, *, base64: bool) -> list[Any]:
    if kind in DATA:
        return DATA[kind]
    if kind == "text":
        return TEXTS
    if kind == "json":
        return [{"a": [1]}, [1, 2], '{"a": 1}']
    if kind.endswith("_vector"):
        return [[0.5, 1.0], {"indices": [1], "values": [0.5]}]
    return [*URLS, DATA_URI, {"base64": "iVBORw0KGgo="}, b"\x89PNG"] if base64 else URLS
