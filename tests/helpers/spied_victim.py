"""A victim that notes what observers ask of it, and the doors that lead to it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from diffusers import DDPMScheduler

from helpers.pixel_models import SIZE, tiny_unet
from leakboard.api import Defense, Model, Samples
from leakboard.oracle.door import Door
from leakboard.oracle.provider import Provider
from leakboard.registry.find import shared
from leakboard_plugins.victims.pixel.model import PixelModel

COUNT = 6


class Spied(Model):
    """Notes what is asked of a pixel model."""

    def __init__(self, **scheduler):
        self.inside = PixelModel(tiny_unet().eval(), dict(DDPMScheduler(**scheduler).config))
        self.alphas_cumprod = self.inside.alphas_cumprod
        self.encode, self.decode = self.inside.encode, self.inside.decode
        self.timesteps, self.times, self.reconstructions = [], [], []

    def predict_noise(self, state, timestep, prompts):
        self.timesteps.append(timestep)
        return self.inside.predict_noise(state, timestep, prompts)

    def predict_velocity(self, state, time, prompts):
        """As if the same network matched flows too."""
        self.times.append(time)
        with torch.no_grad():
            return self.inside._unet(state, torch.full((len(state),), time * 1000)).sample

    def reconstruct(self, images, seeds, strength, steps, prompts):
        self.reconstructions.append((strength, steps))
        return self.inside.reconstruct(images, seeds, strength, steps, prompts)


def observer(spec):
    return shared(()).one("observer", spec).only


def captioned():
    images = torch.rand((COUNT, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(1))
    ids = tuple(f"image {row}" for row in range(COUNT))
    return Samples(ids, images, np.arange(COUNT) < COUNT // 2, tuple(f"a photo of {name}" for name in ids))


@dataclass(frozen=True, kw_only=True)
class Halving(Defense):
    """Halves the brightness; twice is a quarter."""

    name: ClassVar[str] = "halving"

    def apply(self, images, noise):
        return images / 2


def entrance(memo, samples):
    """Opens a door; the victim sees the images at half brightness when ``defended``."""

    def enter(access="gray", *, defended=False, seed=0):
        return Door(memo, samples, seed, access, Provider((Halving(),) if defended else ()))

    return enter
