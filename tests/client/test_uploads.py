"""Files on their way to the server: each arrives once, whole, and tells nobody a secret."""

import hashlib
import io
import logging
import pickle
import re
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekError,
    MixpeekUploadURLError,
    MixpeekValidationError,
    MixpeekWaitTimeoutError,
    MixpeekWorkFailedError,
    NewBlob,
)

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UPLOADS = "/v1/buckets/{bucket_identifier}/uploads"
CONFIRM = f"{UPLOADS}/{{upload_id}}/confirm"
STORAGE = "/_storage/*"
PUT = "/_storage/{bucket_id}/{upload_id}/{filename}"


@pytest.fixture
def bucket(mixpeek):
    return mixpeek.buckets.create(
        "files", schema={"hero": "image", "sku": "string"}, declare_metadata=False
    ).bucket_id


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    return path


def finished(mixpeek, bucket):
    return [each for each in mixpeek.uploads.list(bucket) if each.status == "COMPLETED"]


FAULTS = {
    "announcement lost": {"fault": "reset_before", "path": UPLOADS},
    "announcement stored, answer lost": {"fault": "reset_after", "path": UPLOADS},
    "server busy": {"fault": "status", "status": 503, "path": UPLOADS},
    "file lost at once": {"fault": "reset_before", "path": STORAGE},
    "file lost half way": {"fault": "reset_midway", "bytes": 400_000, "path": STORAGE},
    "file stored, answer lost": {"fault": "reset_after", "path": STORAGE},
    "storage slow": {"fault": "status", "status": 503, "body": "<Code>SlowDown</Code>", "path": STORAGE},
    "URL expired": {"fault": "url_expired", "path": STORAGE},
    "URL expired, by the token": {
        "fault": "status",
        "status": 400,
        "body": "<Code>ExpiredToken</Code>",
        "path": STORAGE,
    },
    "confirmation lost": {"fault": "reset_before", "path": CONFIRM},
    "confirmation stored, answer lost": {"fault": "reset_after", "path": CONFIRM},
    "confirmation answered with nonsense": {
        "fault": "status",
        "status": 200,
        "body": "<html>",
        "after": True,
        "path": CONFIRM,
    },
    "confirmation failed and carried out": {"fault": "status", "status": 502, "after": True, "path": CONFIRM},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_file_is_one_object_whatever_breaks(mixpeek, bucket, picture, emulator, fault):
    emulator.fault({**fault, "times": 1})
    told = mixpeek.uploads.upload_file(bucket, picture, object_metadata={"sku": "1"})
    assert [rule["fired"] for rule in emulator.faults()] == [1]
    assert emulator.state()["files"] == {SHA256: 1}
    (stored,) = mixpeek.objects.list(bucket)
    assert (told.object_id, told.sha256, told.size) == (stored.object_id, SHA256, len(CONTENT))
    assert stored.model_extra["sku"] == "1"
    assert stored.blobs[0].model_extra["details"]["hash"] == f"sha256:{SHA256}"
    assert [each.upload_id for each in finished(mixpeek, bucket)] == [told.upload_id]


def test_a_confirmation_that_arrives_late_makes_no_second_object(mixpeek, bucket, picture, emulator):
    emulator.fault({"fault": "reset_late", "seconds": 0, "path": CONFIRM, "times": 1})
    mixpeek.uploads.upload_file(bucket, picture)
    assert emulator.state()["files"] == {SHA256: 1}
    assert emulator.state()["objects"] == 1


def test_what_the_server_has_is_not_sent_again(mixpeek, bucket, picture, count):
    first = mixpeek.uploads.upload_file(bucket, picture)
    again = mixpeek.uploads.upload_file(bucket, picture)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.upload_id, again.object_id) == (first.upload_id, first.object_id)
    assert count("PUT", PUT) == 1
    other = mixpeek.uploads.upload_file(bucket, picture, skip_duplicates=False)
    assert other.object_id != first.object_id
    assert count("PUT", PUT) == 2


def test_a_file_without_an_object_is_no_duplicate_of_one_with(mixpeek, bucket, picture):
    loose = mixpeek.uploads.upload_file(bucket, picture, create_object=False)
    assert loose.object_id is None
    assert mixpeek.uploads.upload_file(bucket, picture, create_object=False).upload_id == loose.upload_id
    made = mixpeek.objects.create(
        bucket, blobs=[NewBlob(property="hero", type="image", upload_id=loose.upload_id)]
    )
    assert made.blobs[0].model_extra["details"]["hash"] == f"sha256:{SHA256}"
    whole = mixpeek.uploads.upload_file(bucket, picture)
    assert whole.object_id not in (None, made.object_id)


