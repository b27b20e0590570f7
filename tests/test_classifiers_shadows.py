"""Shadow attacks against other derivations of their formulas, and what they do where shadow victims are few."""

import math
from statistics import NormalDist, fmean

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from leakboard.api import Unsupported
from leakboard.tasks.fit import Labelled, by_shadows
from leakboard.testing import check_component, summarize
from leakboard.training.shadows import half
from leakboard_plugins.classifiers import CalibratedLoss, Lira, LiraOffline, Quantile, Rmia

SHADOW_ATTACKS = [Lira(), LiraOffline(), Rmia(), CalibratedLoss()]
COLUMNS = ("draw 0", "draw 1", "draw 2")


def victims(count, samples=60, leak=1.0, seed=0):
    """Features (S, N, 3) of victims on complementary halves, oriented: samples differ far more than members do."""
    random = np.random.default_rng(seed)
    ids = [f"image {row}" for row in range(samples)]
    member = np.stack([half(f"recipe {seed}", number, ids) for number in range(count)])
    ease = random.normal(-20, 4, size=(samples, 1))
    width = random.uniform(0.5, 2, size=(samples, 1))
    return ease + width * random.normal(size=(count, samples, 3)) + leak * member[..., None], member


def attacked(classifier, features, member):
    """Scores of the last victim by what the classifier learns of the others, without its complement."""
    return classifier.fit_shadows(features[:-2], member[:-2], COLUMNS)(features[-1])


def spread(values):
    """Unbiased variance, in plain numbers."""
    center = fmean(values)
    return sum((value - center) ** 2 for value in values) / (len(values) - 1)


@pytest.mark.parametrize("few", [2, 64])
def test_lira_is_the_log_ratio_of_two_gaussians_a_sample(few):
    features, member = victims(18)
    scores = attacked(Lira(few=few), features, member)
    mean = features.mean(2)
    sides = [[[mean[s, i] for s in range(16) if member[s, i] == side] for i in range(60)] for side in (True, False)]
    if few == 2:
        variances = [[spread(values) for values in side] for side in sides]
    else:  # eight shadow victims on each side of every sample: the pooled variance is the mean of their variances
        variances = [[fmean(spread(values) for values in side)] * 60 for side in sides]
    for sample in range(60):
        inside, outside = (
            NormalDist(fmean(side[sample]), math.sqrt(variance[sample]))
            for side, variance in zip(sides, variances, strict=True)
        )
        seen = mean[-1, sample]
        expected = math.log(inside.pdf(seen) / outside.pdf(seen))
        assert scores[sample] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("few", [2, 64])
def test_offline_lira_ranks_as_the_one_sided_likelihood_does(few):
    features, member = victims(18)
    scores = attacked(LiraOffline(few=few), features, member)
    mean = features.mean(2)
    outside = [[mean[s, i] for s in range(16) if not member[s, i]] for i in range(60)]
    pooled = fmean(map(spread, outside))
    for sample, values in enumerate(outside):
        fitted = NormalDist(fmean(values), math.sqrt(spread(values) if few == 2 else pooled))
        assert NormalDist().cdf(scores[sample]) == pytest.approx(fitted.cdf(mean[-1, sample]), rel=1e-9)


@pytest.mark.parametrize(("a", "gamma", "scale"), [(0.3, 1.0, 1.0), (1.0, 2.0, 0.5), (0.0, 0.5, 1.0)])
def test_rmia_is_the_share_of_others_that_a_sample_beats(a, gamma, scale):
    features, member = victims(18)
    features = features / 20
    scores = attacked(Rmia(a=a, gamma=gamma, scale=scale), features, member)
    mean = features.mean(2)
    ratios = []
    for sample in range(60):
        out = fmean(math.exp(scale * mean[s, sample]) for s in range(16) if not member[s, sample])
        ratios.append(math.exp(scale * mean[-1, sample]) / (((1 + a) * out + (1 - a)) / 2))
    for sample in range(60):
        others = [ratios[other] for other in range(60) if other != sample]
        expected = sum(ratios[sample] / other >= gamma for other in others) / 59
        assert scores[sample] == pytest.approx(expected, abs=1e-12)


def test_rmia_keeps_likelihoods_that_no_number_can_hold():
    features, member = victims(18)
    scores = attacked(Rmia(a=1.0), features * 1e3, member)

    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 50


