"""The folder of a pixel pipeline: checked before anything is loaded, opened without a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.configs import read_scheduler
from leakboard_plugins.victims.folders.layout import (
    INDEX,
    LAYOUT,
    SAVE,
    SCHEDULER_CONFIG,
    UNET_CONFIG,
    WEIGHTS,
    read_json,
)
from leakboard_plugins.victims.folders.manifests import check_digests
from leakboard_plugins.victims.folders.weights import component_weights, tensor_shapes
from leakboard_plugins.victims.pixel.unet_config import read_unet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard_plugins.victims.pixel.model import PixelModel

SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")


def pipeline_files(folder: Path) -> tuple[Path, ...]:
    """The files that the answers of a pipeline depend on, after checking that it is one we can open.

    Raises:
        LeakboardError: not a pipeline of a UNet2DModel and a DDPM or DDIM scheduler, a file is missing, a
            configuration makes no sense, or the weights are no whole safetensors, do not fit the network, or are
            not those of the ``manifest.json`` beside the pipeline.
    """
    _check_components(folder)
    read_scheduler(read_json(folder / SCHEDULER_CONFIG), folder / SCHEDULER_CONFIG)
    unet = read_unet(read_json(folder / UNET_CONFIG), folder / UNET_CONFIG)
    weights = component_weights(folder, "unet")
    shapes = dict(shape for path in weights if path.suffix == ".safetensors" for shape in tensor_shapes(path))
    _refuse_misfits(unet.misfits(shapes), folder)
    check_digests(folder, [WEIGHTS])
    return (*(folder / name for name in (INDEX, SCHEDULER_CONFIG, UNET_CONFIG)), *weights)


def open_pipeline(folder: Path, device: str) -> PixelModel:
    """The model of a pipeline folder on ``device``, float32, in eval mode, without gradients on its weights.

    Raises:
        LeakboardError: as `pipeline_files`, or the weights do not fit the network's configuration.
    """
    import torch
    from diffusers import UNet2DModel

    from leakboard_plugins.victims.pixel.model import PixelModel

    pipeline_files(folder)
    try:
        unet, loading = UNet2DModel.from_pretrained(
            folder,
            subfolder="unet",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # a wrong configuration fails anywhere in diffusers, with anything
        raise LeakboardError(
            f"the UNet2DModel cannot be opened: {error}", where=str(folder / "unet"), expected=LAYOUT, next=SAVE
        ) from error
    # diffusers fills what is missing with random numbers
    _refuse_misfits([name for names in loading.values() for name in names], folder)
    unet = unet.float().eval().requires_grad_(False).to(device=device, memory_format=torch.channels_last)
    try:
        return PixelModel(unet, read_json(folder / SCHEDULER_CONFIG))
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the DDIM sampler cannot follow the noise schedule: {error}", where=str(folder / SCHEDULER_CONFIG)
        ) from error


def _check_components(folder: Path) -> None:
    index = read_json(folder / INDEX)
    found = {
        name: value[-1]
        for name, value in index.items()
        if isinstance(value, list) and value and isinstance(value[-1], str)
    }
    if found.keys() != {"unet", "scheduler"} or found["unet"] != "UNet2DModel" or found["scheduler"] not in SCHEDULERS:
        parts = ", ".join(f"{name} = {value}" for name, value in sorted(found.items()))
        raise LeakboardError(
            f"the pipeline is made of {parts or 'nothing'}",
            where=str(folder / INDEX),
            expected=f"unet = UNet2DModel and scheduler = {' or '.join(SCHEDULERS)}, and nothing else",
        )


def _refuse_misfits(names: Sequence[str], folder: Path) -> None:
    if names:
        raise LeakboardError(
            f"{len(names)} weights do not fit the configuration, the first is {names[0]}",
            where=str(folder / "unet"),
            expected=f"exactly the tensors of the network in {UNET_CONFIG}",
            next=SAVE,
        )