def test_an_object_of_the_unique_key_makes_the_upload_needless(mixpeek, picture, count):
    keyed = mixpeek.buckets.create(
        "keyed",
        schema={"hero": "image", "sku": "string"},
        unique_key={"fields": ["sku"], "default_policy": "insert"},
        declare_metadata=False,
    ).bucket_id
    there = mixpeek.objects.create(keyed, fields={"sku": "1"}).object_id
    told = mixpeek.uploads.upload_file(keyed, picture, object_metadata={"sku": "1"})
    assert (told.upload_id, told.object_id, told.duplicate) == (None, there, True)
    assert count("PUT", PUT) == 0


def test_large_files_are_confirmed_in_a_task_that_is_awaited(connect, make_emulator, tmp_path):
    emulator = make_emulator(task_seconds=0.5)
    client = connect(emulator.url)
    bucket = client.buckets.create("files", schema={"clip": "video"}).bucket_id
    path = tmp_path / "long.mp4"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    told = client.uploads.upload_file(bucket, path)
    assert client.uploads.get(bucket, told.upload_id).task_id
    assert told.object_id == next(iter(client.objects.list(bucket))).object_id


def test_a_confirmation_that_fails_or_takes_too_long_says_so(connect, make_emulator, tmp_path):
    emulator = make_emulator(task_seconds=600)
    client = connect(emulator.url)
    bucket = client.buckets.create("files", schema={"clip": "video"}).bucket_id
    path = tmp_path / "long.mp4"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(MixpeekWaitTimeoutError, match="is PROCESSING after 0 s"):
        client.uploads.upload_file(bucket, path, timeout=0)
    emulator.fault({"fault": "task_outcome", "status": "FAILED", "seconds": 0, "path": CONFIRM})
    with pytest.raises(MixpeekWorkFailedError, match="ended FAILED"):
        client.uploads.upload_file(bucket, path, skip_duplicates=False)
    assert not list(client.objects.list(bucket, limit=5))[1:]


@pytest.mark.parametrize("way", ["path", "Path", "url", "open", "stream", "offset"])
def test_a_file_may_be_anywhere(mixpeek, bucket, picture, emulator, way):
    class Stream(io.RawIOBase):
        def __init__(self):
            self.inner = io.BytesIO(CONTENT)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.inner.readinto(buffer)

    fsspec.filesystem("memory").pipe("/shop/b.png", CONTENT)
    opened = io.BytesIO(b"skipped" + CONTENT)
    opened.seek(7)
    file = {
        "path": str(picture),
        "Path": picture,
        "url": "memory://shop/b.png",
        "open": picture.open("rb"),
        "stream": Stream(),
        "offset": opened,
    }[way]
    emulator.fault({"fault": "reset_midway", "bytes": 400_000, "path": STORAGE, "times": 1})
    name = "given" if way in ("stream", "offset") else None
    told = mixpeek.uploads.upload_file(bucket, file, filename=name)
    assert emulator.state()["files"] == {SHA256: 1}
    assert told.filename == {"url": "b.png"}.get(way, name or "a.png")
    assert mixpeek.uploads.get(bucket, told.upload_id).content_type == "image/png"
    if hasattr(file, "closed"):
        assert not file.closed


def test_files_that_cannot_be_sent_are_told_before_anything_is(mixpeek, bucket, tmp_path, count, emulator):
    empty = tmp_path / "empty.png"
    empty.touch()
    for file, why in [
        (empty, "is empty"),
        (tmp_path / "none.png", "none.png cannot be read: there is no such file"),
        ("nosuch://a/b.png", "files of nosuch:// cannot be read"),
        (7, "a int is no file"),
        (io.BytesIO(b"x"), "name is missing"),
        (io.StringIO("x"), "name is missing"),
    ]:
        with pytest.raises(MixpeekConfigError, match=why):
            mixpeek.uploads.upload_file(bucket, file)
    with pytest.raises(MixpeekConfigError, match="text mode"):
        mixpeek.uploads.upload_file(bucket, io.StringIO("x"), filename="x")
    with pytest.raises(MixpeekConfigError, match="filename"):
        mixpeek.uploads.create(bucket, {"filename": "a/b", "content_type": "image/png"})
    with pytest.raises(MixpeekConfigError, match="it takes 1 to 100"):
        mixpeek.uploads.create_many(bucket, [{"filename": "a", "content_type": "image/png"}] * 101)
    assert count("POST", UPLOADS) == 0


