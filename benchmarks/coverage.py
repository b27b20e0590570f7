"""How often intervals of the AUC and of the TPR at 1 % FPR hold the truth, by simulation; 95 % is what they say.

Scores are normal, normal with a spread three times as large among members, exponential, or of three levels.

Run: python benchmarks/coverage.py [--draws 2000]
"""

from __future__ import annotations

import argparse
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.statistics.auc import auc
from leakboard.statistics.roc import tpr_at_fpr

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Estimate

AREAS = (0.5, 0.8, 0.95, 0.99, 0.999)
SIZES = ((25, 25), (25, 500), (500, 25), (256, 256), (25, 2000), (2000, 2000))
SHAPES = ("normal", "spread", "exponential", "levels")
LEVELS = (0.5, 1.5)
"""Where normal scores are cut into three levels."""

PROMISED = 0.94
"""Coverage of nominally 95 % intervals, in every setting but those with the name ``spread``."""

PROMISED_AT_SPREAD = 0.91
"""A few members with a spread three times that of the non-members: the hardest case of DeLong's variance."""


class Drawn(NamedTuple):
    """How often the truth was inside, and the mean width."""

    coverage: float
    width: float


def parameters(shape: str, area: float) -> tuple[float, float]:
    """Mean and spread of the members' normal scores, of non-members 0 and 1, for a true AUC; exponential: 0, scale."""
    from scipy.special import ndtri

    if shape == "exponential":
        return 0.0, area / (1 - area)
    spread = 3.0 if shape == "spread" else 1.0
    return float(ndtri(area)) * math.hypot(1, spread), spread


def draw(shape: str, area: float, members: int, nonmembers: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Scores (members + nonmembers,), members first."""
    mean, spread = parameters(shape, area)
    if shape == "exponential":
        return np.concatenate([rng.exponential(spread, members), rng.exponential(1, nonmembers)])
    scores = np.concatenate([rng.normal(mean, spread, members), rng.normal(0, 1, nonmembers)])
    return np.digitize(scores, LEVELS).astype(float) if shape == "levels" else scores


def true_auc(shape: str, area: float) -> float:
    """The AUC of the scores that `draw` draws; cutting into levels lowers it."""
    from scipy.special import ndtr

    if shape != "levels":
        return area
    mean, _ = parameters(shape, area)
    above, below = (np.diff([0, *ndtr(np.array(LEVELS) - centre), 1]) for centre in (mean, 0))
    return float(above @ np.tril(np.ones((3, 3)), -1) @ below + above @ below / 2)


def true_tpr(shape: str, area: float, rate: float) -> float:
    """The TPR at a false-positive rate of normal scores."""
    from scipy.stats import norm

    mean, spread = parameters(shape, area)
    return float(norm.sf((norm.isf(rate) - mean) / spread))


def simulate(measure: str, shape: str, area: float, members: int, nonmembers: int, draws: int) -> Drawn:
    """Coverage and mean width of one measure, ``auc`` or ``tpr``, in one setting."""
    member, rng = np.arange(members + nonmembers) < members, np.random.default_rng(0)
    truth = true_auc(shape, area) if measure == "auc" else true_tpr(shape, area, 0.01)

    def estimate() -> Estimate:
        scores = draw(shape, area, members, nonmembers, rng)
        return auc(scores, member) if measure == "auc" else tpr_at_fpr(scores, member, rate=0.01)

    found = [estimate() for _ in range(draws)]
    inside = [each.low is not None and each.high is not None and each.low <= truth <= each.high for each in found]
    return Drawn(float(np.mean(inside)), float(np.mean([(each.high or 0) - (each.low or 0) for each in found])))


def main() -> None:
    """Print every setting, and fail where fewer intervals than promised hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    short = []
    print("measure  shape        AUC    members+non-members  coverage  width")
    for measure, shape, area, (members, nonmembers) in itertools.product(("auc", "tpr"), SHAPES, AREAS, SIZES):
        if measure == "tpr" and shape not in ("normal", "spread"):
            continue  # the true TPR of normal scores only is known in closed form
        found = simulate(measure, shape, area, members, nonmembers, draws)
        size = f"{members}+{nonmembers}"
        print(f"{measure:<7}  {shape:<11}  {area:<5}  {size:<19}  {found.coverage:8.1%}  {found.width:.4f}", flush=True)
        promised = PROMISED_AT_SPREAD if shape == "spread" else PROMISED
        # three standard errors of the simulation itself
        if found.coverage < promised - 3 * math.sqrt(promised * (1 - promised) / draws):
            short.append(f"{measure} {shape} {area} {size}: {found.coverage:.1%}")
    print(f"below the promise: {'; '.join(short) or 'none'}")
    raise SystemExit(bool(short))


if __name__ == "__main__":
    main()
