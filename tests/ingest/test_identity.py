"""Keys: pinned for ever, equal for equal rows whatever the reader, different for different rows."""

import datetime as dt
import json
import math
import subprocess
import sys
from decimal import Decimal
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider.mixpeek.ingest._identity import KEY_VERSION, canonical_rows, row_keyer
from airflow_provider.mixpeek.ingest._values import plain_column

TABLE = {
    "sku": ["A-1", "B-2", "A-1", None],
    "price": [12.5, 9.0, 12.5, math.nan],
    "title": ['8½ "quoted"\n', "9", '8½ "quoted"\n', "9"],
    "made": [
        dt.date(1963, 2, 14),
        None,
        dt.date(1963, 2, 14),
        dt.datetime(2026, 7, 1, 12, 0, 0, 500, dt.UTC),
    ],
    "sold": [True, False, True, 10**30],
    "tags": [["a", None], {"b": 1, "a": 0.1}, ["a", None], Decimal("1.50")],
    "raw": [b"\x89PNG", None, b"\x89PNG", b""],
}


def plain(table):
    return [plain_column(cells).values for cells in table.values()]


def keys(
    mode, table=TABLE, *, bucket_id="bkt_1", scope="shop", skip=(), uri="file:///data/films.csv", **more
):
    columns = ("sku", "title") if mode == "columns" else ()
    positions = ["0", "31", "62", "93"] if mode == "position" else None
    keyer = row_keyer(mode, **{"bucket_id": bucket_id, "scope": scope, "columns": columns} | more)
    return keyer.keys(list(table), plain(table), first_row=0, uri=uri, positions=positions, skip=skip)


# A change here doubles every run that is half done at the time of the upgrade: see KEY_VERSION.
GOLDEN = {
    "content": [
        "mxp1-eb9c01e7fc69f248a50f3e39b8e2d1bea4219c1b",
        "mxp1-9f620028e1fa3a79164f068b7e93d9ad735ab8f1",
        "mxp1-e5b55c704085458f78fc67c2751d323fbef5ff42",
        "mxp1-a7c5f6be4b3cfc2a8884288c2a2e0da03ace055e",
    ],
    "position": [
        "mxp1-0a393af5015387d36a1e76f6fef86e5c34c982b7",
        "mxp1-1a63e3dc3a31763dad108ef942c7876a1579077a",
        "mxp1-f9b20ab1606045fda8dceb64bbdc3aef9e77048d",
        "mxp1-e8d40ff91e7ee6e0cf8debee18fff62fffeae236",
    ],
    "columns": [
        "mxp1-d576acb16609e1201b1c419de7f4623b24d56b43",
        "mxp1-124b9a0bc8d66784ebf3c034f905905338403144",
        None,
        None,
    ],
}


@pytest.mark.parametrize("mode", ["content", "position", "columns"])
def test_golden_keys(mode):
    assert keys(mode).keys == GOLDEN[mode]


def test_golden_canonical_row():
    columns = sorted(zip(TABLE, plain(TABLE), strict=True))
    assert next(canonical_rows(columns)) == (
        b'"made":"1963-02-14"\n'
        b'"price":12.5\n'
        b'"raw":bytes:4:' + blake2b(b"\x89PNG", digest_size=32).hexdigest().encode() + b"\n"
        b'"sku":"A-1"\n'
        b'"sold":true\n'
        b'"tags":["a",null]\n'
        b'"title":"8\\u00bd \\"quoted\\"\\n"\n'
    )


