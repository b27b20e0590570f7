"""Holm's correction."""

import numpy as np
import pytest

from leakboard.statistics.multiple import holm


def test_each_p_value_is_multiplied_by_the_tests_that_are_left():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_corrected_p_value_is_no_less_than_a_smaller_one_and_at_most_one():
    assert holm([0.6, 0.01, 0.5]) == pytest.approx([1.0, 0.03, 1.0])
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


def test_any_alarm_where_nothing_is_there_is_as_rare_as_the_level():
    drawn = np.random.default_rng(0).random((4000, 8))
    alarms = np.mean([min(holm(row)) < 0.05 for row in drawn])

    assert 0.04 < alarms < 0.06
