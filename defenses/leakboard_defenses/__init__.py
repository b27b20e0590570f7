"""Built-in defenses, one a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_defenses.bilateral import Bilateral
from leakboard_defenses.box_blur import BoxBlur
from leakboard_defenses.budget import Budget
from leakboard_defenses.cutout import Cutout
from leakboard_defenses.diffpure import DiffPure
from leakboard_defenses.gaussian_blur import GaussianBlur
from leakboard_defenses.gaussian_noise import GaussianNoise
from leakboard_defenses.horizontal_flip import HorizontalFlip
from leakboard_defenses.jpeg import Jpeg
from leakboard_defenses.median import Median
from leakboard_defenses.non_local_means import NonLocalMeans
from leakboard_defenses.none import Nothing
from leakboard_defenses.quantize_levels import QuantizeLevels
from leakboard_defenses.rand_augment import RandAugment
from leakboard_defenses.random_crop_resize import RandomCropResize
from leakboard_defenses.rate_limit import RateLimit
from leakboard_defenses.resize import Resize
from leakboard_defenses.total_variation import TotalVariation

if TYPE_CHECKING:
    from leakboard.api import Defense

__all__ = [
    "DEFENSES",
    "Bilateral",
    "BoxBlur",
    "Budget",
    "Cutout",
    "DiffPure",
    "GaussianBlur",
    "GaussianNoise",
    "HorizontalFlip",
    "Jpeg",
    "Median",
    "NonLocalMeans",
    "Nothing",
    "QuantizeLevels",
    "RandAugment",
    "RandomCropResize",
    "RateLimit",
    "Resize",
    "TotalVariation",
]

DEFENSES: list[type[Defense]] = [
    Nothing,
    BoxBlur,
    GaussianBlur,
    Median,
    Bilateral,
    NonLocalMeans,
    TotalVariation,
    Resize,
    RandomCropResize,
    QuantizeLevels,
    Jpeg,
    GaussianNoise,
    DiffPure,
    HorizontalFlip,
    RandAugment,
    Cutout,
    Budget,
    RateLimit,
]
