"""One point of the grid, its keys, and the reason it cannot run, if there is one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard import keys
from leakboard.asking import ACCESS
from leakboard.grid.attackers import Attacker
from leakboard.kinds import AXES, FEATURE_AXES
from leakboard.registry.bind import Bound, at

if TYPE_CHECKING:
    from leakboard.kinds import Axis, Sides
    from leakboard.store.rows import Labels

NEEDS = {
    "noise": "predictions of noise",
    "velocity": "the velocity of a flow",
    "prompts": "answers to texts",
    "gradients": "gradients",
}
"""What a victim lacks, in words."""
SELECTABLE = (*AXES, "attacker", "labels", "seed", "attack")
"""What patterns pick cells by."""


@dataclass(frozen=True)
class Cell:
    """One number-producing combination.

    Attributes:
        attacker: what the classifier is calibrated on.
        labels: ``permuted`` shuffles the member flags: a null check.
        sides: how many members and non-members are in use.
        calibration: share of the samples that classifiers and thresholds may see.
        attack: name of the published attack this is, or an empty string.
    """

    dataset: Bound
    victim: Bound
    defense: Bound
    observer: Bound
    distance: Bound
    classifier: Bound
    attacker: Attacker
    labels: Labels
    seed: int
    sides: Sides
    calibration: float
    attack: str = ""

    @functools.cached_property
    def axes(self) -> dict[Axis, Bound]:
        """Its component on every axis."""
        return {axis: getattr(self, axis) for axis in AXES}

    @functools.cached_property
    def key(self) -> str:
        """Content key of the cell's result; the attack's name is not part of it."""
        identities = [part.identity for part in self.axes.values()]
        attacker = self.attacker.identity
        return keys.cell_key(identities, attacker, self.labels, self.seed, self.sides, self.calibration)

    @property
    def is_null(self) -> bool:
        """True where any leak found would be an error of the harness or the data."""
        return self.labels == "permuted" or self.observer.only.null or self.victim.only.null

    def axis(self, name: str) -> tuple[str, ...]:
        """The spellings under which one axis can be selected."""
        value = getattr(self, name)
        if isinstance(value, (Bound, Attacker)):
            return value.spec, value.shown, value.label
        return (str(value),)

    def skip_reason(self) -> str:
        """Why the components do not fit, or an empty string."""
        space, spaces = self.observer.only.space, self.distance.only.spaces
        if space not in spaces:
            return f"{self.distance.label} measures {', '.join(sorted(spaces))}, {self.observer.label} yields {space}"
        if at(self.defense.chain, "both") and space != "image":
            return f"{self.defense.label} acts on images, {self.observer.label} yields {space}"
        if self.classifier.only.needs_shadows and not self.attacker.shadows:
            return f"{self.classifier.label} compares with shadow victims: attacker = shadow(victims=[...])"
        if self.attacker.name == "none" and self.classifier.only.trains:
            return f"{self.classifier.label} trains on labels, and the attacker none has none"
        return self._unanswered()

    def _unanswered(self) -> str:
        """Why a victim or a shadow victim cannot answer the observer, or an empty string."""
        asked = self.observer.only.access
        if not self.observer.only.null:
            for victim in (self.victim, *self.attacker.shadows):
                most = victim.only.access
                if ACCESS.index(asked) > ACCESS.index(most):
                    return f"{self.observer.label} asks for {asked} access, {victim.label} answers {most} at most"
                offers = victim.only.offers
                lacking = set() if offers is None else self.observer.only.needs - offers
                if lacking:
                    return f"{self.observer.label} needs {NEEDS[min(lacking)]}, which {victim.label} does not give"
        return ""


def asked(cell: Cell, victim: Bound, defense: Bound) -> tuple[str, ...]:
    """Identities of what the features depend on that a cell needs of a victim under a defense.

    These are its own, or those that its attacker calibrates on.
    """
    parts = {**cell.axes, "victim": victim, "defense": defense}
    return tuple(parts[axis].identity for axis in FEATURE_AXES)