def test_a_file_that_grows_while_it_is_sent_is_not_stored(mixpeek, bucket, picture, emulator):
    class Growing(io.BytesIO):
        def seek(self, *where):
            if self.tell() > 0:
                self.getbuffer()[100:101] = b"!"
            return super().seek(*where)

    with pytest.raises(MixpeekConfigError, match="changed while it was uploaded"):
        mixpeek.uploads.upload_file(bucket, Growing(CONTENT), filename="a.png")
    assert emulator.state()["files"] == {}
    assert emulator.state()["objects"] == 0


def test_the_plan_s_limit_is_told_before_the_file_is_sent(connect, make_emulator, picture):
    emulator = make_emulator(max_upload_bytes=1000)
    client = connect(emulator.url)
    bucket = client.buckets.create("files", schema={"hero": "image"}).bucket_id
    with pytest.raises(MixpeekValidationError, match="the plan allows 1000"):
        client.uploads.upload_file(bucket, picture)
    assert not [row for row in emulator.state()["requests"] if row["method"] == "PUT"]


def test_urls_that_go_on_expiring_are_given_up_and_leave_nothing(mixpeek, bucket, picture, emulator):
    emulator.fault({"fault": "url_expired", "path": STORAGE})
    with pytest.raises(MixpeekUploadURLError, match="403 AccessDenied"):
        mixpeek.uploads.upload_file(bucket, picture)
    assert [rule["fired"] for rule in emulator.faults()] == [3]
    assert len(list(mixpeek.uploads.list(bucket))) == 1


# --- secrets ---


def test_the_storage_is_shown_no_key(mixpeek, bucket, picture, emulator):
    # The emulator's storage refuses whoever brings a key, a namespace or a cookie: prove that it does.
    import httpx

    upload = mixpeek.uploads.create(bucket, {"filename": "a.png", "content_type": "image/png"})
    url = upload.presigned_url.get_secret_value()
    for header in ({"Authorization": "Bearer x"}, {"X-Namespace": "shop"}, {"Cookie": "a=b"}):
        refused = httpx.put(url, content=b"x", headers={"Content-Type": "image/png", **header})
        assert (refused.status_code, "InvalidArgument" in refused.text) == (400, True)
    assert mixpeek.uploads.put(upload, io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"fault": "reset_before", "path": STORAGE, "times": 2},
        {"fault": "url_expired", "path": STORAGE},
        {"fault": "status", "status": 400, "body": "https://storage/?X-Amz-Signature=echo", "path": STORAGE},
    ],
)
def test_no_log_error_or_repr_holds_a_presigned_url(mixpeek, bucket, picture, emulator, caplog, key, fault):
    caplog.set_level(logging.DEBUG)
    if fault is not None:
        emulator.fault(fault)
    upload = mixpeek.uploads.create(bucket, {"filename": "b.png", "content_type": "image/png"})
    shown = [repr(upload), str(upload), str(upload.model_dump()), upload.model_dump_json()]
    for send in (
        lambda: mixpeek.uploads.put(upload, io.BytesIO(CONTENT)),
        lambda: mixpeek.uploads.upload_file(bucket, picture),
    ):
        try:
            shown.append(repr(send()))
        except MixpeekError as error:
            chain = [error, error.__cause__, error.__context__]
            shown += [f"{each!r} {each} {vars(each) if each else ''}" for each in chain]
            shown.append(repr(pickle.dumps(error)))
    shown += [f"{record.getMessage()} {record.args}" for record in caplog.records]
    assert caplog.records
    secret = upload.presigned_url.get_secret_value()
    for text in shown:
        assert not re.search(r"Signature=|X-Amz-", text), text
        assert secret not in text
        assert key not in text


def test_an_upload_url_in_plain_http_to_elsewhere_is_not_used(mixpeek, bucket, world):
    import httpx

    from airflow_provider.mixpeek.client._flow import FilePut
    from airflow_provider.mixpeek.client._settings import Settings
    from airflow_provider.mixpeek.client._storage_transport import Routes

    secure = Settings.of(api_key="sk", base_url="https://api.example.com")
    routes = Routes(httpx.HTTPTransport, secure, True)
    for url in ("http://storage.example.com/a?sig=1", "ftp://storage.example.com/a", "nonsense"):
        put = FilePut("PUT", "(storage)", url=url, content_type="a/b", size=1, chunks=lambda: iter([b"x"]))
        with pytest.raises(MixpeekConfigError, match="not https") as caught:
            routes.to(put)
        assert "sig=1" not in str(caught.value)
        assert "sig=1" not in repr(put)


# --- memory ---


@pytest.mark.system
def test_two_gigabytes_take_no_memory(tmp_path):
    """In a process of its own, whose peak is known; the emulator is in it too."""
    script = Path(__file__).with_name("uploaded_2_gb.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    grown, size = map(int, ran.stdout.split())
    assert size == 2 * 1024**3
    assert grown < 32 * 1024**2
