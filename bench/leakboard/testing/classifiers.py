"""What a classifier owes: finite scores, higher for members, learnt from the labels it is given and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leakboard.testing.checks import Check, Declined, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from leakboard.api import Classifier, Mask, Scorer

    Numbers = npt.NDArray[Any]

SHIFT = 0.8
"""How much closer members are, in standard deviations of a feature."""
MAP = (1, 8, 8)
"""Shape of the maps of a pair, for classifiers that ask for maps."""
SHADOWS = 6


def _calibration(classifier: Classifier, columns: int = 3, count: int = 120, seed: int = 0) -> tuple[Numbers, Mask]:
    """Features oriented as the harness gives them: larger = closer, and members are closer."""
    random = np.random.default_rng(seed)
    member = np.arange(count) % 2 == 0
    if classifier.maps:
        maps = random.normal(size=(count, min(columns, 2), *MAP)) + SHIFT * member[:, None, None, None, None]
        return maps.astype(np.float32), member
    return random.normal(size=(count, columns)) + SHIFT * member[:, None], member


def _shadows(classifier: Classifier, columns: int = 3, count: int = 80) -> tuple[Numbers, Mask]:
    """Features (S, N, ...) of shadow victims, each with members of its own; some samples are closer to all of them."""
    random = np.random.default_rng(2)
    ease = _calibration(classifier, columns, count)[0][None]
    features = ease + random.normal(size=(SHADOWS, *ease.shape[1:])).astype(ease.dtype)
    member = random.random((SHADOWS, count)) < 0.5
    shift = SHIFT * member.reshape(SHADOWS, count, *[1] * (ease.ndim - 2))
    return (features + shift).astype(ease.dtype), member


def _seen(classifier: Classifier, columns: int = 3) -> tuple[Numbers, Mask]:
    """What it is fitted on: samples, or all shadow victims but one."""
    if not classifier.needs_shadows:
        return _calibration(classifier, columns)
    features, member = _shadows(classifier, columns)
    return features[:-1], member[:-1]


def _unseen(classifier: Classifier, columns: int = 3, count: int = 120) -> tuple[Numbers, Mask]:
    """What it scores: other samples, or the same samples as the last shadow victim sees them."""
    if not classifier.needs_shadows:
        return _calibration(classifier, columns, count, 1)
    features, member = _shadows(classifier, columns)
    return features[-1], member[-1]


def _fit(classifier: Classifier, features: Numbers, member: Mask, columns: Sequence[str]) -> Scorer:
    if not classifier.needs_shadows:
        return classifier.fit(features, member, columns)
    scorer = classifier.fit_shadows(features, member, columns)
    assert scorer is not None, "it needs shadow victims, and makes nothing of them: fit_shadows() returned None"
    return scorer


def _scored(classifier: Classifier, features: Numbers, member: Mask, unseen: Numbers) -> Numbers:
    return _scores(_fit(classifier, features, member, _names(unseen)), unseen)


def _of_pair(features: Numbers, unseen: Numbers, pair: int) -> Numbers:
    """A view of what one pair gave of every sample, or of every sample of every shadow victim."""
    place = features.ndim - unseen.ndim + 1
    view: Numbers = np.moveaxis(features, place, 0)[pair]
    return view


def _scores(scorer: Scorer, unseen: Numbers) -> Numbers:
    scores = np.asarray(scorer(unseen))
    assert scores.shape == (len(unseen),), f"scores of shape {scores.shape}, expected ({len(unseen)},)"
    assert np.isfinite(scores).all(), f"{int((~np.isfinite(scores)).sum())} scores are not finite"
    return scores


def _names(features: Numbers) -> list[str]:
    return [f"pair {column}" for column in range(features.shape[1])]


def _auc(scores: Numbers, member: Mask) -> float:
    higher = scores[member][:, None] - scores[~member]
    return float(((higher > 0) + 0.5 * (higher == 0)).mean())


def _numbers(subject: Subject) -> None:
    for columns in (1, 3):
        features, member = _seen(subject.made, columns)
        _scored(subject.made, features, member, _unseen(subject.made, columns, 31)[0])


def _constant(subject: Subject) -> None:
    features, member = _seen(subject.made)
    unseen = _unseen(subject.made)[0]
    for each in (features, unseen):
        _of_pair(each, unseen, 1)[...] = 5.0
    _scored(subject.made, features, member, unseen)
    _scored(subject.made, np.ones_like(features), member, np.ones_like(unseen))


def _members(subject: Subject) -> None:
    features, member = _seen(subject.made)
    unseen, truth = _unseen(subject.made)
    found = _auc(_scored(subject.made, features, member, unseen), truth)
    assert found > 0.5, f"members do not score higher: AUC {found:.3f} on features that separate them"


def _flipped(subject: Subject) -> None:
    if subject.made.needs_shadows:
        raise Declined("its labels are those of shadow victims")
    features, member = _calibration(subject.made)
    unseen, truth = _calibration(subject.made, seed=1)
    right = _auc(_scored(subject.made, features, member, unseen), truth)
    wrong = _auc(_scored(subject.made, features, ~member, unseen), truth)
    assert abs(right + wrong - 1) < 0.05, f"flipping the labels turns an AUC of {right:.3f} into {wrong:.3f}"


def _labels(subject: Subject) -> None:
    """A grid gives no labels to what says that it trains nothing, so it must not need any."""
    features, member = _seen(subject.made)
    unseen = _unseen(subject.made)[0]
    scores, others = (_scored(subject.made, features, labels, unseen) for labels in (member, ~member))
    if subject.made.trains:
        assert (scores != others).any(), "it says that it trains, and other labels change no score"
        return
    assert (scores == others).all(), "it says that it trains nothing, and other labels change its scores"
    _scored(subject.made, features[:0], member[:0], unseen)


def _columns(subject: Subject) -> None:
    features, member = _seen(subject.made)
    unseen = _unseen(subject.made)[0]
    names = _names(unseen)
    one, other = (_fit(subject.made, features, member, columns=given)(unseen) for given in (names, tuple(names)))
    assert names == _names(unseen), "it changed the list of columns in place"
    assert np.array_equal(one, other), "its scores depend on whether the names of columns come in a list or a tuple"


def _batch(subject: Subject) -> None:
    if subject.made.needs_shadows:
        raise Declined("its scores belong to samples by their place")
    features, member = _calibration(subject.made)
    unseen = _calibration(subject.made, count=20, seed=1)[0]
    scorer = subject.made.fit(features, member, _names(features))
    alone = np.concatenate([scorer(row[None]) for row in unseen])
    # networks compute in float32
    relative, absolute = (1e-4, 1e-5) if subject.made.maps else (1e-6, 1e-9)
    assert np.allclose(alone, scorer(unseen), rtol=relative, atol=absolute), (
        "a score depends on the other samples scored with it"
    )


def _repeatable(subject: Subject) -> None:
    features, member = _seen(subject.made)
    unseen = _unseen(subject.made)[0]
    before = features.copy(), member.copy(), unseen.copy()
    first, second = (_scored(subject.made, features, member, unseen) for _ in range(2))
    assert (first == second).all(), "fitted twice on the same samples it scores differently: fix its random state"
    for kept, now in zip(before, (features, member, unseen), strict=True):
        assert (kept == now).all(), "it changed its input in place"


def _from_shadows(subject: Subject) -> None:
    """The last of the synthetic shadow victims is under attack, the others are what is known."""
    found = _attacked(subject.made)
    assert found.auc > 0.5, f"members do not score higher: AUC {found.auc:.3f} from shadow victims"


def _from_flipped_shadows(subject: Subject) -> None:
    if not subject.made.trains:
        raise Declined("it trains nothing")
    right, wrong = (_attacked(subject.made, flipped=flipped).auc for flipped in (False, True))
    assert abs(right + wrong - 1) < 0.05, (
        f"flipping the labels of all shadow victims turns an AUC of {right:.3f} into {wrong:.3f}"
    )


def _by_place(subject: Subject) -> None:
    found = _attacked(subject.made)
    other = found.unseen.copy()
    other[0] = other[1]
    assert np.allclose(_scores(found.scorer, other)[1:], found.scores[1:], rtol=1e-4, atol=1e-5), (
        "a score depends on the features of another sample: scores belong to samples by their place"
    )


class _Attacked(NamedTuple):
    scorer: Scorer
    unseen: Numbers
    scores: Numbers
    auc: float


def _attacked(classifier: Classifier, *, flipped: bool = False) -> _Attacked:
    """The last of the synthetic shadow victims under attack by what the others say, perhaps with turned labels."""
    features, member = _shadows(classifier)
    scorer = _known(classifier, features[:-1], member[:-1] ^ flipped, _names(features[0]))
    scores = _scores(scorer, features[-1])
    return _Attacked(scorer, features[-1], scores, _auc(scores, member[-1]))


def _known(classifier: Classifier, features: Numbers, member: Mask, columns: list[str]) -> Scorer:
    """The scorer that comes of shadow victims, as the harness gets it."""
    scorer = classifier.fit_shadows(features.copy(), member.copy(), columns)
    if scorer is not None:
        return scorer
    return classifier.fit(features.reshape(-1, *features.shape[2:]), member.reshape(-1), columns)


CHECKS = (
    Check("one finite score a sample", _numbers),
    Check("features that never vary", _constant),
    Check("members score higher", _members),
    Check("labels flip the ranking", _flipped),
    Check("labels matter to those that train alone", _labels),
    Check("told the names of columns", _columns),
    Check("independent of the batch", _batch),
    Check("repeatable, inputs untouched", _repeatable),
    Check("learns from shadow victims", _from_shadows),
    Check("labels of shadow victims flip the ranking", _from_flipped_shadows),
    Check("shadow attacks score each sample by itself", _by_place),
)
