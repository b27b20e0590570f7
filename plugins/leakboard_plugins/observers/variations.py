"""ReDiffuse: the image against the mean of several reconstructions of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Observer, Oracle, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Variations(Observer):
    """ReDiffuse: variations of the image, averaged before the distance (Li et al. 2025, arXiv 2405.20771).

    The paper noises to timestep 200 of 1,000 and goes down in strides of 100: ``strength`` .2 in 2 ``steps``.

    Attributes:
        strength: how much noise is added, as a share of the schedule, in (0, 1].
        steps: denoising steps of each variation.
        draws: variations a sample, each with its own noise; each is one query.
        average: compare with the mean of all; else every variation is a pair of its own, which is another attack.
    """

    name: ClassVar[str] = "variations"
    access = "black"
    strength: Annotated[float, Field(gt=0, le=1)] = 0.2
    steps: Annotated[int, Field(ge=1, le=1000)] = 2
    draws: Annotated[int, Field(ge=1)] = 10
    average: bool = True

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair, or one a draw."""
        total = None
        for draw in range(self.draws):
            made = oracle.reconstruct(oracle.originals, self.strength, self.steps, draw).output()
            if not self.average:
                yield Pair(oracle.originals, made, f"draw {draw}")
            total = made if total is None else total + made
        if self.average and total is not None:
            yield Pair(oracle.originals, total / self.draws, f"mean of {self.draws}")
