"""A measure of a third party, in one file: what it computes, and that a grid has it."""

from pathlib import Path

import numpy as np
import pytest

import leakboard
from helpers.scores import drawn
from helpers.tiny_grids import PLUGIN as TINY
from leakboard.registry.contract import load_file
from leakboard.store import Store

PLUGIN = Path(__file__).parent / "plugins" / "kolmogorov_smirnov.py"
(MEASURE,) = load_file(PLUGIN).leakboard_measures()


@pytest.mark.parametrize("decimals", [None, 0])
def test_it_is_the_statistic_of_the_two_sample_test(decimals):
    from scipy.stats import ks_2samp

    scores, member = drawn(2, 40, 70, decimals=decimals)
    found = MEASURE.function(scores, member, None)

    assert found.value == pytest.approx(ks_2samp(scores[~member], scores[member], alternative="greater").statistic)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_scores_that_tell_nothing_or_tell_it_the_wrong_way_are_worth_nothing():
    member = np.arange(20) < 10
    assert MEASURE.function(np.zeros(20), member, None).value == 0
    assert MEASURE.function(-member.astype(float), member, None).value == 0
    assert MEASURE.function(member.astype(float), member, None).value == 1


def test_its_interval_covers_at_least_as_often_as_it_says():
    from scipy.stats import norm

    truth = norm.cdf(0.5) - norm.cdf(-0.5)
    member = np.arange(300) < 150
    scores = np.random.default_rng(0).normal(size=(400, 300)) + member
    found = [MEASURE.function(row, member, None) for row in scores]

    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.95


def test_a_grid_with_the_plugin_has_its_number_for_every_cell(tmp_path):
    axes = {"dataset": "tiny", "victim": "linear", "observer": "glance", "distance": "gap", "classifier": "mean"}
    store = Store(tmp_path / "store.db", create=True)

    assert leakboard.run(leakboard.Grid.of(plugins=[TINY, PLUGIN], **axes), store).ok

    (row,) = store.results().query("measure == 'kolmogorov_smirnov'").to_dict("records")
    assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
    assert row["method"] == "Dvoretzky-Kiefer-Wolfowitz"
