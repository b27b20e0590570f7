"""Content keys: what a result depends on, and nothing else. Every key rule stands here, and takes identities alone."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.kinds import Sides

Stage = Literal["samples", "answers", "contact sheets", "features", "scores", "measures"]

FORMATS: dict[Stage, int] = {
    "samples": 2,
    "answers": 2,
    "contact sheets": 1,
    "features": 2,
    "scores": 2,
    "measures": 1,
}
"""One number a stage, raised when a change to the harness changes what the stage gives; that stage and those after it
are then computed again, and none before it."""

BEFORE: dict[Stage, tuple[Stage, ...]] = {
    "samples": (),
    "answers": (),
    "contact sheets": ("answers",),
    "features": ("answers",),
    "scores": ("answers", "features"),
    "measures": ("answers", "features", "scores"),
}
"""What each stage is made of. A list of samples is the dataset's own; how it is kept changes nothing after it."""


def content_key(stage: Stage, what: str, *parts: Any) -> str:
    """sha256 over what the key is of, the formats of its stage and of those before, and the identities behind it."""
    formats = [FORMATS[each] for each in (*BEFORE[stage], stage)]
    return hashlib.sha256(json.dumps([what, *formats, *parts], sort_keys=True).encode()).hexdigest()


def samples_key(dataset: str) -> str:
    """Key of the list of all samples of a dataset, from its identity."""
    return content_key("samples", "samples", dataset)


def contact_sheet_key(dataset: str, victim: str, defense: str, seed: int) -> str:
    """Key of the pictures shown for one victim behind one defense, from component identities."""
    return content_key("contact sheets", "preview", dataset, victim, defense, seed)


def fidelity_key(dataset: str, victim: str, defense: str, seed: int) -> str:
    """Key of the numbers that stand in the place of these pictures where no picture is kept."""
    return content_key("contact sheets", "fidelity", dataset, victim, defense, seed)


def quality_key(victim: str, dataset: str, images: int, sides: Sides) -> str:
    """Key of how good a victim is on a dataset.

    Args:
        victim: its identity.
        dataset: identity of the dataset.
        images: that it generated, and at most that it was asked about of each side.
        sides: how many members and non-members are in use.
    """
    return content_key("answers", "quality", victim, dataset, images, list(sides))


def features_key(asked: Sequence[str], seed: int, ids: Sequence[str]) -> str:
    """Key of one shard of features.

    Args:
        asked: identities of dataset, victim, defense, observer and distance.
        seed: of all noise.
        ids: the samples, in their order.
    """
    return content_key("features", "features", list(asked), seed, list(ids))


def cell_key(axes: Sequence[str], attacker: Any, labels: str, seed: int, sides: Sides, calibration: float) -> str:
    """Key of one point of the grid. What is measured of its scores is not part of it: see `measure_key`.

    Args:
        axes: identities of its components, one an axis.
        attacker: what its classifier is calibrated on, as JSON knows it.
        labels: ``true`` or ``permuted``.
        seed: of the split and of all noise.
        sides: how many members and non-members are in use.
        calibration: share of the samples that classifiers and thresholds may see.
    """
    # one number where it says both: so it was written before sides could differ, and those results still count
    samples = sides.members if sides.members == sides.nonmembers != 0 else list(sides)
    return content_key("scores", "cell", list(axes), attacker, labels, seed, samples, calibration)


def pool_key(victim: str, dataset: str, question: str) -> str:
    """Key of generated images that all samples share: of a victim, asked about a dataset, and what was asked.

    The dataset stands for what the victim makes of it: how images are fitted, and whether there are prompts. Both are
    known only to who opens them, and the key has to be known to who plans.
    """
    return content_key("answers", "pool", victim, dataset, question)


PAID = ("answer", "api")
"""Kinds of files that money stands for; their keys end with the kind, so that they are known without a store."""


def paid_key(kind: str, text: str) -> str:
    """Key of what was paid for, from what was asked, of whom, or on which account: no format makes it be paid again."""
    return f"{hashlib.sha256(text.encode()).hexdigest()}-{kind}"


def paid_kind(key: str) -> str:
    """The kind of a file that money stands for, from its key; an empty string for all others."""
    kind = key.rpartition("-")[2]
    return kind if kind in PAID else ""


def scores_key(cell: str) -> str:
    """Key of a cell's scores."""
    return content_key("scores", "scores", cell)


def measure_key(name: str, code: str, bounds: tuple[float, float]) -> str:
    """Key of a measure, short, for it stands beside every number: its name, its code, and which numbers are taken.

    Its title and format are no part of it, for they only show what is stored.
    """
    return content_key("measures", "measure", name, code, [float(bound) for bound in bounds])[:16]
