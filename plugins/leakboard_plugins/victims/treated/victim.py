"""What all treatments of one victim have in common: everything but the weights is that victim's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import Model, Victim  # noqa: TC001 - parameters are checked against their types
from leakboard_plugins.victims.around import Around

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Treated(Around):
    """Another victim, the weights of whose denoiser are changed when it is opened.

    Its members are that victim's, and so are prompts, sizes and what it answers. What the manifest says of loss and
    quality is no longer true, so it is told apart, and the run measures both anew.
    """

    of: Victim
    """The victim, as a spec."""

    @property
    def inside(self) -> Victim:
        """The victim that is treated; the gate refuses what a treatment has put at chance."""
        return self.of

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

    def facts(self) -> dict[str, Any]:
        """What the victim's manifest says, which was true before the treatment."""
        return {f"{name}_before_treatment": value for name, value in super().facts().items()}
