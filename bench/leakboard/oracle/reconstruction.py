"""The answer to one image-to-image question: steps in the victim's own space, decoded when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from leakboard.asking import Step


@dataclass(frozen=True)
class Trajectory:
    """See `leakboard.api.Reconstruction`.

    Attributes:
        walk: the steps, which nobody outside gets.
        question: what was asked, in words.
        show: decodes a state and gives it out through the output defenses, given in words what it answers.
        allow_gray: raises unless the observer may see inside.
    """

    walk: list[Step]
    question: str
    show: Callable[[torch.Tensor, str], torch.Tensor]
    allow_gray: Callable[[str], None]

    def output(self) -> torch.Tensor:
        """The returned images."""
        return self._clean(len(self.walk) - 1)

    def intermediates(self) -> Iterator[torch.Tensor]:
        """The predicted clean images of every step."""
        self.allow_gray("intermediates")
        return (self._clean(step) for step in range(len(self.walk)))

    def states(self) -> Iterator[torch.Tensor]:
        """The noisy states of every step, as images."""
        self.allow_gray("states")
        return (self.show(step.state, f"{self.question} state {place}") for place, step in enumerate(self.walk))

    def _clean(self, step: int) -> torch.Tensor:
        return self.show(self.walk[step].clean, f"{self.question} step {step}")
