"""CLiD's statistic of losses with and without the caption."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers.boosted_trees import boosted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer

CAPTION = "caption"
"""What the columns of the whole caption are called, after the timestep."""


@dataclass(frozen=True, kw_only=True)
class Clid(Classifier):
    """Conditional likelihood discrepancy (Zhai et al. 2024, arXiv 2405.14800), of ``conditional_loss``.

    ``threshold`` is alpha RS(mean over reduced captions of D) + (1 - alpha) RS(L): D is how much a reduced caption
    raises the loss, L the loss with the caption, its sign turned, and RS robust scaling fitted on calibration samples.
    ``vector`` gives all D and L to boosted trees.

    Attributes:
        alpha: weight of the discrepancy.
        form: ``threshold`` or ``vector``.
    """

    name: ClassVar[str] = "clid"
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "only its scaling is fitted"}
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    form: Literal["threshold", "vector"] = "threshold"

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer (M, K) to (M,).

        Raises:
            Unsupported: the columns are not those of ``conditional_loss``.
        """
        kinds = kinds_of(columns)
        before = discrepancies(features, kinds)
        if self.form == "vector":
            score = boosted(before, member)
            return lambda unseen: score(discrepancies(unseen, kinds))
        centre, spread = robust(two(before))
        weights = np.array([self.alpha, 1 - self.alpha])
        return lambda unseen: np.asarray((two(discrepancies(unseen, kinds)) - centre) / spread @ weights, np.float64)


def kinds_of(columns: Sequence[str]) -> dict[str, list[int]]:
    """Places of the columns of each form of the caption, the whole one first.

    Raises:
        Unsupported: there is no whole caption, or nothing beside it.
    """
    found = defaultdict[str, list[int]](list)
    for place, name in enumerate(columns):
        found[name.partition(" ")[2]].append(place)
    if CAPTION not in found or len(found) < 2:
        raise Unsupported("clid needs the pairs of the observer conditional_loss")
    return {CAPTION: found.pop(CAPTION), **found}


def discrepancies(features: Array, kinds: Mapping[str, list[int]]) -> Array:
    """(N, reduced forms + 1): how much each reduced form raises the loss, and minus the loss with the caption."""
    means = {kind: features[:, places].mean(1) for kind, places in kinds.items()}
    whole = means.pop(CAPTION)
    return np.column_stack([*(whole - reduced for reduced in means.values()), whole])


def two(values: Array) -> Array:
    """(N, 2): the mean discrepancy, and minus the loss."""
    return np.column_stack([values[:, :-1].mean(1), values[:, -1]])


def robust(values: Array) -> tuple[Array, Array]:
    """Median and interquartile range of each column; a range of 0 counts as 1."""
    low, middle, high = np.percentile(values, (25, 50, 75), axis=0)
    return middle, np.where(high > low, high - low, 1.0)