def test_calibrated_loss_is_less_the_mean_of_victims_that_never_saw_the_sample():
    features, member = victims(18)
    scores = attacked(CalibratedLoss(), features, member)
    mean = features.mean(2)
    for sample in range(60):
        difficulty = fmean(mean[s, sample] for s in range(16) if not member[s, sample])
        assert scores[sample] == pytest.approx(mean[-1, sample] - difficulty, rel=1e-12, abs=1e-12)


def test_one_reference_victim_is_enough_to_calibrate_by():
    features, member = victims(3)
    scores = CalibratedLoss().fit_shadows(features[:1], member[:1], COLUMNS)(features[2])
    mean = features.mean(2)

    unseen = ~member[0]
    assert np.allclose(scores[unseen], (mean[2] - mean[0])[unseen])
    assert np.allclose(scores[~unseen], mean[2][~unseen] - mean[0][unseen].mean())


def test_with_a_pooled_variance_offline_lira_and_calibrated_loss_rank_alike():
    features, member = victims(18)

    offline, calibrated = (attacked(classifier, features, member) for classifier in (LiraOffline(), CalibratedLoss()))
    assert np.allclose(np.argsort(offline), np.argsort(calibrated))


def test_a_sample_that_lies_on_one_side_throughout_takes_its_missing_mean_from_the_others():
    features, member = victims(6)
    member = member.copy()
    member[:, 0], member[:, 1] = True, False
    mean = features.mean(2)
    gap = np.mean([mean[member[:, i], i].mean() - mean[~member[:, i], i].mean() for i in range(2, 60)])

    scorer = Lira().fit_shadows(features, member, COLUMNS)
    halfway = features[0].copy()
    halfway[0] = mean[:, 0].mean() - gap / 2
    halfway[1] = mean[:, 1].mean() + gap / 2
    inside, outside = (
        np.sum(
            [((mean[s, i] - mean[side[:, i], i].mean()) ** 2) for i in range(60) for s in np.flatnonzero(side[:, i])]
        )
        / np.sum(np.maximum(side.sum(0) - 1, 0))
        for side in (member, ~member)
    )
    expected = 0.5 * (math.log(outside / inside) + gap**2 / 4 * (1 / outside - 1 / inside))
    assert scorer(halfway)[:2] == pytest.approx([expected, expected], rel=1e-9)


@pytest.mark.parametrize("classifier", [Lira(), LiraOffline()], ids=str)
def test_a_pair_of_complements_has_no_variance_and_that_is_said(classifier):
    features, member = victims(2)

    with pytest.raises(Unsupported, match="1 shadow victim on either side of a sample leave no variance"):
        classifier.fit_shadows(features, member, COLUMNS)
    classifier.fit_shadows(*victims(4), COLUMNS)


@pytest.mark.parametrize("classifier", SHADOW_ATTACKS, ids=str)
def test_shadow_victims_that_know_everything_are_refused(classifier):
    features, member = victims(6)

    with pytest.raises(Unsupported, match=r"trained on|two or more"):
        classifier.fit_shadows(features, np.ones_like(member), COLUMNS)


@pytest.mark.parametrize("classifier", SHADOW_ATTACKS, ids=str)
def test_without_shadow_victims_there_is_nothing_to_fit(classifier):
    with pytest.raises(Unsupported, match=f"{classifier.name} compares with shadow victims, and there are none"):
        classifier.fit(np.zeros((4, 2)), np.arange(4) < 2, ["a", "b"])


@pytest.mark.parametrize("classifier", [*SHADOW_ATTACKS, Quantile()], ids=str)
def test_they_keep_to_the_contract(classifier):
    rows = check_component(classifier)

    assert not [row for row in rows if row.outcome == "failed"], summarize(rows)
    assert sum(row.outcome == "ok" for row in rows) >= 13


def auc_of(classifier, leak, seeds=6):
    """Mean AUC of the last of eighteen victims, by its own samples, as the harness calls a classifier."""
    found = []
    for seed in range(seeds):
        features, member = victims(18, samples=300, leak=leak, seed=seed)
        shadows = [Labelled(*shadow) for shadow in zip(features[:-2], member[:-2], strict=True)]
        fitted = by_shadows(classifier, shadows, features[-1], np.ones(300, bool), COLUMNS)
        found.append(roc_auc_score(member[-1], fitted.scores))
    return float(np.mean(found))


