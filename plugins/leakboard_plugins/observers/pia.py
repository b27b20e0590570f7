"""PIA and PIAN: the victim's own first prediction taken as the noise it should predict again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import noised, signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@dataclass(frozen=True, kw_only=True)
class Pia(Observer):
    """PIA, and PIAN when normalised: predicted noise at 0 against at ``t`` (Kong et al. 2023, arXiv 2305.18355).

    Attributes:
        t: timestep of the second prediction.
        normalize: rescale the first prediction to look standard normal: ``no`` (PIA), ``code`` (PIAN as released:
            unit mean absolute value times sqrt(2 / pi)), ``paper`` (the paper's formula, larger by pi / 2).
    """

    name: ClassVar[str] = "pia"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=0)] = 200
    normalize: Literal["no", "code", "paper"] = "no"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair in noise space; two denoiser evaluations."""
        signal(oracle, self.t)
        clean = oracle.encode(oracle.originals)
        first = self._normalized(oracle.predict_noise(clean, 0))
        second = oracle.predict_noise(noised(oracle, clean, first, self.t), self.t)
        yield Pair(first, second, f"t={self.t}", "noise")

    def _normalized(self, noise: torch.Tensor) -> torch.Tensor:
        if self.normalize == "no":
            return noise
        wanted = math.sqrt(2 / math.pi) if self.normalize == "code" else math.sqrt(math.pi / 2)
        mean = noise.abs().flatten(1).mean(1)
        return noise * (wanted / mean).view(-1, *[1] * (noise.ndim - 1))
