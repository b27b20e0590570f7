"""A limit on what may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense, LeakboardError, Refused

if TYPE_CHECKING:
    import torch

    from leakboard.api import Cost, Noise


@dataclass(frozen=True, kw_only=True)
class Budget(Defense):
    """Refuses what would go beyond so many queries or denoiser evaluations a sample; images pass as they are.

    What an attack learnt until then is its result, so that the leaderboard shows what a limited attacker still finds.

    Attributes:
        queries: requests a sample at most; None for no limit.
        evaluations: denoiser evaluations a sample at most; None for no limit.
    """

    name: ClassVar[str] = "budget"
    queries: Annotated[int, Field(ge=1)] | None = None
    evaluations: Annotated[int, Field(ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.at not in {"query", "output"}:
            raise LeakboardError(f"{self.name}(at={self.at!r}) counts no question", expected="at='query' or 'output'")
        if self.queries is None and self.evaluations is None:
            raise LeakboardError(
                "this budget limits nothing", expected="budget(queries=...) or budget(evaluations=...)"
            )

    def admit(self, asked: Cost, cost: Cost) -> None:
        """Let pass what stays within the budget.

        Raises:
            Refused: the question would go beyond it.
        """
        for what in ("queries", "evaluations"):
            limit, before, more = getattr(self, what), getattr(asked, what), getattr(cost, what)
            if limit is not None and more and before + more > limit:
                raise Refused(f"{self.name}({what}={limit}) refused more after {before:g} {what} a sample")

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """The images themselves."""
        return images
