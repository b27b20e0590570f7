"""Another observer's pairs, minus those of the victim without its adapter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Need, Oracle, Unsupported
from leakboard_plugins.observers.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class BaseDifference(Around):
    """What another observer measures of a victim that wears an adapter, minus the same with the adapter switched off.

    The base is the reference model of an attack by difficulty calibration (Watson et al. 2111.08440) that nobody has to
    train: it has seen neither the members of the adapter nor the others. Whoever was handed an adapter has the base
    too, which is public as a rule. It costs every question once more. The observer's own noise is the same on both
    sides.

    Attributes:
        of: the observer, as a spec.
    """

    name: ClassVar[str] = "base_difference"

    @property
    def needs(self) -> frozenset[Need]:
        """Those of the observer, and a victim whose adapter can be switched off."""
        return super().needs | {"base"}

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """As many pairs as the observer yields, each less that of the base.

        Raises:
            Unsupported: the victim wears no adapter, or the observer has a reference already, or asks nothing.
        """
        if self.of.null:
            raise Unsupported(f"{self.of.name} asks nothing, so there is no difference to the base")
        for pair, less in zip(self.of.observe(oracle), self.of.observe(oracle.base()), strict=True):
            if pair.less is not None:
                raise Unsupported(f"{self.of.name} subtracts something already")
            yield replace(pair, less=less)
