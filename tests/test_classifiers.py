"""Classifiers: higher for members, symmetric in the labels, calm about degenerate features."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from leakboard.api import Unsupported
from leakboard.errors import LeakboardError
from leakboard.registry.bind import build
from leakboard.registry.specs import Spec
from leakboard_plugins.classifiers import (
    CLASSIFIERS,
    DecisionTree,
    Knn,
    LogisticRegression,
    NaiveBayes,
    RandomForest,
    Ratio,
    Svm,
    Threshold,
)

TRAINED = [LogisticRegression(), Svm(), DecisionTree(), NaiveBayes(), Knn(), Knn(k=4, weights="distance")]
TRAINED += [RandomForest(trees=9)]
ALL = [*TRAINED, Threshold(), Threshold(column=0)]


def checked(cls, **parameters):
    return build(cls, Spec(cls.name, tuple(parameters.items())))


def samples(n=200, columns=3, shift=1.5, seed=0):
    """Members lie ``shift`` standard deviations higher in every column; columns differ in scale and offset."""
    rng = np.random.default_rng(seed)
    member = rng.permutation(n) % 2 == 0
    features = rng.normal(size=(n, columns)) + shift * member[:, None]
    return features * 10.0 ** np.arange(columns) + 100, member


def fitted(classifier, features, member):
    """The scorer; columns are called by their number."""
    return classifier.fit(features, member, [f"column {number}" for number in range(features.shape[1])])


@pytest.mark.parametrize("classifier", ALL, ids=str)
def test_members_score_higher_on_unseen_samples(classifier):
    scorer = fitted(classifier, *samples())
    features, member = samples(seed=1)
    scores = scorer(features)
    assert scores.shape == (len(features),)
    assert scores.dtype == np.float64
    assert roc_auc_score(member, scores) > 0.8


@pytest.mark.parametrize("classifier", TRAINED, ids=str)
def test_flipped_labels_flip_the_ranking(classifier):
    features, member = samples()
    unseen, _ = samples(seed=1)
    scores, flipped = (fitted(classifier, features, labels)(unseen) for labels in (member, ~member))
    np.testing.assert_allclose(scores + flipped, scores[0] + flipped[0], rtol=0, atol=0.02)


@pytest.mark.parametrize("classifier", [Threshold(), Threshold(column=1)], ids=str)
def test_threshold_never_looks_at_members(classifier):
    features, member = samples()
    assert np.array_equal(
        fitted(classifier, features, member)(features), fitted(classifier, features, ~member)(features)
    )


def test_threshold_is_the_mean_or_one_column():
    features, member = samples()
    assert np.allclose(fitted(Threshold(), features, member)(features), features.mean(axis=1))
    assert np.array_equal(fitted(Threshold(column=2), features, member)(features), features[:, 2])
    assert np.array_equal(fitted(Threshold(column=-3), features, member)(features), features[:, 0])


@pytest.mark.parametrize("column", [3, -4])
def test_threshold_refuses_a_column_that_is_not_there(column):
    with pytest.raises(Unsupported, match=r"features have 3"):
        fitted(Threshold(column=column), *samples())


@pytest.mark.parametrize("classifier", ALL, ids=str)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -1e-12])
@pytest.mark.parametrize("columns", [1, 3])
def test_constant_features_neither_crash_nor_warn(classifier, value, columns):
    """All columns constant, so nobody can be told apart; the evaluation half may still vary."""
    features, member = np.full((60, columns), value), np.arange(60) % 2 == 0
    scorer = fitted(classifier, features, member)
    assert np.ptp(scorer(features)) == 0
    assert np.isfinite(scorer(features + np.linspace(0, 1, 60)[:, None])).all()


@pytest.mark.parametrize("classifier", ALL, ids=str)
def test_one_constant_column_does_no_harm(classifier):
    features, member = samples()
    features[:, 1] = 120.0
    assert roc_auc_score(member, fitted(classifier, features, member)(features)) > 0.8


@pytest.mark.parametrize("classifier", ALL, ids=str)
def test_a_score_depends_on_its_own_row_alone(classifier):
    scorer = fitted(classifier, *samples())
    features, _ = samples(n=30, seed=1)
    alone = np.concatenate([scorer(row[None]) for row in features])
    np.testing.assert_allclose(scorer(features), alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("classifier", ALL, ids=str)
def test_fitting_twice_gives_the_same_scores_and_leaves_the_input_alone(classifier):
    features, member = samples()
    before = features.copy()
    first, second = (fitted(classifier, features, member)(features) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(features, before)


@pytest.mark.parametrize("classifier", [LogisticRegression(), Svm(), NaiveBayes(), Knn()], ids=str)
def test_the_scale_of_the_features_does_not_matter(classifier):
    features, member = samples()
    stretched = features * [1e-3, 7.0, 1e5]
    scores = fitted(classifier, features, member)(features)
    np.testing.assert_allclose(scores, fitted(classifier, stretched, member)(stretched), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("classifier", TRAINED, ids=str)
@pytest.mark.parametrize("everybody", [True, False])
def test_training_needs_both_kinds(classifier, everybody):
    with pytest.raises(Unsupported, match="members and non-members"):
        fitted(classifier, samples()[0], np.full(200, everybody))


def test_knn_needs_as_many_samples_as_neighbours():
    with pytest.raises(Unsupported, match="there are 10"):
        fitted(Knn(k=11), *samples(n=10))


def test_naive_bayes_does_not_saturate():
    """Probabilities would tie at 1.0 for all but the closest samples, and spoil the TPR at a low FPR."""
    features, member = samples(shift=40)
    scores = fitted(NaiveBayes(), features, member)(features)
    assert len(np.unique(scores)) == len(scores)


def test_parameters_reach_the_model():
    features, member = samples()

    def spread(classifier):
        return np.ptp(fitted(classifier, features, member)(features))

    assert spread(LogisticRegression(C=1e-4)) < spread(LogisticRegression())
    assert spread(NaiveBayes(var_smoothing=10.0)) < spread(NaiveBayes())
    assert len(np.unique(fitted(DecisionTree(max_depth=1), features, member)(features))) == 2
    assert spread(DecisionTree(max_depth=None, min_samples_leaf=1)) == 1
    assert set(fitted(Knn(k=1), features, member)(features)) == {0.0, 1.0}
    kernels = [
        fitted(Svm(kernel=kernel, gamma=0.1), features, member)(features) for kernel in ("linear", "rbf", "poly")
    ]
    assert all(not np.allclose(one, other) for one, other in pairwise(kernels))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 40), st.integers(1, 4), st.floats(-6, 6))
def test_scores_are_finite_whatever_the_features(seed, n, columns, exponent):
    rng = np.random.default_rng(seed)
    features = rng.choice(rng.normal(size=4), size=(n, columns)) * 10.0**exponent
    member = np.arange(n) % 2 == 0
    for classifier in ALL:
        assert np.isfinite(fitted(classifier, features, member)(features)).all()


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (LogisticRegression, {"C": 0.0}),
        (LogisticRegression, {"C": float("inf")}),
        (LogisticRegression, {"max_iter": 0}),
        (Svm, {"kernel": "precomputed"}),
        (Svm, {"gamma": "wide"}),
        (Svm, {"gamma": float("nan")}),
        (DecisionTree, {"max_depth": 0}),
        (NaiveBayes, {"var_smoothing": 0.0}),
        (Knn, {"k": 0}),
        (Knn, {"weights": "callable"}),
        (Threshold, {"column": "median"}),
        (Threshold, {"column": 1.5}),
    ],
)
def test_senseless_parameters_are_refused(cls, wrong):
    with pytest.raises(LeakboardError, match=next(iter(wrong))):
        checked(cls, **wrong)


def test_ratio_divides_the_mean_by_the_size_of_the_last_column_and_keeps_the_orientation():
    """Of losses, which arrive below zero, and of similarities alike: closer for its complexity scores higher."""
    losses = np.array([[-1.0, -3.0, -4.0], [-2.0, -2.0, -1.0], [-8.0, -8.0, -0.0]])
    scorer = Ratio().fit(losses[:0], np.zeros(0, bool), ["one", "two", "complexity"])

    assert scorer(losses)[:2].tolist() == [-0.5, -2.0]
    assert np.isfinite(scorer(losses)).all()
    assert scorer(-losses)[:2].tolist() == [0.5, 2.0]
    with pytest.raises(Unsupported, match="two or more; the features have 1"):
        Ratio().fit(losses[:, :1], np.zeros(3, bool), ["one"])


def test_defaults_pass_their_own_checks_and_names_are_unique():
    assert all(checked(cls) == cls() for cls in CLASSIFIERS)
    assert len({cls.name for cls in CLASSIFIERS}) == len(CLASSIFIERS) == 22
