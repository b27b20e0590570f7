"""The configuration of a pixel network, and the tensors that its weights must have; checked without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.configs import Config, validated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Side = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1)]


def _block(*endings: str) -> AfterValidator:
    def check(name: str) -> str:
        if not name.endswith(endings):
            raise ValueError(f"blocks of diffusers whose names end with {', '.join(endings)}")
        return name

    return AfterValidator(check)


DownBlock = Annotated[str, _block("DownBlock2D", "DownsampleBlock2D", "DownEncoderBlock2D")]
UpBlock = Annotated[str, _block("UpBlock2D", "UpsampleBlock2D", "UpDecoderBlock2D")]
PLAIN = frozenset({"DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"})
"""Blocks whose tensors are laid out in one known way; others are compared only when they are opened."""


class UnetConfig(Config):
    """What shapes a `UNet2DModel`, with its defaults."""

    sample_size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    in_channels: Width = 3
    out_channels: Width = 3
    layers_per_block: Width = 2
    block_out_channels: list[Width] = Field(default=[224, 448, 672, 896], min_length=1)
    down_block_types: list[DownBlock] = Field(default=["DownBlock2D", *["AttnDownBlock2D"] * 3])
    up_block_types: list[UpBlock] = Field(default=[*["AttnUpBlock2D"] * 3, "UpBlock2D"])
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


def read_unet(content: dict[str, Any], path: Path) -> UnetConfig:
    """The network of the JSON object in ``path``.

    Raises:
        LeakboardError: it is no unconditional network that returns what it takes.
    """
    config = validated(UnetConfig, content, path)
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


def _convolution(name: str, taken: int, returned: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (returned, taken, 3, 3)
    yield f"{name}.bias", (returned,)
