"""What a defense owes: images of the same shape and range, and no randomness but the noise it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import Refused, Unsupported
from leakboard.asking import Cost
from leakboard.noise import seeder
from leakboard.oracle.provider import defended
from leakboard.testing.checks import COUNT, Check, Subject, agree, images, samples, unchanged

if TYPE_CHECKING:
    import torch

    from leakboard.api import Defense


def _applied(defense: Defense, shown: torch.Tensor, rows: slice = slice(None)) -> torch.Tensor:
    """Images after the defense; the harness itself checks shape, type and range."""
    some = samples().take(range(*rows.indices(COUNT)))
    return defended(defense, shown[rows], seeder(0, some.ids), "check")


def _kept(subject: Subject) -> None:
    _applied(subject.made, images())
    _applied(subject.made, images() * 0)
    _applied(subject.made, images() * 0 + 1)


def _grey(subject: Subject) -> None:
    _applied(subject.made, images(channels=1, side=28))


def _odd(subject: Subject) -> None:
    shown = images(side=32)[:, :, :, :19]
    try:
        _applied(subject.made, shown)
    except Unsupported:
        raise
    except Exception as error:
        raise AssertionError(f"it cannot take images that are not square: {error}") from error


def _batch(subject: Subject) -> None:
    whole = _applied(subject.made, images())
    for row in range(COUNT):
        alone = _applied(subject.made, images(), slice(row, row + 1))
        agree(alone, whole[row : row + 1], f"image {row} alone and in its batch")


def _repeatable(subject: Subject) -> None:
    import torch

    shown = images()
    subject.made.apply(shown, lambda like, draw=0: torch.zeros_like(like))  # noqa: ARG005 - the protocol's signature
    unchanged(images(), shown, "the images")
    first, second = _applied(subject.made, shown), _applied(subject.made, shown)
    assert bool((first == second).all()), "it differs the second time: take randomness from `noise` alone"


def _admits(subject: Subject) -> None:
    first = [_admitted(subject.made, Cost(count, 10 * count)) for count in range(0, 2000, 50)]
    again = [_admitted(subject.made, Cost(count, 10 * count)) for count in range(0, 2000, 50)]
    assert first == again, "it admits the same question once and refuses it another time: let the costs alone decide"
    assert first == sorted(first, reverse=True), "it refuses a question and admits one after more had been asked"


def _remarks(subject: Subject) -> None:
    for count in (0, 7, 2000):
        one, again = (subject.made.remark(Cost(count, 10 * count), Cost(3 * count)) for _ in range(2))
        assert isinstance(one, str), f"remark gives {one!r:.80}, expected a text"
        assert one == again, "it remarks another thing the second time: let the costs alone decide"


def _admitted(defense: Defense, asked: Cost) -> bool:
    reason: Refused | None = None
    try:
        defense.admit(asked, Cost(1, 10))
    except Refused as refusal:
        reason = refusal
    assert reason is None or str(reason).strip(), "it refuses without a reason"
    return reason is None


CHECKS = (
    Check("shape, type and range are kept", _kept),
    Check("grey images", _grey),
    Check("images that are not square", _odd),
    Check("independent of the batch", _batch),
    Check("repeatable, images untouched", _repeatable),
    Check("admits by what was asked alone", _admits),
    Check("remarks by what was asked alone", _remarks),
)
