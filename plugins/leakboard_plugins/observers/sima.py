"""SimA: the size of the noise that the victim predicts for a clean image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import signal

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
    t: Annotated[int, Field(ge=0)] = 100

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair in noise space; one denoiser evaluation."""
        signal(oracle, self.t)
        predicted = oracle.predict_noise(oracle.encode(oracle.originals), self.t)
        yield Pair(predicted.new_zeros(predicted.shape), predicted, f"t={self.t}", "noise")
