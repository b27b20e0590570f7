"""The network on which published code and ours are compared, and what ours measures."""

import pytest
import torch

from helpers.pixel_models import tiny_unet


@pytest.fixture
def unet():
    return tiny_unet().eval().requires_grad_(False)


@pytest.fixture
def statistic(registry, enter):
    """What a named attack measures on the same network: (N,)."""

    def statistic(name):
        attack = registry.value("attack", name)
        pairs = list(registry.one("observer", attack.observer).only.observe(enter()))
        distance = registry.one("distance", attack.distance).only
        return torch.stack([distance.measure(pair) for pair in pairs]).double()

    return statistic


@pytest.fixture
def clean(samples):
    return samples.images * 2 - 1
