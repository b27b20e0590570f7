"""PFAMI: how much a crop raises the denoising loss, relative to the loss (Fu et al. 2023, arXiv 2308.12143)."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

from leakboard import hookimpl
from leakboard.api import Access, Classifier, Observer, Pair, Space, Unsupported


@dataclass(frozen=True, kw_only=True)
class Crops(Observer):
    """Denoising loss of an image and of its centre crops (shares of a side), enlarged again, at several timesteps."""

    name: ClassVar[str] = "shrunk"
    access: ClassVar[Access] = "gray"
    space: ClassVar[Space] = "noise"
    ts: tuple[int, ...] = (50, 150, 250, 350, 450)
    crops: tuple[float, ...] = (0.95, 0.8)

    def observe(self, oracle):
        from torchvision.transforms.v2.functional import center_crop, resize

        sent, size = {"plain": oracle.originals}, list(oracle.originals.shape[-2:])
        for share in self.crops:
            crop = center_crop(oracle.originals, [round(share * side) for side in size])
            sent[str(share)] = resize(crop, size).clamp(0, 1)
        for t, kind in itertools.product(self.ts, sent):
            clean = oracle.encode(sent[kind])
            level, noise = oracle.alphas_cumprod[t], oracle.noise("pfami", clean, t)
            predicted = oracle.predict_noise(level.sqrt() * clean + (1 - level).sqrt() * noise, t)
            yield Pair(noise, predicted, f"t={t} {kind}", "noise")


@dataclass(frozen=True, kw_only=True)
class Fluctuation(Classifier):
    """Mean of (loss of a crop - loss) / loss over crops and timesteps; it trains nothing."""

    name: ClassVar[str] = "shrinkage"
    trains: ClassVar[bool] = False

    def fit(self, features, member, columns):
        if "plain" not in columns[0]:
            raise Unsupported("shrinkage needs the pairs of the observer shrunk")
        width = next((place for place, name in enumerate(columns) if place and "plain" in name), len(columns))
        # larger means closer: a feature is a loss below zero, and the sign cancels in the ratio of crop to plain
        table = lambda unseen: unseen.reshape(len(unseen), -1, width).clip(max=-1e-9)  # noqa: E731
        return lambda unseen: (table(unseen)[..., 1:] / table(unseen)[..., :1] - 1).mean((1, 2))


@hookimpl
def leakboard_observers():
    return [Crops]


@hookimpl
def leakboard_classifiers():
    return [Fluctuation]
