"""What a dataset owes: images in range, ids that stay, and samples of both kinds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.kinds import Sides
from leakboard.samples import opaque
from leakboard.tasks.sample_checks import check_samples
from leakboard.tasks.splits import choose
from leakboard.testing.checks import Check, Subject

if TYPE_CHECKING:
    import numpy.typing as npt

CHANCE = 4.5
"""Standard errors of an AUC of one half within which it is taken for one: beyond lie 7 in a million."""


def _whole(subject: Subject) -> None:
    check_samples(subject.made.load(), subject.made.name)


def _stable(subject: Subject) -> None:
    first, second = subject.made.load(), subject.made.load()
    assert all(isinstance(name, str) and name for name in first.ids), "ids are not all texts"
    assert first.ids == second.ids, "ids differ the second time"
    assert (first.member == second.member).all(), "member flags differ the second time"
    assert first.prompts == second.prompts, "prompts differ the second time"
    assert bool((first.images == second.images).all()), "images differ the second time"


def _different(subject: Subject) -> None:
    images = subject.made.load().images
    assert float(images.max()) > float(images.min()), "all images are one flat colour"


def _order(subject: Subject) -> None:
    """What every observer sees beside the images: where a sample stands, and what it is called."""
    given = subject.made.load()
    rows = choose(given.ids, given.member, Sides())
    member = given.member[rows]
    half = np.arange(len(rows)) < len(rows) // 2
    names = opaque([given.ids[row] for row in rows])
    seen = {
        "the parity of its row": np.arange(len(rows)) % 2,
        "its row": np.arange(len(rows)),
        "its id": np.array([[int(sample[place : place + 2], 16) for place in range(0, 32, 2)] for sample in names]),
    }
    for what, columns in seen.items():
        scores = _guessed(columns.reshape(len(rows), -1).astype(np.float64), member, half)
        higher = scores[member[~half]][:, None] - scores[~member[~half]]
        wins, pairs = float(((higher > 0) + 0.5 * (higher == 0)).sum()), higher.size
        error = math.sqrt((len(scores) + 1) / (12 * pairs))
        assert abs(wins / pairs - 0.5) <= CHANCE * error, f"{what} tells who is a member: AUC {wins / pairs:.3f}"


def _guessed(columns: npt.NDArray[np.float64], member: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> Any:
    """Scores of the unknown samples by the direction from the mean of the known non-members to that of members."""
    scaled = (columns - columns.mean(0)) / (columns.std(0) + 1e-9)
    towards = scaled[known & member].mean(0) - scaled[known & ~member].mean(0)
    return scaled[~known] @ towards


CHECKS = (
    Check("ids, images, flags and prompts fit", _whole),
    Check("the same every time", _stable),
    Check("images show something", _different),
    Check("row order and ids tell nothing", _order),
)
