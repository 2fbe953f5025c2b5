"""From whatever a server says to an error that tells what happened, and never the key."""

import copy
import json
import pickle

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekAnswerError,
    MixpeekAuthenticationError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
    MixpeekPermissionError,
    MixpeekQuotaError,
    MixpeekRateLimitError,
    MixpeekServerError,
    MixpeekStatusError,
    MixpeekValidationError,
    Settings,
    ValidationIssue,
)
from airflow_provider.mixpeek.client import _errors as errors
from airflow_provider.mixpeek.client._answers import OTHER_GENERATION, refusal
from airflow_provider.mixpeek.client._flow import Answer, Request

KEY = "sk_live_do_not_tell_0123456789"
SETTINGS = Settings.of(api_key=KEY, base_url="localhost:1")
READ = Request("GET", "/v1/things/1")
WRITE = Request("POST", "/v1/things")


def refused(status, body=b"", headers=None, request=READ, stored_nothing=False):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(status, headers or {}, content)
    return refusal(SETTINGS, request, answer, stored_nothing=stored_nothing, wall=1_800_000_000.0)


def envelope(status, kind="SomeError", message="It broke", **details):
    return {
        "success": False,
        "status": status,
        "error": {"message": message, "type": kind, "code": "fine_code", "details": details},
    }


# --- status to class, retryable, hint ---


@pytest.mark.parametrize(
    ("status", "kind", "expected", "retryable", "hint"),
    [
        (400, "BadRequestError", MixpeekValidationError, False, ""),
        (401, "UnauthorizedError", MixpeekAuthenticationError, False, "Check the API key"),
        (403, "ForbiddenError", MixpeekPermissionError, False, "permission this call needs"),
        (403, "NotEnabledError", MixpeekPermissionError, False, "permission this call needs"),
        (403, "QuotaExceededError", MixpeekQuotaError, False, "permission"),
        (404, "NotFoundError", MixpeekNotFoundError, False, "namespace"),
        (405, "", MixpeekStatusError, False, OTHER_GENERATION),
        (408, "", MixpeekStatusError, False, ""),
        (409, "AlreadyExistsError", MixpeekConflictError, False, "exists already"),
        (413, "", MixpeekValidationError, False, "Send less in one request"),
        (418, "", MixpeekStatusError, False, ""),
        (422, "ValidationError", MixpeekValidationError, False, "Correct what is named"),
        (429, "TooManyRequestsError", MixpeekRateLimitError, True, "requests_per_second"),
        (500, "InternalServerError", MixpeekServerError, True, "try again later"),
        (501, "", MixpeekServerError, False, "tell the vendor"),
        (502, "", MixpeekServerError, True, "try again later"),
        (503, "WriterReadOnlyError", MixpeekServerError, True, "try again later"),
        (504, "", MixpeekServerError, True, "try again later"),
        (599, "", MixpeekServerError, False, "try again later"),
    ],
)
def test_every_status_has_its_error(status, kind, expected, retryable, hint):
    error = refused(status, envelope(status, kind), {"x-request-id": "req_7"})
    assert type(error) is expected
    assert (error.status, error.type, error.code) == (status, kind, "fine_code")
    assert (error.method, error.path, error.request_id) == ("GET", "/v1/things/1", "req_7")
    assert error.retryable is retryable
    assert hint in error.hint
    assert str(error).startswith(f"GET /v1/things/1: {status}")
    assert "It broke (request id req_7)." in str(error)


def test_a_used_up_quota_says_of_what():
    error = refused(403, envelope(403, "QuotaExceededError", resource="objects", current=1000, limit=1000))
    assert error.hint == "The plan's objects is used up (1000 of 1000)."
    assert error.details == {"resource": "objects", "current": 1000, "limit": 1000}


def test_a_path_that_nobody_knows_asks_for_the_generation():
    assert OTHER_GENERATION in refused(404, {"detail": "Not Found"}).hint
    assert OTHER_GENERATION not in refused(404, envelope(404, "NotFoundError")).hint


@pytest.mark.parametrize(
    ("request_", "status", "stored_nothing", "may_be_stored"),
    [
        (WRITE, 500, False, True),
        (WRITE, 504, False, True),
        (WRITE, 503, True, False),
        (WRITE, 422, False, False),
        (WRITE, 429, True, False),
        (READ, 500, False, False),
        (Request("POST", "/v1/things/list", reads=True), 500, False, False),
        (Request("DELETE", "/v1/things/1"), 500, False, True),
    ],
)
def test_a_refusal_knows_whether_it_may_have_stored_something(
    request_, status, stored_nothing, may_be_stored
):
    error = refused(status, envelope(status), request=request_, stored_nothing=stored_nothing)
    assert error.may_be_stored is may_be_stored


