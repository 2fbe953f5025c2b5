"""Whatever a server says, in whatever shape: one of our errors, and never the key."""

import json
import pickle
import traceback

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek.client import MixpeekError, Settings
from airflow_provider.mixpeek.client._answers import refusal
from airflow_provider.mixpeek.client._flow import Answer, Request

KEY = "sk_live_do_not_tell_0123456789"
SETTINGS = Settings.of(api_key=KEY, base_url="localhost:1")
READ = Request("GET", "/v1/things/1")

WORDS = st.sampled_from(
    [
        *("error", "detail", "details", "message", "type", "code", "loc", "location", "msg", "limit"),
        *("validation_errors", "retry_after", "retry_after_seconds", "retryable", "resource", "current"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.just(f"Bearer {KEY}"),
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=3) | st.just(KEY), inner, max_size=5)
    ),
    max_leaves=20,
)
#: What generations of the API really say, with anything in its places.
COMPLAINT = st.fixed_dictionaries(
    {},
    optional={
        "loc": st.lists(st.text(max_size=5) | st.integers() | LEAVES, max_size=5) | LEAVES,
        "location": st.lists(LEAVES, max_size=3) | st.text(),
        "msg": LEAVES,
        "message": LEAVES,
        "type": LEAVES,
        "ctx": BODIES,
    },
)
COMPLAINTS = st.lists(COMPLAINT | LEAVES, max_size=4)
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "validation_errors": COMPLAINTS | LEAVES,
        "retry_after": LEAVES,
        "retry_after_seconds": LEAVES,
        "retryable": LEAVES,
        "limit": LEAVES,
        "current": LEAVES,
        "resource": LEAVES,
    },
)
ENVELOPE = st.fixed_dictionaries(
    {
        "error": st.fixed_dictionaries(
            {}, optional={"message": LEAVES, "type": LEAVES, "code": LEAVES, "details": DETAILS | LEAVES}
        )
    }
)
SHAPED = (
    ENVELOPE
    | st.fixed_dictionaries({"detail": COMPLAINTS | ENVELOPE | DETAILS | LEAVES})
    | st.fixed_dictionaries({"succeeded": COMPLAINTS, "failed": COMPLAINTS})
)


def assert_no_secret(error):
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    shown += traceback.format_exception(error)
    shown.append(pickle.dumps(error).decode("latin-1"))
    assert not [text for text in shown if KEY in text]


@given(
    status=st.integers(300, 599),
    body=(BODIES | SHAPED).map(lambda body: json.dumps(body).encode()) | st.binary() | st.just(KEY.encode()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "location", "content-type"]), st.text(), max_size=3
    ),
)
def test_whatever_a_server_says_becomes_one_of_our_errors(status, body, headers):
    answer = Answer(status, headers, body)
    error = refusal(SETTINGS, READ, answer, stored_nothing=False, wall=1_800_000_000.0)
    assert isinstance(error, MixpeekError)
    str(error).encode()
    assert_no_secret(error)
