"""Shards of features become one table, in the form that a classifier asks for."""

import json

import numpy as np
import pytest

from leakboard.api import Unsupported
from leakboard.store.artifacts import Artifacts, Missing
from leakboard.tasks import feature_tables
from leakboard.tasks.feature_tables import Table, Tables, alike

IDS = tuple(f"s{number}" for number in range(6))
SHAPES = [["first", [1, 2, 2]], ["second", [1, 2, 2]]]
ROWS = np.arange(48.0).reshape(6, 8) / 4


@pytest.fixture
def artifacts(tmp_path):
    return Artifacts(tmp_path)


def keep(artifacts, key, values, ids, shapes=SHAPES, columns=None, closer=True):
    meta = {
        "ids": json.dumps(ids),
        "columns": json.dumps(columns or [f"{label}[{place}]" for label, _ in SHAPES for place in range(4)]),
        "larger_is_closer": json.dumps(closer),
        "queries": "1",
        "nfe": "4",
        "seconds": "2.0",
    }
    if shapes is not None:
        meta["shapes"] = json.dumps(shapes)
    artifacts.put(key, {"values": values}, meta, "features")


def halved(artifacts, values=ROWS, **changes):
    keep(artifacts, "one", values[:4], IDS[:4], **changes)
    keep(artifacts, "two", values[4:], IDS[4:], **changes)
    return Tables(artifacts, IDS)


@pytest.mark.parametrize("stored", ["float64", "float32", "float16"])
def test_a_row_holds_one_number_a_column_whatever_was_stored(artifacts, stored):
    table = halved(artifacts, ROWS.astype(stored)).get(("one", "two"), maps=False)

    assert table.values.dtype == np.float64
    assert np.array_equal(table.values, ROWS)
    assert table.columns[:5] == ("first[0]", "first[1]", "first[2]", "first[3]", "second[0]")
    assert (table.queries, table.evaluations, table.seconds) == (1, 4, 4)


@pytest.mark.parametrize("stored", ["float64", "float32", "float16"])
def test_maps_come_one_a_pair_in_the_order_in_which_they_were_flattened(artifacts, stored):
    table = halved(artifacts, ROWS.astype(stored)).get(("one", "two"), maps=True)

    assert table.values.dtype == np.float32
    assert table.values.shape == (6, 2, 1, 2, 2)
    assert table.columns == ("first", "second")
    assert np.array_equal(table.values[3, 1, 0], ROWS[3, 4:].reshape(2, 2))


@pytest.mark.parametrize("maps", [False, True])
def test_smaller_is_closer_turns_every_number_round(artifacts, maps):
    near = halved(artifacts, closer=True).get(("one", "two"), maps=maps).values.copy()
    far = halved(artifacts, closer=False).get(("one", "two"), maps=maps).values

    assert np.array_equal(near, -far)


def test_plain_numbers_are_maps_of_no_extent(artifacts):
    for shapes in (None, [[f"pair {number}", []] for number in range(8)]):
        table = halved(artifacts, shapes=shapes, columns=[f"pair {number}" for number in range(8)])
        found = table.get(("one", "two"), maps=True)
        assert found.values.shape == (6, 8)
        assert found.columns[7] == "pair 7"


def test_maps_of_different_shapes_are_no_maps_and_a_row_all_the_same(artifacts):
    tables = halved(artifacts, shapes=[["first", [4]], ["second", [1, 2, 2]]])

    with pytest.raises(Unsupported, match="the pairs have different ones: 4, 1x2x2"):
        tables.get(("one", "two"), maps=True)
    assert tables.get(("one", "two"), maps=False).values.shape == (6, 8)


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": [*"abcdefgh"]},
        {"shapes": [["first", [2, 2]], ["second", [2, 2]]]},
        {"shapes": [["first", [1, 2, 2]], ["third", [1, 2, 2]]]},
    ],
)
def test_shards_with_other_pairs_do_not_make_a_table(artifacts, changes):
    tables = halved(artifacts)
    keep(artifacts, "two", ROWS[4:], IDS[4:], **changes)

    with pytest.raises(ValueError, match="yielded other pairs for other samples: ") as refused:
        tables.get(("one", "two"), maps=False)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("keys", [("one",), ("two", "one"), ("one", "two", "two")])
def test_shards_of_other_samples_do_not_make_a_table(artifacts, keys):
    with pytest.raises(ValueError, match="features are of other samples"):
        halved(artifacts).get(keys, maps=False)


def test_tables_are_read_once_while_there_is_room_and_the_last_is_always_kept(artifacts, monkeypatch):
    tables = halved(artifacts)
    first = tables.get(("one", "two"), maps=False)
    monkeypatch.setattr(feature_tables, "KEPT", 0)
    maps = tables.get(("one", "two"), maps=True)

    artifacts.drop("one")
    assert tables.get(("one", "two"), maps=True) is maps
    with pytest.raises(Missing):
        tables.get(("one", "two"), maps=False)
    assert first.values.shape == (6, 8)


def table(columns, refusal="", shape=()):
    values = np.arange(2 * len(columns) * int(np.prod(shape)), dtype=float).reshape(2, len(columns), *shape)
    return Table(values, tuple(columns), 1, 4, 2, "", refusal)


def test_tables_that_a_refusal_cut_are_alike_as_far_as_the_shortest_goes():
    """Two shadow victims and the victim, each with a budget of its own; maps are cut pair by pair."""
    tables = alike(table("abcd", shape=(3, 2)), table("abc", "later", (3, 2)), table("ab", "soon", (3, 2)))

    assert {each.columns for each in tables} == {("a", "b")}
    assert {each.values.shape for each in tables} == {(2, 2, 3, 2)}
    assert np.array_equal(tables[0].values, table("abcd", shape=(3, 2)).values[:, :2])
    assert {each.refusal for each in tables} == {"soon; calibrated and evaluated on the first 2 of 4 columns"}


def test_tables_that_are_alike_stay_as_they_are():
    given = [table("ab", "refused"), table("ab", "refused")]

    assert all(mine is theirs for mine, theirs in zip(alike(*given), given, strict=True))


def test_tables_of_maps_of_different_shapes_are_not_alike():
    with pytest.raises(ValueError, match="maps of different shapes"):
        alike(table("ab", shape=(3, 2)), table("ab", shape=(2, 3)))
