"""What a classifier owes: finite scores, higher for members, learnt from the labels it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakboard.testing.checks import Check, Subject

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Array, Classifier

SHIFT = 0.8
"""How much closer members are, in standard deviations of a feature."""


def _calibration(columns: int = 3, count: int = 120, seed: int = 0) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Features oriented as the harness gives them: larger = closer, and members are closer."""
    random = np.random.default_rng(seed)
    member = np.arange(count) % 2 == 0
    return random.normal(size=(count, columns)) + SHIFT * member[:, None], member


def _scored(classifier: Classifier, features: Array, member: npt.NDArray[np.bool_], unseen: Array) -> Array:
    scores = np.asarray(classifier.fit(features, member, _names(features))(unseen))
    assert scores.shape == (len(unseen),), f"scores of shape {scores.shape}, expected ({len(unseen)},)"
    assert np.isfinite(scores).all(), f"{int((~np.isfinite(scores)).sum())} scores are not finite"
    return scores


def _names(features: Array) -> list[str]:
    return [f"pair {column}" for column in range(features.shape[1])]


def _auc(scores: Array, member: npt.NDArray[np.bool_]) -> float:
    higher = scores[member][:, None] - scores[~member]
    return float(((higher > 0) + 0.5 * (higher == 0)).mean())


def _numbers(subject: Subject) -> None:
    for columns in (1, 3):
        features, member = _calibration(columns)
        _scored(subject.made, features, member, _calibration(columns, 31, 1)[0])


def _constant(subject: Subject) -> None:
    features, member = _calibration()
    features[:, 1] = 5.0
    unseen = _calibration(seed=1)[0]
    unseen[:, 1] = 5.0
    _scored(subject.made, features, member, unseen)
    _scored(subject.made, np.ones_like(features), member, np.ones_like(unseen))


def _members(subject: Subject) -> None:
    features, member = _calibration()
    unseen, truth = _calibration(seed=1)
    found = _auc(_scored(subject.made, features, member, unseen), truth)
    assert found > 0.5, f"members do not score higher: AUC {found:.3f} on features that separate them"


def _flipped(subject: Subject) -> None:
    features, member = _calibration()
    unseen, truth = _calibration(seed=1)
    right = _auc(_scored(subject.made, features, member, unseen), truth)
    wrong = _auc(_scored(subject.made, features, ~member, unseen), truth)
    assert abs(right + wrong - 1) < 0.05, f"flipping the labels turns an AUC of {right:.3f} into {wrong:.3f}"


def _batch(subject: Subject) -> None:
    features, member = _calibration()
    unseen = _calibration(count=20, seed=1)[0]
    scorer = subject.made.fit(features, member, _names(features))
    alone = np.concatenate([scorer(row[None]) for row in unseen])
    assert np.allclose(alone, scorer(unseen), rtol=1e-6, atol=1e-9), (
        "a score depends on the other samples scored with it"
    )


def _repeatable(subject: Subject) -> None:
    features, member = _calibration()
    unseen = _calibration(seed=1)[0]
    before = features.copy(), member.copy(), unseen.copy()
    first, second = (_scored(subject.made, features, member, unseen) for _ in range(2))
    assert (first == second).all(), "fitted twice on the same samples it scores differently: fix its random state"
    for kept, now in zip(before, (features, member, unseen), strict=True):
        assert (kept == now).all(), "it changed its input in place"


CHECKS = (
    Check("one finite score a sample", _numbers),
    Check("features that never vary", _constant),
    Check("members score higher", _members),
    Check("labels flip the ranking", _flipped),
    Check("independent of the batch", _batch),
    Check("repeatable, inputs untouched", _repeatable),
)
