"""LiRA by two shadow victims, and a micro victim that remembers half of Fashion-MNIST: each seed another half."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import numpy as np

import leakboard
from leakboard.api import Classifier, Model, Step, Victim
from leakboard_plugins.datasets import FashionMnist


class Memory(Model):
    encode = decode = lambda self, images: images.clamp(0, 1)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        for _ in range(steps):
            near = (images.flatten(1)[:, None] - self.known.flatten(1)).norm(dim=2).topk(4, largest=False).indices
            images = images + strength * (self.known[near].mean(1) - images)
            yield Step(images, images)


@dataclass(frozen=True, kw_only=True)
class Micro(Victim):
    """Denoises towards the mean of the four nearest images that it remembers; ``seed`` draws which it does."""

    name: ClassVar[str] = "micro"
    seed: int = 0

    def members(self, ids):
        return np.array([blake2b(f"{self.seed} {name}".encode()).digest()[0] % 2 == 0 for name in ids])

    def open(self, device):
        samples, model = FashionMnist().load(), Memory()
        model.known = samples.images[self.members(samples.ids)].to(device)
        model.alphas_cumprod = model.known.new_tensor(np.linspace(0.999, 0.01, 100))
        return model


@dataclass(frozen=True, kw_only=True)
class Lira(Classifier):
    """Log likelihood ratio of members and others for each sample; its few shadows lean on what all samples share."""

    name: ClassVar[str] = "pair_lira"

    def fit(self, features, member, columns):
        return lambda unseen: unseen @ (features[member].mean(0) - features[~member].mean(0))

    def fit_shadows(self, features, member, columns):
        gap = (features[member].mean(0) - features[~member].mean(0)) / 2
        sides = [(member[..., None], gap), (~member[..., None], -gap)]
        inside, outside = (((features * a).sum(0) + features.mean(0) + b) / (a.sum(0) + 1) for a, b in sides)
        spread = (features - np.where(member[..., None], inside, outside)).var((0, 1)) + 1e-12
        return lambda seen: (((seen - outside) ** 2 - (seen - inside) ** 2) / spread).sum(-1)


leakboard_victims = leakboard.hookimpl(lambda: [Micro])
leakboard_classifiers = leakboard.hookimpl(lambda: [Lira])
