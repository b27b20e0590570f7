"""PFAMI: how much a crop raises the denoising loss, relative to the loss (Fu et al. 2023, arXiv 2308.12143)."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leakboard import hookimpl
from leakboard.api import Access, Classifier, Observer, Pair, Space, Unsupported


@dataclass(frozen=True, kw_only=True)
class Crops(Observer):
    """Denoising loss of an image and of its centre crops (shares of a side), enlarged again, at several timesteps."""

    name: ClassVar[str] = "crops"
    access: ClassVar[Access] = "gray"
    space: ClassVar[Space] = "noise"
    ts: tuple[int, ...] = (50, 150, 250, 350, 450)
    crops: tuple[float, ...] = (0.95, 0.8)

    def observe(self, oracle):
        from torchvision.transforms.v2.functional import center_crop, resize

        images, size = oracle.originals, list(oracle.originals.shape[-2:])
        kept = [[round(share * side) for side in size] for share in self.crops]
        crops = [resize(center_crop(images, each), size, antialias=True).clamp(0, 1) for each in kept]
        encoded = {"plain": oracle.encode(images)} | dict(
            zip(map(str, self.crops), map(oracle.encode, crops), strict=True)
        )
        for t, (kind, clean) in itertools.product(self.ts, encoded.items()):
            level, noise = oracle.alphas_cumprod[t], oracle.noise("pfami", clean, t)
            predicted = oracle.predict_noise(level.sqrt() * clean + (1 - level).sqrt() * noise, t)
            yield Pair(noise, predicted, f"t={t} {kind}", "noise")


@dataclass(frozen=True, kw_only=True)
class Fluctuation(Classifier):
    """Mean of (loss of a crop - loss) / loss over crops and timesteps; it trains nothing."""

    name: ClassVar[str] = "fluctuation"
    trains: ClassVar[bool] = False

    def fit(self, features, member, columns):
        plain = {name.split()[0]: place for place, name in enumerate(columns) if name.endswith("plain")}
        crops = [place for place in range(len(columns)) if place not in plain.values()]
        if not plain or not crops:
            raise Unsupported("fluctuation needs pairs of the observer crops")
        against = [plain[columns[place].split()[0]] for place in crops]
        # larger means closer: a feature is a loss below zero, and the sign cancels in the ratio
        return lambda unseen: np.mean(unseen[:, crops] / np.minimum(unseen[:, against], -1e-9) - 1, axis=1)


@hookimpl
def leakboard_observers():
    return [Crops]


@hookimpl
def leakboard_classifiers():
    return [Fluctuation]
