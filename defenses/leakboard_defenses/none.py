"""No defense: what the others are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class Nothing(Defense):
    """No defense; images pass as they are."""

    name: ClassVar[str] = "none"

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """The same images."""
        return images