# --- shapes of bodies ---

LIST_OF_DETAIL = {"detail": [{"loc": ["body", "objects", 3, "type"], "msg": "Bad type", "type": "enum"}]}
ISSUE = ValidationIssue(("body", "objects", 3, "type"), "Bad type", "enum")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, envelope(400), "400 SomeError: It broke"),
        (400, {"detail": {"error": {"message": "Old", "type": "OldError"}}}, "400 OldError: Old"),
        (400, {"detail": {"message": "Flat"}}, "400: Flat"),
        (404, {"detail": "Not Found"}, "404: Not Found"),
        (400, {"error": "just text"}, "400: just text"),
        (400, {"message": "bare"}, "400: bare"),
        (429, {"error": {"code": "rate_limit_exceeded", "message": "Slow"}}, "429: Slow"),
        (400, "a string", "400: a string"),
        (500, b"upstream   connect\n error", "500: upstream connect error"),
        (502, b"<html><body>Bad gateway</body></html>", "502: a web page, not the API's answer"),
        (502, b" <!DOCTYPE html><p>Bad", "502: a web page, not the API's answer"),
        (500, b"", "500: no reason given"),
        (500, b"null", "500: null"),
        (500, [], "500: no reason given"),
        (500, 7, "500: no reason given"),
        (500, {"error": {}}, "500: no reason given"),
        (500, {"error": {"message": 5, "type": ["x"], "details": "no"}}, "500: no reason given"),
        (500, b"\xff\xfe broken", "500: \ufffd\ufffd broken"),
        (422, LIST_OF_DETAIL, "422: body.objects.3.type: Bad type"),
        (
            422,
            {"error": {"message": "Invalid", "type": "V", "details": {"validation_errors": [{}, {}]}}},
            "422 V: Invalid",
        ),
        (400, b"\x1b[31mred\x07", "400: ?[31mred?"),
    ],
)
def test_every_shape_of_body_is_understood(status, body, message):
    assert refused(status, body).message.partition(" [")[0] == message


@pytest.mark.parametrize(
    "body",
    [
        LIST_OF_DETAIL,
        envelope(
            422,
            validation_errors=[
                {"location": ["body", "objects", 3, "type"], "message": "Bad type", "type": "enum"}
            ],
        ),
        envelope(
            422,
            validation_errors=[{"location": "body.objects.3.type", "message": "Bad type", "type": "enum"}],
        ),
        {
            "detail": {
                "error": {
                    "message": "m",
                    "details": {
                        "validation_errors": [
                            {"loc": ["body", "objects", 3, "type"], "msg": "Bad type", "type": "enum"}
                        ]
                    },
                }
            }
        },
    ],
)
def test_complaints_are_read_from_every_shape(body):
    error = refused(422, body)
    assert error.validation_errors == (ISSUE,)
    assert "body.objects.3.type: Bad type" in str(error)


def test_many_complaints_are_counted_in_the_message_and_kept_in_the_error():
    error = refused(422, {"detail": [{"loc": ["body", n], "msg": "Bad"} for n in range(5)]})
    assert error.message == "422: body.0: Bad and 4 more"
    assert len(error.validation_errors) == 5


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"error":' * 900 + b"1" + b"}" * 900,
        json.dumps(envelope(500, deep=json.loads('{"a":' * 300 + "1" + "}" * 300))).encode(),
        b'{"error": {"message": "\\ud800 half"}}',
        b'{"error": {"message": "big", "details": {"n": ' + b"9" * 5000 + b"}}}",
    ],
)
def test_hostile_bodies_are_cut_to_what_can_be_logged_and_pickled(body):
    error = refused(500, body)
    str(error).encode()
    repr(error.details).encode()
    assert len(str(error)) < 2_000
    assert pickle.loads(pickle.dumps(error)).message == error.message


def test_a_very_large_refusal_is_not_read():
    error = refused(500, b'{"error": {"message": "' + b"x" * 2_000_000 + b'"}}')
    assert error.message == "500: a body of 2,000,026 bytes, which was not read"
    assert refused(400, "y" * 5_000).message == f"400: {'y' * 500}..."


