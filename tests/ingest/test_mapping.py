"""The mapping: built, brought back from JSON, and held against rows and bucket."""

import dataclasses
import json
import pickle
import subprocess
import sys

import pytest

from airflow_provider.mixpeek.client._models import BucketSchema
from airflow_provider.mixpeek.ingest._errors import MappingError
from airflow_provider.mixpeek.ingest._mapping import KeyPrefix, ObjectMapping, parse_key_prefix, plan

COLUMNS = ["sku", "title", "image_url", "price", "category"]


def schema(**types):
    return BucketSchema.model_validate(
        {
            "properties": {
                name: {"type": kind.rstrip("!"), "required": kind.endswith("!")}
                for name, kind in types.items()
            }
        }
    )


SHOP = schema(hero="image", title="text", price="float", metadata="object")
MAPPING = ObjectMapping(
    blobs={"hero": "image_url", "title": "title"},
    metadata=["sku", "price"],
    key_prefix="/products/{category}",
    idempotency_key=["sku"],
)


def problems(mapping, bucket=SHOP, columns=COLUMNS):
    with pytest.raises(MappingError) as caught:
        plan(mapping, schema=bucket, columns=columns)
    return caught.value.problems


def test_a_mapping_that_fits_becomes_a_plan():
    made = plan(MAPPING, schema=SHOP, columns=COLUMNS)
    assert made.blobs == (("hero", "image", "image_url"), ("title", "text", "title"))
    assert made.fields == (("price", "float", "price"),)
    assert made.metadata == ("sku",)
    assert made.key_prefix == KeyPrefix(("/products/", ""), ("category",))
    assert made.identity_columns == ("category", "image_url", "price", "sku", "title")
    assert made.key_columns == ("sku",)
    assert made.required == frozenset()


def test_identity_reads_every_column_the_mapping_names_and_no_other():
    made = plan(
        ObjectMapping(blobs={"title": "title"}, idempotency_key=["sku"]), schema=SHOP, columns=COLUMNS
    )
    assert made.identity_columns == ("sku", "title")


def test_columns_that_nobody_knows_are_not_checked():
    assert plan(MAPPING, schema=SHOP, columns=None) == plan(MAPPING, schema=SHOP, columns=COLUMNS)


def test_without_a_mapping_columns_become_what_the_bucket_says():
    made = plan(None, schema=SHOP, columns=["other", "price", "title"])
    assert made.blobs == (("title", "text", "title"),)
    assert made.fields == (("price", "float", "price"),)
    assert made.metadata == ()
    assert made.identity_columns == ("price", "title")
    named = plan(None, schema=SHOP, columns=["title", "metadata"])
    assert named.fields == (("metadata", "object", "metadata"),)


def test_without_a_mapping_something_must_match():
    (found,) = problems(None, columns=["name", "cost"])
    assert "no column ('name', 'cost') is named like a property ('hero', 'title'" in found
    (found,) = problems(None, columns=["price"])
    assert "no column becomes a blob" in found
    assert "the bucket has 'hero', 'title' for blobs" in found
    (found,) = problems(None, columns=None)
    assert "not known" in found


def test_a_blob_may_be_of_a_data_type():
    made = plan(ObjectMapping(blobs={"price": "price"}), schema=SHOP, columns=COLUMNS)
    assert made.blobs == (("price", "float", "price"),)


def test_everything_that_is_wrong_is_said_at_once_with_suggestions():
    found = problems(
        ObjectMapping(
            blobs={"hero": "image_ulr", "titel": "title"},
            metadata=["Sku"],
            key_prefix="/{kategory}",
            idempotency_key=["zzz"],
        )
    )
    assert len(found) == 5
    text = "\n".join(found)
    assert "blobs['hero']: the rows have no column 'image_ulr'; did you mean 'image_url'?" in text
    assert "the bucket has no property 'titel'; did you mean 'title'?" in text
    assert "metadata: the rows have no column 'Sku'; did you mean 'sku'?" in text
    assert "key_prefix: the rows have no column 'kategory'; did you mean 'category'?" in text
    assert "idempotency_key: the rows have no column 'zzz'; there are 'sku', 'title'" in text


WRONG = [
    (ObjectMapping(blobs={}), SHOP, "no column becomes a blob"),
    (
        ObjectMapping(blobs={"title": "title"}, metadata=["price", "price"]),
        SHOP,
        "names the column 'price' twice",
    ),
    (
        ObjectMapping(blobs={"price": "sku", "title": "title"}, metadata=["price"]),
        SHOP,
        "the property 'price' is filled twice",
    ),
    (
        ObjectMapping(blobs={"hero": "image_url"}, metadata=["title"]),
        SHOP,
        "'title' is a property of type text, which is filled by a blob",
    ),
    (
        ObjectMapping(blobs={"title": "title"}, metadata=["sku", "category"]),
        schema(title="text"),
        "declares neither 'sku', 'category' nor a property 'metadata' of type object",
    ),
    (
        ObjectMapping(blobs={"title": "title"}, metadata=["sku"]),
        schema(title="text", metadata="string"),
        "it is of type string",
    ),
    (
        ObjectMapping(blobs={"title": "title"}, metadata=["metadata", "sku"]),
        SHOP,
        "the property 'metadata' is filled twice",
    ),
    (
        ObjectMapping(blobs={"title": "title", "metadata": "sku"}, metadata=["category"]),
        SHOP,
        "the property 'metadata' is filled twice",
    ),
    (
        ObjectMapping(blobs={"title": "title"}, metadata=["status"]),
        schema(title="text", status="string"),
        "'status' is a name of the API's own",
    ),
    (ObjectMapping(blobs={"title": "title"}, key_prefix="/{sku"), SHOP, "key_prefix '/{sku'"),
    (ObjectMapping(blobs={"title": "title"}, key_prefix="/{}"), SHOP, "a field is a column's name"),
    (ObjectMapping(blobs={"title": "title"}, key_prefix="/{price:.2f}"), SHOP, "a field is a column's name"),
    (ObjectMapping(blobs={"title": "title"}, key_prefix="/{sku!r}"), SHOP, "a field is a column's name"),
    (
        ObjectMapping(blobs={"title": "title"}),
        schema(title="text", hero="image!"),
        "the bucket requires the property 'hero' (image), and no column fills it",
    ),
    (ObjectMapping(blobs={"title": "title"}), schema(), "the bucket has no schema"),
]


