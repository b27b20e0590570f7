"""Samples of a tiny victim's size, and doors to any victim."""

import numpy as np
import torch

from helpers.pixel_models import SIZE
from leakboard.api import Samples
from leakboard.oracle.door import Door
from leakboard.oracle.memo import Memo
from leakboard.oracle.provider import Provider


def make_samples(count=5, prompts=None):
    images = torch.rand((count, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    return Samples(tuple(f"image {row}" for row in range(count)), images, np.arange(count) % 2 == 0, prompts)


def make_door(model, access="gray", samples=None, batch_size=64, *, memo=None, seed=0, query=(), output=()):
    """A door for one observer; with ``memo``, to what is already remembered of a model."""
    samples = samples or make_samples()
    provider = Provider(tuple(query), tuple(output))
    return Door(memo or Memo(model, batch_size), samples, seed, access, provider, samples.prompts)
