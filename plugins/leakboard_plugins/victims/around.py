"""What a victim that stands around another one takes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import Access, Fit, Need, Victim, WorksIn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Mask, Samples


@dataclass(frozen=True, kw_only=True)
class Around(Victim):
    """A victim that opens another one and changes how it answers: all else is that victim's."""

    @property
    def inside(self) -> Victim:
        """The other victim."""
        raise NotImplementedError

    @property
    def access(self) -> Access:
        """That of the victim inside."""
        return self.inside.access

    @property
    def works_in(self) -> WorksIn:
        """As the victim inside."""
        return self.inside.works_in

    @property
    def offers(self) -> frozenset[Need] | None:
        """As the victim inside."""
        return self.inside.offers

    @property
    def evaluations_per_step(self) -> int:
        """As the victim inside."""
        return self.inside.evaluations_per_step

    @property
    def fit(self) -> Fit:
        """As the victim inside."""
        return self.inside.fit

    @property
    def gated(self) -> bool:
        """As the victim inside."""
        return self.inside.gated

    @property
    def null(self) -> bool:
        """As the victim inside: what has learnt nothing has nothing to leak, whatever is done to it."""
        return self.inside.null

    def members(self, ids: Sequence[str]) -> Mask | None:
        """Those of the victim inside."""
        return self.inside.members(ids)

    def trained_on(self) -> str | None:
        """As the victim inside."""
        return self.inside.trained_on()

    def prompts_for(self, samples: Samples) -> tuple[str, ...] | None:
        """As the victim inside."""
        return self.inside.prompts_for(samples)

    def facts(self) -> dict[str, Any]:
        """Those of the victim inside."""
        return self.inside.facts()
