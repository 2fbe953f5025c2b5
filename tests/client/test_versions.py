"""API 0.81, told from 0.82 where it matters: it would store an idempotency key, and heed it not at all."""

import logging

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekClient,
    MixpeekGenerationError,
    MixpeekServerError,
)
from airflow_provider.mixpeek.ingest import IngestError, ObjectMapping, ingest

ME = {"path": "/v1/me", "fault": "status"}
MAPPING = ObjectMapping(blobs={"title": "title"}, metadata=["number"])


@pytest.fixture
def older(make_emulator):
    return make_emulator(api_version="0.81", task_seconds=0)


@pytest.fixture
def asked():
    """How often an emulator was asked who the key belongs to."""
    return lambda emulator: sum(
        row["count"] for row in emulator.state()["requests"] if row["path"] == "/v1/me"
    )


@pytest.mark.parametrize(("version", "has"), [("0.81", False), ("0.82", True)])
def test_it_is_found_out_once(connect, make_emulator, asked, version, has):
    emulator = make_emulator(api_version=version)
    client = connect(emulator.url)
    assert [client.has_idempotency_keys() for _ in range(3)] == [has] * 3
    assert asked(emulator) == 1
    assert len(emulator.state()["requests"]) == 1


def test_the_legacy_generation_need_not_be_asked(connect, make_emulator):
    emulator = make_emulator(generation="legacy")
    assert connect(emulator.url, generation="legacy").has_idempotency_keys() is False
    assert emulator.state()["requests"] == []


@pytest.mark.parametrize(("status", "has"), [(404, False), (403, True)])
def test_a_refusal_tells_it_too(connect, emulator, status, has):
    emulator.fault({**ME, "status": status})
    assert connect(emulator.url).has_idempotency_keys() is has


def test_a_server_that_fails_tells_nothing(connect, emulator):
    # A wait longer than any budget ends the call at once.
    emulator.fault({**ME, "status": 503, "times": 1, "headers": {"Retry-After": "3600"}})
    client = connect(emulator.url)
    with pytest.raises(MixpeekServerError):
        client.has_idempotency_keys()
    assert client.has_idempotency_keys() is True


def test_a_key_that_would_be_stored_and_not_heeded_is_refused(connect, older, asked):
    client = connect(older.url)
    bucket = client.buckets.create("products", schema={"title": "text"}).bucket_id
    for _ in range(2):
        with pytest.raises(MixpeekGenerationError, match=r"no idempotency keys \(they came with API 0\.82\)"):
            client.objects.create(bucket, idempotency_key="k")
        with pytest.raises(MixpeekGenerationError, match="no idempotency keys"):
            client.objects.create_many(bucket, [{}, {"idempotency_key": "k"}])
    assert (older.state()["objects"], asked(older)) == (0, 1)
    client.objects.create(bucket)
    client.objects.create_many(bucket, [{}])
    assert (older.state()["objects"], asked(older)) == (2, 1)


def test_a_client_that_uses_no_keys_does_not_ask(connect, emulator, asked):
    client = connect(emulator.url)
    bucket = client.buckets.create("products", schema={"title": "text"}).bucket_id
    client.objects.create(bucket)
    client.objects.create_many(bucket, [{}])
    assert asked(emulator) == 0


def test_a_connection_to_it_is_good(connect, older):
    introduction = connect(older.url).introduce()
    assert (introduction.generation, introduction.me) == ("current", None)
    assert "cannot tell who the key belongs to" in str(introduction)


# --- ingestion ---


@pytest.fixture
def shop(older):
    with MixpeekClient("sk_test", namespace="shop", base_url=older.url) as client:
        client.buckets.create("products", schema={"title": "text"})
        yield client


def _rows(count):
    return [{"title": f"film {number}", "number": number} for number in range(count)]


def test_ingestion_sends_no_keys_and_says_so_once(shop, older, asked, caplog):
    with caplog.at_level(logging.WARNING):
        report = ingest(shop, bucket="products", rows=_rows(250), mapping=MAPPING, scope="s")
    said = [record for record in caplog.records if "no idempotency keys" in record.message]
    assert (len(said), asked(older)) == (1, 1)
    assert (report.created, older.state()["objects"]) == (250, 250)
    bucket = shop.buckets.find("products").bucket_id
    for found in shop.objects.list(bucket):
        assert "idempotency_key" not in (found.model_extra or {})
    assert older.state()["objects_processed"] == {"1": 250}


def test_what_was_lost_there_is_in_doubt_and_not_stored_twice(shop, older):
    older.fault({"path": "/v1/buckets/*/objects/batch", "fault": "reset_after", "times": 1})
    with pytest.raises(IngestError) as caught:
        ingest(shop, bucket="products", rows=_rows(5), mapping=MAPPING, scope="s", markers=False)
    report = caught.value.report
    assert (report.rows_read, report.in_doubt, report.created) == (5, 5, 0)
    assert older.state()["objects"] == 5
