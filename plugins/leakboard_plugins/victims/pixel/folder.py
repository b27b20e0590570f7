"""The folder of a pixel pipeline: checked before anything is loaded, opened without a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from leakboard.api import LeakboardError
from leakboard.quiet import quiet
from leakboard_plugins.victims.folders.bounds import check_layers, check_numbers
from leakboard_plugins.victims.folders.configs import read_scheduler
from leakboard_plugins.victims.folders.layout import INDEX, LAYOUT, read_json
from leakboard_plugins.victims.folders.loading import load_network, refuse_misfits, told_with
from leakboard_plugins.victims.folders.schedulers import check_betas
from leakboard_plugins.victims.folders.source import Source, find_source
from leakboard_plugins.victims.folders.weights import (
    Weights,
    choose_variant,
    component_weights,
    tensor_shapes,
    variants_in,
)
from leakboard_plugins.victims.pixel.unet_config import read_unet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from diffusers import UNet2DModel

    from leakboard_plugins.victims.pixel.model import PixelModel

M = TypeVar("M")
PARTS = {"unet", "scheduler"}


@dataclass(frozen=True)
class PixelFolder:
    """A pixel pipeline that was found whole.

    Attributes:
        source: where its components lie.
        weights: of its network.
        files: everything its answers depend on.
    """

    source: Source
    weights: Weights
    files: tuple[Path, ...]


def read_pipeline(folder: Path, base: Path | None = None, variant: str | None = None) -> PixelFolder:
    """Read a pipeline folder and check that it is whole, without torch.

    Args:
        folder: of the pipeline, or with ``base`` of a denoiser alone.
        base: of the pipeline that the scheduler is taken from.
        variant: of the weights; None is plain ones, or the only variant there is.

    Raises:
        LeakboardError: not a pipeline of a UNet2DModel and a scheduler of betas, a file is missing, a configuration
            makes no sense, or the weights are no whole safetensors, do not fit the network, or are not those of the
            ``manifest.json`` beside the pipeline.
    """
    source = find_source(folder, base, LAYOUT, "ddpm")
    scheduler = _check_components(source)
    paths = {name: source.config(name) for name in ("scheduler", "unet")}
    configs = {name: read_json(path) for name, path in paths.items()}
    for name, path in paths.items():
        check_numbers(configs[name], path)
    check_betas(scheduler, configs["scheduler"], paths["scheduler"])
    read_scheduler(configs["scheduler"], paths["scheduler"])
    return whole(source, folder, variant, paths, configs["unet"])


def whole(
    source: Source, folder: Path, variant: str | None, paths: Mapping[str, Path], config: dict[str, Any]
) -> PixelFolder:
    """A pipeline whose schedule was found sound, once its network is.

    Args:
        source: where its components lie.
        folder: that the user named.
        variant: of the weights; None is plain ones, or the only variant there is.
        paths: of the configurations, by component.
        config: of the network, as it was read.

    Raises:
        LeakboardError: the configuration of the network makes no sense, or the weights are no whole safetensors, do not
            fit it, or are not those of the ``manifest.json`` beside the pipeline.
    """
    unet, home = read_unet(config, paths["unet"]), source.home("unet")
    chosen = choose_variant({"unet": variants_in(home, "diffusers")}, variant, folder)
    weights = component_weights(home, "diffusers", chosen, "unet")
    shapes = {name: shape for path in weights.files for name, shape in tensor_shapes(path).items()}
    check_layers(config, len(shapes), paths["unet"])
    refuse_misfits(unet.misfits(shapes), home)
    source.check_digests(weights.files)
    return PixelFolder(source, weights, (source.root / INDEX, *paths.values(), *weights.all_files))


def open_pipeline(
    folder: Path, device: str, base: Path | None = None, variant: str | None = None, dtype: str = "float32"
) -> PixelModel:
    """The model of a pipeline folder on ``device``, in eval mode, without gradients on its weights.

    Raises:
        LeakboardError: as `read_pipeline`, or the weights do not fit the network's configuration, or hold no numbers.
    """
    from leakboard_plugins.victims.pixel.model import PixelModel

    found = read_pipeline(folder, base, variant)
    return opened(found, device, PixelModel, "the noise schedule for the DDIM sampler", dtype)


def opened(
    found: PixelFolder, device: str, model: Callable[[UNet2DModel, dict[str, Any]], M], schedule: str, dtype: str
) -> M:
    """A model made of the network of a folder, on ``device``, and of its scheduler's configuration.

    ``schedule`` is what that configuration says, in words, ``dtype`` the type of the network.

    Raises:
        LeakboardError: the weights do not fit the network's configuration, or hold no numbers, or there is no such
            schedule.
    """
    import torch

    with quiet():
        home = found.source.home("unet")
        unet = load_network("unet", "diffusers", "UNet2DModel", home, found.weights, getattr(torch, dtype))
        unet = unet.to(device=device, memory_format=torch.channels_last)
        path = found.source.config("scheduler")
        with told_with(schedule, path):
            return model(unet, read_json(path))


def _check_components(source: Source) -> str:
    """The class of the scheduler, in a pipeline of a network and a scheduler."""
    found = {
        name: value[-1]
        for name, value in source.index.items()
        if isinstance(value, list) and value and isinstance(value[-1], str)
    }
    if found.keys() != PARTS or found["unet"] != "UNet2DModel":
        parts = ", ".join(f"{name} = {value}" for name, value in sorted(found.items()))
        raise LeakboardError(
            f"the pipeline is made of {parts or 'nothing'}",
            where=str(source.root / INDEX),
            expected="unet = UNet2DModel and a scheduler, and nothing else",
            next="stable_diffusion(model=…), the victim for latent pipelines"
            if found.keys() & {"vae", "vqvae"}
            else "",
        )
    return found["scheduler"]
