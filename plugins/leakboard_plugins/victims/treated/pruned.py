"""Another victim, the smallest of whose weights are zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from pydantic import Field

from leakboard_plugins.victims.treated.layers import weights_of
from leakboard_plugins.victims.treated.victim import Treated

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Pruned(Treated):
    """A victim whose denoiser has its smallest weights set to zero, by `torch.nn.utils.prune`, without retraining.

    By magnitude over all layers together (Han et al. 1506.02626), or channel by channel: in each layer the output
    channels of least L2 norm (Li et al. 1608.08710 take the L1 norm), but for the last layer, whose channels are the
    answer.

    Attributes:
        of: the victim, as a spec.
        amount: share of the weights, or of each layer's output channels, that are set to zero.
        structured: whole output channels instead of single weights.
    """

    name: ClassVar[str] = "pruned"
    amount: Annotated[float, Field(gt=0, lt=1)] = 0.3
    structured: bool = False

    def treat(self, denoiser: torch.nn.Module) -> None:
        """Set weights to zero in place.

        Raises:
            LeakboardError: the denoiser has neither linear layers nor convolutions.
        """
        from torch import nn
        from torch.nn.utils import prune

        weights = weights_of(denoiser)
        # the masks are made on stand-ins, for pruning a layer itself would put its parameters in another order
        stands = [nn.Module() for _ in weights]
        for stand, weight in zip(stands, weights, strict=True):
            stand.register_parameter("weight", nn.Parameter(weight.contiguous(), requires_grad=False))
        if self.structured:
            for stand in stands[:-1]:
                prune.ln_structured(stand, "weight", self.amount, n=2, dim=0)  # type: ignore[no-untyped-call]
        else:
            layers = [(stand, "weight") for stand in stands]
            prune.global_unstructured(layers, prune.L1Unstructured, amount=self.amount)
        for stand, weight in zip(stands, weights, strict=True):
            weight.copy_(cast("torch.Tensor", stand.weight))
