"""From scores to numbers: each measure by itself, and what is wrong with one is told."""

import math
import time
from dataclasses import replace

import pytest

from helpers.scores import drawn
from leakboard.api import Estimate, LeakboardError, Measure, Unsupported
from leakboard.statistics.measures import BUILT_IN, evaluate
from leakboard.tasks.measure import Measured, joined, key_of, measure, registered

SCORES, MEMBER = drawn(0, 12, 20)


def rate(scores, member, threshold):
    return Estimate(0.5, 0.25, 0.75, "made up")


def measured(function, **more):
    return measure([Measure("mine", function, **more), Measure("rate", rate)], SCORES, MEMBER, 0.5)


def raises(error):
    def function(scores, member, threshold):
        raise error

    return function


def gives(*numbers):
    return lambda scores, member, threshold: Estimate(*numbers, "made up") if numbers else None


def test_numbers_come_with_their_intervals_and_the_samples_behind_them():
    found = measure(BUILT_IN, SCORES, MEMBER, 0.5)

    assert found.note == ""
    assert [row.measure for row in found.results] == [each.name for each in BUILT_IN]
    assert set(found.measured_by) == {each.name for each in BUILT_IN}
    for row in found.results:
        estimate = evaluate(SCORES, MEMBER, threshold=0.5)[row.measure]
        assert (row.value, row.low, row.high, row.method, row.flag) == estimate
        assert (row.n_member, row.n_nonmember) == (12, 20)


def test_the_built_in_measures_come_through_the_hook_like_any_other(registry):
    assert registered(registry) == BUILT_IN
    assert all("leakboard.hooks" in registry.sources["measure", each.name] for each in BUILT_IN)


def test_a_number_that_cannot_be_told_is_left_out_without_a_word():
    assert [row.measure for row in measured(gives()).results] == ["rate"]
    assert measured(gives()).note == ""
    assert "balanced_accuracy" not in {row.measure for row in measure(BUILT_IN, SCORES, MEMBER, None).results}


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (raises(ValueError("no")), "measure mine: ValueError: no"),
        (raises(SystemExit(3)), "measure mine: SystemExit: 3"),
        (raises(LeakboardError("no", expected="yes")), "measure mine: LeakboardError: no expected: yes"),
        (raises(Unsupported("too few samples")), "measure mine: too few samples"),
        (lambda *_: 0.5, "measure mine: TypeError: it returned 0.5, expected a leakboard.api.Estimate or None"),
        (gives(math.nan, None, None), "measure mine: ValueError: it returned nan [None, None], which is not finite"),
        (gives(0.5, -math.inf, 1), "measure mine: ValueError: it returned 0.5 [-inf, 1.0], which is not finite"),
        (gives(1.5, None, None), "measure mine: ValueError: it returned 1.5, which is not between 0 and 1"),
        (gives(0.5, 0.6, 0.7), "measure mine: ValueError: it returned 0.5, which is outside its interval [0.6, 0.7]"),
        (gives(0.5, None, 0.4), "measure mine: ValueError: it returned 0.5, which is outside its interval [None, 0.4]"),
    ],
)
def test_a_measure_that_fails_costs_its_own_number_and_the_note_says_why(function, told):
    found = measured(function)

    assert [row.measure for row in found.results] == ["rate"]
    assert found.note == told


def test_bounds_are_those_of_the_measure():
    (row, _) = measured(gives(-3, None, None), bounds=(-math.inf, math.inf)).results
    assert (row.value, row.low, row.high) == (-3.0, None, None)


def test_a_measure_that_writes_into_its_scores_fails_and_spoils_nothing():
    def sorts(scores, member, threshold):
        scores.sort()
        return gives(0.5, None, None)(scores, member, threshold)

    before = SCORES.copy()
    found = measured(sorts)
    assert "read-only" in found.note
    assert (before == SCORES).all()
    assert SCORES.flags.writeable


def test_a_measure_that_hangs_is_stopped():
    def hangs(scores, member, threshold):
        time.sleep(60)

    found = measure([Measure("mine", hangs), Measure("rate", rate)], SCORES, MEMBER, None, timeout=0.05)

    assert found.note == "measure mine: took longer than 0.05 s"
    assert len(found.results) == 1


def test_only_what_came_to_an_end_is_noted_as_measured():
    """A number that cannot be told is an answer; a failure is none, and is tried again."""
    told, failed = measured(gives()), measured(raises(ValueError("no")))

    assert told.measured_by.keys() == {"mine", "rate"}
    assert failed.measured_by.keys() == {"rate"}
    assert told.measured_by["rate"] == failed.measured_by["rate"] == key_of(Measure("rate", rate))


def test_what_is_measured_again_takes_the_place_of_what_it_gave_before_and_all_else_stays():
    rows = {row.measure: row for row in measure(BUILT_IN, SCORES, MEMBER, 0.5).results}
    auc, accuracy, newer = rows["auc"], rows["balanced_accuracy"], replace(rows["auc"], value=0.25)
    note = "refused more\nmeasure mine: ValueError: no\nmeasure absent: late\nmeasure mine too: late"
    before = Measured((auc, accuracy), note, {"auc": "old", "balanced_accuracy": "kept", "mine": "old"})

    after = joined(before, ["auc", "mine"], Measured((newer,), "measure mine: later", {"auc": "new"}))

    assert after.results == (accuracy, newer)
    assert after.note.splitlines() == [
        "refused more",
        "measure absent: late",
        "measure mine too: late",
        "measure mine: later",
    ]
    assert after.measured_by == {"auc": "new", "balanced_accuracy": "kept"}


def test_the_key_of_measures_follows_the_code_of_plugins(tmp_path, load):
    text = """
        import leakboard
        from leakboard.api import Estimate, Measure

        def half(scores, member, threshold):
            value = NUMBER
            return Estimate(value, None, None, "")

        @leakboard.hookimpl
        def leakboard_measures():
            return [Measure("half", half)]
    """
    one = registered(load(text.replace("NUMBER", "0.5"), "one.py"))
    comment = text.replace('None, "")', 'None, "")  # a comment')
    again = registered(load(comment.replace("NUMBER", "0.5"), "again.py"))
    other = registered(load(text.replace("NUMBER", "0.25"), "other.py"))

    assert one[:-1] == BUILT_IN
    assert [key_of(each) for each in one] == [key_of(each) for each in again]
    assert [key_of(each) for each in one[:-1]] == [key_of(each) for each in other[:-1]]
    assert key_of(one[-1]) != key_of(other[-1])


def test_the_key_of_a_measure_follows_its_bounds_and_not_how_it_is_shown():
    """Bounds decide which numbers are stored; title and format only how they are written."""
    plain = Measure("rate", rate)

    assert key_of(plain) == key_of(replace(plain, title="A rate", format=".1f"))
    assert key_of(plain) != key_of(replace(plain, bounds=(-1.0, 1.0)))