@pytest.mark.parametrize("classifier", [Lira(few=2), Lira(), LiraOffline(), CalibratedLoss(), Rmia(a=1.0)], ids=str)
def test_they_tell_members_where_images_differ_more_than_membership_does(classifier):
    """A threshold on the statistic itself cannot; a = 1 keeps the constant of RMIA from drowning such small numbers."""
    features, member = victims(18, samples=300)
    assert roc_auc_score(member[-1], features[-1].mean(1)) < 0.6
    assert auc_of(classifier, leak=1.0) > 0.75


@pytest.mark.parametrize("classifier", SHADOW_ATTACKS, ids=str)
def test_without_a_leak_they_are_at_chance(classifier):
    assert abs(auc_of(classifier, leak=0.0) - 0.5) < 0.04


def described(count=400, seed=0):
    """A statistic that the image explains but for the leak, and the two numbers that describe the image."""
    random = np.random.default_rng(seed)
    member = random.permutation(count) % 2 == 0
    image = random.normal(size=(count, 2))
    reached = 5 * image[:, 0] + np.abs(image[:, 1]) + 0.5 * random.normal(size=count) + member
    return np.column_stack([reached, image]), member


def test_quantile_regression_takes_what_the_image_explains_out_of_the_statistic():
    features, member = described()
    unseen, truth = described(seed=1)

    scores = Quantile().fit(features, member, ["score", "one", "two"])(unseen)
    alone = Quantile().fit(features[:, :1], member, ["score"])(unseen[:, :1])

    assert roc_auc_score(truth, scores) > roc_auc_score(truth, alone) + 0.15


def test_it_is_the_line_of_least_pinball_loss():
    """The same as a linear programme of its own: errors above and below, coefficients of either sign."""
    from scipy.optimize import linprog

    features, member = described(120)
    outside = features[~member]
    count = len(outside)
    reached = (outside[:, 0] - outside[:, 0].mean()) / outside[:, 0].std()
    image = (outside[:, 1:] - outside[:, 1:].mean(0)) / outside[:, 1:].std(0)
    price = np.concatenate([[0, 0], np.full(4, 0.01), np.full(count, 0.8 / count), np.full(count, 0.2 / count)])
    line = np.column_stack([np.ones(count), -np.ones(count), image, -image, np.eye(count), -np.eye(count)])
    found = linprog(price, A_eq=line, b_eq=reached, bounds=(0, None)).x
    quantile = found[0] - found[1] + image @ (found[2:4] - found[4:6])

    scores = Quantile(level=0.8).fit(features, member, ["score", "one", "two"])(outside)
    assert np.allclose(scores, reached - quantile, rtol=1e-4, atol=1e-6)


def test_without_a_description_it_is_the_quantile_of_all_non_members():
    features, member = described()
    expected = np.sort(features[~member, 0])
    place = 0.9 * (len(expected) - 1)
    low = int(place)
    quantile = expected[low] + (place - low) * (expected[low + 1] - expected[low])

    scores = Quantile().fit(features[:, :1], member, ["score"])(features[:, :1])
    assert np.allclose(scores * features[~member, 0].std(), features[:, 0] - quantile, rtol=1e-9)


def test_as_many_non_members_lie_above_the_quantile_as_its_level_says():
    """Of samples that it was not fitted on."""
    features, member = described(1000)
    unseen, truth = described(1000, seed=1)

    scores = Quantile(level=0.8).fit(features, member, ["score", "one", "two"])(unseen)

    assert (scores[~truth] > 0).mean() == pytest.approx(0.2, abs=0.06)


def test_members_have_no_say_in_the_quantile():
    features, member = described()
    other = features.copy()
    other[member] *= 7

    one, two = (Quantile().fit(each, member, ["score", "one", "two"])(features) for each in (features, other))
    assert np.array_equal(one, two)


def test_a_quantile_of_no_non_members_is_refused():
    with pytest.raises(Unsupported, match="needs some among the calibration samples"):
        Quantile().fit(np.zeros((4, 2)), np.ones(4, bool), ["a", "b"])