# --- retry hints ---


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "15"}, {}, 15),
        ({"retry-after": "15"}, envelope(429, retry_after_seconds=99), 15),
        ({"retry-after": "1.5"}, {}, 1.5),
        ({}, envelope(503, retry_after_seconds=12), 12),
        ({}, {"error": {"details": {"retry_after_seconds": 12}}}, 12),
        ({}, {"detail": {"error": {"details": {"retry_after_seconds": 12}}}}, 12),
        ({}, envelope(429, retry_after=7, limit=60, window=60), 7),
        ({}, {"error": {"code": "rate_limit_exceeded", "message": "m", "retry_after": 9}}, 9),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, {}, 30),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 -0000"}, {}, 30),
        ({"retry-after": "Thu, 14 Jan 2027 08:00:00 GMT"}, {}, 0),
        # By the server's own clock, where it tells what time it is.
        ({"retry-after": "Fri, 15 Jan 2027 10:00:30 GMT", "date": "Fri, 15 Jan 2027 10:00:00 GMT"}, {}, 30),
        ({"retry-after": "Fri, 15 Jan 2027 06:00:30 GMT", "date": "Fri, 15 Jan 2027 06:00:00 GMT"}, {}, 30),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT", "date": "today"}, {}, 30),
        ({"retry-after": "soon"}, envelope(429, retry_after="4"), 4),
        ({"retry-after": "-1"}, envelope(429, retry_after=4), 4),
        ({"retry-after": "nan"}, {}, None),
        ({"retry-after": "inf"}, envelope(429, retry_after=True), None),
        ({"retry-after": "Fri, 99 Foo 99999 08:00:30 GMT"}, {}, None),
        ({}, envelope(429, retry_after=[1]), None),
        ({}, {}, None),
    ],
)
def test_retry_hints_are_read(headers, body, seconds):
    error = refused(429, body, headers)
    assert error.retry_after == seconds
    assert ("asks to wait" in error.hint) is (seconds is not None)


def test_an_absurd_wait_is_said():
    assert "The server asks to wait 86,400 s." in str(refused(429, b"", {"retry-after": "86400"}))


def test_the_vendor_can_say_that_trying_again_is_useless():
    assert not refused(503, envelope(503, retryable=False)).retryable
    assert refused(503, envelope(503, retryable=True)).retryable


# --- redirects ---


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://elsewhere.example/v1?x=1", "elsewhere.example"),
        ("/v2/things", "another address"),
        ("http://[broken", "another address"),
        ("", "another address"),
    ],
)
def test_a_redirect_is_an_error_that_names_the_host(location, named):
    error = refused(307, b"", {"location": location} if location else {})
    assert type(error) is MixpeekAnswerError
    assert f"redirects (307) to {named}," in error.message
    assert not error.retryable


def test_the_key_is_taken_out_before_a_text_is_cut():
    echoed = "x" * 495 + KEY
    assert KEY[:4] not in refused(400, {"message": echoed}).message
    assert KEY[:4] not in refused(400, echoed.encode()).message


# --- the tree travels ---


def _leaves(kind):
    below = kind.__subclasses__()
    return [kind] + [leaf for each in below for leaf in _leaves(each) if leaf.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", sorted(set(_leaves(MixpeekError)), key=lambda kind: kind.__name__))
@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_every_error_travels_whole(kind, travel):
    common = {
        "hint": "Do this",
        "method": "POST",
        "path": "/v1/x",
        "request_id": "r1",
        "may_be_stored": True,
        "retryable": True,
        "retry_after": 2.5,
    }
    of_status = {
        "status": 418,
        "type": "Odd",
        "code": "c",
        "details": {"a": [1]},
        "validation_errors": (ISSUE,),
    }
    error = kind("It broke", **common, **(of_status if issubclass(kind, MixpeekStatusError) else {}))
    error.add_note("while testing")
    arrived = travel(error)
    assert type(arrived) is kind
    assert vars(arrived) == vars(error)
    assert (str(arrived), arrived.args) == (str(error), ("It broke",))
    assert str(arrived) == "POST /v1/x: It broke (request id r1). Do this"


def test_the_docstring_draws_the_whole_tree():
    drawn = errors.__doc__
    for kind in _leaves(MixpeekError):
        assert f"{kind.__name__} " in drawn or f"{kind.__name__}\n" in drawn
    assert issubclass(MixpeekConfigError, ValueError)
