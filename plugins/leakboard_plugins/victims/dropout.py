"""A victim whose network runs with dropout on: the provider's answers are random, and another one each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from leakboard.api import Access, LeakboardError, Model, Need, Victim
from leakboard_plugins.victims.around import Around


@dataclass(frozen=True, kw_only=True)
class Dropout(Around):
    """Another victim whose denoiser drops a share of its activations while it answers (Gal, Ghahramani 1506.02142).

    Its own dropout layers do, which are off after training. What is dropped belongs to the question and the sample, so
    an answer does not depend on the batch, and a question that is asked again gets another answer. It is a defense
    of whoever answers: who holds the weights switches it off, so there is no white-box access.

    Attributes:
        of: the victim, as a spec.
        p: share of the activations that is dropped.
    """

    name: ClassVar[str] = "dropout"
    draws: ClassVar[bool] = True
    of: Victim
    p: Annotated[float, Field(gt=0, lt=1)] = 0.1

    @property
    def inside(self) -> Victim:
        """The victim that drops; it is judged without dropout."""
        return self.of

    @property
    def access(self) -> Access:
        """That of the victim, but gray at most."""
        return "black" if self.of.access == "black" else "gray"

    @property
    def offers(self) -> frozenset[Need] | None:
        """What the victim offers, without gradients."""
        return None if self.of.offers is None else self.of.offers - {"gradients"}

    def open(self, device: str) -> Model:
        """The victim's model on ``device``, with its dropout layers on.

        Raises:
            Unsupported: its networks are not given out.
            LeakboardError: its denoiser has no dropout layers.
        """
        from leakboard_plugins.victims.dropping import DroppingModel, drop

        model = self.of.open(device)
        dropped = drop(model.networks()["denoiser"], self.p)
        if not dropped.layers:
            raise LeakboardError(
                f"the network of {self.of.name} has no dropout layers",
                where=f"dropout(of={self.of.name!r})",
                expected="a network of diffusers with torch.nn.Dropout among its layers",
            )
        return DroppingModel(model, dropped)
