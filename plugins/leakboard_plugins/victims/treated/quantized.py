"""Another victim, whose weights are rounded to few bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from leakboard_plugins.victims.treated.layers import weights_of
from leakboard_plugins.victims.treated.victim import Treated

if TYPE_CHECKING:
    import torch

Bits = Literal["int8", "fp8", "int4"]
MIDDLE = 8
"""The int4 code of zero."""
LARGEST = {"int8": 127.0, "fp8": 448.0, "int4": 7.0}
"""Each type's number that the largest weight of a channel becomes."""


@dataclass(frozen=True, kw_only=True)
class Quantized(Treated):
    """A victim whose denoiser has its weights rounded to 8 or 4 bits, with one scale an output channel.

    Weights alone, as int8, float8 (e4m3) or int4 of linear layers and convolutions, symmetric around zero, the largest
    of each channel exactly kept. The answers are those of a network that stores the codes and computes with what they
    stand for. It computes in the type that the victim computes in.

    Attributes:
        of: the victim, as a spec.
        dtype: what a weight is rounded to: 'int8' to 255 numbers, 'fp8' to 3 bits behind the point, 'int4' to 15
            numbers.
    """

    name: ClassVar[str] = "quantized"
    dtype: Bits = "int8"

    def treat(self, denoiser: torch.nn.Module) -> None:
        """Round weights in place.

        Raises:
            LeakboardError: the denoiser has neither linear layers nor convolutions.
        """
        for weight in weights_of(denoiser):
            weight.copy_(stored(weight, self.dtype).weight())


@dataclass(frozen=True)
class Stored:
    """A weight as it is stored.

    Attributes:
        codes: int8 or float8 of the weight's shape; of int4 two in each uint8, the first in the upper half.
        scales: float32 (outputs, 1, ...): what the codes of each channel are multiplied with.
        shape: of the weight.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    shape: torch.Size

    def weight(self) -> torch.Tensor:
        """What the codes stand for, float32."""
        import torch

        numbers = self.codes
        if numbers.dtype == torch.uint8:
            halves = torch.stack([numbers >> 4, numbers & 15], 1).flatten()[: self.shape.numel()]
            numbers = (halves.to(torch.int8) - MIDDLE).view(self.shape)
        return numbers.float() * self.scales


def stored(weight: torch.Tensor, dtype: Bits) -> Stored:
    """A weight (outputs, ...) with one scale an output channel."""
    import torch

    exact = weight.detach().float()
    largest = exact.abs().flatten(1).amax(1).view(-1, *(1,) * (exact.ndim - 1))
    scales = (largest / LARGEST[dtype]).clamp_min(torch.finfo(torch.float32).tiny)
    numbers = exact / scales
    if dtype == "fp8":
        return Stored(numbers.clamp(-448, 448).to(torch.float8_e4m3fn), scales, exact.shape)
    numbers = numbers.round().clamp(-LARGEST[dtype], LARGEST[dtype]).to(torch.int8)
    if dtype == "int8":
        return Stored(numbers, scales, exact.shape)
    halves = (numbers.flatten() + MIDDLE).to(torch.uint8)
    if len(halves) % 2:
        halves = torch.cat([halves, halves.new_full((1,), MIDDLE)])
    upper, lower = halves.view(-1, 2).unbind(1)
    return Stored((upper << 4) | lower, scales, exact.shape)
