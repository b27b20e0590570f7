"""One point of the grid, its keys, and the reason it cannot run, if there is one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from leakboard import keys
from leakboard.api import AXES
from leakboard.registry.bind import Bound, at

Attacker = Literal["adaptive", "naive"]
Labels = Literal["true", "permuted"]
SELECTABLE = (*AXES, "attacker", "labels", "seed", "attack")
"""What patterns pick cells by."""


@dataclass(frozen=True)
class Cell:
    """One number-producing combination.

    Attributes:
        attacker: ``adaptive`` calibrates its classifier under the defense, ``naive`` on the undefended victim.
        labels: ``permuted`` shuffles the member flags: a null check.
        samples: samples a side, 0 for all.
        calibration: share of the samples that classifiers and thresholds may see.
        attack: name of the published attack this is, or an empty string.
        undefended: the empty defense, whose features a naive attacker calibrates on.
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
    samples: int
    calibration: float
    undefended: Bound
    attack: str = ""

    @functools.cached_property
    def key(self) -> str:
        """Content key of the cell's result; the attack's name is not part of it."""
        parts = (self.dataset, self.victim, self.defense, self.observer, self.distance, self.classifier)
        identities = [part.identity for part in parts]
        return keys.cell_key(identities, self.attacker, self.labels, self.seed, self.samples, self.calibration)

    @property
    def is_null(self) -> bool:
        """True where any leak found would be an error of the harness or the data."""
        return self.labels == "permuted" or self.observer.only.null or self.victim.only.null

    @property
    def calibration_defense(self) -> Bound:
        """The defense under which the classifier is calibrated."""
        return self.undefended if self.attacker == "naive" else self.defense

    def axis(self, name: str) -> tuple[str, ...]:
        """The spellings under which one axis can be selected."""
        value = getattr(self, name)
        return (value.spec, value.label) if isinstance(value, Bound) else (str(value),)

    def skip_reason(self) -> str:
        """Why the components do not fit, or an empty string."""
        space, spaces = self.observer.only.space, self.distance.only.spaces
        if space not in spaces:
            return f"{self.distance.label} measures {', '.join(sorted(spaces))}, {self.observer.label} yields {space}"
        if at(self.defense.chain, "both") and space != "image":
            return f"{self.defense.label} acts on images, {self.observer.label} yields {space}"
        return ""


def features_key(cell: Cell, defense: Bound, start: int, stop: int) -> str:
    """Content key of one shard of features: samples ``start`` to ``stop``, in the order of `splits.choose`."""
    parts = (cell.dataset, cell.victim, defense, cell.observer, cell.distance)
    return keys.features_key([part.identity for part in parts], cell.seed, start, stop)
