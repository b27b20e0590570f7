"""Patch tokens of vision transformers that lie on this machine."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BATCH = 32


def weights_of(net: str) -> tuple[Path, Path]:
    """Configuration and weights of a transformer: in a folder, or of a hub id in the local hub cache.

    Raises:
        LeakboardError: they are not there.
    """
    folder = Path(net).expanduser()
    if folder.is_dir():
        files = folder / CONFIG, folder / WEIGHTS
    else:
        from huggingface_hub import try_to_load_from_cache

        found = [try_to_load_from_cache(net, name) if net.count("/") == 1 else None for name in (CONFIG, WEIGHTS)]
        files = Path(str(found[0] or CONFIG)), Path(str(found[1] or WEIGHTS))
    for path in files:
        if not path.is_file():
            raise LeakboardError(
                f"there is no vision transformer {net!r}: {path.name} is missing",
                where=f"tokens(net={net!r})",
                expected=f"a folder with {CONFIG} and {WEIGHTS}, or a hub id that is in the local hub cache",
                next=f"hf download {net}, or copy both files into a folder and give its path; net='hog' needs neither",
            )
    return files


def patch_tokens(net: str, images: torch.Tensor) -> torch.Tensor:
    """Tokens (N, patches, width) of images (N, C, H, W) in [0, 1], resized to what the network takes.

    Raises:
        LeakboardError: there is no such model, or it gives no tokens.
    """
    import torch
    from torchvision.transforms.v2.functional import normalize, resize

    model = _model(net, str(images.device))
    side = int(model.config.image_size)
    rgb = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    parts = []
    for part in torch.split(rgb, BATCH):
        shown = normalize(resize(part, [side, side], antialias=True), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        tokens = model(pixel_values=shown).last_hidden_state
        # what stands before the patches speaks for the whole image: class and distillation tokens
        parts.append(tokens[:, tokens.shape[1] - (side // int(model.config.patch_size)) ** 2 :])
    return torch.cat(parts)


@functools.lru_cache(maxsize=2)
def _model(net: str, device: str) -> Any:
    from transformers import AutoModel

    config, _ = weights_of(net)
    try:
        model = AutoModel.from_pretrained(str(config.parent), local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise LeakboardError(
            f"the vision transformer {net!r} cannot be loaded: {error}",
            where=str(config.parent),
            expected="a ViT, DeiT or DINOv2 saved by transformers",
        ) from error
    if not hasattr(model.config, "patch_size") or not hasattr(model.config, "image_size"):
        raise LeakboardError(
            f"{net!r} is a {type(model).__name__}, which has no patches",
            where=str(config.parent),
            expected="a ViT, DeiT or DINOv2 saved by transformers",
        )
    return model.to(device).eval().requires_grad_(False)
