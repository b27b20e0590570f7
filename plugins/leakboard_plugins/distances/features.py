"""Distance between feature vectors."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from leakboard.api import Distance
from leakboard.errors import LeakboardError
from leakboard_plugins.distances._hog import hog
from leakboard_plugins.distances._networks import batch, network, prepared, weights_file
from leakboard_plugins.distances._tensors import image_operands, wide
from leakboard_plugins.distances._weights import checked, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Pair

REMEMBERED = 32
"""Images of a shard whose features are kept: the references and the last steps of an observer or two."""

_recent: OrderedDict[Any, torch.Tensor] = OrderedDict()


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

        with torch.no_grad():
            one, other = (self._features(images) for images in image_operands(pair))
            return (one - other).square().sum(1).sqrt()

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Float64 (N, features), remembered by content: the pairs of an observer share their images."""
        import torch

        content = hashlib.blake2b(images.cpu().contiguous().numpy().data, digest_size=16).digest()
        weights = () if self.net == "hog" else stamp(weights_file(self.net, self.weights))
        key = (self, weights, images.device, images.shape, content)
        if key not in _recent:
            extract = self._extractor(images.device)
            parts = torch.split(images, batch(images, self.resize))
            _recent[key] = torch.cat([wide(extract(part)) for part in parts])
            if len(_recent) > REMEMBERED:
                _recent.popitem(last=False)
        return _recent[key]

    def _extractor(self, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        if self.net == "hog":
            return hog
        model = network(self.net, weights_file(self.net, self.weights), device)

        def extract(images: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = model(prepared(images, self.resize))
            return features.flatten(1)

        return extract
