"""Noise aggregation: how far predictions along a walk down lie from each other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import LeakboardError, Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import moved, noised

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class NoiseAggregation(Observer):
    """Predicted noises of a weakly noised image on its way down, against their centroid (arXiv 2510.21783).

    Attributes:
        t: timestep of the weak noise.
        steps: denoiser evaluations on the deterministic way down, evenly spaced from ``t``; each is one pair.
    """

    name: ClassVar[str] = "noise_aggregation"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=1)] = 80
    steps: Annotated[int, Field(ge=2)] = 5

    def __post_init__(self) -> None:
        if self.steps > self.t:
            raise LeakboardError(
                f"noise_aggregation(t={self.t}) has no {self.steps} timesteps on its way down",
                expected="steps of t at most",
                nearest=f"noise_aggregation(t={self.t}, steps={self.t})",
            )

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a step, in noise space."""
        import torch

        clean = oracle.encode(oracle.originals)
        levels = [round(self.t * (self.steps - step) / self.steps) for step in range(self.steps + 1)]
        state = noised(oracle, clean, oracle.noise("noise_aggregation", clean), self.t)
        found = []
        for level, below in itertools.pairwise(levels):
            found.append(oracle.predict_noise(state, level))
            state = moved(oracle, state, found[-1], level, below)
        centroid = torch.stack(found).mean(0)
        for level, predicted in zip(levels, found, strict=False):
            yield Pair(centroid, predicted, f"t={level}", "noise")
