"""One point of the grid, its keys, and the reason it cannot run, if there is one."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
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
    "base": "an adapter that can be switched off",
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

    @functools.cached_property
    def alternatives(self) -> tuple[Cell, ...]:
        """The cells of which calibration samples choose one; itself alone where nothing is tuned."""
        parts = (self.observer.choices, self.distance.choices, self.classifier.choices)
        if all(len(choices) == 1 for choices in parts):
            return (self,)
        return tuple(
            replace(self, observer=observer, distance=distance, classifier=classifier)
            for observer, distance, classifier in itertools.product(*parts)
        )

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
        if len(self.alternatives) > 1 and self.attacker.name == "none":
            return "tune chooses by labels, and the attacker none has none"
        if len(self.alternatives) > 1 and len(self.attacker.shadows) == 1:
            return "tune chooses by shadow victims that are left out in turn: it needs two at least"
        return next(filter(None, map(_unfit, self.alternatives)), "")


def asked(cell: Cell, victim: Bound, defense: Bound) -> tuple[str, ...]:
    """Identities of what the features depend on that a cell needs of a victim under a defense.

    These are its own, or those that its attacker calibrates on.
    """
    parts = {**cell.axes, "victim": victim, "defense": defense}
    return tuple(parts[axis].identity for axis in FEATURE_AXES)


def _unfit(cell: Cell) -> str:
    """Why the components of a cell without alternatives do not fit, or an empty string."""
    space, spaces = cell.observer.only.space, cell.distance.only.spaces
    if space not in spaces:
        return f"{cell.distance.label} measures {', '.join(sorted(spaces))}, {cell.observer.label} yields {space}"
    if at(cell.defense.chain, "both") and space != "image":
        return f"{cell.defense.label} acts on images, {cell.observer.label} yields {space}"
    if cell.classifier.only.needs_shadows and not cell.attacker.shadows:
        return f"{cell.classifier.label} compares with shadow victims: attacker = shadow(victims=[...])"
    if cell.attacker.name == "none" and cell.classifier.only.trains:
        return f"{cell.classifier.label} trains on labels, and the attacker none has none"
    return _unanswered(cell)


def _unanswered(cell: Cell) -> str:
    """Why a victim or a shadow victim cannot answer the observer, or an empty string."""
    asked = cell.observer.only.access
    if not cell.observer.only.null:
        for victim in (cell.victim, *cell.attacker.shadows):
            most = victim.only.access
            if ACCESS.index(asked) > ACCESS.index(most):
                return f"{cell.observer.label} asks for {asked} access, {victim.label} answers {most} at most"
            offers = victim.only.offers
            lacking = set() if offers is None else cell.observer.only.needs - offers
            if lacking:
                return f"{cell.observer.label} needs {NEEDS[min(lacking)]}, which {victim.label} does not give"
    return ""
