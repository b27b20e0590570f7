"""White box: sizes of the denoising loss's gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from leakboard.api import Access, Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.blind_numbers import pair_of
from leakboard_plugins.observers.diffusion import Timesteps, noised

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class GradientNorms(Observer):
    """GSA: norm of the loss's gradient in every parameter tensor (Pang et al., PoPETs 2025, arXiv 2308.06405).

    Attributes:
        ts: timesteps; the paper takes ten from 99 to 999.
        of: ``mean`` differentiates the mean loss over all timesteps once (GSA1), ``each`` every loss, and takes the
            mean of the norms (GSA2).
    """

    name: ClassVar[str] = "gradient_norms"
    access: ClassVar[Access] = "white"
    space: ClassVar[Space] = "gradient"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise", "gradients"})
    ts: Timesteps = (99, 199, 299, 399, 499, 599, 699, 799, 899, 999)
    of: Literal["mean", "each"] = "mean"

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of a number each parameter tensor."""
        import torch

        clean = oracle.encode(oracle.originals)
        noise = oracle.noise("gradient_norms", clean)
        if self.of == "mean":
            norms = oracle.gradients(clean, noise, self.ts)
        else:
            norms = torch.stack([oracle.gradients(clean, noise, t) for t in self.ts]).mean(0)
        yield Pair(norms.new_zeros(norms.shape), norms, self.of, "gradient")


@dataclass(frozen=True, kw_only=True)
class LossTrace(Observer):
    """Tracing the roots: loss, and norms of its gradients by the state and by all weights (NeurIPS 2025).

    Attributes:
        ts: timesteps, three numbers each.
    """

    name: ClassVar[str] = "loss_trace"
    access: ClassVar[Access] = "white"
    space: ClassVar[Space] = "statistic"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise", "gradients"})
    ts: Timesteps = (50, 150, 250, 350, 450, 550, 650, 750, 850, 950)

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a timestep, of the logarithms of three numbers."""
        clean = oracle.encode(oracle.originals)
        noise = oracle.noise("loss", clean)
        for t in self.ts:
            predicted = oracle.predict_noise(noised(oracle, clean, noise, t), t)
            numbers = {
                "loss": (predicted - noise).square().flatten(1).mean(1),
                "gradient by state": oracle.state_gradient(clean, noise, t),
                "gradient by weights": oracle.gradients(clean, noise, t).double().square().sum(1).sqrt(),
            }
            yield pair_of(f"t={t}", {name: value.double().clamp(min=1e-30).log() for name, value in numbers.items()})
