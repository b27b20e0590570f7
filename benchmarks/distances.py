"""Batched distances against scikit-image's per-image loop, as ratios measured in one run.

    python benchmarks/distances.py

Both sides run on one thread and are timed by the processor time they take, in turns and equally often, and the best
round counts on each. Wall time would favour the short batched calls, which fit between the work of other processes
more easily than a long loop does.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from leakboard.api import Pair
from leakboard_plugins.distances import Dssim, Psnr, Rmse

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from leakboard.api import Distance

    Image = npt.NDArray[np.float32]

# Images, channels, side, rounds, and how many times faster each batched form has to be at least.
CASES = [(2048, 1, 28, 15, (10.0, 10.0, 6.0)), (64, 3, 512, 3, (1.0, 1.0, 1.0))]


def psnr(one: Image, other: Image) -> float:
    """The ratio of a channel-last image pair, by scikit-image."""
    return float(peak_signal_noise_ratio(one, other, data_range=1))


def rmse(one: Image, other: Image) -> float:
    """The error of a channel-last image pair, by scikit-image."""
    return float(np.sqrt(mean_squared_error(one, other)))


def dssim(one: Image, other: Image) -> float:
    """The dissimilarity of a channel-last image pair, by scikit-image."""
    axis = None if one.ndim == 2 else -1
    similarity = structural_similarity(one, other, data_range=1, channel_axis=axis)
    return (1 - float(similarity)) / 2


REFERENCES: list[tuple[Distance, Callable[[Image, Image], float]]] = [(Psnr(), psnr), (Rmse(), rmse), (Dssim(), dssim)]


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(
    distance: Distance, reference: Callable[[Image, Image], float], pair: Pair, rounds: int
) -> tuple[float, float]:
    """Seconds of the loop and of the batched distance."""
    images = [
        [image.squeeze() for image in side.permute(0, 2, 3, 1).contiguous().numpy()]
        for side in (pair.reference, pair.observation)
    ]
    loop: list[float] = []
    batched: list[float] = []
    for _ in range(rounds):
        loop.append(seconds(lambda: [reference(*both) for both in zip(*images, strict=True)]))
        batched.append(seconds(lambda: distance.measure(pair)))
    return min(loop), min(batched)


def main() -> int:
    """Print the ratios; 1 when one falls short of what is promised."""
    short = 0
    torch.set_num_threads(1)
    for number, channels, side, rounds, promises in CASES:
        draw = torch.Generator().manual_seed(0)
        reference = torch.rand(number, channels, side, side, generator=draw)
        observation = (reference + 0.1 * torch.randn(reference.shape, generator=draw)).clamp(0, 1)
        for (distance, scikit), promised in zip(REFERENCES, promises, strict=True):
            loop, batched = ratio(distance, scikit, Pair(reference, observation, "output"), rounds)
            short += loop / batched < promised
            print(
                f"{distance.name:6} {number} pairs of {channels} x {side} x {side}: loop {loop * 1e3:.1f} ms, "
                f"batched {batched * 1e3:.1f} ms, {loop / batched:.1f} x (promised {promised:g} x)"
            )
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
