"""Contract checks of measures: sound ones pass, and each check finds what it is for."""

import importlib.util
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leakboard.api import Estimate, Measure
from leakboard.statistics.measures import BUILT_IN
from leakboard.testing import measures

PLUGIN = Path(__file__).parent / "plugins" / "kolmogorov_smirnov.py"


def failed(measure):
    """Names of the checks that fail, with what they say."""
    found = {}
    for check in measures.CHECKS:
        try:
            check.run(SimpleNamespace(made=measure))
        except (AssertionError, ValueError) as error:
            found[check.name] = str(error)
    return found


def plugin():
    spec = importlib.util.spec_from_file_location("kolmogorov_smirnov", PLUGIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.leakboard_measures()


@pytest.mark.parametrize("measure", [*BUILT_IN, *plugin()], ids=lambda measure: measure.name)
def test_sound_measures_pass(measure):
    assert failed(measure) == {}


def share(scores, member, threshold):
    return Estimate(float(np.mean(scores[member] > np.median(scores))), None, None, "")


def not_finite(scores, member, threshold):
    return Estimate(np.log(np.var(scores)), None, None, "")


def needs_a_threshold(scores, member, threshold):
    return Estimate(float(np.mean(scores > float(threshold or "none"))), None, None, "")


def of_the_first(scores, member, threshold):
    return Estimate(float(member[0]), None, None, "")


def sorts(scores, member, threshold):
    found = share(scores, member, threshold)
    scores.sort()
    return found


def drifts():
    count = itertools.count()
    return lambda scores, member, threshold: Estimate(1 / (2 + next(count)), None, None, "")


NUMBER, THRESHOLD, ORDER = (
    "a number within its bounds",
    "copes without a threshold",
    "independent of the order of samples",
)
REPEATABLE = "repeatable, inputs untouched"


@pytest.mark.parametrize(
    ("measure", "wrong"),
    [
        (Measure("m", share), set()),
        (Measure("m", share, format="of"), {"format and bounds"}),
        (Measure("m", share, bounds=(1, 0)), {"format and bounds", NUMBER, THRESHOLD, ORDER, REPEATABLE}),
        (Measure("m", lambda *_: 0.5), {NUMBER, THRESHOLD, ORDER, REPEATABLE}),
        (Measure("m", lambda *_: None), {NUMBER}),
        (Measure("m", share, bounds=(0, 0.4)), {NUMBER, THRESHOLD, ORDER, REPEATABLE}),
        (Measure("m", lambda *_: Estimate(0.5, 0.6, 0.7, "")), {NUMBER, THRESHOLD, ORDER, REPEATABLE}),
        (Measure("m", needs_a_threshold), {NUMBER, THRESHOLD, ORDER, REPEATABLE}),
        (Measure("m", of_the_first), {ORDER}),
        (Measure("m", sorts), {REPEATABLE, ORDER}),
        (Measure("m", drifts()), {ORDER, REPEATABLE}),
    ],
    ids=[
        "sound",
        "format",
        "bounds",
        "type",
        "nothing",
        "outside",
        "interval",
        "threshold",
        "order",
        "sorts",
        "drifts",
    ],
)
def test_each_fault_is_found(measure, wrong):
    assert failed(measure).keys() == wrong


def test_numbers_that_are_not_finite_are_found_with_the_scores_that_made_them():
    with np.errstate(divide="ignore", over="ignore"):
        told = failed(Measure("m", not_finite, bounds=(-1e9, 1e9)))
    assert told[NUMBER] == "of scores all alike it makes -inf [None, None], which is not finite"