@pytest.mark.parametrize(("mapping", "bucket", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_refused(mapping, bucket, problem):
    (found,) = problems(mapping, bucket, [*COLUMNS, "metadata", "status"])
    assert problem in found


def test_a_column_whose_name_is_not_utf_8_is_refused():
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=["\ud800"])
    (found,) = problems(mapping, SHOP, ["title", "\ud800"])
    assert "metadata: the column name '\\ud800' holds half of a surrogate pair" in found
    assert "rename the column" in found


def test_required_properties_may_be_filled_by_every_way_there_is():
    bucket = schema(title="text!", price="float!", metadata="object!")
    made = plan(
        ObjectMapping(blobs={"title": "title"}, metadata=["price", "sku"]), schema=bucket, columns=COLUMNS
    )
    assert made.required == {"title", "price", "metadata"}


def test_an_undeclared_column_may_have_a_reserved_name_inside_metadata():
    made = plan(
        ObjectMapping(blobs={"title": "title"}, metadata=["status"]), schema=SHOP, columns=["title", "status"]
    )
    assert made.metadata == ("status",)


def test_a_mapping_comes_back_from_json():
    there = json.loads(json.dumps(dataclasses.asdict(MAPPING)))
    assert ObjectMapping.of(there) == MAPPING
    assert ObjectMapping.of(MAPPING) is MAPPING
    assert ObjectMapping.of(None) is None
    assert pickle.loads(pickle.dumps(MAPPING)) == MAPPING


def test_a_mapping_does_not_change_with_what_it_was_made_of():
    columns = ["sku"]
    mapping = ObjectMapping(blobs={"title": "title"}, metadata=columns)
    columns.append("price")
    assert mapping.metadata == ("sku",)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"blobs": ["title"]}, "blobs is a dict"),
        ({"blobs": {"title": 3}}, "blobs is a dict"),
        ({"blobs": {"": "title"}}, "blobs is a dict"),
        ({"blobs": {}, "metadata": "sku"}, "metadata is a list of columns, not 'sku'"),
        ({"blobs": {}, "metadata": None}, "metadata is a list of columns"),
        ({"blobs": {}, "metadata": [1]}, "metadata is a list of columns"),
        ({"blobs": {}, "idempotency_key": "sku"}, "idempotency_key is a list of columns"),
        ({"blobs": {}, "idempotency_key": []}, "idempotency_key names no column"),
        ({"blobs": {}, "key_prefix": 3}, "key_prefix is a text"),
        ({"blobs": {}, "metdata": []}, "no part 'metdata'; did you mean 'metadata'?"),
        ({"metadata": []}, "blobs is missing"),
        ("hero=image_url", "a mapping is an ObjectMapping or a dict"),
    ],
)
def test_a_mapping_of_the_wrong_shape_is_refused(parts, problem):
    with pytest.raises(MappingError, match="the mapping does not fit") as caught:
        ObjectMapping.of(parts)
    assert problem in caught.value.problems[0]


def test_the_error_lists_and_pickles():
    error = pickle.loads(pickle.dumps(MappingError(["one", "two"])))
    assert error.problems == ("one", "two")
    assert str(error) == "the mapping does not fit, 2 problems: (1) one; (2) two."


def test_a_key_prefix_is_filled_in_for_each_row():
    prefix = parse_key_prefix("/{{x}}/{category}/{year}")
    values = {"category": ["a/b", None, "", ["l"], "c"], "year": [1963, 1, 1, 1, True]}
    column = prefix.column(values, rows=5)
    assert list(column.values) == ["/{x}/a/b/1963", None, None, None, "/{x}/c/true"]
    assert column.problems == {
        1: "column 'category' is absent, and the key_prefix needs it",
        2: "column 'category' is absent, and the key_prefix needs it",
        3: "column 'category', which the key_prefix needs: a list is no text",
    }
    assert list(parse_key_prefix("/fixed").column({}, rows=2).values) == ["/fixed", "/fixed"]


def test_a_dag_file_that_names_a_mapping_loads_no_data_frames():
    program = (
        "import sys\n"
        "import airflow_provider.mixpeek.ingest._mapping\n"
        "import airflow_provider.mixpeek.ingest._sources\n"
        "print(sorted({'pandas', 'pyarrow', 'narwhals', 'polars', 'numpy', 'airflow'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
