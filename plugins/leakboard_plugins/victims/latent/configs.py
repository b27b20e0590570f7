"""What the configurations of a latent pipeline must say of each other for its components to work together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.victims.folders.configs import read_scheduler
from leakboard_plugins.victims.folders.layout import INDEX, SAVE, SCHEDULER_CONFIG, read_json
from leakboard_plugins.victims.latent.kinds import FLOW, KINDS, SCHEDULERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LATENT_CHANNELS = 4
"""Images with as many are taken for latents by the pipelines of Stable Diffusion 1 to XL."""
FLOWS = "flow_prediction"


def check_configs(folder: Path, pipeline: str, parts: Mapping[str, tuple[str, str]]) -> None:
    """Refuse components that do not fit each other, or of which no step-by-step image-to-image can be made.

    Args:
        folder: of the pipeline.
        pipeline: its class in diffusers.
        parts: library and class of every component that is used, by name.

    Raises:
        LeakboardError: the scheduler, the channels or the arguments of the denoiser are others than can be used.
    """
    scheduler, name = parts["scheduler"][1], KINDS[pipeline].denoiser
    if scheduler not in SCHEDULERS:
        raise LeakboardError(
            f"the scheduler is a {scheduler}",
            where=str(folder / INDEX),
            expected=f"one of {', '.join(sorted(SCHEDULERS))}",
            nearest=nearest(scheduler, SCHEDULERS),
        )
    schedule = read_json(folder / SCHEDULER_CONFIG)
    flows = scheduler == FLOW or schedule.get("use_flow_sigmas") is True
    if not flows and KINDS[pipeline].sampling != "flow":
        read_scheduler(schedule, folder / SCHEDULER_CONFIG)
    elif not flows or schedule.get("prediction_type", FLOWS) != FLOWS or schedule.get("stochastic_sampling"):
        raise LeakboardError(
            f"the {pipeline} matches flows, which its {scheduler} does not follow step by step without fresh noise",
            where=str(folder / SCHEDULER_CONFIG),
            expected=f"{FLOW}, or use_flow_sigmas with prediction_type {FLOWS!r}; no stochastic_sampling",
            next=SAVE,
        )
    denoiser, vae = (read_json(folder / part / "config.json") for part in (name, "vae"))
    taken, given = denoiser.get("in_channels", 4), vae.get("latent_channels", 4)
    for part, key, channels in ((name, "in_channels", taken), ("vae", "latent_channels", given)):
        if not isinstance(channels, int):
            raise LeakboardError(
                f"{key} is {channels!r}", where=str(folder / part / "config.json"), expected="a number of channels"
            )
    wanted = given * KINDS[pipeline].patch ** 2
    if taken != wanted:
        raise LeakboardError(
            f"the {name} takes {taken} channels and the vae gives {given}",
            where=str(folder / name / "config.json"),
            expected=f"{wanted} channels: pipelines that paint in, enlarge or edit take more",
        )
    if KINDS[pipeline].image_to_image and vae.get("in_channels", 3) in (given, LATENT_CHANNELS):
        raise LeakboardError(
            f"images of {vae['in_channels']} channels cannot be told from latents",
            where=str(folder / "vae" / "config.json"),
            expected="images of other channels than latents: image-to-image pipelines tell them apart by that",
        )
    for key in ("time_cond_proj_dim", "num_class_embeds", "class_embed_type"):
        if denoiser.get(key) is not None:
            raise LeakboardError(
                f"the {name} takes {key} = {denoiser[key]!r}",
                where=str(folder / name / "config.json"),
                expected="a denoiser that takes the timestep and the prompt alone",
            )
