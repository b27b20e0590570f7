"""Maps of what was missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Distance, Space
from leakboard_plugins.distances._tensors import operands

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Residual(Distance):
    """Absolute difference of every element, kept as a map in half precision, for classifiers of maps."""

    name: ClassVar[str] = "residual"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image", "latent", "state", "noise"})
    stored_as = "float16"

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float32 (N, C, H, W), at least 0."""
        reference, observation = operands(pair)
        return (reference - observation).abs()
