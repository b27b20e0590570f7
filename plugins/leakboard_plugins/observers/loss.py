"""The loss attack: the noise that was added against the noise that the victim predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import Timestep, Timesteps, noised

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Loss(Observer):
    """Denoising loss: added noise against predicted noise (Matsumoto et al. 2023, arXiv 2302.03262).

    Attributes:
        t: timestep, 0 the least noisy, or several. Papers take 350 (Matsumoto), 200 (Kong et al., arXiv 2305.18355),
            100 (Dubinski et al., arXiv 2411.12858).
        draws: independent noises a sample, each at all timesteps.
    """

    name: ClassVar[str] = "loss"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Timestep | Timesteps = 100
    draws: Annotated[int, Field(ge=1)] = 1

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a draw and timestep, in noise space."""
        clean = oracle.encode(oracle.originals)
        for draw in range(self.draws):
            noise = oracle.noise("loss", clean, draw)
            for t in (self.t,) if isinstance(self.t, int) else self.t:
                predicted = oracle.predict_noise(noised(oracle, clean, noise, t), t)
                yield Pair(noise, predicted, f"t={t} draw {draw}", "noise")
