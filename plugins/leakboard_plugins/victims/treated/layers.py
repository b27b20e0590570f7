"""The weights that treatments change: those of linear layers and convolutions, which are nearly all there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    import torch


def weights_of(network: torch.nn.Module) -> list[torch.Tensor]:
    """The weights (outputs, inputs, ...) of all linear layers and convolutions, in the order of the network.

    Biases, norms and embeddings are left out. Of a weight that two layers share there is one.

    Raises:
        LeakboardError: there is none.
    """
    from torch import nn

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    found = {id(part.weight): part.weight for part in network.modules() if isinstance(part, kinds)}
    if not found:
        raise LeakboardError(
            f"{type(network).__name__} has neither linear layers nor convolutions",
            expected="a denoiser made of them: there is nothing else to be treated",
        )
    return list(found.values())
