"""Built-in defenses, one a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_defenses.box_blur import BoxBlur
from leakboard_defenses.budget import Budget
from leakboard_defenses.cutout import Cutout
from leakboard_defenses.gaussian_blur import GaussianBlur
from leakboard_defenses.gaussian_noise import GaussianNoise
from leakboard_defenses.horizontal_flip import HorizontalFlip
from leakboard_defenses.jpeg import Jpeg
from leakboard_defenses.none import Nothing
from leakboard_defenses.rand_augment import RandAugment

if TYPE_CHECKING:
    from leakboard.api import Defense

__all__ = [
    "DEFENSES",
    "BoxBlur",
    "Budget",
    "Cutout",
    "GaussianBlur",
    "GaussianNoise",
    "HorizontalFlip",
    "Jpeg",
    "Nothing",
    "RandAugment",
]

DEFENSES: list[type[Defense]] = [
    Nothing,
    BoxBlur,
    GaussianBlur,
    GaussianNoise,
    Jpeg,
    Budget,
    HorizontalFlip,
    RandAugment,
    Cutout,
]
