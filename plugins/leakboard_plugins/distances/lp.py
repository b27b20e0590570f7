"""Powers of the difference, summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Distance, Space
from leakboard_plugins.distances._tensors import in_chunks, operands, wide

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Lp(Distance):
    """Sum over all elements of |reference - observation| to the power ``p``; its p-th root, the norm, with ``root``."""

    name: ClassVar[str] = "lp"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image", "latent", "state", "noise"})
    p: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] = 2.0
    root: bool = False

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,), at least 0."""
        total = in_chunks(self._sum, *operands(pair))
        return total ** (1 / self.p) if self.root else total

    def _sum(self, reference: torch.Tensor, observation: torch.Tensor) -> torch.Tensor:
        return wide(reference - observation).abs().pow(self.p).flatten(1).sum(1)