def test_keys_do_not_depend_on_the_process():
    program = (
        "from airflow_provider.mixpeek.ingest._identity import row_keyer\n"
        "keyer = row_keyer('content', bucket_id='bkt_1', scope='shop')\n"
        "print(*keyer.keys(['sku'], [['A-1', 'A-1']], first_row=0).keys)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {" ".join(keys("content", {"sku": ["A-1", "A-1"]}).keys) + "\n"}


@pytest.mark.parametrize("mode", ["content", "position", "columns"])
def test_keys_are_short_ascii_and_say_their_version(mode):
    for key in filter(None, keys(mode).keys):
        assert key.startswith(KEY_VERSION)
        assert key.isascii()
        assert len(key) <= 255


@pytest.mark.parametrize("mode", ["content", "position", "columns"])
@pytest.mark.parametrize("other", [{"bucket_id": "bkt_2"}, {"scope": "other"}])
def test_bucket_and_scope_enter_in_every_mode(mode, other):
    assert not set(keys(mode).keys) - {None} & set(keys(mode, **other).keys)


def test_scope_and_bucket_cannot_be_shifted_into_one_another():
    assert keys("content", bucket_id="a", scope="bc").keys != keys("content", bucket_id="ab", scope="c").keys


def test_modes_share_no_key():
    one = {"sku": ["A-1"]}
    made = [
        row_keyer("content", bucket_id="b", scope="s").keys(list(one), plain(one), first_row=0),
        row_keyer("columns", bucket_id="b", scope="s", columns=["sku"]).keys(
            list(one), plain(one), first_row=0
        ),
        row_keyer("position", bucket_id="b", scope="s").keys(
            list(one), plain(one), first_row=0, uri="u", positions=["0"]
        ),
    ]
    assert len({key for each in made for key in each.keys}) == 3


@pytest.mark.parametrize("mode", ["content", "position", "columns"])
def test_the_order_of_columns_does_not_show(mode):
    turned = dict(reversed(TABLE.items()))
    assert keys(mode, turned).keys == keys(mode).keys


@pytest.mark.parametrize("mode", ["content", "position", "columns"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_size_of_blocks_does_not_show(mode, size):
    keyer = row_keyer(
        mode,
        bucket_id="bkt_1",
        scope="shop",
        columns=("sku", "title") if mode == "columns" else (),
    )
    columns = plain(TABLE)
    cut = []
    for start in range(0, 4, size):
        part = slice(start, start + size)
        cut += keyer.keys(
            list(TABLE),
            [values[part] for values in columns],
            first_row=start,
            uri="file:///data/films.csv",
            positions=["0", "31", "62", "93"][part] if mode == "position" else None,
        ).keys
    assert cut == keys(mode).keys


def test_a_column_that_is_absent_everywhere_does_not_show():
    assert keys("content", TABLE | {"new": [None, math.nan, None, None]}).keys == keys("content").keys


def test_content_tells_equal_rows_apart_by_their_number_only():
    first, second, third, fourth = keys("content").keys
    assert len({first, second, third, fourth}) == 4
    turned = {name: [cells[index] for index in (3, 2, 0, 1)] for name, cells in TABLE.items()}
    # Equal rows are interchangeable, so the first of them has the first key.
    assert keys("content", turned).keys == [fourth, first, third, second]


def test_content_counts_all_the_equal_rows_that_came_before():
    assert len(set(keys("content", {"sku": ["A"] * 5}).keys)) == 5


def test_content_does_not_count_rows_that_are_not_sent():
    skipped = keys("content", skip={0})
    assert skipped.keys == [None, keys("content").keys[1], keys("content").keys[0], keys("content").keys[3]]


def test_position_is_the_place_and_the_row():
    assert len(set(keys("position").keys)) == 4
    elsewhere = keys("position", uri="file:///data/other.csv")
    assert not set(elsewhere.keys) & set(keys("position").keys)
    changed = keys("position", TABLE | {"price": [12.5, 9.0, 12.6, None]})
    assert [a == b for a, b in zip(changed.keys, keys("position").keys, strict=True)] == [
        True,
        True,
        False,
        True,
    ]


def test_positions_are_those_of_the_file_that_a_block_is_from():
    keyer = row_keyer("position", bucket_id="bkt_1", scope="shop")
    made = []
    for uri in ("file:///data/a.csv", "file:///data/b.csv", "file:///data/a.csv"):
        made.append(keyer.keys(["sku"], [["A"]], first_row=0, uri=uri, positions=["0"]).keys)
        alone = row_keyer("position", bucket_id="bkt_1", scope="shop")
        assert made[-1] == alone.keys(["sku"], [["A"]], first_row=0, uri=uri, positions=["0"]).keys
    assert made[0] == made[2] != made[1]


def test_position_keeps_counting_positions_past_skipped_rows():
    assert keys("position", skip={1}).keys == [keys("position").keys[i] if i != 1 else None for i in range(4)]


def test_columns_are_the_named_ones_and_nothing_else():
    changed = {"title": TABLE["title"], "sku": TABLE["sku"], "price": [1, 2, 3, 4]}
    assert keys("columns", changed).keys == keys("columns").keys
    renamed = keys("columns", {"SKU": TABLE["sku"], "title": TABLE["title"]}, columns=("SKU", "title"))
    assert renamed.keys[0] != keys("columns").keys[0]
    assert keys("columns", columns=("title", "sku")).keys == keys("columns").keys


def test_columns_refuse_a_key_that_came_before_and_a_blank_one():
    made = keys("columns")
    assert [key is None for key in made.keys] == [False, False, True, True]
    assert made.problems[2] == "its key came before, in row 0; a key names one row of a run"
    assert made.problems[3] == "column 'sku': it is part of the key, and blank"


@pytest.mark.parametrize("blank", [None, "", " \t\n", "\u00a0", math.nan])
def test_blank_is_absent_or_white_space(blank):
    made = keys("columns", {"sku": ["A", blank], "title": ["t", "t"]})
    assert list(made.problems) == [1]
    made = keys("columns", {"sku": [0, False], "title": ["t", "t"]})
    assert made.problems == {}


def test_columns_name_the_first_row_across_blocks():
    keyer = row_keyer("columns", bucket_id="b", scope="s", columns=["sku"])
    keyer.keys(["sku"], [["A", "B"]], first_row=0)
    later = keyer.keys(["sku"], [["C", "B", "C"]], first_row=2)
    assert "in row 1;" in later.problems[1]
    assert "in row 2;" in later.problems[2]


def test_columns_let_a_row_that_is_not_sent_claim_no_key():
    made = keys("columns", skip={0})
    assert made.keys[0] is None
    assert made.keys[2] == keys("columns").keys[0]
    assert list(made.problems) == [3]
    assert keys("columns", skip={3}).problems.keys() == {2}


def test_a_keyer_needs_what_its_mode_needs():
    with pytest.raises(ValueError, match="columns are named"):
        row_keyer("columns", bucket_id="b", scope="s")
    with pytest.raises(ValueError, match="columns are named"):
        row_keyer("content", bucket_id="b", scope="s", columns=["sku"])
    keyer = row_keyer("position", bucket_id="b", scope="s")
    for place in ({}, {"uri": "u"}, {"positions": ["0"]}):
        with pytest.raises(ValueError, match="need URI and positions"):
            keyer.keys(["a"], [[1]], first_row=0, **place)


# ---- The encoding as a whole --------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_infinity=False),
    st.text(),
    # What could be mistaken for something else.
    st.sampled_from(
        ["null", "true", "1", '"', "\n", '\n"b":1', "bytes:0:", "#1", "\\", "\x85", "\u2028", "{}"]
    ),
)
values = st.one_of(
    scalars,
    st.binary(max_size=8),
    st.recursive(
        st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=3), scalars, max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
)
rows = st.dictionaries(st.sampled_from(["a", "b", "a:", '"a"', "é", "a\n"]), values, min_size=1, max_size=4)


def meaning(row):
    """What a row says, in a form that compares types too; written without the code under test's help."""

    def of(value):
        if isinstance(value, dict):
            return "dict", tuple(sorted((key, of(item)) for key, item in value.items()))
        if isinstance(value, list):
            return "list", tuple(map(of, value))
        return type(value).__name__, repr(value)

    return tuple(sorted((name, of(value)) for name, value in row.items() if value is not None))


def reference(row):
    text = ""
    for name in sorted(row):
        value = row[name]
        if isinstance(value, bytes):
            shown = f"bytes:{len(value)}:{blake2b(value, digest_size=32).hexdigest()}"
        else:
            shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
        text += "" if value is None else f"{json.dumps(name)}:{shown}\n"
    return text.encode()


@given(st.lists(rows, min_size=1, max_size=6))
def test_rows_encode_equal_exactly_when_they_are_equal(table):
    names = sorted({name for row in table for name in row})
    columns = [(name, plain_column([row.get(name) for row in table]).values) for name in names]
    plain_rows = [{name: cells[index] for name, cells in columns} for index in range(len(table))]
    encoded = list(canonical_rows(columns))
    assert encoded == [reference(row) for row in plain_rows]
    for left, left_row in zip(encoded, plain_rows, strict=True):
        for right, right_row in zip(encoded, plain_rows, strict=True):
            assert (left == right) == (meaning(left_row) == meaning(right_row))
