"""Distance between feature vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Distance
from leakboard.errors import LeakboardError
from leakboard_plugins.distances._hog import hog
from leakboard_plugins.distances._networks import batch, network, prepared, weights_file
from leakboard_plugins.distances._tensors import image_operands, in_chunks, wide
from leakboard_plugins.distances._weights import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Features(Distance):
    """Euclidean distance between feature vectors of the two images.

    ``net`` is one of

    - ``hog``: histograms of oriented gradients (Dalal and Triggs 2005), of the images at their own size, which must
      be 24 pixels or more;
    - ``efficientnet_lite0``: pooled ImageNet features, weights from the optional package;
    - a torchvision classification model: its features before the last linear layer, weights from the local file
      ``weights`` (.safetensors, or .pth with plain tensors).

    Networks see images whose smaller side is enlarged to at least ``resize`` pixels, grey repeated to RGB, with
    ImageNet normalisation.
    """

    name: ClassVar[str] = "features"
    net: Annotated[str, Field(min_length=1)] = "hog"
    weights: str = ""
    resize: Annotated[int, Field(ge=32, le=1024)] = 64

    def files(self) -> Sequence[Path]:
        """The weights file, if the net has one.

        Raises:
            LeakboardError: if it is missing or holds more than tensors, or the net is unknown.
        """
        if self.net != "hog":
            return (checked(weights_file(self.net, self.weights)),)
        if self.weights:
            raise LeakboardError("features(net='hog') takes no weights", where=f"weights='{self.weights}'")
        return ()

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,), at least 0.

        Raises:
            Unsupported: if the images are too small for ``hog``, or neither grey nor RGB for a network.
            LeakboardError: if the weights are missing or do not fit.
        """
        import torch

        reference, observation = image_operands(pair)
        extract = self._extractor(reference.device)

        def measure(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            difference = wide(extract(one)) - wide(extract(other))
            return difference.square().sum(1).sqrt()

        with torch.no_grad():
            return in_chunks(measure, reference, observation, batch(reference, self.resize))

    def _extractor(self, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        if self.net == "hog":
            return hog
        model = network(self.net, weights_file(self.net, self.weights), device)

        def extract(images: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = model(prepared(images, self.resize))
            return features.flatten(1)

        return extract
