"""Who is to blame for a request that was refused as a whole."""

from __future__ import annotations

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekError,
    MixpeekFileError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
    MixpeekReadError,
    MixpeekServerError,
    MixpeekStorageError,
    MixpeekUploadURLError,
    MixpeekValidationError,
    MixpeekWaitTimeoutError,
    MixpeekWorkFailedError,
    ValidationIssue,
)
from airflow_provider.mixpeek.ingest import SourceError
from airflow_provider.mixpeek.ingest._blame import Complaint, Verdict, is_about_a_file, is_about_rows, judge


def refusal(*locations: tuple[str | int, ...], status: int = 422) -> MixpeekValidationError:
    issues = tuple(ValidationIssue(location, "no") for location in locations)
    return MixpeekValidationError("422: refused", status=status, validation_errors=issues)


@pytest.mark.parametrize(("status", "expected"), [(413, True), (422, True), (400, False), (409, False)])
def test_which_refusals_are_about_rows(status, expected):
    assert is_about_rows(refusal(status=status)) is expected


def test_a_failing_server_is_not_about_rows():
    assert not is_about_rows(MixpeekServerError("down", status=500))


ABOUT_A_FILE = [
    (MixpeekFileError("empty"), True),
    (SourceError("no path"), True),
    (MixpeekWorkFailedError("confirmation failed"), True),
    *((MixpeekStorageError("refused", status=status), status == 400) for status in (301, 400, 401, 403, 429)),
    (refusal(status=422), True),
    (refusal(status=400), False),
    (MixpeekNotFoundError("no such bucket", status=404), False),
    (MixpeekUploadURLError("expired", status=403), False),
    (MixpeekServerError("down", status=503), False),
    (MixpeekReadError("storage down"), False),
    (MixpeekWaitTimeoutError("goes on"), False),
    (MixpeekConfigError("the proxy is not usable"), False),
    (MixpeekGenerationError("legacy"), False),
]


@pytest.mark.parametrize(("error", "expected"), ABOUT_A_FILE)
def test_which_failures_of_an_upload_are_about_its_file(error: MixpeekError, expected: bool):
    assert is_about_a_file(error) is expected


def test_named_rows_are_to_blame_and_the_others_are_sent_again():
    error = refusal(
        ("body", "objects", 3, "title"), ("body", "objects", 3, "blobs", 0, "data"), ("objects", 0)
    )
    guilty = {3: Complaint("title: no; blobs.0.data: no", ("title",)), 0: Complaint("no")}
    assert judge(error, 5) == Verdict(guilty, ((1, 2, 4),))


def test_when_all_are_named_nobody_is_left():
    assert judge(refusal(("body", "objects", 0), ("body", "objects", 1)), 2) == Verdict(
        {0: Complaint("no"), 1: Complaint("no")}, ()
    )


@pytest.mark.parametrize(
    "location",
    [
        (),
        ("body",),
        ("body", "objects"),
        ("body", "objects", "3"),
        ("body", "objects", 5),
        ("body", "objects", -1),
        ("body", "blobs", 3),
    ],
)
def test_without_a_row_named_halves_are_tried(location):
    assert judge(refusal(location), 5) == Verdict({}, (range(2), range(2, 5)))
    assert judge(refusal(), 5) == Verdict({}, (range(2), range(2, 5)))


def test_a_row_alone_is_to_blame_whatever_is_named():
    assert judge(refusal(("body", "objects", 7, "x")), 1) == Verdict({0: Complaint("x: no", ("x",))}, ())
    assert judge(refusal(("body", "x")), 1) == Verdict({0: Complaint("x: no", ("x",))}, ())
    assert judge(refusal(status=413), 1) == Verdict({0: Complaint("422: refused")}, ())
