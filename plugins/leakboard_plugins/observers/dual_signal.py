"""Signals of the autoencoder beside signals of the denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Need, Observer, Oracle, Pair, Space, Unsupported
from leakboard_plugins.observers.blind_numbers import pair_of
from leakboard_plugins.observers.diffusion import Timesteps, noised

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


NOTHING = 1e-12
"""A mean squared error that is none."""


@dataclass(frozen=True, kw_only=True)
class DualSignal(Observer):
    """The autoencoder's double reconstruction ratio beside denoising losses (arXiv 2606.23872).

    The ratio is the error of the first pass through encoder and decoder over that of a second pass. What an
    autoencoder made is near its own range already, so the two are alike.

    Attributes:
        ts: timesteps of the losses.
    """

    name: ClassVar[str] = "dual_signal"
    access = "gray"
    space: ClassVar[Space] = "statistic"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    ts: Timesteps = (50, 100, 200, 400)

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of logarithms; one denoiser evaluation a timestep.

        Raises:
            Unsupported: the victim has no autoencoder that loses anything.
        """
        clean = oracle.encode(oracle.originals)
        once = oracle.decode(clean)
        first = mean_square(once - oracle.originals)
        if bool((first <= NOTHING).all()):
            raise Unsupported("dual_signal needs a victim that works in latents: this one's encoder loses nothing")
        second = mean_square(oracle.decode(oracle.encode(once)) - once)
        numbers = {"first reconstruction": first.log(), "double reconstruction ratio": (first / second).log()}
        noise = oracle.noise("loss", clean)
        for t in self.ts:
            predicted = oracle.predict_noise(noised(oracle, clean, noise, t), t)
            numbers[f"loss t={t}"] = mean_square(predicted - noise).log()
        yield pair_of("dual", numbers)


def mean_square(difference: torch.Tensor) -> torch.Tensor:
    """Of each sample (N,), float64, never quite zero."""
    return difference.double().square().flatten(1).mean(1).clamp(min=NOTHING)
