"""Samples of a tiny victim's size, and doors to any victim."""

import numpy as np
import torch

from helpers.pixel_models import SIZE
from leakboard.api import Samples
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo


def make_samples(count=5, prompts=None):
    images = torch.rand((count, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    return Samples(tuple(f"image {row}" for row in range(count)), images, np.arange(count) % 2 == 0, prompts)


def make_door(model, access="gray", samples=None, batch_size=64, *, answers=None, seed=0, output_defenses=()):
    """A door for one observer; with ``answers``, to what is already remembered of a model."""
    samples = samples or make_samples()
    return Door(
        answers or Memo(model, batch_size), samples, samples.images, access, seed, output_defenses, samples.prompts
    )
