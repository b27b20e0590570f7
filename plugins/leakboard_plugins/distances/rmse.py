"""Root mean squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Distance, Space
from leakboard_plugins.distances._tensors import operands
from leakboard_plugins.distances.mse import mean_squared_error

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Rmse(Distance):
    """Root of the mean squared error over all elements of a sample; 0 for identical ones."""

    name: ClassVar[str] = "rmse"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image", "latent", "state", "noise"})

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,), at least 0, in the unit of the elements."""
        return mean_squared_error(*operands(pair)).sqrt()
