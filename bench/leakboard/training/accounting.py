"""What epsilon a training by DP-SGD spends, and how much noise keeps it to one: the accountants of opacus."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from leakboard.api import LeakboardError
from leakboard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

Accountant = Literal["prv", "rdp"]
"""``prv`` composes the privacy loss numerically (Gopi, Lee, Wutschitz 2106.02848) and is tight; ``rdp`` bounds it by
Renyi divergences (Mironov 1702.07476), is somewhat looser, and quick whatever the epsilon."""
HIGHEST = {"prv": 60.0, "rdp": 1000.0}
"""Target up to which an accountant is asked: above it ``prv`` needs gigabytes, and ``rdp`` promises nothing."""
MOST_NOISE = 1e5
"""Noise multiplier that no training needs: more of it lowers no accountant's epsilon any further."""
TOLERANCE = 0.01
"""How far below its target the epsilon may end, or a thousandth of the target if that is more."""


class Sampling(NamedTuple):
    """How a training draws its batches: ``steps`` of them, each sample with a chance of ``rate`` by itself."""

    rate: float
    steps: int


def steps_an_epoch(count: int, batch_size: int) -> int:
    """Poisson batches that are called an epoch: as many as see every one of ``count`` samples once on average."""
    return max(1, round(count / batch_size))


def sampling(count: int, batch_size: int, epochs: int) -> Sampling:
    """That of a training on ``count`` samples, ``batch_size`` of them a step on average."""
    return Sampling(min(1.0, batch_size / count), epochs * steps_an_epoch(count, batch_size))


def usual_delta(count: int) -> float:
    """``count`` ** -1.1: below one in ``count``, at which publishing a random sample would count as private."""
    return float(count**-1.1)


@lru_cache(maxsize=64)
def spent(noise: float, drawn: Sampling, delta: float, accountant: Accountant) -> float:
    """The epsilon at ``delta`` of so many steps of the Gaussian mechanism on Poisson samples; 0 for no step.

    Two data sets are neighbours if one has one sample more than the other.

    Args:
        noise: standard deviation of the noise, in clipping norms.
        drawn: how batches were drawn.
        delta: in (0, 1).
        accountant: whose bound.
    """
    if not drawn.steps:
        return 0.0
    with _accounting():
        from opacus.accountants import create_accountant

        asked = create_accountant(accountant)
        asked.history = [(noise, drawn.rate, drawn.steps)]
        return float(asked.get_epsilon(delta))


@lru_cache(maxsize=64)
def noise_for(epsilon: float, drawn: Sampling, delta: float, accountant: Accountant) -> float:
    """The noise multiplier that keeps a training to an epsilon, and hardly more than that.

    Raises:
        LeakboardError: no noise does, or what is asked for promises nothing.
    """
    if accountant not in get_args(Accountant):
        known = get_args(Accountant)
        raise LeakboardError(
            f"no accountant {accountant!r}", expected=" or ".join(known), nearest=nearest(accountant, known)
        )
    if not 0 < epsilon <= HIGHEST[accountant]:
        raise LeakboardError(
            f"an epsilon of {epsilon:g} cannot be reached by the accountant {accountant!r}",
            expected=f"more than 0, and at most {HIGHEST[accountant]:g}",
            next="accountant='rdp' for more" if accountant == "prv" and epsilon > 0 else "",
        )
    if not 0 < delta < 1:
        raise LeakboardError(f"delta is {delta:g}", expected="more than 0, and less than one in the number of members")
    with _accounting():
        from opacus.accountants.utils import get_noise_multiplier

        lowest = spent(MOST_NOISE, drawn, delta, accountant)
        if epsilon <= lowest + TOLERANCE / 10:
            raise LeakboardError(
                f"an epsilon of {epsilon:g} cannot be reached, whatever the noise",
                where=f"{drawn.steps} steps, each on a share of {drawn.rate:.3g} of the members, delta {delta:.2g}",
                expected=f"more than {lowest:.3g}, the lowest that these steps reach by the accountant {accountant!r}",
                next="a larger epsilon or delta, fewer epochs or a smaller batch_size",
            )
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=drawn.rate,
                steps=drawn.steps,
                accountant=accountant,
                epsilon_tolerance=min(max(TOLERANCE, epsilon / 1000), (epsilon - lowest) / 2),
            )
        )


def check_package() -> None:
    """Refuse to begin what could not be gone on with.

    Raises:
        LeakboardError: opacus is not installed.
    """
    with _accounting():
        import opacus  # noqa: F401 - only whether it can be


@contextmanager
def _accounting() -> Iterator[None]:
    """Opacus, told if it is missing; its advice that a bound could be tighter is for its own developers.

    Raises:
        LeakboardError: it is not installed.
    """
    try:
        # at a sampling rate of 1 the logarithm of a chance of 0 is taken, rightly
        with warnings.catch_warnings(), np.errstate(divide="ignore"):
            warnings.filterwarnings("ignore", "Optimal order is the ", UserWarning)
            yield
    except ModuleNotFoundError as error:
        raise LeakboardError(
            "training with differential privacy needs the package opacus, which is not installed",
            next="pip install 'leakboard[dp]'",
        ) from error


def facts(noise: float, drawn: Sampling, delta: float, accountant: Accountant, **more: Any) -> dict[str, Any]:
    """What a manifest says of the privacy of a checkpoint that was saved after these steps, as ``privacy``."""
    return {
        "epsilon": spent(noise, drawn, delta, accountant),
        "delta": delta,
        "neighbours": "one sample more or less, drawn into batches by Poisson sampling",
        "accountant": accountant,
        "noise_multiplier": noise,
        "sampling_rate": drawn.rate,
        "steps": drawn.steps,
        **more,
    }
