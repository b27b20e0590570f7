"""What victims that match flows give away: the velocity along a straight line against the one that they predict."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

NOISE = "velocity"
"""Name of the noise: all of these observers draw the same, and share their questions where times agree."""
GREY_STEP = 1 / 255


@dataclass(frozen=True, kw_only=True)
class VelocityLoss(Observer):
    """Noise minus clean sample against predicted velocity, between the two (Rao and Moyer 2026, arXiv 2603.13421).

    Velocities are pairs in noise space: they have its shape and nearly its scale, and whatever measures noise measures
    them. With a complexity a last pair follows that measures the attacker's own image. Its reference is 0 and its
    observation the same number everywhere, so that its summed (``lp``) or mean (``mse``) square is the complexity, or
    that by the number of elements, and the classifier ``ratio`` divides losses by complexities.

    Attributes:
        time: share of noise in the state; 0 is the clean image. The signal peaks at 1/2 under uniform training times.
        draws: independent noises a sample.
        mean: what is averaged over draws: ``loss`` gives one pair a draw, ``velocity`` one pair of the mean velocity,
            which is compared with that of no noise, minus the clean sample: the paper's Monte-Carlo statistic.
        complexity: ``none``; ``compressed``, bytes of the 8-bit pixels after zlib, the paper's kind of proxy; or
            ``total_variation``, the sum of absolute differences between neighbouring pixels in [0, 1], at least 1/255.
    """

    name: ClassVar[str] = "velocity_loss"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"velocity"})
    time: Annotated[float, Field(gt=0, lt=1)] = 0.5
    draws: Annotated[int, Field(ge=1)] = 1
    mean: Literal["loss", "velocity"] = "loss"
    complexity: Literal["none", "total_variation", "compressed"] = "none"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a draw or one in all, and one of the complexity, in noise space; one denoiser evaluation a draw."""
        clean = oracle.encode(oracle.originals)
        pairs = (_velocities(oracle, clean, self.time, draw) for draw in range(self.draws))
        if self.mean == "loss":
            yield from pairs
        else:
            total = sum((pair.observation for pair in pairs), start=clean.new_zeros(clean.shape))
            yield Pair(-clean, total / self.draws, f"time={self.time:g} mean of {self.draws}", "noise")
        if self.complexity != "none":
            measure = total_variation if self.complexity == "total_variation" else compressed
            root = (measure(oracle.originals).to(clean) / math.prod(clean.shape[1:])).sqrt()
            zero = clean.new_zeros(clean.shape)
            yield Pair(zero, zero + root.view(-1, *[1] * (clean.ndim - 1)), "complexity", "noise")


@dataclass(frozen=True, kw_only=True)
class VelocityCurve(Observer):
    """Velocity loss all along the line from image to noise, with one noise (Sesmat et al. 2026, arXiv 2606.07271).

    The paper's curve is of reconstruction errors. At each time these are the velocity errors times that time squared,
    which a classifier that scales its columns does not see.

    Attributes:
        points: times k / (points + 1), k from 1; each gives one pair.
    """

    name: ClassVar[str] = "velocity_curve"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"velocity"})
    points: Annotated[int, Field(ge=1, le=99)] = 9

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a time, in noise space, from the clean end; as many denoiser evaluations."""
        clean = oracle.encode(oracle.originals)
        for point in range(1, self.points + 1):
            yield _velocities(oracle, clean, point / (self.points + 1))


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences between neighbours across and down, of images (N, C, H, W) in [0, 1]: (N,).

    A flat image counts as one step of one pixel.
    """
    across = images.diff(dim=3).abs().flatten(1).sum(1)
    down = images.diff(dim=2).abs().flatten(1).sum(1)
    return (across + down).clamp(min=GREY_STEP)


def compressed(images: torch.Tensor) -> torch.Tensor:
    """Bytes that zlib makes of each of the images (N, C, H, W) in [0, 1], to 8 bits: (N,)."""
    pixels = (images * 255).round().byte().cpu().contiguous().numpy()
    return images.new_tensor([len(zlib.compress(each.tobytes(), 9)) for each in pixels])


def _velocities(oracle: Oracle, clean: torch.Tensor, time: float, draw: int = 0) -> Pair:
    noise = oracle.noise(NOISE, clean, draw)
    predicted = oracle.predict_velocity((1 - time) * clean + time * noise, time)
    return Pair(noise - clean, predicted, f"time={time:g} draw {draw}", "noise")
