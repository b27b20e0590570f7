"""Mean squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Distance, Space
from leakboard_plugins.distances._tensors import in_chunks, operands, wide

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair


def mean_squared_error(reference: torch.Tensor, observation: torch.Tensor) -> torch.Tensor:
    """Mean over all elements of each sample: (N, ...) twice to float64 (N,)."""
    size = math.prod(reference.shape[1:])

    def measure(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        # Short rows are summed as they come, the many row sums in float64.
        return wide((one - other).square_().sum(-1)).flatten(1).sum(1) / size

    return in_chunks(measure, reference, observation)


@dataclass(frozen=True, kw_only=True)
class Mse(Distance):
    """Mean squared error over all elements of a sample; 0 for identical ones."""

    name: ClassVar[str] = "mse"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image", "latent", "state", "noise"})

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,), at least 0."""
        return mean_squared_error(*operands(pair))
