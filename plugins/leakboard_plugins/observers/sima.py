"""SimA: the size of the noise that the victim predicts for a clean image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import noised, signal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Sima(Observer):
    """SimA: predicted noise of the clean image at ``t`` against zero (Rao et al. 2025, arXiv 2509.25003).

    Attributes:
        t: timestep told to the denoiser.
    """

    name: ClassVar[str] = "sima"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=0)] = 100

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair in noise space; one denoiser evaluation."""
        signal(oracle, self.t)
        predicted = oracle.predict_noise(oracle.encode(oracle.originals), self.t)
        yield Pair(predicted.new_zeros(predicted.shape), predicted, f"t={self.t}", "noise")


@dataclass(frozen=True, kw_only=True)
class SimaMonteCarlo(Observer):
    """SimA-MC: predicted noise of noised images, its mean over draws against zero (Rao et al. 2025, arXiv 2509.25003).

    One draw is the class ``Epsilon`` of the released code. Its later version takes the mean of the predictions of all
    draws before the norm, by what public reproductions tell of it: that version was not to be had.

    Attributes:
        t: timestep.
        draws: noises a sample.
    """

    name: ClassVar[str] = "sima_monte_carlo"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=0)] = 100
    draws: Annotated[int, Field(ge=1)] = 10

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair in noise space; one denoiser evaluation a draw."""
        clean = oracle.encode(oracle.originals)
        total = clean.new_zeros(clean.shape)
        for draw in range(self.draws):
            noise = oracle.noise("loss", clean, draw)
            total += oracle.predict_noise(noised(oracle, clean, noise, self.t), self.t)
        yield Pair(clean.new_zeros(clean.shape), total / self.draws, f"t={self.t}", "noise")
