"""What the tests of training share."""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from leakboard.api import Dataset, Samples
from leakboard.training import PixelRecipe, train_recipe

RECIPE = PixelRecipe(
    name="tiny",
    dataset="stripes",
    checkpoints={"untrained": 0, "light": 11, "heavy": 20},
    channels=(8, 16),
    batch_size=4,
    average=0.8,
)


@dataclass(frozen=True, kw_only=True)
class Stripes(Dataset):
    """Noisy stripes: 12 members, 12 non-members, 8x8."""

    name: ClassVar[str] = "stripes"
    seed: int = 0

    def load(self):
        generator = torch.Generator().manual_seed(self.seed)
        images = (torch.rand(24, 1, 8, 8, generator=generator) * 0.2 + torch.arange(8) % 2 * 0.8).clamp(0, 1)
        ids = tuple(f"stripe-{self.seed}-{row}" for row in range(24))
        return Samples(ids, images, np.arange(24) % 2 == 0, notes=("licence of stripes",))


def quiet(what, done, total):
    """Progress that says nothing."""


def train(recipe, dataset, out, progress=quiet):
    """Train and measure with few images."""
    return train_recipe(recipe, dataset, out, progress=progress, generated=8)


def manifest(folder):
    """What is noted beside a checkpoint."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def digests(out):
    """Of all files that a training writes before it is measured."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
