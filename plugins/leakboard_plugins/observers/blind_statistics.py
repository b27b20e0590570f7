"""Blind check of the images' statistics and of their files: brightness, sharpness, traces of JPEG, size in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard_plugins.observers.blind_numbers import Numbers, in_chunks, pair_of
from leakboard_plugins.observers.blind_traces import traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from leakboard.api import Array, Oracle, Pair


@dataclass(frozen=True, kw_only=True)
class BlindStatistics(Numbers):
    """Null check: brightness, colour, sharpness and traces of processing, and the facts of the files; asks nothing.

    Which numbers there are depends on the dataset alone: its channels, and what it knows of its files.
    """

    name: ClassVar[str] = "blind_statistics"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair; two numbers for each fact of a file, the second 1 where it is unknown and the first 0."""
        yield pair_of("statistics", in_chunks(_measured, oracle.originals) | _facts(oracle.metadata))


def _measured(images: torch.Tensor) -> dict[str, torch.Tensor]:
    return moments(images) | colours(images) | traces(images)


def _facts(metadata: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    import torch

    facts: dict[str, torch.Tensor] = {}
    for name, values in sorted(metadata.items()):
        known = np.isfinite(values)
        facts[f"file {name}"] = torch.from_numpy(np.where(known, values, 0.0))
        facts[f"file {name} unknown"] = torch.from_numpy(~known)
    return facts


def moments(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean, spread, limits and shape of the distribution of all values; flat images have no skew and no tails."""
    flat = images.flatten(1)
    mean, spread = flat.mean(1), flat.std(1, correction=0)
    scaled = (flat - mean[:, None]) / spread.clamp(min=1e-6)[:, None]
    squared = scaled.square()
    return {
        "mean": mean,
        "standard deviation": spread,
        "minimum": flat.amin(1),
        "maximum": flat.amax(1),
        "skewness": (squared * scaled).mean(1),
        "kurtosis": squared.square().mean(1),
    }


def colours(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean of each channel, and of RGB how colourful it is (Hasler and Süsstrunk 2003); nothing of grey images."""
    if images.shape[1] == 1:
        return {}
    numbers = {f"mean of channel {channel}": images[:, channel].mean((1, 2)) for channel in range(images.shape[1])}
    if images.shape[1] == 3:
        red, green, blue = images.flatten(2).unbind(1)
        first, second = red - green, (red + green) / 2 - blue
        spread = (first.var(1, correction=0) + second.var(1, correction=0)).sqrt()
        numbers["colourfulness"] = spread + 0.3 * (first.mean(1) ** 2 + second.mean(1) ** 2).sqrt()
    return numbers
