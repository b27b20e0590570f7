"""A residual network of maps: the head of SecMI and of ReDiffuse."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    import torch

    from leakboard.api import Array, Mask, Scorer

ASKED = 256
"""Maps scored at a time."""


@dataclass(frozen=True, kw_only=True)
class ResNet(Classifier):
    """ResNet-18 on maps of what was missed, trained from a fixed seed (the head of Duan et al., arXiv 2302.01316).

    15 epochs of SGD on the squared error to 1 for members and 0 for others, as published. Published code keeps the
    epoch that is best on test samples; here the last one counts, so nothing is chosen.

    It is trained on one thread, and by random numbers of its own: neither their number nor what is trained beside it
    changes a digit.

    Attributes:
        width: channels of the first quarter, each next one has twice as many; 64 are published. Half of them take
            about a quarter of the time.
        epochs: over the calibration samples.
        learning_rate: of SGD with momentum .9, falling along a cosine.
        batch: maps a step.
    """

    name: ClassVar[str] = "resnet"
    maps: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels flip the ranking": "a few steps on few maps do not turn round what a network starts from",
        "labels of shadow victims flip the ranking": "what a network learns of the opposite is not quite the opposite",
    }
    on_device: ClassVar[bool] = True
    width: Annotated[int, Field(ge=1)] = 64
    epochs: Annotated[int, Field(ge=1)] = 15
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    batch: Annotated[int, Field(ge=1)] = 128

    def fit(self, features: npt.NDArray[Any], member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of maps (M, P, C, H, W) to (M,).

        Raises:
            Unsupported: the features are no maps, or the calibration samples are all members or all non-members.
        """
        import torch

        if features.ndim != 5:
            raise Unsupported("resnet needs maps (C, H, W) of each pair, as the distance residual gives them")
        if member.all() or not member.any():
            raise Unsupported("training a classifier needs members and non-members among the calibration samples")
        shown = torch.tensor(features).float().flatten(1, 2)
        mean, spread = shown.mean((0, 2, 3), keepdim=True), shown.std((0, 2, 3), keepdim=True).clamp(min=1e-8)
        shown, target = (shown - mean) / spread, torch.tensor(member).float()
        with one_thread(), torch.random.fork_rng(), torch.enable_grad():
            net = network(shown.shape[1], self.width)
            self._train(net, shown, target)
        net.eval()

        def score(unseen: npt.NDArray[Any]) -> Array:
            scaled = (torch.tensor(unseen).float().flatten(1, 2) - mean) / spread
            with one_thread(), torch.inference_mode():
                parts = [net(part)[:, 0] for part in torch.split(scaled, ASKED)]
            return np.asarray(torch.cat(parts).double().cpu().numpy(), np.float64)

        return score

    def _train(self, net: torch.nn.Module, shown: torch.Tensor, target: torch.Tensor) -> None:
        import torch

        optimiser = torch.optim.SGD(net.parameters(), self.learning_rate, momentum=0.9, weight_decay=5e-4)
        steps = self.epochs * -(-len(shown) // self.batch)
        order = torch.Generator("cpu").manual_seed(0)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(self.epochs):
            for rows in torch.split(
                torch.randperm(len(shown), generator=order, device="cpu").to(shown.device), self.batch
            ):
                if len(rows) < 2:
                    continue  # batch normalisation needs two
                optimiser.zero_grad()
                loss = torch.nn.functional.mse_loss(net(shown[rows])[:, 0], target[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                falling.step()


def network(channels: int, width: int = 64, seed: int = 0) -> torch.nn.Module:
    """ResNet-18 for small maps: a first convolution of 3x3 without stride and no pooling after it, one output.

    Args:
        channels: of the maps.
        width: channels of the first quarter.
        seed: of the weights, which are drawn as torchvision draws them.
    """
    import torch
    from torch import nn
    from torchvision.models.resnet import BasicBlock
    from torchvision.models.resnet import ResNet as Layers

    net: Any = Layers(BasicBlock, [2, 2, 2, 2], num_classes=1)
    net.inplanes = width
    net.conv1, net.bn1 = nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
    net.maxpool = nn.Identity()
    for quarter in range(4):
        layer = net._make_layer(BasicBlock, width << quarter, 2, 1 if quarter == 0 else 2)  # noqa: SLF001 - no public name
        setattr(net, f"layer{quarter + 1}", layer)
    net.fc = nn.Linear(8 * width, 1)
    drawn = torch.Generator(net.fc.weight.device).manual_seed(seed)
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=drawn)
    bound = (8 * width) ** -0.5
    for weights in net.fc.parameters():
        nn.init.uniform_(weights, -bound, bound, generator=drawn)
    made: nn.Module = net
    return made


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """For this long torch computes on one thread: more of them add up in another order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
