"""The two configurations of a pixel pipeline: types, ranges and the tensors they ask for, told without torch."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Side = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
DownBlock = Annotated[str, Field(pattern=r"Down(sample|Encoder)?Block2D$")]
UpBlock = Annotated[str, Field(pattern=r"Up(sample|Decoder)?Block2D$")]
PLAIN = frozenset({"DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"})


class _Config(BaseModel):
    """What a JSON file must say; keys that are not named here are diffusers' own business."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, defer_build=True)


class SchedulerConfig(_Config):
    """What `DDIMScheduler` makes of a noise schedule, with its defaults."""

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Beta = 1e-4
    beta_end: Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: Annotated[list[Beta], Field(min_length=1)] | None = None
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Literal["leading", "linspace", "trailing"] = "leading"
    steps_offset: Annotated[int, Field(ge=0)] = 0
    set_alpha_to_one: bool = True
    clip_sample: bool = True
    clip_sample_range: Annotated[float, Field(gt=0)] = 1.0
    thresholding: bool = False
    dynamic_thresholding_ratio: Annotated[float, Field(ge=0, le=1)] = 0.995
    sample_max_value: Annotated[float, Field(gt=0)] = 1.0
    rescale_betas_zero_snr: bool = False


class UnetConfig(_Config):
    """What shapes a `UNet2DModel`, with its defaults."""

    sample_size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    in_channels: Width = 3
    out_channels: Width = 3
    layers_per_block: Width = 2
    block_out_channels: Annotated[list[Width], Field(min_length=1)] = [224, 448, 672, 896]
    down_block_types: list[DownBlock] = ["DownBlock2D", *["AttnDownBlock2D"] * 3]
    up_block_types: list[UpBlock] = [*["AttnUpBlock2D"] * 3, "UpBlock2D"]
    class_embed_type: Any = None
    num_class_embeds: Any = None

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Names of tensors that the network needs and that are missing, or of another shape, among ``shapes``.

        Only those are looked at whose shape follows from the configuration in one step; the rest shows on opening.
        """
        return [name for name, shape in self._tensors() if shapes.get(name) != shape]

    def _tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        first = self.block_out_channels[0]
        yield from _convolution("conv_in", self.in_channels, first)
        down = zip(self.down_block_types, self.block_out_channels, strict=True)
        up = zip(self.up_block_types, reversed(self.block_out_channels), strict=True)
        for side, levels, layers in (("down", down, self.layers_per_block), ("up", up, self.layers_per_block + 1)):
            for level, (block, width) in enumerate(levels):
                if block in PLAIN:
                    for layer in range(layers):
                        yield from _convolution(f"{side}_blocks.{level}.resnets.{layer}.conv2", width, width)
        yield from _convolution("conv_out", first, self.out_channels)


_Checked = TypeVar("_Checked", bound=_Config)


def read_scheduler(content: dict[str, Any], path: Path) -> SchedulerConfig:
    """The noise schedule of the JSON object in ``path``.

    Raises:
        LeakboardError: it is none that the DDIM sampler can follow.
    """
    return _validate(SchedulerConfig, content, path)


def read_unet(content: dict[str, Any], path: Path) -> UnetConfig:
    """The network of the JSON object in ``path``.

    Raises:
        LeakboardError: it is no unconditional network that returns what it takes.
    """
    config = _validate(UnetConfig, content, path)
    levels = len(config.block_out_channels)
    if not levels == len(config.down_block_types) == len(config.up_block_types):
        raise LeakboardError(
            f"the network has {levels} widths, {len(config.down_block_types)} blocks down "
            f"and {len(config.up_block_types)} up",
            where=str(path),
            expected="as many block_out_channels as down_block_types and up_block_types",
        )
    if config.class_embed_type or config.num_class_embeds:
        raise LeakboardError("the network is conditioned on classes", where=str(path), expected="an unconditional one")
    if config.in_channels != config.out_channels:
        raise LeakboardError(
            f"the network takes {config.in_channels} channels and returns {config.out_channels}",
            where=str(path),
            expected="as many channels out as in (no learned variance)",
        )
    return config


def _validate(kind: type[_Checked], content: dict[str, Any], path: Path) -> _Checked:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        key = str(wrong[0]["loc"][0])
        wishes = dict.fromkeys(each["msg"] for each in wrong if each["loc"][0] == key)
        raise LeakboardError(
            f"{key} is {reprlib.repr(content[key])}, which no model can be made of",
            where=str(path),
            expected=", or: ".join(wishes).replace("Input should be ", ""),
        ) from error


def _convolution(name: str, taken: int, returned: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (returned, taken, 3, 3)
    yield f"{name}.bias", (returned,)
