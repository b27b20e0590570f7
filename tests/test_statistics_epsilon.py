"""A lower bound on epsilon from one run: against sums written out, and as often right as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.scores import drawn
from leakboard.statistics.epsilon import Guesses, epsilon, guessed, guesses_of, highest_epsilon, lower_bound


def slow_chances(right, made, samples, epsilon, delta):
    """Theorem 5.2 of the paper, term by term."""
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    terms = [math.comb(made, k) * p**k * (1 - p) ** (made - k) for k in range(made + 1)]
    beta = math.fsum(terms[right:])
    alpha = max(2 / i * math.fsum(terms[max(0, right - i) : right]) for i in range(1, samples + 1))
    return beta + alpha * samples * delta


def slow_bound(guesses, delta, level=0.95):
    """The largest multiple of 1/100 at which so many right guesses are still too unlikely, walked up to; 0 for none."""
    step = 0
    while slow_chances(*guesses, (step + 1) / 100, delta) < 1 - level:
        step += 1
    return step / 100


def null(seed, members, nonmembers):
    """Scores that know nothing of who is a member."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=members + nonmembers), rng.permutation(np.arange(members + nonmembers) < members)


@pytest.mark.parametrize("delta", [0.0, 1e-5, 1e-3])
@pytest.mark.parametrize(
    "guesses", [(10, 10, 10), (10, 10, 40), (9, 10, 40), (14, 20, 25), (6, 10, 10), (30, 32, 64), (0, 5, 9), (5, 9, 9)]
)
def test_the_bound_is_that_of_sums_written_out(guesses, delta):
    found, slow = lower_bound(Guesses(*guesses), delta=delta), slow_bound(guesses, delta)
    assert slow <= found < slow + 0.01
    if found:
        assert slow_chances(*guesses, found, delta) == pytest.approx(0.05, rel=1e-4)


def test_guesses_that_are_all_right_show_no_more_than_the_ceiling():
    """One-sided, 95 %, pure: the e with (e^e / (1 + e^e))^256 = .05."""
    assert [round(highest_epsilon(count), 2) for count in (50, 100, 256, 1000)] == [2.78, 3.49, 4.44, 5.81]
    assert (highest_epsilon(1), highest_epsilon(4)) == (0, 0)
    share = 1 / (1 + math.exp(-highest_epsilon(256)))
    assert share**256 == pytest.approx(0.05)
    assert highest_epsilon(10**9) == pytest.approx(math.log(10**9 / -math.log(0.05)), abs=1e-6)


def test_figures_that_others_print():
    """Of 512 guesses 80 %, and 60 %; of 2,000 guesses 55 %."""
    found = [lower_bound(Guesses(round(share * made), made, made)) for share, made in ((0.8, 512), (0.6, 512))]
    assert [round(each, 2) for each in found] == [1.21, 0.25]
    assert lower_bound(Guesses(1100, 2000, 2000)) == pytest.approx(0.13, abs=0.005)


def test_a_perfect_attack_reaches_the_ceiling_of_its_samples():
    member = np.arange(512) < 256
    found = epsilon(member + 0.0, member)
    assert found.value == highest_epsilon(guessed(256, 256))
    assert round(found.value, 2) == 4.44
    assert "256 samples give 4.44 at most" in found.method
    assert (found.low, found.high) == (None, None)


def test_an_untrained_victim_has_none_but_for_one_in_twenty():
    """Scores that know nothing, in a random half of fixed size; the number of guesses was chosen for the best."""
    found = [epsilon(*null(seed, 60, 60)).value for seed in range(2000)]
    assert np.mean(np.array(found) > 0) <= 0.055
    assert np.median(found) == 0


@pytest.mark.parametrize("true", [0.5, 2.0])
def test_the_bound_is_below_a_known_epsilon_as_often_as_it_says(true):
    """Randomized response is exactly that private: it tells the truth with probability e^e / (1 + e^e)."""
    rng = np.random.default_rng(1)
    above = 0
    for _ in range(1500):
        member = rng.permutation(np.arange(240) < 120)
        honest = rng.random(240) < 1 / (1 + math.exp(-true))
        above += epsilon(np.where(honest, member, ~member) + 0.0, member).value > true
    assert above / 1500 <= 0.055


def test_a_strong_attack_is_shown_to_be_one():
    found = [epsilon(*drawn(seed, 500, 500, 2.0)).value for seed in range(20)]
    assert 1.5 < np.mean(found) < 3.2


def test_no_more_is_guessed_of_the_larger_side():
    """With nine non-members for each member "no member" is right in nine cases of ten, and shows nothing."""
    scores, member = null(0, 50, 450)
    assert guesses_of(scores, member).samples == guessed(50, 450) == 50
    found = [epsilon(*null(seed, 50, 450)).value for seed in range(400)]
    assert np.mean(np.array(found) > 0) <= 0.06


def test_equal_scores_are_no_guesses_that_the_order_of_rows_decides():
    member = np.arange(400) < 200
    assert epsilon(np.zeros(400), member).value == 0
    assert epsilon(np.zeros(400), ~member).value == 0


@pytest.mark.parametrize(("members", "nonmembers"), [(1, 1), (1, 5), (2, 2), (3, 1)])
def test_few_samples_show_nothing(members, nonmembers):
    member = np.arange(members + nonmembers) < members
    assert epsilon(member + 0.0, member).value == 0
