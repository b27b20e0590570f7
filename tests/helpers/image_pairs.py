"""Pairs of images, and what the tests of distances expect of them."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from leakboard.api import Pair
from leakboard.registry.bind import build
from leakboard.registry.specs import Spec
from leakboard_plugins.distances import Dssim, Features, Lp, Lpips, Mse, Psnr, Rmse

SHAPES = [(5, 1, 28, 28), (4, 3, 33, 40)]
CHEAP = [Psnr(), Dssim(), Dssim(window=11, gaussian=True), Rmse(), Mse(), Lp(p=4), Features(), Lpips(weights="random")]


def pair(shape, *, seed=0, spread=0.1, **kwargs):
    """Smooth images with sharp edges, and the same with noise: every distance sees structure and difference."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(*shape[:2], 5, 5, generator=draw)
    reference = interpolate(coarse, size=shape[2:], mode="bilinear").clamp(0, 1)
    reference[..., : shape[2] // 3, :] = reference[..., : shape[2] // 3, :].round()
    noise = torch.randn(shape, generator=draw) * torch.linspace(0.01, spread, shape[0]).view(-1, 1, 1, 1)
    return Pair(reference, (reference + noise).clamp(0, 1), "output", **kwargs)


def ladder(shape):
    """One image, and the same with one pattern of noise added ever more strongly."""
    given = pair((1, *shape[1:]))
    noise = torch.randn(1, *shape[1:], generator=torch.Generator().manual_seed(9))
    reference = given.reference.expand(shape).clone()
    strength = torch.linspace(0.05, 0.5, shape[0]).view(-1, 1, 1, 1)
    return Pair(reference, (reference + strength * noise).clamp(0, 1), "output")


def rows(given):
    """Both images of each sample in float64."""
    return zip(given.reference.double().numpy(), given.observation.double().numpy(), strict=True)


def checked(cls, **parameters):
    return build(cls, Spec(cls.name, tuple(parameters.items())))


def expect(distance, given, reference, tolerance=1e-5):
    measured = distance.measure(given)
    assert measured.shape == (len(given.reference),)
    assert measured.dtype == torch.float64
    np.testing.assert_allclose(measured.numpy(), [reference(*images) for images in rows(given)], rtol=0, atol=tolerance)
