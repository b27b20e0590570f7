import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from leakboard.kinds import Sides
from leakboard.tasks import splits
from leakboard.tasks.splits import calibration, choose, permuted, told_groups

POPULATIONS = st.lists(st.booleans(), min_size=4, max_size=60).filter(lambda flags: 2 <= sum(flags) <= len(flags) - 2)


def population(flags):
    return [f"image {number}" for number in range(len(flags))], np.array(flags)


def shuffled(ids, member, order):
    return [ids[row] for row in order], member[order]


def names(ids, mask):
    return {sample for sample, flag in zip(ids, mask, strict=True) if flag}


@given(POPULATIONS, st.integers(0, 40), st.integers(0, 40))
def test_as_many_of_each_side_are_chosen_as_are_wanted_and_none_twice(flags, members, nonmembers):
    """Nothing is cut: 0 takes all of a side, however many the other has."""
    ids, member = population(flags)
    rows = choose(ids, member, Sides(members, nonmembers))

    assert len(rows) == len(set(rows))
    assert member[rows].sum() == min(members or len(flags), sum(flags))
    assert (~member[rows]).sum() == min(nonmembers or len(flags), len(flags) - sum(flags))


@given(POPULATIONS)
def test_more_samples_append_to_whole_blocks(flags):
    """So that what was measured on fewer samples is not measured again."""
    ids, member = population(flags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "BLOCK", 8)
        most = min(sum(flags), len(flags) - sum(flags))
        everything = choose(ids, member, Sides(most, most))
        for per_side in range(1, most + 1):
            whole = 2 * per_side // 8 * 8
            assert choose(ids, member, Sides(per_side, per_side))[:whole] == everything[:whole]
            assert member[everything[:whole]].sum() * 2 == whole


def test_unequal_sides_are_mixed_evenly_and_grow_in_proportion_too():
    ids, member = population([True] * 400 + [False] * 4000)
    fewer, more = choose(ids, member, Sides(160, 1120)), choose(ids, member, Sides(320, 2240))

    assert more[: len(fewer)] == fewer
    flags = member[more]
    assert {int(flags[start : start + 64].sum()) for start in range(0, len(flags), 64)} == {8}
    places = np.arange(len(flags))
    for score in (places % 2, places, places % 64, places % 8):
        assert roc_auc_score(flags, score) == pytest.approx(0.5, abs=0.04)


def test_the_place_of_a_sample_tells_nothing_of_its_side():
    """Neither parity, nor the place in the whole or in a block, nor the neighbour: an observer sees them all."""
    ids, member = population([True, False] * 10_000)
    flags = member[choose(ids, member, Sides())]
    places = np.arange(len(flags))

    for score in (places % 2, places, places % 64, places % 8):
        assert roc_auc_score(flags, score) == pytest.approx(0.5, abs=0.02)
    assert (flags[1:] == flags[:-1]).mean() == pytest.approx(0.5, abs=0.02)


@given(POPULATIONS, st.randoms(), st.integers(0, 3), st.floats(0.05, 0.95))
def test_everything_follows_the_ids_not_the_positions(flags, random, seed, share):
    ids, member = population(flags)
    order = list(range(len(ids)))
    random.shuffle(order)
    other_ids, other_member = shuffled(ids, member, order)

    assert [ids[row] for row in choose(ids, member, Sides(2, 2))] == [
        other_ids[row] for row in choose(other_ids, other_member, Sides(2, 2))
    ]
    first, second = calibration(ids, member, seed, share), calibration(other_ids, other_member, seed, share)
    assert names(ids, first) == names(other_ids, second)
    assert names(ids, permuted(ids, member, "x")) == names(other_ids, permuted(other_ids, other_member, "x"))


@given(POPULATIONS, st.integers(0, 9), st.floats(0.001, 0.999))
def test_both_halves_hold_both_sides(flags, seed, share):
    ids, member = population(flags)
    mask = calibration(ids, member, seed, share)

    for half in (mask, ~mask):
        assert member[half].any()
        assert not member[half].all()


