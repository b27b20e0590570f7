"""The loss attack: the noise that was added against the noise that the victim predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import noised

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Loss(Observer):
    """Denoising loss: added noise against predicted noise, at one timestep (Matsumoto et al. 2023, arXiv 2302.03262).

    Attributes:
        t: timestep, 0 the least noisy.
        draws: independent noises a sample; each gives one pair.
    """

    name: ClassVar[str] = "loss"
    access = "gray"
    space: ClassVar[Space] = "noise"
    t: Annotated[int, Field(ge=0)] = 100
    draws: Annotated[int, Field(ge=1)] = 1

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a draw, in noise space."""
        clean = oracle.encode(oracle.originals)
        for draw in range(self.draws):
            noise = oracle.noise("loss", clean, draw)
            predicted = oracle.predict_noise(noised(oracle, clean, noise, self.t), self.t)
            yield Pair(noise, predicted, f"t={self.t} draw {draw}", "noise")
