"""Schemas, short and whole, and when an existing one will do."""

import pytest

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.client._current import CurrentApi
from airflow_provider.mixpeek.client._schema import DATA_TYPES, differences, is_blob_type, normalise

TYPES = CurrentApi.property_types


def whole(schema, *, declare_metadata=False):
    return normalise(schema, types=TYPES, declare_metadata=declare_metadata)


WHOLE = {"properties": {"hero": {"type": "image"}, "price": {"type": "float", "required": True}}}


@pytest.mark.parametrize(
    "given",
    [
        {"hero": "image", "price": {"type": "float", "required": True}},
        {"hero": {"type": "image"}, "price": {"type": "float", "required": True}},
        WHOLE,
        {"properties": {"hero": "image", "price": {"type": "float", "required": True}}},
    ],
)
def test_short_and_whole_mean_the_same(given):
    assert whole(given) == WHOLE


def test_further_keys_of_a_whole_schema_are_kept_and_nothing_given_is_changed():
    given = {"properties": {"hero": "image"}, "title": "Mine"}
    assert whole(given, declare_metadata=True) == {
        "properties": {"hero": {"type": "image"}, "metadata": {"type": "object"}},
        "title": "Mine",
    }
    assert given == {"properties": {"hero": "image"}, "title": "Mine"}


def test_a_property_may_be_called_properties():
    assert whole({"properties": "text"}) == {"properties": {"properties": {"type": "text"}}}


def test_metadata_that_is_declared_already_stays_as_it_is():
    given = {"metadata": {"type": "object", "description": "ours"}}
    assert whole(given, declare_metadata=True)["properties"] == given


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_of_the_vendor_passes(name):
    assert whole({"x": name})["properties"]["x"]["type"] == name


def test_the_types_are_those_of_the_vendor():
    assert DATA_TYPES | {"text", "image", "audio", "video", "pdf", "excel"} == TYPES
    assert {name for name in TYPES if is_blob_type(name)} == {
        "text",
        "image",
        "audio",
        "video",
        "pdf",
        "excel",
    }


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"hero": "IMAGE"}, "'hero' has the unknown type 'IMAGE'.*Did you mean 'image'"),
        ({"hero": "picture"}, "'hero' has the unknown type 'picture'.*Types are lower case: array"),
        ({"hero": "document"}, "unknown type 'document'"),
        ({"hero": {}}, "'hero' has no type"),
        ({"hero": None}, "'hero' has no type"),
        ({"hero": {"type": None}}, "'hero' has no type"),
        ({"hero": {"type": ["image"]}}, "'hero' has no type"),
        ({7: "text"}, "7 is not a property name"),
        ({"": "text"}, "'' is not a property name"),
        ({}, "declares no property"),
        ({"properties": {}}, "declares no property"),
        (["hero"], "a list is no bucket schema"),
        (None, "a NoneType is no bucket schema"),
        ("image", "a str is no bucket schema"),
    ],
)
def test_a_wrong_schema_is_refused_with_what_to_write(wrong, named):
    with pytest.raises(MixpeekConfigError, match=named):
        whole(wrong)


@pytest.mark.parametrize(
    ("wanted", "existing", "expected"),
    [
        ({"a": "text"}, {"a": "text"}, []),
        ({"a": "text"}, {"a": "text", "b": "image"}, []),
        ({"a": "text"}, {"a": {"type": "text", "required": False}}, []),
        ({"a": "text"}, {"a": {"type": "text", "required": None}}, []),
        ({"a": "text", "b": "float"}, {"a": "text"}, ["'b' (float) is not in it"]),
        ({"a": "text"}, {"a": "image"}, ["'a' is 'image' there and 'text' here"]),
        (
            {"a": "text"},
            {"a": {"type": "text", "required": True}},
            ["'a' is required there and not here"],
        ),
        (
            {"a": {"type": "text", "required": True}},
            {"a": "text"},
            ["'a' is optional there and not here"],
        ),
        (
            {"a": "text"},
            {"a": "text", "b": {"type": "text", "required": True}},
            ["'b' is required there and unknown here"],
        ),
    ],
)
def test_differences_are_said_one_by_one(wanted, existing, expected):
    there = {
        "properties": {
            name: {"type": definition} if isinstance(definition, str) else definition
            for name, definition in existing.items()
        }
    }
    assert differences(whole(wanted), there) == expected


def test_a_bucket_without_a_schema_lacks_everything():
    assert differences(whole({"a": "text"}), {}) == ["'a' (text) is not in it"]
