"""What a contract check is made of, and the inputs and comparisons that checks share."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from leakboard.api import Component, Model

COUNT = 6
"""Samples that components are tried on."""


class Declined(Exception):
    """A check that does not apply, for the reason given."""


@dataclass(frozen=True)
class Subject:
    """What is being checked: a plugin of an axis, or a value of an extension.

    Attributes:
        instance: None for a class that cannot be made without parameters.
        samples: what a victim is asked about.
    """

    cls: type[Component]
    instance: Component | None
    samples: Samples | None = None

    @functools.cached_property
    def model(self) -> Model:
        """The victim, opened once for all checks."""
        model: Model = self.made.open("cpu")
        return model

    @property
    def made(self) -> Any:
        """The instance.

        Raises:
            Declined: there is none.
        """
        if self.instance is None:
            raise Declined("it needs parameters: check an instance")
        return self.instance


@dataclass(frozen=True)
class Check:
    """One check of a `Subject`, or of a value of an extension.

    Attributes:
        name: what reports call it.
        run: raises AssertionError with a sentence, or `Declined`, or nothing.
    """

    name: str
    run: Callable[[Any], None]


def images(count: int = COUNT, channels: int = 3, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Smooth images (N, C, H, W) that differ from each other and reach 0 and 1."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, channels, 4, 4), generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    low, high = fine.amin((1, 2, 3), keepdim=True), fine.amax((1, 2, 3), keepdim=True)
    return ((fine - low) / (high - low)).clamp(0, 1)


def samples(count: int = COUNT) -> Samples:
    """A few samples, every other one a member, each with a caption; the size of the first one's file is unknown."""
    ids = tuple(f"sample {row}" for row in range(count))
    captions = tuple(f"a photo of number {row}" for row in range(count))
    sizes = np.where(np.arange(count) > 0, 1000.0 + np.arange(count), np.nan)
    return Samples(ids, images(count), np.arange(count) % 2 == 0, captions, metadata={"bytes": sizes})


def agree(one: torch.Tensor, other: torch.Tensor, what: str, tolerance: float = 1e-4) -> None:
    """Assert that two tensors are equal to rounding, relative to the largest value."""
    assert one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}"
    gap = float((one.double() - other.double()).abs().max()) if one.numel() else 0.0
    size = max(1e-6, float(other.double().abs().max())) if other.numel() else 1.0
    assert gap <= tolerance * size, f"{what}: they differ by {gap:.3g} where values reach {size:.3g}"


def unchanged(before: torch.Tensor, after: torch.Tensor, what: str) -> None:
    """Assert that a tensor was not written into."""
    assert bool((before == after).all()), f"it changed {what} in place"
