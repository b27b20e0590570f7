"""Where an image was missed, element by element, into a small convolutional network."""

from dataclasses import dataclass
from typing import ClassVar

from leakboard import hookimpl
from leakboard.api import Classifier, Distance, Space


@dataclass(frozen=True, kw_only=True)
class Residual(Distance):
    """Absolute difference of every element, kept as a map in half precision."""

    name: ClassVar[str] = "missed"
    spaces: ClassVar[frozenset[Space]] = frozenset({"image", "state", "noise"})
    stored_as: ClassVar[str] = "float16"

    def measure(self, pair):
        return (pair.reference - pair.observation).abs()


@dataclass(frozen=True, kw_only=True)
class SmallCnn(Classifier):
    """A convolution and a mean over the picture, trained from a fixed seed on the maps of all pairs."""

    name: ClassVar[str] = "small_cnn"
    maps: ClassVar[bool] = True
    on_device: ClassVar[bool] = True
    epochs: int = 100
    width: int = 16

    def fit(self, features, member, columns):
        import torch
        from torch import nn

        shown = torch.tensor(features, dtype=torch.float32).flatten(1, -3)  # (N, pairs x channels, H, W)
        mean, spread = shown.mean(), shown.std().clamp(min=1e-6)
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(0)
            first, last = nn.Conv2d(shown.shape[1], self.width, 3, padding=1), nn.Linear(self.width, 1)
            net = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
            optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
            target = torch.tensor(member, dtype=torch.float32)
            for _ in range(self.epochs):
                optimiser.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(net((shown - mean) / spread)[:, 0], target).backward()
                optimiser.step()
        asked = lambda unseen: net((torch.tensor(unseen, dtype=torch.float32).flatten(1, -3) - mean) / spread)  # noqa: E731
        return lambda unseen: asked(unseen)[:, 0].detach().cpu().double().numpy()


@hookimpl
def leakboard_distances():
    return [Residual]


@hookimpl
def leakboard_classifiers():
    return [SmallCnn]
