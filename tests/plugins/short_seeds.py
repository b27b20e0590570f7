"""The tiny victim with seeds of 32 bits, as it is reached over HTTP."""

from dataclasses import dataclass
from typing import ClassVar

from tiny import Linear, LinearVictim

import leakboard


class Short(Linear):
    def reconstruct(self, images, seeds, strength, steps, prompts):
        return super().reconstruct(images, [seed % 2**32 for seed in seeds], strength, steps, prompts)

    def generate(self, seeds, steps, prompts):
        return super().generate([seed % 2**32 for seed in seeds], steps, prompts)


@dataclass(frozen=True, kw_only=True)
class ShortLinear(LinearVictim):
    """The tiny victim, with the last 32 bits of every seed."""

    name: ClassVar[str] = "short_linear"

    def open(self, device):
        return Short(self.gain, self.nap)


@leakboard.hookimpl
def leakboard_victims():
    return [ShortLinear]