def test_calibration_takes_its_share_of_each_side():
    ids, member = population([True] * 100 + [False] * 50)
    mask = calibration(ids, member, 0, 0.3)

    assert (mask[:100].sum(), mask[100:].sum()) == (30, 15)


GROUPED = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=6, max_size=60)


@given(GROUPED, st.integers(0, 5), st.floats(0.05, 0.95))
def test_groups_of_a_side_go_to_one_half(rows, seed, share):
    ids, member = population([flag for flag, _ in rows])
    groups = np.array([group for _, group in rows])
    mask = calibration(ids, member, seed, share, groups)

    for side in (member, ~member):
        distinct = np.unique(groups[side])
        if len(distinct) < 2:
            continue
        assert all(len(set(mask[side & (groups == group)])) == 1 for group in distinct)
        assert 0 < mask[side].sum() < side.sum()


def test_a_side_that_is_one_group_is_divided_all_the_same():
    ids, member = population([True] * 6 + [False] * 6)
    mask = calibration(ids, member, 0, 0.5, np.zeros(12, int))

    assert (mask[:6].sum(), mask[6:].sum()) == (3, 3)


def test_groups_of_one_change_nothing_and_pairs_little():
    ids, member = population([True, False] * 100)
    alone = calibration(ids, member, 0, 0.5)

    assert (calibration(ids, member, 0, 0.5, np.arange(200)) == alone).all()
    paired = calibration(ids, member, 0, 0.5, np.arange(200) // 4)
    assert abs(int(paired.sum()) - 100) <= 2


def test_what_is_evaluated_is_told_in_groups_too():
    member = np.array([True, True, True, False, False])
    assert told_groups(np.array([0, 0, 1, 2, 3]), member).startswith(
        "near-duplicates among what was evaluated: 3 members in 2 groups, 2 non-members in 2 groups"
    )
    assert told_groups(np.arange(5), member) == ""


def test_seeds_split_differently_and_repeat_exactly():
    ids, member = population([True, False] * 100)
    splits = [calibration(ids, member, seed, 0.5) for seed in (0, 1, 0)]

    assert (splits[0] == splits[2]).all()
    assert 50 < (splits[0] != splits[1]).sum() < 150


def test_the_split_says_nothing_about_the_choice_of_samples():
    """Independent draws: otherwise the first samples chosen would all calibrate."""
    ids, member = population([True, False] * 200)
    rows = choose(ids, member, Sides(50, 50))

    assert 30 < calibration(ids, member, 0, 0.5)[rows].sum() < 70


@given(POPULATIONS)
def test_permuted_labels_keep_their_number(flags):
    ids, member = population(flags)

    assert permuted(ids, member, "any").sum() == member.sum()


def test_permuted_labels_are_unrelated_to_the_true_ones():
    ids, member = population([True, False] * 500)
    agreement = [(permuted(ids, member, f"cell {number}") == member).mean() for number in range(20)]

    assert abs(np.mean(agreement) - 0.5) < 0.03
    assert len(set(agreement)) > 5
    assert (permuted(ids, member, "a") == permuted(ids, member, "a")).all()


def test_the_choice_is_the_same_on_every_machine_and_in_every_version():
    """Published results name their samples by this rule: changing it makes them incomparable."""
    ids, member = population([True, False] * 8)

    assert choose(ids, member, Sides(3, 3)) == GOLDEN_CHOICE
    assert np.flatnonzero(calibration(ids, member, 0, 0.5)).tolist() == GOLDEN_CALIBRATION
    assert np.flatnonzero(permuted(ids, member, "cell")).tolist() == GOLDEN_PERMUTED


GOLDEN_CHOICE = [9, 7, 8, 10, 15, 14]
GOLDEN_CALIBRATION = [1, 3, 6, 7, 8, 12, 13, 14]
GOLDEN_PERMUTED = [0, 1, 3, 6, 7, 8, 9, 13]
