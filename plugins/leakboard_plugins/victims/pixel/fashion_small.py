"""A small pixel diffusion model that ships with some of its shadow victims."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

from leakboard_plugins.victims.pixel.shipped import ShippedPixel

Shadow = Literal[0, 1, 2, 3]


@dataclass(frozen=True, kw_only=True)
class FashionSmall(ShippedPixel):
    """Embedded: a 0.16 M parameter DDPM trained on the members of ``fashion_mnist_small``, and four shadow victims.

    These are two pairs, each trained on a half of members and non-members that the other of its pair does not know;
    any may be under attack. Made by ``leakboard train fashion_small`` and its ``--shadows 16``; what the other twelve
    said stands in the table of ``loss_beside_shadows``.

    Attributes:
        shadow: number of a shadow victim; None is the victim itself.
    """

    name: ClassVar[str] = "fashion_small"
    shadow: Shadow | None = None

    @property
    def part(self) -> str:
        """Its folder among its weights, and in the folder that its training writes."""
        return self.level if self.shadow is None else f"shadow-{self.shadow:02d}/{self.level}"

    @property
    def training(self) -> str:
        """The command that makes it."""
        return super().training + ("" if self.shadow is None else f" --shadows {len(get_args(Shadow))}")

    def checkpoints(self) -> list[Self]:
        """All that may come with an installation: levels, and shadow victims."""
        return [*super().checkpoints(), *(replace(self, shadow=shadow) for shadow in get_args(Shadow))]
