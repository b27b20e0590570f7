"""What the configurations of a latent pipeline must say of each other for its components to work together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.bounds import check_numbers
from leakboard_plugins.victims.folders.configs import read_scheduler
from leakboard_plugins.victims.folders.layout import SAVE, read_json
from leakboard_plugins.victims.folders.schedulers import OWN, check_betas
from leakboard_plugins.victims.latent.kinds import FLOW, KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from leakboard_plugins.victims.folders.source import Source

LATENT_CHANNELS = 4
"""Images with as many are taken for latents by the pipelines of Stable Diffusion 1 to XL."""
FLOWS = "flow_prediction"


def check_configs(source: Source, pipeline: str, parts: Mapping[str, tuple[str, str]]) -> None:
    """Refuse components that do not fit each other, or of which no step-by-step image-to-image can be made.

    Args:
        source: where they lie.
        pipeline: its class in diffusers.
        parts: library and class of every component that is used, by name.

    Raises:
        LeakboardError: the scheduler, the channels or the arguments of the denoiser are others than can be used.
    """
    kind = KINDS[pipeline]
    _check_schedule(source.config("scheduler"), pipeline, parts["scheduler"][1])
    paths = {name: source.config(name) for name in (kind.denoiser, kind.autoencoder)}
    denoiser, autoencoder = (read_json(path) for path in paths.values())
    _check_channels(denoiser, autoencoder, paths, kind)
    _check_sides(denoiser, paths[kind.denoiser], kind)
    for key in ("time_cond_proj_dim", "num_class_embeds", "class_embed_type"):
        if denoiser.get(key) is not None:
            raise LeakboardError(
                f"the {kind.denoiser} takes {key} = {denoiser[key]!r}",
                where=str(paths[kind.denoiser]),
                expected="a denoiser that takes the timestep and the prompt alone",
            )


def _check_schedule(path: Path, pipeline: str, scheduler: str) -> None:
    schedule = read_json(path)
    check_numbers(schedule, path)
    flows = scheduler == FLOW or (scheduler in OWN and schedule.get("use_flow_sigmas") is True)
    if not flows and KINDS[pipeline].sampling != "flow":
        check_betas(scheduler, schedule, path, f" or {FLOW}")
        read_scheduler(schedule, path)
    elif not flows or schedule.get("prediction_type", FLOWS) != FLOWS or schedule.get("stochastic_sampling"):
        raise LeakboardError(
            f"the {pipeline} matches flows, which its {scheduler} does not follow step by step without fresh noise",
            where=str(path),
            expected=f"{FLOW}, or use_flow_sigmas with prediction_type {FLOWS!r}; no stochastic_sampling",
            next=SAVE,
        )


def _check_channels(
    denoiser: Mapping[str, Any], autoencoder: Mapping[str, Any], paths: Mapping[str, Path], kind: Kind
) -> None:
    # what diffusers takes where a configuration does not say
    usual = 3 if kind.unconditional else 4
    taken, given = denoiser.get("in_channels", usual), autoencoder.get("latent_channels", usual)
    for name, key, channels in (
        (kind.denoiser, "in_channels", taken),
        (kind.autoencoder, "latent_channels", given),
        (kind.autoencoder, "in_channels", autoencoder.get("in_channels", 3)),
    ):
        if not isinstance(channels, int) or channels < 1:
            raise LeakboardError(
                f"{key} is {channels!r}", where=str(paths[name]), expected="a number of channels, 1 or more"
            )
    wanted = given * kind.patch**2
    if taken != wanted:
        raise LeakboardError(
            f"the {kind.denoiser} takes {taken} channels and the {kind.autoencoder} gives {given}",
            where=str(paths[kind.denoiser]),
            expected=f"{wanted} channels: pipelines that paint in, enlarge or edit take more",
        )
    if kind.image_to_image and autoencoder.get("in_channels", 3) in (given, LATENT_CHANNELS):
        raise LeakboardError(
            f"images of {autoencoder['in_channels']} channels cannot be told from latents",
            where=str(paths[kind.autoencoder]),
            expected="images of other channels than latents: image-to-image pipelines tell them apart by that",
        )


def _check_sides(denoiser: Mapping[str, Any], path: Path, kind: Kind) -> None:
    size = denoiser.get("sample_size")
    sides = size if isinstance(size, list) and len(size) == 2 and kind.denoiser == "unet" else [size]
    if size is not None and not all(isinstance(side, int) and side >= 1 for side in sides):
        raise LeakboardError(
            f"sample_size is {str(size)[:80]}",
            where=str(path),
            expected="a number of latents" + (", or their height and width" if kind.denoiser == "unet" else ""),
        )
