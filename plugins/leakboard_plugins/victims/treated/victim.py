"""What all treatments of one victim have in common: everything but the weights is that victim's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import Access, Fit, Model, Need, Victim, WorksIn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.api import Mask, Samples


@dataclass(frozen=True, kw_only=True)
class Treated(Victim):
    """Another victim, the weights of whose denoiser are changed when it is opened.

    Its members are that victim's, and so are prompts, sizes and what it answers. What the manifest says of loss and
    quality is no longer true, so it is told apart, and the run measures both anew.
    """

    of: Victim
    """The victim, as a spec."""

    @property
    def access(self) -> Access:
        """That of the victim."""
        return self.of.access

    @property
    def works_in(self) -> WorksIn:
        """As the victim."""
        return self.of.works_in

    @property
    def offers(self) -> frozenset[Need] | None:
        """As the victim: a network of changed weights answers all that it answered."""
        return self.of.offers

    @property
    def evaluations_per_step(self) -> int:
        """As the victim."""
        return self.of.evaluations_per_step

    @property
    def fit(self) -> Fit:
        """As the victim."""
        return self.of.fit

    @property
    def gated(self) -> bool:
        """As the victim: a treatment that destroys it is refused as at chance."""
        return self.of.gated

    @property
    def null(self) -> bool:
        """As the victim: what has learnt nothing has nothing to leak, whatever is done to it."""
        return self.of.null

    @property
    def altered(self) -> bool:
        """True."""
        return True

    def treat(self, denoiser: torch.nn.Module) -> None:
        """Change the weights of the denoiser in place.

        Raises:
            LeakboardError: it has no weights that could be changed so.
        """
        raise NotImplementedError

    def open(self, device: str) -> Model:
        """The victim's model on ``device``, with changed weights.

        Raises:
            LeakboardError: the victim cannot be opened, or not be treated so.
            Unsupported: its model does not give its networks out.
        """
        import torch

        model = self.of.open(device)
        with torch.no_grad():
            self.treat(model.networks()["denoiser"])
        return model

    def members(self, ids: Sequence[str]) -> Mask | None:
        """Those of the victim."""
        return self.of.members(ids)

    def trained_on(self) -> str | None:
        """As the victim."""
        return self.of.trained_on()

    def prompts_for(self, samples: Samples) -> tuple[str, ...] | None:
        """As the victim."""
        return self.of.prompts_for(samples)

    def facts(self) -> dict[str, Any]:
        """What the victim's manifest says, which was true before the treatment."""
        return {f"{name}_before_treatment": value for name, value in self.of.facts().items()}
