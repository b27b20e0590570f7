"""The folder of a pixel pipeline that matches flows: checked before anything is loaded, opened without a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.bounds import check_numbers
from leakboard_plugins.victims.folders.configs import Config, validated
from leakboard_plugins.victims.folders.layout import INDEX, LAYOUT, read_json
from leakboard_plugins.victims.folders.source import find_source
from leakboard_plugins.victims.pixel.folder import PixelFolder, opened, whole

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard_plugins.victims.pixel.flow_model import FlowPixelModel

SCHEDULER = "FlowMatchEulerDiscreteScheduler"
PARTS = {"unet": "UNet2DModel", "scheduler": SCHEDULER}


class FlowConfig(Config):
    """What shapes the schedule of a flow, with the defaults of diffusers; what depends on the size of images is off."""

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    shift: Annotated[float, Field(gt=0, le=1000)] = 1.0
    shift_terminal: Annotated[float, Field(gt=0, lt=1)] | None = None
    use_dynamic_shifting: Literal[False] = False
    invert_sigmas: Literal[False] = False
    stochastic_sampling: Literal[False] = False


def read_pipeline(folder: Path, base: Path | None = None, variant: str | None = None) -> PixelFolder:
    """Read a pipeline folder and check that it is whole, without torch.

    Args:
        folder: of the pipeline, or with ``base`` of a denoiser alone.
        base: of the pipeline that the scheduler is taken from.
        variant: of the weights; None is plain ones, or the only variant there is.

    Raises:
        LeakboardError: not a pipeline of a UNet2DModel and the scheduler of flows, a file is missing, a configuration
            makes no sense, or the weights are no whole safetensors, do not fit the network, or are not those of the
            ``manifest.json`` beside the pipeline.
    """
    source = find_source(folder, base, LAYOUT, "flow")
    named = {name: value[-1] for name, value in source.index.items() if isinstance(value, list) and value}
    if named != PARTS:
        parts = ", ".join(f"{name} = {str(value)[:80]}" for name, value in sorted(named.items()))
        raise LeakboardError(
            f"the pipeline is made of {parts or 'nothing'}",
            where=str(source.root / INDEX),
            expected=f"unet = UNet2DModel and scheduler = {SCHEDULER}, and nothing else",
            next="ddpm(model=…) for a scheduler of betas, stable_diffusion(model=…) for latent pipelines",
        )
    paths = {name: source.config(name) for name in PARTS}
    configs = {name: read_json(path) for name, path in paths.items()}
    for name, path in paths.items():
        check_numbers(configs[name], path)
    validated(FlowConfig, configs["scheduler"], paths["scheduler"])
    return whole(source, folder, variant, paths, configs["unet"])


def open_pipeline(
    folder: Path, device: str, base: Path | None = None, variant: str | None = None, dtype: str = "float32"
) -> FlowPixelModel:
    """The model of a pipeline folder on ``device``, in eval mode, without gradients on its weights.

    Raises:
        LeakboardError: as `read_pipeline`, or the weights do not fit the network's configuration, or hold no numbers.
    """
    from leakboard_plugins.victims.pixel.flow_model import FlowPixelModel

    return opened(read_pipeline(folder, base, variant), device, FlowPixelModel, "the schedule of the flow", dtype)
