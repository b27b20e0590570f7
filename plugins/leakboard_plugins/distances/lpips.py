"""Learned perceptual similarity."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Distance
from leakboard.errors import LeakboardError
from leakboard_plugins.distances._networks import batch, enlarged, in_colour
from leakboard_plugins.distances._tensors import image_operands, in_chunks, wide
from leakboard_plugins.distances._weights import checked, existing, load_tensors, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.api import Pair

SEED = 0
SMALLEST, ENLARGED = 32, 64
BACKBONES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}


@dataclass(frozen=True, kw_only=True)
class Lpips(Distance):
    """Learned perceptual distance, version 0.1 (Zhang et al., CVPR 2018, arXiv 1801.03924, eq. 1).

    The linear heads come with the ``lpips`` package. ``weights`` names the backbone: ``cache`` is the torchvision file
    in torch's own cache folder, ``random`` a seeded random network, anything else the path of a local file with the
    torchvision state_dict. Nothing is downloaded. Images below 32 pixels are enlarged to 64, grey is repeated to RGB.
    """

    name: ClassVar[str] = "lpips"
    net: Literal["alex", "vgg", "squeeze"] = "alex"
    weights: Annotated[str, Field(min_length=1)] = "cache"

    def files(self) -> Sequence[Path]:
        """The head's file and, unless it is random, the backbone's.

        Raises:
            LeakboardError: if the backbone's file is missing or holds more than tensors; it says what to place where.
        """
        backbone = self._backbone()
        return (_head(self.net),) if backbone is None else (_head(self.net), checked(backbone))

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,), at least 0.

        Raises:
            Unsupported: if the images are neither grey nor RGB.
            LeakboardError: if the backbone's weights are missing or do not fit.
        """
        import torch

        reference, observation = image_operands(pair)
        backbone = self._backbone()
        mark = None if backbone is None else stamp(backbone)
        model = _model(self.net, backbone, mark, str(reference.device))

        def measure(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return wide(model(_prepared(one), _prepared(other), normalize=True).flatten())

        with torch.no_grad():
            return in_chunks(measure, reference, observation, batch(reference, ENLARGED))

    def _backbone(self) -> Path | None:
        if self.weights == "random":
            return None
        if self.weights != "cache":
            return existing(Path(self.weights).expanduser())
        import torch

        folder = Path(torch.hub.get_dir()) / "checkpoints"
        hint = f"place torchvision's {BACKBONES[self.net]} in {folder}, or use weights='random'"
        return existing(folder / BACKBONES[self.net], expected=f"backbone weights for net='{self.net}'", hint=hint)


def _prepared(images: torch.Tensor) -> torch.Tensor:
    small = min(images.shape[-2:]) < SMALLEST
    return in_colour(enlarged(images, ENLARGED) if small else images)


def _head(net: str) -> Path:
    """The linear head in the installed package, found without importing it."""
    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        raise LeakboardError("the package lpips is not installed", next="pip install lpips")
    return existing(Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth")


@lru_cache(maxsize=4)
def _model(net: str, backbone: Path | None, _: tuple[int, int] | None, device: str) -> torch.nn.Module:
    import lpips
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # The package asks torchvision for an empty backbone in an outdated way.
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(SEED)
        model: torch.nn.Module = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    model.load_state_dict(load_tensors(_head(net)), strict=False)
    if backbone is not None:
        _fill(model.net, backbone)
    return model.requires_grad_(requires_grad=False).eval().to(device)


def _fill(network: torch.nn.Module | torch.Tensor, path: Path) -> None:
    """Load a torchvision state_dict: ``features.3.weight`` is ``slice2.3.weight`` here."""
    import torch

    assert isinstance(network, torch.nn.Module)
    given = load_tensors(path)
    try:
        network.load_state_dict({key: given["features." + key.partition(".")[2]] for key in network.state_dict()})
    except (KeyError, RuntimeError) as error:
        expected = f"the state_dict of torchvision's model, such as {' or '.join(BACKBONES.values())}"
        raise LeakboardError("the weights do not fit the network", where=str(path), expected=expected) from error
