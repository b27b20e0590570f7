"""Images for defenses, noise as the harness gives it, and defenses made as a grid makes them."""

import torch

from leakboard.registry.bind import build
from leakboard.registry.specs import Spec

SHAPES = [(5, 1, 28, 28), (4, 3, 33, 40)]


def checked(cls, **parameters):
    """An instance whose parameters were checked."""
    return build(cls, Spec(cls.name, tuple(parameters.items())))


def pictures(shape, seed=0):
    """Random images to 8 bits."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).mul(255).round() / 255


class SampleNoise:
    """Noise seeded by the sample, as the harness gives it."""

    def __init__(self, *samples):
        self.samples = samples

    def __call__(self, like, draw=0):
        rows = [
            torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(1000 * draw + sample))
            for sample in self.samples
        ]
        return torch.stack(rows).to(like)


def apply(defense, images, samples=None):
    """Images after a defense, those of the samples 0, 1, ... unless told otherwise."""
    return defense.apply(images, SampleNoise(*(range(len(images)) if samples is None else samples)))
