"""A residual network of maps: the head of SecMI and of ReDiffuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    Attributes:
        epochs: over the calibration samples.
        learning_rate: of SGD with momentum .9, falling along a cosine.
        batch: maps a step.
    """

    name: ClassVar[str] = "resnet"
    maps: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels of shadow victims flip the ranking": "what a network learns of the opposite is not quite the opposite"
    }
    on_device: ClassVar[bool] = True
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
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(0)
            net = network(shown.shape[1])
            self._train(net, shown, target)
        net.eval()

        def score(unseen: npt.NDArray[Any]) -> Array:
            scaled = (torch.tensor(unseen).float().flatten(1, 2) - mean) / spread
            with torch.inference_mode():
                parts = [net(part)[:, 0] for part in torch.split(scaled, ASKED)]
            return np.asarray(torch.cat(parts).double().cpu().numpy(), np.float64)

        return score

    def _train(self, net: torch.nn.Module, shown: torch.Tensor, target: torch.Tensor) -> None:
        import torch

        optimiser = torch.optim.SGD(net.parameters(), self.learning_rate, momentum=0.9, weight_decay=5e-4)
        steps = self.epochs * -(-len(shown) // self.batch)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(len(shown), device="cpu").to(shown.device), self.batch):
                if len(rows) < 2:
                    continue  # batch normalisation needs two
                optimiser.zero_grad()
                loss = torch.nn.functional.mse_loss(net(shown[rows])[:, 0], target[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                falling.step()


def network(channels: int) -> torch.nn.Module:
    """ResNet-18 for small maps: a first convolution of 3x3 without stride and no pooling after it, one output."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock
    from torchvision.models.resnet import ResNet as Layers

    net: nn.Module = Layers(BasicBlock, [2, 2, 2, 2], num_classes=1)
    net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net
