"""Similarity of patches: one number for each place of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Distance
from leakboard_plugins.distances._hog import BLOCK, ORIENTATIONS, hog
from leakboard_plugins.distances._tensors import image_operands, wide
from leakboard_plugins.distances._transformer import patch_tokens, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Tokens(Distance):
    """Cosine similarity of the features of each patch of the two images (Pang and Wang, arXiv 2312.08207).

    ``net`` is ``hog``, the normalised blocks of histograms of oriented gradients, or the path or hub id of a vision
    transformer of ``transformers`` (ViT, DeiT, DINOv2) whose patch tokens count. The paper takes DeiT.
    """

    name: ClassVar[str] = "tokens"
    larger_is_closer: ClassVar[bool] = True
    net: Annotated[str, Field(min_length=1)] = "hog"

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the transformer, if the net is one.

        Raises:
            LeakboardError: there is no such model; it says what to place where.
        """
        return () if self.net == "hog" else weights_of(self.net)

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N, patches) in [-1, 1].

        Raises:
            Unsupported: the images are too small for ``hog``.
            LeakboardError: there is no such model.
        """
        import torch

        with torch.no_grad():
            one, other = (self._features(images) for images in image_operands(pair))
            return torch.nn.functional.cosine_similarity(one, other, dim=2)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        if self.net == "hog":
            return hog(images).view(len(images), -1, BLOCK * BLOCK * ORIENTATIONS)
        return wide(patch_tokens(self.net, images))
